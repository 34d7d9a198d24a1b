package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"nym-socks5/internal/admit"
)

// A Request is what can be asked of a network that runs.
type Request struct {
	Do   string `json:"do"`             // list, start, stop or kill
	Name string `json:"name,omitempty"` // of a part; not for list
}

// An answer is what comes back: an error, or all parts as they stand then.
type answer struct {
	Error string `json:"error,omitempty"`
	Parts []Info `json:"parts,omitempty"`
}

// ErrNotRunning reports a folder whose network does not run.
var ErrNotRunning = errors.New("fleet: no network runs there")

// Ask asks the network that runs in a folder, and gives its parts as they stand
// afterwards. Without one the error wraps [ErrNotRunning].
func Ask(ctx context.Context, dir string, r Request) ([]Info, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", folder(dir).socket(control))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotRunning, dir)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if err := json.NewEncoder(c).Encode(r); err != nil {
		return nil, fmt.Errorf("fleet: ask %s: %w", dir, err)
	}
	var a answer
	if err := json.NewDecoder(c).Decode(&a); err != nil {
		return nil, fmt.Errorf("fleet: ask %s: %w", dir, errors.Join(ctx.Err(), err))
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Parts, nil
}

// parseRequest reads one request: a line of JSON.
func parseRequest(line []byte) (r Request, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("fleet: request: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return r, errors.New("fleet: request: there is more than one")
	}
	switch {
	case r.Do == "list" && r.Name != "":
		return r, errors.New("fleet: request: list takes no name")
	case r.Do == "list":
	case r.Do != "start" && r.Do != "stop" && r.Do != "kill":
		return r, fmt.Errorf("fleet: request: %q cannot be done", r.Do)
	case r.Name == "":
		return r, errors.New("fleet: request: no name")
	}
	return r, nil
}

// idle reports an error if a network runs in the folder.
func (f folder) idle() error {
	c, err := net.Dial("unix", f.socket(control))
	if err != nil {
		return nil
	}
	c.Close()
	return fmt.Errorf("fleet: a network runs in %s already", string(f))
}

// openControl opens the socket, unless a network runs in this folder. Who may
// open the folder may use the socket, and that is its owner.
func (n *Network) openControl() (net.Listener, error) {
	if err := n.folder.idle(); err != nil {
		return nil, err
	}
	path := n.folder.socket(control)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// serveControl answers requests until ctx ends.
func (n *Network) serveControl(ctx context.Context, ln net.Listener) {
	var all sync.WaitGroup
	defer all.Wait()
	err := admit.Accept(ctx, ln, n.log, func(c net.Conn) {
		all.Go(func() { n.answer(ctx, c) })
	})
	if err != nil {
		n.log.Error().Err(err).Msg("control socket lost")
	}
}

// answer answers one request.
func (n *Network) answer(ctx context.Context, c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	c.SetDeadline(time.Now().Add(controlWithin))
	line, err := bufio.NewReader(io.LimitReader(c, maxRequest)).ReadBytes('\n')
	if err != nil {
		return
	}
	var a answer
	r, err := parseRequest(line)
	if err == nil {
		err = n.do(ctx, r)
	}
	if err != nil {
		a.Error = err.Error()
	} else {
		a.Parts = n.List()
	}
	json.NewEncoder(c).Encode(a)
}

func (n *Network) do(ctx context.Context, r Request) error {
	switch r.Do {
	case "start":
		return n.Start(ctx, r.Name)
	case "stop":
		return n.Stop(ctx, r.Name)
	case "kill":
		return n.Kill(ctx, r.Name)
	}
	return nil
}
