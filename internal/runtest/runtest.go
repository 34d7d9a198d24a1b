package runtest

import (
	"context"
	"net"
	"sync"
	"testing"
)

// Start calls run in a goroutine. The function that it gives ends run's context and
// waits until run has returned; the end of the test does so too. The test fails if
// run returns an error.
func Start(tb testing.TB, run func(context.Context) error) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

// Serve calls serve, each in a goroutine, for the connections that come to ln, and
// closes them behind it. The function that it gives closes ln and waits until all
// are served; the end of the test does so too.
func Serve(tb testing.TB, ln net.Listener, serve func(net.Conn)) (stop func()) {
	tb.Helper()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	stop = sync.OnceFunc(func() {
		ln.Close()
		serving.Wait()
	})
	tb.Cleanup(stop)
	return stop
}
