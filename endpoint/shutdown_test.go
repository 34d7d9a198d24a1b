package endpoint_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/proxy"
)

// paced sends as Nym's clients do: 400 kB take some five seconds, more than streams
// have when a context ends.
func paced(c endpoint.Config) endpoint.Config {
	c.Traffic = client.Traffic{SendEvery: client.DefaultSendEvery}
	return c
}

// What was written to streams that were closed, and messages that were sent, arrive
// before the endpoint ends.
func TestShutdown(t *testing.T) {
	inWorld(t, func(w *world) {
		listener := w.start(endpoint.Config{Peers: true, Messages: true})
		dialer, err := w.NewEndpoint(paced(endpoint.Config{Peers: true, Messages: true}))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- dialer.Run(w.ctx) }()
		<-dialer.Ready()
		ln, err := listener.Listen(7)
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan []byte, 1)
		go func() {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(c)
			c.Close()
			heard <- b
		}()
		c, err := dialer.DialAddress(w.ctx, listener.Address(), 7)
		if err != nil {
			t.Fatal(err)
		}
		sent := bytes.Repeat([]byte("the last words "), 400_000/15)
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := dialer.Messenger().Send(w.ctx, listener.Address(), sent, mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		mine, err := dialer.Listen(8)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := dialer.Shutdown(w.ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 5*time.Second {
			t.Errorf("it took %v, which is too short for what was sent", took)
		}
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := <-heard; !bytes.Equal(got, sent) {
			t.Errorf("%d bytes of the stream arrived, %d were written", len(got), len(sent))
		}
		if m, err := listener.Messenger().Receive(w.ctx); err != nil || !bytes.Equal(m.Body, sent) {
			t.Errorf("%d bytes of the message arrived, %v", len(m.Body), err)
		}
		if _, err := mine.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a listener outlives its endpoint: %v", err)
		}
		var open *proxy.OpenError
		if _, err := dialer.DialAddress(w.ctx, listener.Address(), 7); !errors.As(err, &open) || open.Reason != proxy.ReasonNoNetwork {
			t.Errorf("dialed after the end: %v", err)
		}
	})
}

// A stream that nobody closes is waited for as long as the context says.
func TestShutdownIsBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		listener, dialer := w.start(endpoint.Config{Peers: true}), w.start(endpoint.Config{})
		ln, err := listener.Listen(7)
		if err != nil {
			t.Fatal(err)
		}
		w.run.Go(func() error { return serveEcho(w.ctx, ln) })
		c, err := dialer.DialAddress(w.ctx, listener.Address(), 7)
		if err != nil {
			t.Fatal(err)
		}
		w.exchange(c, "for as long as you like")
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		began := time.Now()
		if err := dialer.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took < time.Minute || took > time.Minute+5*time.Second {
			t.Errorf("it took %v", took)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a stream outlives its endpoint")
		}

		never, err := w.NewEndpoint(endpoint.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := never.Shutdown(w.ctx); err != nil {
			t.Errorf("before Run: %v", err)
		}
		if err := never.Run(w.ctx); err != nil {
			t.Errorf("Run after Shutdown: %v", err)
		}
	})
}

// A context that ends while a stream is opened ends the waiting at once, and nothing
// is left of the stream; a deadline ends a Read, and the stream goes on.
func TestContextsAndDeadlinesHold(t *testing.T) {
	inWorld(t, func(w *world) {
		listener, dialer := w.start(endpoint.Config{Peers: true}), w.start(endpoint.Config{})
		ln, err := listener.Listen(7) // and nobody accepts
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := dialer.DialAddress(ctx, listener.Address(), 7); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		time.Sleep(time.Minute)
		if n := dialer.Status().Streams.Streams; n != 0 {
			t.Errorf("%d streams are open", n)
		}
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go io.Copy(c, c)
			}
		}()
		c, err := dialer.DialAddress(w.ctx, listener.Address(), 7)
		if err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		c.SetReadDeadline(began.Add(5 * time.Second))
		var timeout net.Error
		if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(began) != 5*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		c.SetReadDeadline(time.Time{})
		w.exchange(c, "it goes on")
		c.Close()
	})
}
