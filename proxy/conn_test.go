package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"nym-socks5/mixnet/mixnettest"
)

// A Conn behaves as net.Conn says, in the eyes of the standard suite. It runs
// on the real clock, over a mixnet that takes no time.
func TestNetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		pair := mixnettest.NewPair(mixnettest.Options{})
		client, requester := New(pair.A, Config{Coalesce: time.Microsecond}), New(pair.B, Config{Serve: true, Coalesce: time.Microsecond})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { client.Run(ctx) })
		wg.Go(func() { requester.Run(ctx) })
		accepted := make(chan *Conn, 1)
		wg.Go(func() {
			in, err := requester.Accept(ctx)
			if err != nil {
				return
			}
			c, err := in.Accept()
			if err != nil {
				return
			}
			accepted <- c
		})
		end := func() { cancel(); wg.Wait() }
		c, err := client.Dial(ctx, pair.B.Address(), "target.test:80", DialOptions{})
		if err != nil {
			end()
			return nil, nil, nil, err
		}
		d := <-accepted
		return c, d, func() { c.Abort(); d.Abort(); end() }, nil
	})
}

// ReadFrom fills messages and reads no more than there is room for.
func TestReadFrom(t *testing.T) {
	serve := func(in *Incoming) {
		c := accept(t, in)
		time.Sleep(time.Minute)
		io.Copy(c, c)
		c.Close()
	}
	inWorld(t, smooth, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		c := w.dial(DialOptions{})
		data := noise(9 << 20) // more than the window
		src := &source{Reader: bytes.NewReader(data)}
		var wg sync.WaitGroup
		wg.Go(func() {
			if n, err := c.ReadFrom(src); n != int64(len(data)) || err != nil {
				t.Errorf("read %d bytes from the source, %v", n, err)
			}
			c.CloseWrite()
		})
		time.Sleep(time.Minute - time.Second)
		if taken := src.taken.Load(); taken > 5<<20 {
			t.Errorf("took %d bytes while nobody read", taken)
		}
		var got bytes.Buffer
		if n, err := c.WriteTo(&got); n != int64(len(data)) || err != nil || !bytes.Equal(got.Bytes(), data) {
			t.Errorf("wrote %d bytes, %v", n, err)
		}
		wg.Wait()
		c.Close()
		if _, err := c.ReadFrom(bytes.NewReader(data)); err == nil {
			t.Error("read into a closed stream")
		}
		if _, err := c.WriteTo(io.Discard); err == nil {
			t.Error("wrote from a closed stream")
		}
	})
}

// A source counts what is read from it.
type source struct {
	io.Reader
	taken atomic.Int64
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	s.taken.Add(int64(n))
	return n, err
}

// The first write of a quiet stream leaves at once; small writes soon after it
// share a message, and none waits for long.
func TestCoalescing(t *testing.T) {
	inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
		result := w.dialing(DialOptions{})
		nr.connected()
		c := (<-result).c
		start := time.Now()
		for _, s := range []string{"GET / HTTP/1.1\r\n", "Host: target.test\r\n", "\r\n"} {
			c.Write([]byte(s))
			time.Sleep(time.Millisecond / 2)
		}
		nr.want(0, "GET / HTTP/1.1\r\n", false)
		nr.want(1, "Host: target.test\r\n\r\n", false)
		if d := time.Since(start) - smooth.Latency; d > 5*time.Millisecond {
			t.Errorf("it waited for %v", d)
		}
		c.Close()
	})
}
