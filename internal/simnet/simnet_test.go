package simnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const server = "192.0.2.1:1789"

// pair connects two ends from 192.0.2.9.
func pair(t *testing.T, n *Network) (near, far net.Conn) {
	t.Helper()
	ln := listen(t, n, server)
	defer ln.Close()
	near, err := n.Host("192.0.2.9").DialContext(t.Context(), "tcp", server)
	if err != nil {
		t.Fatal(err)
	}
	far, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

func listen(t *testing.T, n *Network, addr string) net.Listener {
	t.Helper()
	ln, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestBytesCrossBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, New())
		// Both sides write more than a buffer holds, at once.
		data := bytes.Repeat([]byte("abcdefg"), bufferSize/2)
		var wg sync.WaitGroup
		for _, c := range []net.Conn{near, far} {
			wg.Go(func() {
				if n, err := c.Write(data); n != len(data) || err != nil {
					t.Errorf("wrote %d bytes: %v", n, err)
				}
			})
			wg.Go(func() {
				got := make([]byte, len(data))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, data) {
					t.Errorf("read something else (%v)", err)
				}
			})
		}
		wg.Wait()
		near.Close()
		far.Close()
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		n.SetLatency(30 * time.Millisecond)
		n.SetLatencyOf("192.0.2.9", 50*time.Millisecond)
		start := time.Now()
		near, far := pair(t, n)
		if got, want := time.Since(start), 100*time.Millisecond; got != want {
			t.Errorf("dial took %v, want %v", got, want)
		}
		start = time.Now()
		go func() {
			near.Write([]byte("one"))
			time.Sleep(10 * time.Millisecond)
			near.Write([]byte("two"))
			near.Close()
		}()
		for _, want := range []struct {
			text string
			at   time.Duration
		}{{"one", 50 * time.Millisecond}, {"two", 60 * time.Millisecond}, {"", 60 * time.Millisecond}} {
			b := make([]byte, 10)
			k, err := far.Read(b)
			if string(b[:k]) != want.text || time.Since(start) != want.at {
				t.Errorf("read %q after %v (%v), want %q after %v", b[:k], time.Since(start), err, want.text, want.at)
			}
		}
		far.Close()
	})
}

func TestWriterWaitsForReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, New())
		near.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := near.Write(make([]byte, bufferSize+1))
		if n != bufferSize || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d bytes: %v; want %d and a timeout", n, err, bufferSize)
		}
		near.SetWriteDeadline(time.Time{})
		go far.Read(make([]byte, 1))
		if n, err := near.Write([]byte{1}); n != 1 || err != nil {
			t.Errorf("wrote %d bytes: %v", n, err)
		}
		near.Close()
		far.Close()
	})
}

func TestHalfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, New())
		near.Write([]byte("question"))
		near.(interface{ CloseWrite() error }).CloseWrite()
		if got, err := io.ReadAll(far); string(got) != "question" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := near.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after CloseWrite: got %v, want net.ErrClosed", err)
		}
		far.Write([]byte("answer"))
		far.Close()
		if got, err := io.ReadAll(near); string(got) != "answer" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		near.Close()
		if err := near.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: got %v, want net.ErrClosed", err)
		}
	})
}

// A reset arrives behind what was written before it.
func TestSetLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, New())
		near.Write([]byte("last words"))
		near.(interface{ SetLinger(int) error }).SetLinger(0)
		near.Close()
		if got, err := io.ReadAll(far); string(got) != "last words" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %q, %v", got, err)
		}
		far.Close()
	})
}

func TestCloseEndsBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, New())
		done := make(chan error, 1)
		go func() {
			_, err := near.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		near.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("our Read: got %v, want net.ErrClosed", err)
		}
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("their Read: got %v, want EOF", err)
		}
		if _, err := far.Write([]byte{1}); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("their Write: got %v, want EPIPE", err)
		}
		far.Close()
	})
}

func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, New())
		start := time.Now()
		near.SetReadDeadline(start.Add(time.Second))
		_, err := near.Read(make([]byte, 1))
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		// A deadline that moves wakes the reader.
		near.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			near.SetReadDeadline(time.Unix(1, 0))
		}()
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a timeout", err)
		}
		near.Close()
		far.Close()
	})
}

func TestAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, New())
		local, ok := near.LocalAddr().(*net.TCPAddr)
		if !ok || local.IP.String() != "192.0.2.9" || near.RemoteAddr().String() != server {
			t.Errorf("got %v to %v", near.LocalAddr(), near.RemoteAddr())
		}
		if far.LocalAddr().String() != server || far.RemoteAddr().String() != local.String() {
			t.Errorf("far end: got %v to %v", far.LocalAddr(), far.RemoteAddr())
		}
		near.Close()
		far.Close()
	})
}

func TestListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		a, b := listen(t, n, "127.0.0.1:0"), listen(t, n, "0.0.0.0:0")
		if a.Addr().String() == b.Addr().String() || a.Addr().(*net.TCPAddr).Port == 0 {
			t.Errorf("got %v and %v", a.Addr(), b.Addr())
		}
		if _, err := n.Listen(a.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("second listener: got %v, want EADDRINUSE", err)
		}
		// An unspecified address is reached at any IP.
		_, port, _ := net.SplitHostPort(b.Addr().String())
		c, err := n.DialContext(t.Context(), "tcp", "198.51.100.7:"+port)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Second)
			b.Close()
		}()
		if far, err := b.Accept(); err != nil || far.LocalAddr().String() != "198.51.100.7:"+port {
			t.Errorf("accepted %v, %v", far, err)
		}
		if _, err := b.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
		c.Close()
		// Closed addresses are free again; unaccepted connections are reset.
		c, _ = n.DialContext(t.Context(), "tcp", a.Addr().String())
		a.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want ECONNRESET", err)
		}
		listen(t, n, a.Addr().String()).Close()
	})
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		for _, c := range []struct {
			addr  string
			check func(error) bool
		}{
			{"192.0.2.1:1", func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
			{"example.org:1", func(err error) bool { return errors.As(err, new(*net.DNSError)) }},
			{"192.0.2.1", func(err error) bool { return errors.As(err, new(*net.AddrError)) }},
		} {
			if _, err := n.DialContext(t.Context(), "tcp", c.addr); !c.check(err) {
				t.Errorf("%s: got %v", c.addr, err)
			}
		}
		if _, err := n.DialContext(t.Context(), "udp", server); err == nil {
			t.Error("udp: got no error")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := n.DialContext(ctx, "tcp", server); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: got %v", err)
		}
	})
}

// A listener that never accepts holds back dialers, it does not grow.
func TestBacklogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		ln := listen(t, n, server)
		for range backlog {
			c, err := n.DialContext(t.Context(), "tcp", server)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		_, err := n.DialContext(within(t, time.Second), "tcp", server)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a timeout", err)
		}
		ln.Close()
	})
}

func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		near, far := pair(t, n)
		ln := listen(t, n, server)
		n.Refuse(server)
		if _, err := n.DialContext(t.Context(), "tcp", server); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v, want ECONNREFUSED", err)
		}
		near.Write([]byte("x"))
		if _, err := far.Read(make([]byte, 1)); err != nil {
			t.Errorf("existing connection: %v", err)
		}
		n.Heal(server)
		c, err := n.DialContext(t.Context(), "tcp", server)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		ln.Close()
		near.Close()
		far.Close()
	})
}

func TestBlackhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		n.SetLatency(10 * time.Millisecond)
		near, far := pair(t, n)
		ln := listen(t, n, server)
		n.Blackhole("192.0.2.1")
		_, err := n.DialContext(within(t, time.Second), "tcp", server)
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("got %v, want a timeout", err)
		}
		near.Write([]byte("held"))
		near.Close()
		start := time.Now()
		go func() {
			time.Sleep(time.Minute)
			n.Heal("192.0.2.1")
		}()
		got, err := io.ReadAll(far)
		if string(got) != "held" || err != nil || time.Since(start) != time.Minute {
			t.Errorf("got %q after %v (%v)", got, time.Since(start), err)
		}
		// A dial that hangs goes on once the address is healed.
		n.Blackhole(server)
		go func() {
			time.Sleep(time.Minute)
			n.Heal(server)
		}()
		c, err := n.DialContext(t.Context(), "tcp", server)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		far.Close()
		ln.Close()
	})
}

func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		near, far := pair(t, n)
		near.Write([]byte("lost"))
		if got := n.Conns(server); got != 1 {
			t.Errorf("got %d connections, want 1", got)
		}
		if got := n.Cut("192.0.2.9"); got != 1 {
			t.Errorf("cut %d connections, want 1", got)
		}
		for _, c := range []net.Conn{near, far} {
			if _, err := c.Read(make([]byte, 9)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: got %v, want ECONNRESET", err)
			}
			if _, err := c.Write(make([]byte, 9)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("write: got %v, want ECONNRESET", err)
			}
			c.Close()
		}
		if got := n.Conns(server); got != 0 || len(n.conns) != 0 {
			t.Errorf("%d connections and %d ends left", got, len(n.conns))
		}
	})
}

// net/http is what leans hardest on deadlines and half-open connections.
func TestHTTPRunsOverIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		n.SetLatency(20 * time.Millisecond)
		ln := listen(t, n, server)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		})}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		tr := &http.Transport{DialContext: n.DialContext}
		for range 3 {
			resp, err := (&http.Client{Transport: tr}).Post("http://"+server, "", bytes.NewReader(make([]byte, 1<<20)))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if len(body) != 1<<20 || err != nil {
				t.Errorf("got %d bytes, %v", len(body), err)
			}
		}
		tr.CloseIdleConnections()
		srv.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
}
