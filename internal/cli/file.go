package cli

import (
	"errors"
	"os"
	"strings"

	"nym-socks5/internal/wholefile"
)

// exists reports whether there is something at a path.
func exists(path string) (bool, error) {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return true, nil
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	default:
		return false, err
	}
}

// ReadSecret reads a file that only its owner may read (H36).
func ReadSecret(path string) ([]byte, error) {
	b, err := wholefile.ReadSecret(path, maxSecret)
	if errors.Is(err, wholefile.ErrExposed) || errors.Is(err, wholefile.ErrTooLong) {
		err = Invalid("%s", strings.TrimPrefix(err.Error(), "wholefile: "))
	}
	return b, err
}
