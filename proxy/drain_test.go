package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet/mixnettest"
)

// Drain waits for what was written, lets nothing new begin, and gives up with its
// context.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		pair := mixnettest.NewPair(mixnettest.Options{Latency: 2 * time.Second, Seed: 1})
		near, far := New(pair.A, Config{Serve: true}), New(pair.B, Config{Serve: true})
		ended := make(chan error, 2)
		go func() { ended <- near.Run(ctx) }()
		go func() { ended <- far.Run(ctx) }()
		open := func() (dialed, accepted *Conn) {
			opened := make(chan error, 1)
			go func() {
				var err error
				dialed, err = near.Dial(ctx, pair.B.Address(), "example.org:7", DialOptions{})
				opened <- err
			}()
			in, err := far.Accept(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if accepted, err = in.Accept(); err != nil {
				t.Fatal(err)
			}
			if err := <-opened; err != nil {
				t.Fatal(err)
			}
			return dialed, accepted
		}
		idle, other := open()
		busy, accepted := open()
		sent := bytes.Repeat([]byte("drained, not dropped "), 20_000)
		go func() {
			busy.Write(sent)
			busy.Close()
		}()
		heard := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(accepted)
			accepted.Close()
			heard <- b
		}()
		time.Sleep(time.Millisecond)

		short, stop := context.WithTimeout(ctx, 30*time.Second)
		defer stop()
		if err := near.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while a stream is open: %v", err)
		}
		if got := <-heard; !bytes.Equal(got, sent) {
			t.Errorf("%d bytes arrived, %d were sent", len(got), len(sent))
		}
		var refused *OpenError
		if _, err := near.Dial(ctx, pair.B.Address(), "example.org:7", DialOptions{}); !errors.As(err, &refused) || refused.Reason != ReasonNoNetwork {
			t.Errorf("dialed while draining: %v", err)
		}
		if _, err := far.Dial(ctx, pair.A.Address(), "example.org:7", DialOptions{}); !errors.As(err, &refused) {
			t.Errorf("accepted while draining: %v", err)
		}

		done := make(chan error, 1)
		go func() { done <- near.Drain(ctx) }()
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("drained while a stream is open: %v", err)
		default:
		}
		idle.Close()
		other.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := near.Drain(ctx); err != nil {
			t.Errorf("once more: %v", err)
		}
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}
