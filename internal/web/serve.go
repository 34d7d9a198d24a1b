package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// webIdle is how long a connection is kept for another request: clients that read
// several documents ask for one after the other, and then not for a minute.
const webIdle = 10 * time.Second

// stopWithin is how long requests under way may take when the program ends.
const stopWithin = 5 * time.Second

// Serve answers on ln until ctx ends, then returns nil. It closes ln. If
// secure is nil, it speaks plain HTTP.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler, secure *tls.Config) error {
	srv := &http.Server{
		Handler:           handler,
		TLSConfig:         secure,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       webIdle,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // it would name who asks (H38)
	}
	ended := make(chan error, 1)
	go func() {
		if secure == nil {
			ended <- srv.Serve(ln)
			return
		}
		ended <- srv.ServeTLS(ln, "", "")
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err := srv.Shutdown(stopping)
	if errors.Is(err, context.DeadlineExceeded) { // who is slow is cut off
		err = srv.Close()
	}
	<-ended
	return err
}
