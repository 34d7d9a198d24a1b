package release

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

// baselines are the oldest processors that programs run on. They are set, since
// the environment could say otherwise.
var baselines = []string{"GOAMD64=v1", "GOARM64=v8.0", "GORISCV64=rva20u64"}

// command makes a command that runs in a folder. What it prints to standard
// error becomes its error.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (out []byte, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	said := new(bytes.Buffer)
	cmd.Stderr = said
	if out, err = cmd.Output(); err != nil {
		return nil, fmt.Errorf("release: %s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, said)
	}
	return out, nil
}

// checkout clones a repository into a folder, at a revision. The clone has the
// tags, which the version is read from, and nothing that is not committed.
func checkout(ctx context.Context, repository, revision, dir string) error {
	commit, err := command(ctx, repository, nil, "git", "rev-parse", "--verify", revision+"^{commit}")
	if err != nil {
		return err
	}
	if _, err := command(ctx, repository, nil, "git", "clone", "--quiet", "--no-checkout", ".", dir); err != nil {
		return err
	}
	_, err = command(ctx, dir, nil, "git", "checkout", "--quiet", "--detach", strings.TrimSpace(string(commit)))
	return err
}

// compile builds the programs of a source for a target into a folder. The cache
// is where the toolchain keeps what it compiled before; empty: where it likes.
func compile(ctx context.Context, source string, t Target, bin, cache string, packages []string) error {
	env := append(baselines[:len(baselines):len(baselines)],
		"GOOS="+t.OS, "GOARCH="+t.Arch, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off")
	if cache != "" {
		env = append(env, "GOCACHE="+cache)
	}
	args := []string{"build", "-mod=readonly", "-buildvcs=true", "-trimpath", "-ldflags=-s -w", "-o", bin + string(filepath.Separator)}
	_, err := command(ctx, source, env, "go", append(args, packages...)...)
	return err
}

// An origin says what programs were built from.
type origin struct {
	Version  string    // as the Go toolchain writes it, such as v1.2.3
	Revision string    // commit
	Time     time.Time // of the commit
}

// A program is a file, and what the toolchain wrote into it.
type program struct {
	name string // without the end that files have on some systems
	path string
	info *debug.BuildInfo
}

// programs reads all programs of a folder.
func programs(bin string, t Target) (all []program, err error) {
	files, err := os.ReadDir(bin)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		path := filepath.Join(bin, f.Name())
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("release: %s: %w", path, err)
		}
		all = append(all, program{strings.TrimSuffix(f.Name(), t.exe()), path, info})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("release: no programs were built for %v", t)
	}
	return all, nil
}

// originOf reads what a program was built from. It refuses one that does not
// say, or that was built from a changed tree.
func originOf(info *debug.BuildInfo) (o origin, err error) {
	o.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			o.Revision = s.Value
		case "vcs.time":
			if o.Time, err = time.Parse(time.RFC3339, s.Value); err != nil {
				return o, fmt.Errorf("release: time of the commit: %w", err)
			}
		case "vcs.modified":
			if s.Value != "false" {
				return o, errors.New("release: a program was built from files that are not committed")
			}
		}
	}
	if o.Version == "" || o.Version == "(devel)" || o.Revision == "" || o.Time.IsZero() {
		return o, errors.New("release: a program does not say what it was built from")
	}
	return o, nil
}
