package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// targetName is a name that only the demo's requester can resolve.
const targetName = "demo.localnet.example"

// A target is the web server that the demo fetches from and sends to.
type target struct {
	server   *http.Server
	ln       net.Listener
	body     []byte       // what GET /data gives
	uploaded atomic.Int64 // bytes of PUT /data so far, of all that ever came
	held     net.Conn     // holds a port on which nobody can listen
}

// newTarget opens a target on a free port of 127.0.0.1, whose page has size
// random bytes.
func newTarget(ctx context.Context, size int64) (*target, error) {
	t := &target{body: make([]byte, size)}
	rand.Read(t.body)
	var err error
	if t.ln, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("web server: %w", err)
	}
	if t.held, err = new(net.Dialer).DialContext(ctx, "tcp4", t.ln.Addr().String()); err != nil {
		t.ln.Close()
		return nil, fmt.Errorf("web server: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /data", t.get)
	mux.HandleFunc("PUT /data", t.put)
	t.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return t, nil
}

// run serves until ctx ends.
func (t *target) run(ctx context.Context) error {
	defer t.held.Close()
	defer context.AfterFunc(ctx, func() { t.server.Close() })()
	if err := t.server.Serve(t.ln); ctx.Err() == nil {
		return fmt.Errorf("web server: %w", err)
	}
	return nil
}

// addr is where the server is.
func (t *target) addr() netip.AddrPort { return t.ln.Addr().(*net.TCPAddr).AddrPort() }

// closedAddr is an address of this machine where every connection is refused.
func (t *target) closedAddr() netip.AddrPort { return t.held.LocalAddr().(*net.TCPAddr).AddrPort() }

// lookup resolves targetName and nothing else, for the requester.
func (t *target) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	if host != targetName {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return []netip.Addr{t.addr().Addr()}, nil
}

// byName and byAddr are the URL of the page.
func (t *target) byName() string {
	return fmt.Sprintf("http://%s:%d/data", targetName, t.addr().Port())
}
func (t *target) byAddr() string { return fmt.Sprintf("http://%v/data", t.addr()) }

func (t *target) get(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", fmt.Sprint(len(t.body)))
	w.Write(t.body)
}

// put answers with the hash of what came.
func (t *target) put(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(h, counter{&t.uploaded}), r.Body); err != nil {
		return // the connection is broken
	}
	io.WriteString(w, hex.EncodeToString(h.Sum(nil)))
}

// A counter counts what is written to it.
type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}
