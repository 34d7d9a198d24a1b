package requester

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"nym-socks5/allowlist"
	"nym-socks5/internal/runtest"
	"nym-socks5/internal/simnet"
	"nym-socks5/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A wish is a stream asked for by a test: an Incoming with both ends at hand.
type wish struct {
	t      *testing.T
	target string
	ctx    context.Context
	giveUp context.CancelFunc
	far    netStream  // the requester's end, handed out by Accept
	peer   halfCloser // our end

	answered chan struct{} // closed by Accept and Reject
	accepted bool
	reason   proxy.Reason
}

func (w *wish) Target() string           { return w.target }
func (w *wish) Context() context.Context { return w.ctx }

func (w *wish) Accept() (proxy.Stream, error) {
	defer close(w.answered)
	if w.ctx.Err() != nil {
		return nil, errors.New("peer gave up")
	}
	w.accepted = true
	return w.far, nil
}

func (w *wish) Reject(r proxy.Reason) {
	w.reason = r
	close(w.answered) // twice would panic
}

// wantAccepted waits for the answer.
func (w *wish) wantAccepted() {
	w.t.Helper()
	<-w.answered
	if !w.accepted {
		w.t.Fatalf("%s was rejected: %v", w.target, w.reason)
	}
}

func (w *wish) wantRejected(want proxy.Reason) {
	w.t.Helper()
	<-w.answered
	if w.accepted || w.reason != want {
		w.t.Errorf("%s: accepted %v, reason %q, want %q", w.target, w.accepted, w.reason, want)
	}
}

// A world is a Requester on a network in memory.
type world struct {
	t      *testing.T
	net    *simnet.Network
	req    *Requester
	wishes chan *wish
	end    func()

	mu      sync.Mutex
	names   map[string][]string // what Lookup answers
	lookups []string
	dials   []attempt
}

type attempt struct {
	addr string
	at   time.Duration // since the world began
}

// newWorld runs a Requester with the given allowlist, inside the bubble of t.
func newWorld(t *testing.T, rules string, cfg Config) *world {
	t.Helper()
	list, err := allowlist.Parse(strings.NewReader(rules))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, net: simnet.New(), wishes: make(chan *wish), names: make(map[string][]string)}
	begin := time.Now()
	cfg.Accept = func(ctx context.Context) (Incoming, error) {
		select {
		case in, ok := <-w.wishes:
			if !ok {
				return nil, errors.New("no more")
			}
			return in, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if cfg.Allow == nil {
		cfg.Allow = list.Allow
	}
	names := BothFamilies(func(_ context.Context, host string) (addrs []netip.Addr, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		found, ok := w.names[strings.ToLower(strings.TrimSuffix(host, "."))]
		if !ok {
			return nil, errNoName
		}
		for _, a := range found {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		return addrs, nil
	})
	asked := cfg.Lookup // what the test wants to happen first
	cfg.Lookup = func(ctx context.Context, network, host string) ([]netip.Addr, error) {
		if network == "ip4" { // each name once
			w.mu.Lock()
			w.lookups = append(w.lookups, host)
			w.mu.Unlock()
		}
		if asked != nil {
			if _, err := asked(ctx, network, host); err != nil {
				return nil, err
			}
		}
		return names(ctx, network, host)
	}
	dial := cfg.Dial
	if dial == nil {
		dial = w.net.DialContext
	}
	cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		w.mu.Lock()
		w.dials = append(w.dials, attempt{addr, time.Since(begin)})
		w.mu.Unlock()
		return dial(ctx, network, addr)
	}
	w.req = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.req.Run(ctx); err != nil && !strings.Contains(err.Error(), "no more") {
			t.Errorf("Run: %v", err)
		}
	}()
	w.end = func() { cancel(); <-done }
	t.Cleanup(w.end)
	return w
}

// ask asks for a stream to target.
func (w *world) ask(target string) *wish {
	w.t.Helper()
	ln, err := w.net.Listen("198.18.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer ln.Close()
	a, err := w.net.DialContext(w.t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { a.Close(); b.Close() })
	ctx, cancel := context.WithCancel(w.t.Context())
	far := netStream{b.(halfCloser), make(chan struct{})}
	in := &wish{t: w.t, target: target, ctx: ctx, giveUp: cancel, far: far, peer: a.(halfCloser), answered: make(chan struct{})}
	w.wishes <- in
	return in
}

// service runs serve for each connection to addr, and closes it after that.
func (w *world) service(addr string, serve func(net.Conn)) {
	w.t.Helper()
	ln, err := w.net.Listen(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	runtest.Serve(w.t, ln, serve)
}

func (w *world) echo(addr string) {
	w.service(addr, func(c net.Conn) {
		io.Copy(c, c)
		c.(halfCloser).CloseWrite()
	})
}

func (w *world) attempts() []attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]attempt(nil), w.dials...)
}

type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// A netStream makes a Stream of a connection. It is over when the test says so.
type netStream struct {
	halfCloser
	done chan struct{}
}

func (s netStream) Done() <-chan struct{} { return s.done }
func (s netStream) Abort()                { s.Close() }
func (s netStream) Reset() {
	s.halfCloser.(interface{ SetLinger(int) error }).SetLinger(0)
	s.Close()
}

// drainTimeout is that of proxy.Splice.
const drainTimeout = 30 * time.Second

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("read: %v", err)
	}
	return string(b)
}
