package socks

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/runtest"
	"nym-socks5/internal/simnet"
	"nym-socks5/internal/socksclient"
	"nym-socks5/proxy"
)

const proxyAddr = "127.0.0.1:1080"

// A fakeMix stands for the mixnet and the requester behind it: it notes what it
// is asked to dial, then does what the test wants.
type fakeMix struct {
	then DialFunc

	mu    sync.Mutex
	asked []dialed
}

type dialed struct {
	target string
	o      proxy.DialOptions
}

func (m *fakeMix) dial(ctx context.Context, target string, o proxy.DialOptions) (proxy.Stream, error) {
	m.mu.Lock()
	m.asked = append(m.asked, dialed{target, o})
	m.mu.Unlock()
	return m.then(ctx, target, o)
}

func (m *fakeMix) targets() (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.asked {
		out = append(out, d.target)
	}
	return out
}

func (m *fakeMix) isolations() (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.asked {
		out = append(out, d.o.Isolation)
	}
	return out
}

// fails is a mixnet where every dial fails with a reason.
func fails(r proxy.Reason) DialFunc {
	return func(context.Context, string, proxy.DialOptions) (proxy.Stream, error) {
		return nil, &proxy.OpenError{Reason: r}
	}
}

// hangs is a mixnet that never answers.
func hangs(ctx context.Context, _ string, _ proxy.DialOptions) (proxy.Stream, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A world is a Server on a network in memory.
type world struct {
	t   *testing.T
	net *simnet.Network
	mix *fakeMix
	srv *Server
	end func() // ends Run and waits for it
}

// newWorld runs a Server whose Dial is then, inside the bubble of t. If then is
// nil, streams lead to an echo service.
func newWorld(t *testing.T, cfg Config, then DialFunc) *world {
	t.Helper()
	w := &world{t: t, net: simnet.New(), mix: &fakeMix{then: then}}
	if then == nil {
		w.service("192.0.2.7:7", func(c net.Conn) {
			io.Copy(c, c)
			c.(halfCloser).CloseWrite()
		})
		w.mix.then = w.to("192.0.2.7:7")
	}
	cfg.Dial = w.mix.dial
	w.srv = New(cfg)
	ln, err := w.net.Listen(proxyAddr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.srv.Run(ctx, ln); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	w.end = func() { cancel(); <-done }
	t.Cleanup(w.end)
	return w
}

// to is a mixnet that leads to addr, whatever the target.
func (w *world) to(addr string) DialFunc {
	return func(ctx context.Context, _ string, _ proxy.DialOptions) (proxy.Stream, error) {
		c, err := w.net.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return netStream{c.(halfCloser)}, nil
	}
}

type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// A netStream makes a Stream of a connection that is never over by itself.
type netStream struct{ halfCloser }

func (netStream) Done() <-chan struct{} { return nil }
func (s netStream) Abort()              { s.Close() }
func (s netStream) Reset() {
	s.halfCloser.(interface{ SetLinger(int) error }).SetLinger(0)
	s.Close()
}

// service runs serve for each connection to addr, and closes it after that.
func (w *world) service(addr string, serve func(net.Conn)) {
	ln, err := w.net.Listen(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	runtest.Serve(w.t, ln, serve)
}

// An app is an application's connection to the proxy.
type app struct {
	t *testing.T
	net.Conn
}

func (w *world) app() app {
	w.t.Helper()
	c, err := w.net.DialContext(w.t.Context(), "tcp", proxyAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return app{w.t, c}
}

func (a app) send(b string) {
	a.t.Helper()
	if _, err := io.WriteString(a.Conn, b); err != nil {
		a.t.Fatalf("app: %v", err)
	}
}

// want reads exactly the bytes expected.
func (a app) want(b string) {
	a.t.Helper()
	got := make([]byte, len(b))
	n, err := io.ReadFull(a.Conn, got)
	if err != nil || string(got) != b {
		a.t.Fatalf("app: got %q, %v, want %q", got[:n], err, b)
	}
}

// wantEnd reads the end of the stream.
func (a app) wantEnd() {
	a.t.Helper()
	if rest, err := io.ReadAll(a.Conn); err != nil || len(rest) > 0 {
		a.t.Fatalf("app: got %q, %v, want the end", rest, err)
	}
}

func (a app) closeWrite() { a.Conn.(halfCloser).CloseWrite() }

// client gives a SOCKS client of the proxy.
func (w *world) client(v socksclient.Version) *socksclient.Dialer {
	return &socksclient.Dialer{Proxy: proxyAddr, Version: v, Dial: w.net.DialContext}
}

// bubble runs a test on virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// since gives the virtual time a function takes.
func since(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func wantStrings(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// Requests as bytes.
var (
	greet    = "\x05\x01\x00"
	chosen   = "\x05\x00"
	ok5      = string(codeSucceeded.v5())
	connect5 = "\x05\x01\x00\x03\x0bexample.org\x01\xbb"
	connect4 = "\x04\x01\x01\xbb\x5d\xb8\xd8\x22me\x00"
	ok4      = "\x00\x5a\x00\x00\x00\x00\x00\x00"
	connectH = "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n"
	okH      = "HTTP/1.1 200 Connection established\r\n\r\n"
)

func pattern(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n] }

// drainTimeout is that of proxy.Splice.
const drainTimeout = 30 * time.Second
