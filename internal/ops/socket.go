package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"syscall"
)

// ErrNotRunning reports that nobody answers at a socket.
var ErrNotRunning = errors.New("ops: the program does not run")

// ErrPathTooLong reports a socket whose path no system takes.
var ErrPathTooLong = fmt.Errorf("ops: the path of a socket has at most %d bytes", maxSocketPath)

// Listen opens the owner's socket, in a folder that only the owner can enter. One that
// an earlier run left is removed: whoever calls holds the lock of the folder.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%w, %s has %d", ErrPathTooLong, path, len(path))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// Ask asks the program behind a socket for its status. It fails with [ErrNotRunning]
// where none is.
func Ask(ctx context.Context, path string) (st Status, err error) {
	web := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/status.json", nil)
	if err != nil {
		return st, err
	}
	resp, err := web.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return st, ErrNotRunning
	case err != nil:
		return st, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return st, fmt.Errorf("ops: answered with status %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxStatus)).Decode(&st); err != nil {
		return st, fmt.Errorf("ops: status: %w", err)
	}
	return st, nil
}

// quiet drops what net/http would log.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
