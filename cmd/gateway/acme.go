package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"nym-socks5/internal/web"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/sync/errgroup"

	"nym-socks5/config"
	"nym-socks5/internal/admit"
	"nym-socks5/internal/cli"
)

// acmeFolder of the state folder has the account with the authority, the
// certificate and its key.
const acmeFolder = "acme"

// An authority certifies our hostname (ACME, RFC 8555), and no other. Handshakes
// never wait for it: they see the certificate that run obtained last.
//
//	run ──GetCertificate──▶ autocert ──▶ authority
//	 │                          ▲ asks by HTTP, port 80, or by TLS, port 443
//	 └──▶ cert ◀── handshakes
type authority struct {
	hostname string
	manager  *autocert.Manager
	http     net.Listener // where it asks; nil: nowhere
	cert     atomic.Pointer[tls.Certificate]
}

// openAuthority gets ready to ask.
func openAuthority(c config.Clients, s *cli.State) (*authority, error) {
	folder := s.Path(acmeFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	switch info, err := os.Stat(folder); { // H36
	case err != nil:
		return nil, err
	case info.Mode().Perm()&0o077 != 0:
		return nil, cli.Invalid("%s can be read by others, and has keys in it: chmod 700 it", folder)
	}
	a := &authority{
		hostname: strings.ToLower(c.Hostname),
		manager: &autocert.Manager{
			Prompt:     autocert.AcceptTOS,
			Cache:      autocert.DirCache(folder),
			HostPolicy: onlyHost(c.Hostname),
			Client:     &acme.Client{DirectoryURL: c.ACMEDirectory},
			Email:      c.ACMEEmail,
		},
	}
	if !c.ACMEListen.IsValid() {
		return a, nil
	}
	var err error
	a.http, err = net.Listen("tcp", c.ACMEListen.String())
	return a, err
}

// onlyHost lets one name be certified. An authority that asks by HTTP at another
// port than 80, as private ones may, says the port too.
func onlyHost(name string) autocert.HostPolicy {
	only := autocert.HostWhitelist(name)
	return func(ctx context.Context, host string) error {
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		return only(ctx, host)
	}
}

// A leash ends requests when its context does, for autocert knows none.
type leash struct{ ctx context.Context }

func (l leash) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	context.AfterFunc(l.ctx, cancel)
	return http.DefaultTransport.RoundTrip(r.WithContext(ctx))
}

func (a *authority) close() error {
	if a.http == nil {
		return nil
	}
	return a.http.Close()
}

// tls makes the settings of the port.
func (a *authority) tls() *tls.Config {
	c := web.ServerTLS(a.get)
	c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	return c
}

// Errors of handshakes; they stay inside.
var (
	errOtherName     = errors.New("a certificate for another name was asked for")
	errNoCertificate = errors.New("there is no certificate yet")
)

// get is for [tls.Config.GetCertificate].
func (a *authority) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if !strings.EqualFold(hello.ServerName, a.hostname) {
		return nil, errOtherName
	}
	if slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) { // the authority, which is answered at once
		return a.manager.GetCertificate(hello)
	}
	if cert := a.cert.Load(); cert != nil {
		return cert, nil
	}
	return nil, errNoCertificate
}

// How often the manager, which renews in time by itself, is looked at, and how
// long after a failure: authorities count those.
const (
	acmeEvery = time.Hour
	acmeRetry = time.Minute
)

// run answers the authority, and obtains certificates, until ctx ends.
func (a *authority) run(ctx context.Context, log zerolog.Logger) error {
	g, ctx := errgroup.WithContext(ctx)
	if a.http != nil {
		handler := a.manager.HTTPHandler(http.NotFoundHandler())
		g.Go(func() error {
			return web.Serve(ctx, admit.Listen(a.http, admit.New(admit.Limits{Places: acmeConns, PlacesPerPrefix: acmeConns / 4})), handler, nil)
		})
	}
	g.Go(func() error {
		a.obtain(ctx, log)
		return nil
	})
	return g.Wait()
}

// acmeConns is how many may ask at a time by HTTP.
const acmeConns = 64

// modern is the handshake of a client that takes a certificate of the kind we want.
func (a *authority) modern() *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName:       a.hostname,
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	}
}

func (a *authority) obtain(ctx context.Context, log zerolog.Logger) {
	a.manager.Client.HTTPClient = &http.Client{Transport: leash{ctx}, Timeout: time.Minute}
	retry := acmeRetry
	for ctx.Err() == nil {
		cert, err := a.manager.GetCertificate(a.modern())
		wait := acmeEvery
		switch before := a.cert.Load(); {
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			wait, retry = retry, min(2*retry, acmeEvery)
			log.Error().Err(err).Int64("retry_s", int64(wait.Seconds())).Msg("the authority gives no certificate")
		case before == nil || !slices.Equal(before.Certificate[0], cert.Certificate[0]):
			retry = acmeRetry
			a.cert.Store(cert)
			log.Info().Time("expires", cert.Leaf.NotAfter).Msg("certificate obtained")
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}
