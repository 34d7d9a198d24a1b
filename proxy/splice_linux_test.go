package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nym-socks5/mixnet/mixnettest"
)

// How a socket at one end ends, the socket at the other end sees, behind all
// that was sent before: as over one connection.
func TestSpliceEndsAsTheSocketDid(t *testing.T) {
	const big = 3 << 20
	// Each does its part and ends the connection.
	ways := []struct {
		name  string
		speak func(c *net.TCPConn)
		size  int
		reset bool
	}{
		{"answer, then the end", func(c *net.TCPConn) { c.Write(noise(big)); c.CloseWrite(); io.Copy(io.Discard, c) }, big, false},
		{"answer, then a reset", func(c *net.TCPConn) { c.Write(noise(big)); rst(c) }, big, true},
		{"short answer, then a reset", func(c *net.TCPConn) { c.Write(noise(7)); rst(c) }, 7, true},
		{"nothing, then a reset", func(c *net.TCPConn) { rst(c) }, 0, true},
		{"early answer, input unread", func(c *net.TCPConn) {
			io.CopyN(io.Discard, c, 1000) // then wait for more, so that some is unread
			for unread(c) == 0 {
				runtime.Gosched()
			}
			c.Write(noise(100_000))
			c.Close()
		}, 100_000, true},
	}
	for _, way := range ways {
		for _, far := range []bool{true, false} {
			side := "application"
			if far {
				side = "target"
			}
			t.Run(way.name+", "+side, func(t *testing.T) {
				app, target := spliced(t)
				speaker, listener := app, target
				if far {
					speaker, listener = target, app
				}
				var wg sync.WaitGroup
				defer wg.Wait()
				wg.Go(func() { way.speak(speaker); speaker.Close() })
				failed := make(chan error, 1)
				wg.Go(func() { // talks all the while, as uploads do
					for {
						if _, err := listener.Write(noise(10_000)); err != nil {
							failed <- err
							return
						}
					}
				})
				got, err := io.ReadAll(listener)
				if !bytes.Equal(got, noise(way.size)) {
					t.Errorf("%d bytes arrived, want %d", len(got), way.size)
				}
				if err == nil && way.reset { // which of the two is told is the kernel's choice
					err = <-failed
				}
				if errors.Is(err, syscall.ECONNRESET) != way.reset || !way.reset && err != nil {
					t.Errorf("it ended with %v, want a reset: %v", err, way.reset)
				}
				listener.Close()
			})
		}
	}
}

// A reset waits until a socket that is read slowly has all that came before: it would
// throw away what the kernel still has to send.
func TestResetWaitsForASlowReader(t *testing.T) {
	const size = 1 << 20 // more than a socket takes in that nobody reads, less than one waits to send
	for _, far := range []bool{true, false} {
		listener, speaker := spliced(t)
		if far {
			listener, speaker = speaker, listener
		}
		speaker.Write(noise(size))
		rst(speaker)
		// Nothing is read until nothing more arrives.
		tick := time.NewTicker(5 * time.Millisecond)
		for same, before := 0, 0; same < 40; <-tick.C {
			if n := unread(listener); n == 0 || n != before {
				same, before = 0, n
			} else {
				same++
			}
		}
		tick.Stop()
		if n := unread(listener); n >= size {
			t.Skip("this machine's sockets take in all of it")
		}
		got, err := io.ReadAll(listener)
		if !bytes.Equal(got, noise(size)) || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("to the target %v: %d of %d bytes arrived, then %v", far, len(got), size, err)
		}
		listener.Close()
	}
}

// unread is how many bytes wait to be read from a socket.
func unread(c *net.TCPConn) (n int) {
	raw, _ := c.SyscallConn()
	raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	return n
}

// Where both directions end one after the other, nobody sees a reset.
func TestSpliceEndsInOrder(t *testing.T) {
	for _, far := range []bool{true, false} {
		first, second := spliced(t)
		if far {
			first, second = second, first
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if b, err := io.ReadAll(second); string(b) != "question" || err != nil {
				t.Errorf("the question was %q, %v", b, err)
			}
			second.Write([]byte("answer"))
			second.Close()
		})
		first.Write([]byte("question"))
		first.CloseWrite()
		if b, err := io.ReadAll(first); string(b) != "answer" || err != nil {
			t.Errorf("the answer was %q, %v", b, err)
		}
		first.Close()
		wg.Wait()
	}
}

// An application that half-closed and then went away altogether is noticed
// although there is nothing to write to it, and its target too is let go.
func TestSpliceNoticesWhoIsGone(t *testing.T) {
	app, target := spliced(t)
	app.CloseWrite()
	if b, err := io.ReadAll(target); len(b) != 0 || err != nil {
		t.Fatalf("the target read %q, %v", b, err)
	}
	target.Write([]byte("hello"))
	for unread(app) == 0 {
		runtime.Gosched()
	}
	app.Close() // a reset, since something is unread
	for {       // the target says nothing, and learns it all the same
		if wasReset(target) {
			break
		}
		runtime.Gosched()
	}
}

// rst resets a connection once all that was written has arrived.
func rst(c *net.TCPConn) {
	awaitSent(context.Background(), c)
	c.SetLinger(0)
	c.Close()
}

// spliced is an application's and a target's connection with our two ends
// between them.
func spliced(t *testing.T) (app, target *net.TCPConn) {
	pair := mixnettest.NewPair(mixnettest.Options{})
	client, requester := New(pair.A, Config{}), New(pair.B, Config{Serve: true})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { client.Run(ctx) })
	wg.Go(func() { requester.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	outside, inside := tcpPair(t)
	wg.Go(func() {
		in, err := requester.Accept(ctx)
		if err != nil {
			return
		}
		if c, err := in.Accept(); err == nil {
			spliceLooking(ctx, c, inside, nil, time.Millisecond)
		}
	})
	c, err := client.Dial(ctx, pair.B.Address(), "target.test:80", DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for c.s.kind.get() == kindUnknown { // both ends have introduced themselves
		runtime.Gosched()
	}
	local, near := tcpPair(t)
	wg.Go(func() { spliceLooking(ctx, c, near, nil, time.Millisecond) })
	return local, outside
}

func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}
