package fleet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A folder is where a network's files are.
type folder string

func (f folder) settings(part string) string { return filepath.Join(string(f), "etc", part+".toml") }
func (f folder) state(part string) string    { return filepath.Join(string(f), "state", part) }
func (f folder) log(part string) string      { return filepath.Join(string(f), "log", part+".log") }
func (f folder) socket(name string) string   { return filepath.Join(string(f), "run", name) }

// control is the name of the socket that [Ask] uses.
const control = "control"

// instance gives the flags that choose a part's instance.
func (f folder) instance(part string) []string {
	return []string{"--config", f.settings(part), "--state-dir", f.state(part)}
}

// has reports whether there is an instance of the part.
func (f folder) has(part string) (bool, error) {
	switch _, err := os.Lstat(f.settings(part)); {
	case err == nil:
		return true, nil
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	default:
		return false, err
	}
}

// make makes the folders that are not there yet.
func (f folder) make(subs ...string) error {
	for _, sub := range subs {
		if err := os.MkdirAll(filepath.Join(string(f), sub), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// subs are the folders of a network.
var subs = []string{"etc", "state", "log", "run"}

// prepare makes the folder of a network, unless there is one. It refuses a
// folder of somebody else.
func (f folder) prepare() error {
	there, err := f.has(progDirectory)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(string(f))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	foreign := func(e os.DirEntry) bool { return !e.IsDir() || !slices.Contains(subs, e.Name()) }
	if !there && slices.ContainsFunc(entries, foreign) {
		return fmt.Errorf("fleet: %s is not empty, and holds no network; choose another folder", string(f))
	}
	return f.make(subs...)
}

// checkSockets reports a folder whose path is too long for sockets in it.
func (f folder) checkSockets(parts []Part) error {
	for _, p := range parts {
		if path := f.socket(p.Name); len(path) > maxSocket {
			return fmt.Errorf("fleet: the path %s is too long for sockets, which may have %d letters: choose another folder", path, maxSocket)
		}
	}
	return nil
}
