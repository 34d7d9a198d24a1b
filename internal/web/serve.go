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

// Time-outs and bounds, each with its reason.
const (
	headerWithin = 5 * time.Second  // a header is one packet, which may be lost once or twice
	readWithin   = 15 * time.Second // an announcement is a few kilobytes
	writeWithin  = time.Minute      // the lists of the largest network over a slow line
	maxHeader    = 16 << 10         // bytes: many times what our clients and browsers send
	// webIdle is how long a connection is kept for another request: clients that read
	// several documents ask for one after the other, and then not for a minute.
	webIdle = 10 * time.Second
	// stopWithin is how long requests under way may take when the program ends.
	stopWithin = 5 * time.Second
)

// Serve answers on ln until ctx ends, then returns nil. It closes ln. If
// secure is nil, it speaks plain HTTP.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler, secure *tls.Config) error {
	srv := &http.Server{
		Handler:           handler,
		TLSConfig:         secure,
		ReadHeaderTimeout: headerWithin,
		ReadTimeout:       readWithin,
		WriteTimeout:      writeWithin,
		IdleTimeout:       webIdle,
		MaxHeaderBytes:    maxHeader,
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
