package wholefile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// Write writes a file whole or not at all (H36): whoever opens it sees the old
// content or the new, also after a power failure. A file that root writes into
// somebody's folder belongs to that user, who could not read it otherwise.
func Write(path string, content []byte, mode os.FileMode) error {
	return write(osDisk{}, path, content, mode)
}

// MakeFolder makes a folder that only its owner may use, unless it is there. Like a
// file, it belongs to the owner of the folder above it.
func MakeFolder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		if info, bad := os.Stat(dir); bad == nil && info.IsDir() {
			return nil
		}
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(HandOver(f), f.Close())
}

// A disk is what Write needs of a file system. The other one is in the tests: it
// loses what was not synced.
type disk interface {
	create(dir, pattern string) (file, error)
	rename(from, to string) error
	remove(path string) error
	syncDir(dir string) error
}

type file interface {
	Name() string
	Write([]byte) (int, error)
	Chmod(os.FileMode) error
	Sync() error
	Close() error
}

func write(d disk, path string, content []byte, mode os.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := d.create(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = d.rename(f.Name(), path); err != nil {
		return err
	}
	return d.syncDir(dir)
}

type osDisk struct{}

func (osDisk) create(dir, pattern string) (file, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	if err := HandOver(f); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

func (osDisk) rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) remove(path string) error     { return os.Remove(path) }

// syncDir makes the names in a folder survive a power failure.
func (osDisk) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be opened there, and names are journaled
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
