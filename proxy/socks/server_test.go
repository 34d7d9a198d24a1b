package socks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/admit"
	"nym-socks5/internal/runtest"
	"nym-socks5/internal/simnet"
	"nym-socks5/internal/socksclient"
	"nym-socks5/proxy"
)

// hardening.md H23: floods of SOCKS greetings are bounded; the oldest silent one
// gives way, so that an application which speaks at once still gets through.
func TestH23SilentFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{MaxHandshakes: 8}, nil)
		for i := range 100 {
			a := w.app()
			if i%2 == 0 {
				a.send("\x05\x02\x00")
			}
		}
		synctest.Wait()
		if got := w.srv.Stats(); got.Active != 8 || got.Dropped != 92 {
			t.Errorf("%d connections held, %d dropped, want 8 and 92", got.Active, got.Dropped)
		}
		a := w.app()
		a.send(greet + connect5 + "hello")
		a.want(chosen + ok5 + "hello")
		// hardening.md H23 again: none of them is held for ever.
		time.Sleep(16 * time.Second)
		if got := w.srv.Stats().Active; got != 1 {
			t.Errorf("%d connections after the handshake's time limit, want 1", got)
		}
	})
}

// hardening.md H23: a flood of greetings is let in no faster than it can be
// answered; the rest waits where that is cheap.
func TestH23ApplicationsComeAtAPace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		network := simnet.New()
		srv := New(Config{Dial: hangs})
		srv.handshakes = newHandshakes(100, admit.Limits{Rate: 5})
		run(t, srv, network, "127.0.0.1:1080")
		ctx, stop := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		for range 30 {
			flood.Go(func() {
				c, err := network.Host("127.0.0.1").DialContext(ctx, "tcp", "127.0.0.1:1080")
				if err != nil {
					return
				}
				<-ctx.Done()
				c.Close()
			})
		}
		synctest.Wait()
		if n := srv.Stats().Accepted; n != 6 { // the pace holds up the one after the fifth
			t.Errorf("%d came in at once, want 6", n)
		}
		time.Sleep(time.Second + time.Millisecond)
		if n := srv.Stats().Accepted; n != 11 {
			t.Errorf("%d came in within a second, want 11", n)
		}
		stop()
		flood.Wait()
	})
}

// hardening.md H23: "limits per IPv4 /32 and IPv6 /56".
func TestH23LimitsPerSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		network := simnet.New()
		srv := New(Config{Dial: hangs, MaxHandshakesPerSource: 3})
		run(t, srv, network, "192.0.2.1:1080")
		run(t, srv, network, "[2001:db8::1]:1080")
		open := func(from, to string) {
			t.Helper()
			c, err := network.Host(from).DialContext(t.Context(), "tcp", to)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
		}
		for range 5 {
			open("192.0.2.9", "192.0.2.1:1080") // 3 stay
			open("192.0.2.10", "192.0.2.1:1080")
			open("127.0.0.1", "192.0.2.1:1080") // 5 stay
		}
		open("2001:db8:0:1::1", "[2001:db8::1]:1080") // 3 of these 4 stay
		open("2001:db8:0:2::1", "[2001:db8::1]:1080")
		open("2001:db8:0:ff::1", "[2001:db8::1]:1080")
		open("2001:db8:0:7::1", "[2001:db8::1]:1080")
		open("2001:db8:0:100::1", "[2001:db8::1]:1080")
		synctest.Wait()
		if got := srv.Stats(); got.Active != 3+3+5+3+1 || got.Dropped != 2+2+1 {
			t.Errorf("%d held, %d dropped, want 15 and 5", got.Active, got.Dropped)
		}
		time.Sleep(time.Minute)
		srv.handshakes.mu.Lock()
		defer srv.handshakes.mu.Unlock()
		if srv.handshakes.limits.In() != 0 || srv.handshakes.order.Len() != 0 {
			t.Errorf("%d places and %d handshakes are left, want none", srv.handshakes.limits.In(), srv.handshakes.order.Len())
		}
	})
}

func run(t *testing.T, srv *Server, network *simnet.Network, addr string) {
	t.Helper()
	ln, err := network.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	runtest.Start(t, func(ctx context.Context) error { return srv.Run(ctx, ln) })
}

func TestHandshakeTimeLimit(t *testing.T) {
	for _, partial := range []string{"", "\x05", "\x05\x01\x00\x05\x01", "\x04\x01", "\x04\x01\x00\x50\x01\x02\x03\x04user", "CONNECT a.org:1 HTTP/1.1\r\n"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			a := w.app()
			a.send(partial)
			if took := since(func() { io.Copy(io.Discard, a) }); took != 15*time.Second {
				t.Errorf("%q: closed after %v, want 15s", partial, took)
			}
		})
	}
}

func TestMaxConns(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		w := newWorld(t, Config{MaxConns: 2}, nil)
		var apps []app
		for range 2 {
			a := w.app()
			a.send(opening)
			a.want(reply)
			apps = append(apps, a)
		}
		var refused *socksclient.ReplyError
		if _, err := w.client(socksclient.V5).DialContext(t.Context(), "tcp", "example.org:443"); !errors.As(err, &refused) || refused.Code != 1 {
			t.Errorf("one too many: got %v, want reply 1", err)
		}
		apps[0].Close()
		synctest.Wait()
		c, err := w.client(socksclient.V5).DialContext(t.Context(), "tcp", "example.org:443")
		if err != nil {
			t.Fatalf("after one closed: %v", err)
		}
		c.Close()
	})
}

// Run closes everything: handshakes, dials, streams in use, half-closed ones.
func TestRunEndsEverything(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		w := newWorld(t, Config{}, nil)
		w.service("192.0.2.8:8", func(c net.Conn) { io.Copy(io.Discard, c); time.Sleep(time.Hour) })
		echo := w.mix.then
		silent := w.app()
		busy := w.app()
		busy.send(opening)
		busy.want(reply)
		w.mix.then = w.to("192.0.2.8:8")
		half := w.app()
		half.send(opening)
		half.want(reply)
		half.closeWrite()
		w.mix.then = hangs
		dialing := w.app()
		dialing.send(opening)
		synctest.Wait()
		w.mix.then = echo
		if got := w.srv.Stats().Active; got != 4 {
			t.Errorf("%d connections, want 4", got)
		}
		if took := since(w.end); took > lingerTimeout {
			t.Errorf("Run took %v to end", took)
		}
		if got := w.srv.Stats().Active; got != 0 {
			t.Errorf("%d connections after Run", got)
		}
		for _, a := range []app{silent, busy, half, dialing} {
			if _, err := io.Copy(io.Discard, a); err != nil {
				t.Errorf("app: %v", err)
			}
		}
		if n := w.net.Conns("192.0.2.7:7"); n != 0 {
			t.Errorf("%d streams left", n)
		}
	})
}

// A flakyListener fails a few times before each connection.
type flakyListener struct {
	net.Listener
	failures int
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}

func TestAcceptBacksOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		network := simnet.New()
		ln, err := network.Listen(proxyAddr)
		if err != nil {
			t.Fatal(err)
		}
		srv := New(Config{Dial: fails(proxy.ReasonDenied)})
		stop := runtest.Start(t, func(ctx context.Context) error { return srv.Run(ctx, &flakyListener{ln, 10}) })
		d := socksclient.Dialer{Proxy: proxyAddr, Dial: network.DialContext}
		took := since(func() { _, err = d.DialContext(t.Context(), "tcp", "example.org:443") })
		var reply *socksclient.ReplyError
		if !errors.As(err, &reply) || reply.Code != 2 {
			t.Errorf("got %v, want reply 2", err)
		}
		// 5, 10, … 640 ms, then 1 s twice
		if want := 1275*time.Millisecond + 2*time.Second; took != want {
			t.Errorf("waited %v, want %v", took, want)
		}
		stop()
	})
}

func TestRunReportsAClosedListener(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ln, err := simnet.New().Listen(proxyAddr)
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		if err := New(Config{Dial: hangs}).Run(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	})
}

// realServer runs a Server on loopback TCP.
func realServer(t *testing.T, cfg Config) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	runtest.Start(t, func(ctx context.Context) error { return New(cfg).Run(ctx, ln) })
	return ln.Addr().String()
}

// socks.md §21.2: "In optimistic mode a later failure MUST reset or close the
// app's socket at once".
func TestOptimisticFailureResetsTheApp(t *testing.T) {
	for _, v := range []socksclient.Version{socksclient.V5, socksclient.V4a} {
		t.Run(v.String(), func(t *testing.T) {
			fail := make(chan struct{})
			s := &fakeStream{closed: make(chan struct{}), write: func(b []byte) (int, error) { return len(b), nil }}
			s.read = func([]byte) (int, error) {
				<-fail
				return 0, &proxy.OpenError{Reason: proxy.ReasonDenied}
			}
			optimistic := make(chan bool, 1)
			addr := realServer(t, Config{Optimistic: true, Dial: func(_ context.Context, _ string, o proxy.DialOptions) (proxy.Stream, error) {
				optimistic <- o.Optimistic
				return s, nil
			}})
			c, err := (&socksclient.Dialer{Proxy: addr, Version: v}).DialContext(t.Context(), "tcp", "example.org:443")
			if err != nil {
				t.Fatalf("optimistic reply: %v", err)
			}
			defer c.Close()
			if !<-optimistic {
				t.Error("the stream was not opened optimistically")
			}
			close(fail)
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("app got %v, want a reset", err)
			}
			<-s.closed
		})
	}
}

// A reset by the application closes the stream at once.
func TestAppResetClosesTheStream(t *testing.T) {
	s := &fakeStream{closed: make(chan struct{}), write: func(b []byte) (int, error) { return len(b), nil }}
	s.read = func([]byte) (int, error) { <-s.closed; return 0, net.ErrClosed }
	addr := realServer(t, Config{Dial: func(context.Context, string, proxy.DialOptions) (proxy.Stream, error) { return s, nil }})
	c, err := (&socksclient.Dialer{Proxy: addr}).DialContext(t.Context(), "tcp", "example.org:443")
	if err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	<-s.closed
	if !s.aborted.Load() {
		t.Error("the stream was closed in good order, so that the target sees an end of data")
	}
}

// Refusals must reach an application that has sent more than was read.
func TestReplySurvivesUnreadBytes(t *testing.T) {
	addr := realServer(t, Config{Dial: fails(proxy.ReasonDenied)})
	for _, tt := range []struct{ send, want string }{
		{greet + connect5 + strings.Repeat("x", 50000), chosen + string(codeDenied.v5())},
		{greet + "\x05\x01\x00\x09" + strings.Repeat("x", 50000), chosen + string(codeAddressType.v5())},
		{"\x05\x01\x7f" + strings.Repeat("x", 50000), "\x05\xff"},
		{connect4 + strings.Repeat("x", 50000), "\x00\x5b\x00\x00\x00\x00\x00\x00"},
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, tt.send)
		c.(*net.TCPConn).CloseWrite()
		if got := readAll(t, c); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		c.Close()
	}
}

// So must they reach one that sends the whole of a long upload first.
func TestReplySurvivesAWholeUpload(t *testing.T) {
	addr := realServer(t, Config{Dial: fails(proxy.ReasonDenied)})
	const size = 5_000_000
	for _, tt := range []struct{ head, want string }{
		{fmt.Sprintf("POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: %d\r\n\r\n", size), "HTTP/1.1 403 "},
		{fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: %d\r\n\r\n", size), "HTTP/1.1 501 "},
		{greet + connect5, chosen + string(codeDenied.v5())},
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, tt.head); err != nil {
			t.Fatal(err)
		}
		if n, err := io.CopyN(c, endless{}, size); err != nil {
			t.Errorf("%q: %d bytes could be sent: %v", tt.want, n, err)
		}
		c.(*net.TCPConn).CloseWrite()
		if got := readAll(t, c); !strings.HasPrefix(got, tt.want) {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		c.Close()
	}
}

func TestTwoHundredAtOnce(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer runtest.Serve(t, target, func(c net.Conn) { io.Copy(c, c) })()
	addr := realServer(t, Config{Dial: Dialer(func(ctx context.Context, _ string, _ proxy.DialOptions) (netStream, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", target.Addr().String())
		if err != nil {
			return netStream{}, err
		}
		return netStream{c.(*net.TCPConn)}, nil
	})})
	var apps sync.WaitGroup
	for i := range 200 {
		version := []socksclient.Version{socksclient.V5, socksclient.V4a}[i%2]
		apps.Go(func() {
			c, err := (&socksclient.Dialer{Proxy: addr, Version: version, User: "u"}).DialContext(t.Context(), "tcp", "example.org:443")
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			data := pattern(10_000 + i)
			c.Write(data)
			c.(*net.TCPConn).CloseWrite()
			if got := readAll(t, c); got != string(data) {
				t.Errorf("%d bytes came back, want %d", len(got), len(data))
			}
		})
	}
	apps.Wait()
}

// Whatever bytes come, the server ends the conversation once the application has,
// asks for nothing but well-formed targets, and answers in full.
func FuzzHandshake(f *testing.F) {
	for _, s := range []string{greet + connect5 + "data", "\x05\x02\x00\x02\x01\x01u\x01p" + connect5, connect4, connectH,
		"\x04\x01\x00\x50\x00\x00\x00\x01u\x00a.org\x00", "GET / HTTP/1.1\r\n\r\n", greet + "\x05\x03\x00\x04", "\x05\x00", "\x16\x03\x01", greet + "\x05\x01\x00\x03\x00\x00\x50"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		network := simnet.New()
		asked := ""
		srv := New(Config{Dial: func(_ context.Context, target string, _ proxy.DialOptions) (proxy.Stream, error) {
			asked = target
			return nil, &proxy.OpenError{Reason: proxy.ReasonDenied}
		}})
		ln, err := network.Listen(proxyAddr)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- srv.Run(ctx, ln) }()
		c, err := network.DialContext(ctx, "tcp", proxyAddr)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c.Write(in)
			c.(halfCloser).CloseWrite()
		}()
		answer, _ := io.ReadAll(c)
		c.Close()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if asked == "" {
			return
		}
		if len(asked) > 255+6 {
			t.Errorf("target of %d bytes", len(asked))
		}
		if host, port, err := net.SplitHostPort(asked); err != nil || host == "" || port == "0" || strings.ContainsAny(asked, "\x00\r\n ") {
			t.Errorf("target %q", asked)
		}
		full := string(codeDenied.v5())
		if in[0] == 4 {
			full = string(codeDenied.v4())
		}
		if in[0] <= 5 && !strings.HasSuffix(string(answer), full) {
			t.Errorf("answer %x does not end with a whole reply", answer)
		}
	})
}
