// Command run makes the container image of what "make dist" left in a folder:
//
//	run DIST     writes DIST/nym-socks5_VERSION_oci.tar
//
// It runs in the folder deploy.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"nym-socks5/deploy/image"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("image: say which folder make dist wrote to")
	}
	dist := args[0]
	about, err := readAbout(filepath.Join(dist, "stage", "about"))
	if err != nil {
		return err
	}
	folders, err := filepath.Glob(filepath.Join(dist, "stage", "linux_*"))
	if err != nil {
		return err
	}
	var sources []image.Source
	for _, folder := range folders {
		s := about
		s.Arch = strings.TrimPrefix(filepath.Base(folder), "linux_")
		temp, err := os.MkdirTemp("", "image-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		if err := os.CopyFS(temp, os.DirFS(filepath.Join(folder, "bin"))); err != nil {
			return err
		}
		if err := buildProbe(filepath.Join(temp, "probe"), s.Arch); err != nil {
			return err
		}
		s.Programs = temp
		sources = append(sources, s)
	}
	path := filepath.Join(dist, "nym-socks5_"+about.Version+"_oci.tar")
	if err := image.Write(path, sources); err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}

// readAbout reads what make dist wrote of the commit.
func readAbout(path string) (s image.Source, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, fmt.Errorf("image: make dist comes first: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		switch name {
		case "version":
			s.Version = value
		case "revision":
			s.Revision = value
		case "time":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return s, fmt.Errorf("image: %s: %w", path, err)
			}
			s.Time = time.Unix(seconds, 0).UTC()
		}
	}
	if s.Version == "" || s.Time.IsZero() {
		return s, fmt.Errorf("image: %s says neither version nor time", path)
	}
	return s, nil
}

// buildProbe builds the health check. It is of the working tree, as this program is.
func buildProbe(path, arch string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "./probe")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GORISCV64=rva20u64")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
