package wholefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// ErrExposed reports a file of a secret that others may have read, or may change.
var ErrExposed = errors.New("wholefile: others can read or change it")

// ErrTooLong reports a file that is longer than its reader takes.
var ErrTooLong = errors.New("wholefile: file too long")

// ReadSecret reads a file of at most that many bytes that only its owner may
// read, and that is the caller's (H36). Root also takes files of whoever owns
// their folder: a service's, looked at by its administrator.
func ReadSecret(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, &exposedError{fmt.Sprintf("%s can be read or changed by others (mode %04o): say chmod 600 %s, and think about who may have read it", path, info.Mode().Perm(), path)}
	case info.Size() > most:
		return nil, fmt.Errorf("%w: %s has %d bytes, the most are %d", ErrTooLong, path, info.Size(), most)
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if who, ok := foreign(info, folder); ok {
		return nil, &exposedError{fmt.Sprintf("%s belongs to %s, who can read and change it: say chown %s %s, and think about who may have read it", path, who, ownerOf(folder), path)}
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, err
	}
	return b, nil
}

// An exposedError is an [ErrExposed] that says what to do.
type exposedError struct{ text string }

func (e *exposedError) Error() string        { return e.text }
func (e *exposedError) Is(target error) bool { return target == ErrExposed }
