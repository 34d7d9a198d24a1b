package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy/protocol"
)

// socks.md §23: "a server that answers only after end of input, 60 s later"
func TestHalfCloseClientFirst(t *testing.T) {
	serve := func(in *Incoming) {
		c := accept(t, in)
		got, err := io.ReadAll(c)
		time.Sleep(time.Minute)
		c.Write(append([]byte("got "), got...))
		c.Close()
		if err != nil {
			t.Errorf("server: %v", err)
		}
	}
	inWorld(t, rough, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		c := w.dial(DialOptions{})
		start := time.Now()
		got, err := exchange(c, []byte("question"))
		if err != nil || string(got) != "got question" {
			t.Errorf("got %q, %v", got, err)
		}
		if d := time.Since(start); d < time.Minute || d > 70*time.Second {
			t.Errorf("took %v, want a minute", d)
		}
		c.Close()
	})
}

// The other way round: the server has closed, the client goes on for ten
// minutes, with long silences in which keep-alives follow the server's close.
func TestHalfCloseServerFirst(t *testing.T) {
	var got bytes.Buffer
	serve := func(in *Incoming) {
		c := accept(t, in)
		c.CloseWrite()
		if _, err := io.Copy(&got, c); err != nil {
			t.Errorf("server: %v", err)
		}
		c.Close()
	}
	inWorld(t, smooth, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		c := w.dial(DialOptions{})
		if b, err := io.ReadAll(c); len(b) != 0 || err != nil {
			t.Errorf("read %q, %v, want the end", b, err)
		}
		time.Sleep(4 * time.Minute)
		c.Write([]byte("early "))
		time.Sleep(6 * time.Minute)
		c.Write([]byte("late"))
		c.Close()
		<-c.Done()
	})
	if got.String() != "early late" {
		t.Errorf("server got %q", got.String())
	}
}

// socks.md §23: "24-h idle connection with keep-alives between our peers"
func TestIdleForADay(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		c := w.dial(DialOptions{})
		time.Sleep(24 * time.Hour)
		if got, err := exchange(c, []byte("still there")); err != nil || string(got) != "still there" {
			t.Errorf("after a day: %q, %v", got, err)
		}
		c.Close()
	})
}

// socks.md §11.1 (b): the reference cuts downloads of more than five minutes.
func TestLongDownload(t *testing.T) {
	const lines = 600
	serve := func(in *Incoming) {
		c := accept(t, in)
		for range lines {
			if _, err := c.Write(noise(1000)); err != nil {
				t.Errorf("server: %v", err)
			}
			time.Sleep(time.Second)
		}
		c.Close()
	}
	inWorld(t, rough, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		c := w.dial(DialOptions{})
		n, err := io.Copy(io.Discard, c)
		if n != lines*1000 || err != nil {
			t.Errorf("got %d bytes, %v, want %d", n, err, lines*1000)
		}
		c.Close()
	})
}

// socks.md §21.4: "Default limit 300 s without any sign of the peer"
func TestSilentPeer(t *testing.T) {
	inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
		done := w.dialing(DialOptions{})
		nr.connected()
		c := (<-done).c
		start := time.Now()
		_, err := io.ReadAll(c)
		if d := time.Since(start); !errors.Is(err, ErrIdle) || d < 300*time.Second || d > 302*time.Second {
			t.Errorf("ended after %v with %v, want %v after 300 s", d, err, ErrIdle)
		}
		c.Close()
	})
}

// One application does not read. What is held for it is bounded, all other
// streams under the same tag go on, and in the end nothing was lost.
func TestStalledReader(t *testing.T) {
	const size = 20 << 20
	serve := func(in *Incoming) {
		c := accept(t, in)
		var first [1]byte
		io.ReadFull(c, first[:])
		if first[0] == 'b' {
			c.Write(noise(size))
		} else {
			c.Write(noise(50_000))
		}
		c.Close()
	}
	o := mixnettest.Options{Latency: 50 * time.Millisecond, Jitter: 20 * time.Millisecond, CountSURBs: true}
	inWorld(t, o, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		big := w.dial(DialOptions{})
		big.Write([]byte("b"))
		time.Sleep(time.Minute)
		held := w.client.Stats().Buffered
		if held < protocol.Window/2 || held > protocol.Window*5/4 {
			t.Errorf("%d bytes are held for one that does not read, want about %d", held, protocol.Window)
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				c := w.dial(DialOptions{})
				c.Write([]byte("s"))
				if b, err := io.ReadAll(c); len(b) != 50_000 || err != nil {
					t.Errorf("another stream got %d bytes, %v", len(b), err)
				}
				c.Close()
			})
		}
		wg.Wait()
		time.Sleep(20 * time.Minute) // far beyond the idle limit
		if got, err := io.ReadAll(big); !bytes.Equal(got, noise(size)) || err != nil {
			t.Errorf("the stalled one got %d bytes, %v, want %d", len(got), err, size)
		}
		big.Close()
	})
}

// The same towards the target: uploads do not pile up at the requester.
func TestStalledTarget(t *testing.T) {
	const size = 10 << 20
	var resume chan struct{}
	var got chan int64
	serve := func(in *Incoming) {
		c := accept(t, in)
		<-resume
		n, _ := io.Copy(io.Discard, c)
		got <- n
		c.Close()
	}
	inWorld(t, smooth, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		resume = make(chan struct{})
		got = make(chan int64, 1)
		c := w.dial(DialOptions{})
		go func() {
			c.Write(noise(size))
			c.CloseWrite()
		}()
		time.Sleep(10 * time.Minute)
		if held := w.requester.Stats().Buffered; held > protocol.Window*5/4 {
			t.Errorf("the requester holds %d bytes, want at most about %d", held, protocol.Window)
		}
		close(resume)
		if n := <-got; n != size {
			t.Errorf("the target got %d bytes, want %d", n, size)
		}
		c.Close()
	})
}

// Beyond the memory of all streams, the one that holds most is reset.
func TestMemoryShed(t *testing.T) {
	serve := func(in *Incoming) {
		c := accept(t, in)
		c.Write(noise(3 << 20))
		<-c.Done()
	}
	inWorld(t, smooth, Config{Memory: 7 << 20}, Config{}, serve, func(t *testing.T, w *world) {
		var streams []*Conn
		for range 3 {
			streams = append(streams, w.dial(DialOptions{}))
		}
		time.Sleep(time.Minute)
		if held := w.client.Stats().Buffered; held > 7<<20 {
			t.Errorf("holds %d bytes", held)
		}
		failed := 0
		for _, c := range streams {
			if _, err := io.CopyN(io.Discard, c, 3<<20); err != nil {
				failed++
			}
			c.Close()
		}
		if failed != 1 {
			t.Errorf("%d streams were reset, want one", failed)
		}
	})
}

func TestReset(t *testing.T) {
	t.Run("by the client", func(t *testing.T) {
		var ended chan error
		serve := func(in *Incoming) {
			c := accept(t, in)
			_, err := io.ReadAll(c)
			ended <- err
		}
		inWorld(t, rough, Config{}, Config{}, serve, func(t *testing.T, w *world) {
			ended = make(chan error, 1)
			c := w.dial(DialOptions{})
			time.Sleep(5 * time.Second)
			c.Write(noise(100_000))
			c.Abort()
			start := time.Now()
			if err := <-ended; !errors.Is(err, ErrReset) || time.Since(start) > 5*time.Second {
				t.Errorf("server saw %v after %v, want %v soon", err, time.Since(start), ErrReset)
			}
			if _, err := c.Write([]byte("x")); err == nil {
				t.Error("wrote to an aborted stream")
			}
		})
	})
	t.Run("by the server", func(t *testing.T) {
		serve := func(in *Incoming) {
			c := accept(t, in)
			c.Write([]byte("some"))
			time.Sleep(5 * time.Second)
			c.Abort()
		}
		inWorld(t, rough, Config{}, Config{}, serve, func(t *testing.T, w *world) {
			c := w.dial(DialOptions{})
			if b, err := io.ReadAll(c); string(b) != "some" || !errors.Is(err, ErrReset) {
				t.Errorf("got %q, %v, want some, %v", b, err, ErrReset)
			}
			c.Close()
		})
	})
}

// Who closes without having read to the end wants no more: the other end
// learns it at once, and what was written before still arrives.
func TestCloseStopsTheSender(t *testing.T) {
	var stopped chan error
	var got chan string
	serve := func(in *Incoming) {
		c := accept(t, in)
		go func() {
			b, _ := io.ReadAll(c)
			got <- string(b)
		}()
		for {
			if _, err := c.Write(noise(10_000)); err != nil {
				stopped <- err
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		<-c.Done()
		c.Close()
	}
	inWorld(t, smooth, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		stopped = make(chan error, 1)
		got = make(chan string, 1)
		c := w.dial(DialOptions{})
		io.CopyN(io.Discard, c, 100_000)
		c.Write([]byte("enough"))
		c.Close()
		start := time.Now()
		if err := <-stopped; !errors.Is(err, ErrReset) || time.Since(start) > time.Second {
			t.Errorf("writes ended with %v after %v, want %v within a second", err, time.Since(start), ErrReset)
		}
		if b := <-got; b != "enough" {
			t.Errorf("server got %q, want enough", b)
		}
	})
}

// A message that the Messenger gave up is a hole: the stream fails, it does not hang.
func TestLostMessage(t *testing.T) {
	inWorld(t, mixnettest.Options{Latency: time.Millisecond, Vanish: 0.05, Seed: 3}, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		failed := 0
		for range 20 {
			c, err := w.client.Dial(t.Context(), w.B.Address(), "target.test:80", DialOptions{})
			if err != nil {
				failed++
				continue
			}
			data := noise(200_000)
			got, err := exchange(c, data)
			switch {
			case err != nil:
				failed++
			case !bytes.Equal(got, data):
				t.Errorf("got %d other bytes and no error", len(got))
			}
			c.Close()
		}
		if failed == 0 {
			t.Error("no stream failed")
		}
	})
}

func TestDeadlines(t *testing.T) {
	serve := func(in *Incoming) {
		c := accept(t, in)
		<-c.Done()
	}
	inWorld(t, smooth, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		c := w.dial(DialOptions{})
		start := time.Now()
		c.SetReadDeadline(start.Add(3 * time.Second))
		_, err := c.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != 3*time.Second {
			t.Errorf("read: %v after %v", err, time.Since(start))
		}
		// A deadline in the past wakes one who waits already.
		c.SetReadDeadline(time.Time{})
		woken := make(chan error)
		go func() { _, err := c.Read(make([]byte, 1)); woken <- err }()
		synctest.Wait()
		c.SetReadDeadline(time.Unix(1, 0))
		if err := <-woken; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("woken with %v", err)
		}
		start = time.Now()
		c.SetWriteDeadline(start.Add(3 * time.Second))
		for err = nil; err == nil; { // nobody reads at the other end
			_, err = c.Write(noise(1 << 20))
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("write: %v after %v", err, time.Since(start))
		}
		c.SetDeadline(time.Time{})
		go func() { _, err := c.Read(make([]byte, 1)); woken <- err }()
		synctest.Wait()
		c.Close()
		if err := <-woken; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a reader was left with %v by Close", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
		if err := c.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("deadline after Close: %v", err)
		}
		if a, ok := c.LocalAddr().(*net.TCPAddr); !ok || a.IP == nil {
			t.Errorf("local address %v", c.LocalAddr())
		}
		if a, ok := c.RemoteAddr().(*net.TCPAddr); !ok || a.IP == nil {
			t.Errorf("remote address %v", c.RemoteAddr())
		}
	})
}

// socks.md §21.4: "On process shutdown SHOULD send a close for every live
// connection and allow a bounded time (for instance 3 s)"
func TestShutdown(t *testing.T) {
	for _, side := range []string{"client", "requester"} {
		t.Run(side, func(t *testing.T) {
			var ended chan error
			serve := func(in *Incoming) {
				c := accept(t, in)
				_, err := io.ReadAll(c)
				ended <- err
				c.Close()
			}
			inWorld(t, smooth, Config{}, Config{}, serve, func(t *testing.T, w *world) {
				ended = make(chan error, 50)
				var streams []*Conn
				for range 50 {
					streams = append(streams, w.dial(DialOptions{}))
				}
				start := time.Now()
				if side == "client" {
					streams[0].Write([]byte("last words"))
					w.stopClient()
					for range streams {
						if err := <-ended; err != nil {
							t.Errorf("server: %v", err)
						}
					}
				} else {
					w.stopRequester()
					for _, c := range streams {
						if _, err := io.ReadAll(c); err != nil {
							t.Errorf("client: %v", err)
						}
						c.Close()
					}
				}
				if d := time.Since(start); d > time.Second {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

// The same with nobody at the other end: it is over after three seconds.
func TestShutdownBounded(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		c, _ := w.client.Dial(t.Context(), w.A.Address(), "target.test:80", DialOptions{Optimistic: true})
		start := time.Now()
		w.stopClient()
		<-c.Done()
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("took %v", d)
		}
		if _, err := w.client.Dial(t.Context(), w.B.Address(), "target.test:80", DialOptions{}); err == nil {
			t.Error("dialed after the end")
		}
	})
}

func TestMessengerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pair := mixnettest.NewPair(smooth)
		p := New(pair.A, Config{})
		ran := make(chan error)
		go func() { ran <- p.Run(t.Context()) }()
		c, err := p.Dial(t.Context(), pair.B.Address(), "target.test:80", DialOptions{Optimistic: true})
		if err != nil {
			t.Fatal(err)
		}
		pair.A.Close()
		if err := <-ran; err == nil {
			t.Error("run ended without an error")
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("read without a network")
		}
		if _, err := p.Accept(t.Context()); err == nil {
			t.Error("accepted without Serve")
		}
	})
}

func TestStreamLimits(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{StreamsPerTag: 3, Streams: 5}, echo(t), func(t *testing.T, w *world) {
		w.dial(DialOptions{Isolation: "a"})
		time.Sleep(time.Second)
		var open *OpenError
		for i, tt := range []struct {
			isolation string
			fails     bool
		}{{"a", false}, {"a", false}, {"a", true}, {"b", false}, {"b", false}, {"c", false}} {
			_, err := w.client.Dial(t.Context(), w.B.Address(), "target.test:80", DialOptions{Isolation: tt.isolation})
			if tt.fails != (err != nil) || err != nil && !errors.As(err, &open) {
				t.Errorf("stream %d: %v, want failure %v", i, err, tt.fails)
			}
			time.Sleep(time.Second)
		}
		if s := w.requester.Stats(); s.Refused != 1 || s.Crowded != 1 || s.Streams != 5 {
			t.Errorf("%d refused, %d gave way, %d are left; want 1, 1, 5", s.Refused, s.Crowded, s.Streams)
		}
	})
}
