//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"nym-socks5/internal/wholefile"
)

// lock takes a file for this process, until it is closed.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := wholefile.HandOver(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case err == nil:
		return f, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		f.Close()
		return nil, Temporary(fmt.Errorf("another program uses %s: stop it first, or choose another --id", filepath.Dir(path)))
	default:
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
}
