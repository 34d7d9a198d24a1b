package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

// stopWithin is how long requests under way may take when the program ends.
const stopWithin = 5 * time.Second

// serve answers on ln until ctx ends, then returns nil. cert may be nil.
func serve(ctx context.Context, ln net.Listener, handler http.Handler, cert *certificate) error {
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // it would name who asks (H38)
	}
	ended := make(chan error, 1)
	go func() {
		if cert == nil {
			ended <- srv.Serve(ln)
			return
		}
		srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get}
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

// A certificate is what TLS needs, from files that may change.
type certificate struct {
	certFile, keyFile string
	pair              atomic.Pointer[tls.Certificate]
}

// openCertificate reads the files of the settings; nil if they name none.
func openCertificate(l config.List) (*certificate, error) {
	if l.Certificate == "" {
		return nil, nil
	}
	c := &certificate{certFile: string(l.Certificate), keyFile: string(l.Key)}
	return c, c.Reread()
}

// Reread implements [cli.Rereader].
func (c *certificate) Reread() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return cli.Invalid("directory.tls_certificate: %v", err)
	}
	c.pair.Store(&pair)
	return nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil }

// forwarded is the address that a reverse proxy says a request came from; the
// zero address if it says none, which all such requests share.
func forwarded(r *http.Request) netip.Addr {
	all := r.Header.Values("X-Forwarded-For")
	if len(all) == 0 {
		return netip.Addr{}
	}
	said := all[len(all)-1]
	ip, _ := netip.ParseAddr(strings.TrimSpace(said[strings.LastIndexByte(said, ',')+1:]))
	return ip
}
