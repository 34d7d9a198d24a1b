package proxy

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet/mixnettest"
)

// rough is a mixnet with everything that can go wrong in it.
var rough = mixnettest.Options{
	Latency: 100 * time.Millisecond, Jitter: 50 * time.Millisecond,
	Loss: 0.02, Duplicate: 0.05, CountSURBs: true, Seed: 7,
}

// smooth is one where nothing does.
var smooth = mixnettest.Options{Latency: 100 * time.Millisecond}

// world is a client and a requester, both ours, in a bubble.
type world struct {
	*mixnettest.Pair
	t                 *testing.T
	client, requester *Proxy
	stopClient        context.CancelFunc
	stopRequester     context.CancelFunc
	wg                sync.WaitGroup
}

// inWorld runs f in a bubble with a running client and requester, whose
// streams serve handles, each in its own goroutine. Without serve there is no
// requester, only its end of the mixnet. Afterwards all must stop, and nothing may be left.
func inWorld(t *testing.T, o mixnettest.Options, client, requester Config, serve func(*Incoming), f func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{Pair: mixnettest.NewPair(o), t: t}
		w.stopClient, w.stopRequester = func() {}, func() {}
		ctx, cancel := context.WithCancel(t.Context())
		w.client, w.stopClient = New(w.A, client), cancel
		w.run(ctx, w.client)
		if serve != nil {
			w.serve(requester, serve)
		}
		f(t, w)
		w.end()
	})
}

// inServer is inWorld without the client.
func inServer(t *testing.T, o mixnettest.Options, requester Config, serve func(*Incoming), f func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{Pair: mixnettest.NewPair(o), t: t, stopClient: func() {}}
		w.serve(requester, serve)
		f(t, w)
		w.end()
	})
}

func (w *world) serve(cfg Config, serve func(*Incoming)) {
	ctx, cancel := context.WithCancel(w.t.Context())
	cfg.Serve = true
	w.requester, w.stopRequester = New(w.B, cfg), cancel
	w.run(ctx, w.requester)
	w.wg.Go(func() {
		for {
			in, err := w.requester.Accept(ctx)
			if err != nil {
				return
			}
			w.wg.Go(func() { serve(in) })
		}
	})
}

func (w *world) end() {
	w.stopClient()
	w.stopRequester()
	w.wg.Wait()
	for name, p := range map[string]*Proxy{"client": w.client, "requester": w.requester} {
		if p == nil {
			continue
		}
		if s := p.Stats(); s.Streams != 0 || s.Buffered != 0 {
			w.t.Errorf("the %s ended with %d streams and %d bytes", name, s.Streams, s.Buffered)
		}
	}
}

func (w *world) run(ctx context.Context, p *Proxy) {
	w.wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
}

// dial opens a stream that must open.
func (w *world) dial(o DialOptions) *Conn {
	w.t.Helper()
	c, err := w.client.Dial(w.t.Context(), w.B.Address(), "target.test:80", o)
	if err != nil {
		w.t.Fatalf("dial: %v", err)
	}
	return c
}

// accept takes a stream in that must be there still.
func accept(t *testing.T, in *Incoming) *Conn {
	c, err := in.Accept()
	if err != nil {
		t.Errorf("accept: %v", err)
		return nil
	}
	return c
}

// echo sends back what comes, and its end.
func echo(t *testing.T) func(*Incoming) {
	return func(in *Incoming) {
		c := accept(t, in)
		if c == nil {
			return
		}
		io.Copy(c, c)
		c.CloseWrite()
		<-c.Done()
		c.Close()
	}
}

// exchange sends data and returns what comes back until the end.
func exchange(c *Conn, data []byte) ([]byte, error) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c.Write(data)
		c.CloseWrite()
	})
	return io.ReadAll(c)
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func TestEcho(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		c := w.dial(DialOptions{})
		got, err := exchange(c, []byte("hello"))
		if err != nil || string(got) != "hello" {
			t.Errorf("got %q, %v, want hello", got, err)
		}
		c.Close()
	})
}

// A megabyte each way, byte-identical, in spite of loss, doubles and disorder.
func TestMegabyteEachWay(t *testing.T) {
	for name, o := range map[string]mixnettest.Options{
		"smooth": smooth,
		"rough":  rough,
		"slow":   {Latency: 100 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.01, Rate: 500, CountSURBs: true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, o, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
				c := w.dial(DialOptions{})
				start := time.Now()
				data := noise(1 << 20)
				got, err := exchange(c, data)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("got %d bytes, %v, want the %d sent", len(got), err, len(data))
				}
				t.Logf("took %v of network time", time.Since(start))
				c.Close()
			})
		})
	}
}

func TestManyStreams(t *testing.T) {
	inWorld(t, rough, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				c, err := w.client.Dial(w.t.Context(), w.B.Address(), "target.test:80", DialOptions{Isolation: string(rune('a' + i%7))})
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				data := noise(1000 + 100*i)
				if got, err := exchange(c, data); err != nil || !bytes.Equal(got, data) {
					t.Errorf("stream %d: got %d bytes, %v, want the %d sent", i, len(got), err, len(data))
				}
				c.Close()
			})
		}
		wg.Wait()
	})
}
