package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// pointer is the file that names the folder of the network of processes which
// was started last, so that other commands find it.
func pointer() (string, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(dir) {
		dir = os.Getenv("XDG_STATE_HOME")
	}
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "nym-socks5", "localnet", "running"), nil
}

// pointTo makes the pointer name a folder.
func pointTo(dir string) error {
	path, err := pointer()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".running.*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(dir + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// pointedTo gives the folder that the pointer names; empty if there is none.
func pointedTo() (string, error) {
	path, err := pointer()
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// pointAway removes the pointer if it still names the folder.
func pointAway(dir string) error {
	at, err := pointedTo()
	if err != nil || at != dir {
		return err
	}
	path, err := pointer()
	if err == nil {
		err = os.Remove(path)
	}
	return err
}

// runningDir gives the folder of a network that runs: the one that was named,
// or that of the network which was started last.
func runningDir(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	dir, err := pointedTo()
	if err == nil && dir == "" {
		err = fmt.Errorf("there is no network of processes; begin one with localnet run --processes, or say where it is with --dir")
	}
	return dir, err
}
