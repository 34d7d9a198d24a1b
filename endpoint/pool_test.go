package endpoint_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/proxy"
)

// Endpoints are ready before they are asked for, each is handed out once, and another
// takes its place.
func TestPool(t *testing.T) {
	inWorld(t, func(w *world) {
		const size = 3
		var made atomic.Int32
		p, err := endpoint.NewPool(endpoint.PoolConfig{Size: size, New: func() (*endpoint.Endpoint, error) {
			made.Add(1)
			return w.NewEndpoint(w.dialer())
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(w.ctx)
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		time.Sleep(time.Minute)
		if n := made.Load(); n != size {
			t.Fatalf("%d endpoints were made, want %d", n, size)
		}
		seen := make(map[mixnet.Recipient]bool)
		for range 2 * size {
			e, err := p.Get(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			<-e.Ready()
			if waited := time.Since(began); waited != 0 {
				t.Errorf("one is handed out %v before it is ready", waited)
			}
			if seen[e.Address()] {
				t.Error("one is handed out twice")
			}
			seen[e.Address()] = true
			c, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
			if err != nil {
				t.Fatal(err)
			}
			w.exchange(c, "from the pool")
			c.Close()
			if err := e.Shutdown(w.ctx); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Minute)
		if n := made.Load(); n != 3*size {
			t.Errorf("%d endpoints were made, want %d", n, 3*size)
		}
		kept, err := p.Get(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if _, err := kept.Dial(w.ctx, "echo.example.com:7", proxy.DialOptions{}); err == nil {
			t.Error("one that was handed out outlives the pool")
		}
		if _, err := p.Get(w.ctx); !errors.Is(err, proxy.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// Endpoints that cannot live are made again in ever longer intervals, and an error of
// New ends the pool.
func TestPoolOfWhatCannotLive(t *testing.T) {
	inWorld(t, func(w *world) {
		away := w.Requester()
		away.Gateway = keys.NewIdentityKey().Public() // which the network does not have
		var made atomic.Int32
		failure := errors.New("no more")
		p, err := endpoint.NewPool(endpoint.PoolConfig{Size: 1, New: func() (*endpoint.Endpoint, error) {
			if made.Add(1) > 10 {
				return nil, failure
			}
			return w.NewEndpoint(endpoint.Config{Requesters: []mixnet.Recipient{away}})
		}})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- p.Run(w.ctx) }()
		time.Sleep(50 * time.Second) // 1 + 2 + 4 + 8 + 16 s
		synctest.Wait()
		if n := made.Load(); n != 6 {
			t.Errorf("%d were made in 50 s, want 6", n)
		}
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		if _, err := p.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := <-ended; !errors.Is(err, failure) {
			t.Errorf("Run: %v", err)
		}
	})
	if _, err := endpoint.NewPool(endpoint.PoolConfig{}); err == nil {
		t.Error("a pool of nothing")
	}
}
