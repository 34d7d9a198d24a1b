package requester

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/runtest"
	"nym-socks5/proxy"
)

func TestEcho(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow www.example.org", Config{})
		w.names["www.example.org"] = []string{"93.184.216.34"}
		w.echo("93.184.216.34:443")
		in := w.ask("www.example.org:443")
		in.wantAccepted()
		data := strings.Repeat("0123456789", 100_000)
		go func() {
			io.WriteString(in.peer, data)
			in.peer.CloseWrite()
		}()
		if got := readAll(t, in.peer); got != data {
			t.Errorf("%d bytes came back, want %d the same", len(got), len(data))
		}
		synctest.Wait()
		want := Stats{Incoming: 1, Connected: 1, PortsWeb: 1}
		if got := w.req.Stats(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// socks.md §21.4: "the receiver calls `CloseWrite` on its socket as soon as the
// ordered stream reaches that point and keeps the other direction running".
func TestHalfCloseByPeer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{})
		w.service("93.184.216.34:80", func(c net.Conn) {
			all, _ := io.ReadAll(c)
			time.Sleep(time.Minute)
			c.Write(bytes.ToUpper(all))
		})
		in := w.ask("93.184.216.34:80")
		in.wantAccepted()
		io.WriteString(in.peer, "question")
		in.peer.CloseWrite()
		if got := readAll(t, in.peer); got != "QUESTION" {
			t.Errorf("got %q", got)
		}
	})
}

func TestHalfCloseByTarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{})
		got := make(chan string, 1)
		w.service("93.184.216.34:80", func(c net.Conn) {
			io.WriteString(c, "banner")
			c.(halfCloser).CloseWrite()
			all, _ := io.ReadAll(c)
			got <- string(all)
		})
		in := w.ask("93.184.216.34:80")
		in.wantAccepted()
		if banner := readAll(t, in.peer); banner != "banner" {
			t.Errorf("got %q", banner)
		}
		time.Sleep(time.Minute)
		io.WriteString(in.peer, "still talking")
		in.peer.CloseWrite()
		if s := <-got; s != "still talking" {
			t.Errorf("target got %q", s)
		}
	})
}

// A stream that ended tells so by its context; the target, which may stay silent
// for ever, is let go, but gets what it is owed.
func TestEndedStreamLetsTheTargetGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{})
		got := make(chan string, 1)
		w.service("93.184.216.34:80", func(c net.Conn) {
			time.Sleep(5 * time.Second)
			all, _ := io.ReadAll(c)
			got <- string(all)
		})
		in := w.ask("93.184.216.34:80")
		in.wantAccepted()
		data := strings.Repeat("x", 600_000) // more than the target's buffer
		go func() {
			io.WriteString(in.peer, data)
			in.peer.CloseWrite()
			close(in.far.done)
		}()
		if s := <-got; s != data {
			t.Errorf("target got %d bytes, want %d", len(s), len(data))
		}
		synctest.Wait()
		if n := w.req.Stats().Active; n != 0 {
			t.Errorf("%d streams active", n)
		}
	})
}

// A silent target holds no stream that is over.
func TestEndedStreamWithASilentTarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{})
		w.service("93.184.216.34:80", func(c net.Conn) { io.Copy(io.Discard, c) })
		in := w.ask("93.184.216.34:80")
		in.wantAccepted()
		in.peer.CloseWrite()
		close(in.far.done)
		synctest.Wait()
		if n := w.req.Stats().Active; n != 0 {
			t.Errorf("%d streams active", n)
		}
	})
}

// A target that neither reads nor speaks holds an ended stream for a limited time.
func TestEndedStreamWithAStuckTarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{})
		w.service("93.184.216.34:80", func(net.Conn) { time.Sleep(time.Hour) })
		in := w.ask("93.184.216.34:80")
		in.wantAccepted()
		go io.WriteString(in.peer, strings.Repeat("x", 1<<20))
		synctest.Wait()
		close(in.far.done)
		time.Sleep(drainTimeout - time.Second)
		if n := w.req.Stats().Active; n != 1 {
			t.Errorf("%d streams active within the limit, want 1", n)
		}
		time.Sleep(2 * time.Second)
		if n := w.req.Stats().Active; n != 0 {
			t.Errorf("%d streams active, want 0", n)
		}
	})
}

// A target that takes no more may still have something to say. How it ended is
// told behind that.
func TestTargetThatTakesNoMoreIsHeard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		parts := []string{"an", "swer"}
		c := &fakeConn{write: func([]byte) (int, error) { return 0, syscall.EPIPE }}
		c.read = func(b []byte) (int, error) {
			if len(parts) == 0 {
				return 0, io.EOF
			}
			time.Sleep(5 * time.Second)
			n := copy(b, parts[0])
			parts = parts[1:]
			return n, nil
		}
		w := newWorld(t, "allow *", Config{Dial: func(context.Context, string, string) (net.Conn, error) { return c, nil }})
		in := w.ask("93.184.216.34:80")
		in.wantAccepted()
		io.WriteString(in.peer, "question")
		got, err := io.ReadAll(in.peer)
		if string(got) != "answer" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %q, %v, want answer and a reset", got, err)
		}
	})
}

type fakeConn struct {
	net.Conn // nil: what is not overridden is not called
	read     func([]byte) (int, error)
	write    func([]byte) (int, error)
}

func (c *fakeConn) Read(b []byte) (int, error)      { return c.read(b) }
func (c *fakeConn) Write(b []byte) (int, error)     { return c.write(b) }
func (c *fakeConn) Close() error                    { return nil }
func (c *fakeConn) SetReadDeadline(time.Time) error { return nil }

func TestMaxStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{MaxStreams: 2})
		w.echo("93.184.216.34:80")
		first := w.ask("93.184.216.34:80")
		first.wantAccepted()
		w.ask("93.184.216.34:80").wantAccepted()
		w.ask("93.184.216.34:80").wantRejected(proxy.ReasonLimit)
		first.peer.Close()
		synctest.Wait()
		w.ask("93.184.216.34:80").wantAccepted()
	})
}

// Run closes everything: streams being opened, open, half-closed.
func TestRunEndsEverything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{})
		w.echo("93.184.216.34:80")
		w.service("93.184.216.35:80", func(c net.Conn) { io.Copy(io.Discard, c); time.Sleep(time.Hour) })
		w.net.Blackhole("93.184.216.36")
		busy, half, opening := w.ask("93.184.216.34:80"), w.ask("93.184.216.35:80"), w.ask("93.184.216.36:80")
		busy.wantAccepted()
		half.wantAccepted()
		half.peer.CloseWrite()
		synctest.Wait()
		start := time.Now()
		w.end()
		if took := time.Since(start); took != 0 {
			t.Errorf("Run took %v to end", took)
		}
		opening.wantRejected(proxy.ReasonInternal)
		if n := w.req.Stats().Active; n != 0 {
			t.Errorf("%d streams active after Run", n)
		}
		for _, in := range []*wish{busy, half} {
			if _, err := io.Copy(io.Discard, in.peer); err != nil {
				t.Errorf("peer: %v", err)
			}
		}
	})
}

func TestRunFailsWithAccept(t *testing.T) {
	broken := errors.New("proxy: not running")
	r := New(Config{
		Accept: func(context.Context) (Incoming, error) { return nil, broken },
		Allow:  func(string, netip.Addr, uint16) error { return nil },
	})
	if err := r.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// A stream that breaks off must not look complete to the target.
func TestBrokenStreamResetsTheTarget(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			_, err = io.Copy(io.Discard, c)
			c.Close()
		}
		got <- err
	}()
	c, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{"half of it"}
	stream := &fakeStream{fakeConn: fakeConn{
		read: func(b []byte) (int, error) {
			if len(parts) == 0 {
				return 0, errors.New("reset by peer")
			}
			n := copy(b, parts[0])
			parts = nil
			return n, nil
		},
		write: func(b []byte) (int, error) { return len(b), nil },
	}}
	proxy.Splice(t.Context(), stream, c, nil)
	if err := <-got; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("target got %v, want a reset", err)
	}
}

// A target that breaks off must not look complete to the peer.
func TestBrokenTargetResetsTheStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		target := &fakeConn{
			read:  func([]byte) (int, error) { return 0, syscall.ECONNRESET },
			write: func(b []byte) (int, error) { return len(b), nil },
		}
		stop := make(chan struct{})
		stream := &fakeStream{fakeConn: fakeConn{read: func([]byte) (int, error) { <-stop; return 0, io.EOF }}}
		stream.stop = sync.OnceFunc(func() { close(stop) })
		proxy.Splice(t.Context(), stream, target, nil)
		if !stream.reset || stream.aborted {
			t.Errorf("reset %v, aborted %v, want it reset", stream.reset, stream.aborted)
		}
	})
}

type fakeStream struct {
	fakeConn
	stop    func()
	aborted bool
	reset   bool
}

func (*fakeStream) CloseWrite() error     { return nil }
func (*fakeStream) Done() <-chan struct{} { return nil }
func (s *fakeStream) Abort()              { s.aborted = true }
func (s *fakeStream) Reset()              { s.reset = true; s.Close() }
func (s *fakeStream) Close() error {
	if s.stop != nil {
		s.stop()
	}
	return nil
}

// hardening.md H38: nothing of the targets in logs, at trace level.
func TestH38LogsNameNoTarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var out bytes.Buffer
		w := newWorld(t, "allow *.canary-host.example", Config{Log: zerolog.New(&out).Level(zerolog.TraceLevel)})
		w.names["a.canary-host.example"] = []string{"93.184.216.34"}
		w.names["b.canary-host.example"] = []string{"93.184.216.35"}
		w.echo("93.184.216.34:47113")
		in := w.ask("a.canary-host.example:47113")
		in.wantAccepted()
		in.peer.Close()
		for _, target := range []string{"b.canary-host.example:47113", "c.canary-host.example:47113", "canary-host.test:47113", "canary-host"} {
			<-w.ask(target).answered
		}
		w.end()
		for _, word := range []string{"canary", "93.184", "47113"} {
			if strings.Contains(out.String(), word) {
				t.Errorf("%q stands in the log:\n%s", word, &out)
			}
		}
		if !strings.Contains(out.String(), "serving") {
			t.Errorf("nothing was logged: %q", &out)
		}
	})
}

func TestStatsByReasonAndPort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *.example.org\nallow *:993,5222", Config{})
		w.names["www.example.org"] = []string{"93.184.216.34"}
		w.names["inside.example.org"] = []string{"10.0.0.1"}
		for target, want := range map[string]proxy.Reason{
			"www.example.org:443":     proxy.ReasonRefused,
			"inside.example.org:8443": proxy.ReasonDenied,
			"nowhere.example.org:993": proxy.ReasonDNS,
			"www.example.org:5222":    proxy.ReasonRefused,
			"nonsense":                proxy.ReasonDenied,
		} {
			w.ask(target).wantRejected(want)
		}
		synctest.Wait()
		want := Stats{Incoming: 5, Denied: 2, DNS: 1, Refused: 2, PortsWeb: 2, PortsMail: 1, PortsOther: 1}
		if got := w.req.Stats(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// Over real sockets, with the dialer that checks again.
func TestTwoHundredAtOnce(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer runtest.Serve(t, ln, func(c net.Conn) { io.Copy(c, c) })()

	wishes := make(chan Incoming)
	r := New(Config{
		Accept: func(ctx context.Context) (Incoming, error) {
			select {
			case in := <-wishes:
				return in, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		Allow: func(string, netip.Addr, uint16) error { return nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	var peers sync.WaitGroup
	for i := range 200 {
		peers.Go(func() {
			near, far := tcpPair(t)
			in := &wish{t: t, target: ln.Addr().String(), ctx: ctx, far: netStream{halfCloser: far}, peer: near, answered: make(chan struct{})}
			wishes <- in
			in.wantAccepted()
			data := strings.Repeat(fmt.Sprint(i), 5000)
			go func() {
				io.WriteString(near, data)
				near.CloseWrite()
			}()
			if got := readAll(t, near); got != data {
				t.Errorf("%d bytes came back, want %d", len(got), len(data))
			}
			near.Close()
		})
	}
	peers.Wait()
}

// tcpPair gives both ends of a TCP connection.
func tcpPair(t *testing.T) (near, far halfCloser) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	defer ln.Close()
	a, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Error(err)
		return
	}
	b, err := ln.Accept()
	if err != nil {
		t.Error(err)
		return
	}
	return a.(halfCloser), b.(halfCloser)
}

// lapsed is a context that has ended, of which those made from it have not heard yet.
type lapsed struct{ context.Context }

func (lapsed) Err() error { return context.Canceled }

// What streams come from may end, with the caller's context, before the
// requester's own context does.
func TestRunEndsWithItsCaller(t *testing.T) {
	r := New(Config{
		Accept: func(context.Context) (Incoming, error) { return nil, errors.New("not running") },
		Allow:  func(string, netip.Addr, uint16) error { return nil },
	})
	if err := r.Run(lapsed{t.Context()}); err != nil {
		t.Errorf("an orderly end gives %v", err)
	}
}
