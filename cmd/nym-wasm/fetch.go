//go:build js && streams

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"syscall/js"
	"time"

	_ "golang.org/x/crypto/x509roots/fallback" // a page has no root certificates at hand

	"nym-socks5/proxy"
)

// Bounds of fetch.
const (
	// hostConns is how many connections to one host there are at most: what
	// browsers have for HTTP/1.1, and a few more since each is slow.
	hostConns = 10
	// idleConns is how many connections wait for the next request, of all hosts.
	idleConns = 32
	// idleFor is how long they wait: servers close theirs after a minute or two.
	idleFor = 90 * time.Second
	// maxRedirects is what the standard has (WHATWG Fetch §4.4).
	maxRedirects = 20
)

// A web makes requests through a requester. TLS ends here, in the page, so the
// requester sees what any network in between sees.
type web struct {
	transport *http.Transport
	jar       http.CookieJar
}

// init takes PEM of authorities that are trusted beside those of browsers.
func (w *web) init(p *page, authorities string) error {
	var trusted *tls.Config
	if authorities != "" {
		roots, err := x509.SystemCertPool() // those of the fallback
		if err != nil {
			return err
		}
		if !roots.AppendCertsFromPEM([]byte(authorities)) {
			return badArgument("authorities: no certificate in PEM is among them")
		}
		trusted = &tls.Config{RootCAs: roots}
	}
	w.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := p.e.Dial(ctx, addr, proxy.DialOptions{})
			if err != nil {
				return nil, err // and no typed nil beside it
			}
			return c, nil
		},
		TLSClientConfig: trusted, ForceAttemptHTTP2: true,
		MaxConnsPerHost: hostConns, MaxIdleConns: idleConns, MaxIdleConnsPerHost: hostConns, IdleConnTimeout: idleFor,
	}
	w.jar, _ = cookiejar.New(nil) // fails never
	return nil
}

// fetch makes a request, given as an object:
//
//	{url, method, headers: [[name, value]…], body: Uint8Array | function | null,
//	 redirect: "follow" | "manual" | "error", cookies: boolean}
//
// A body that is a function gives Promises of a Uint8Array, of null at the end.
// The response is {status, statusText, url, redirected, headers, body}; body is
// a number to read from and to shut.
func (w *web) fetch(ctx context.Context, p *page, v js.Value) (any, error) {
	// The request lives until its body is shut, which is after we return.
	living, cancel := context.WithCancel(p.ctx)
	abort := context.AfterFunc(ctx, cancel)
	resp, err := w.do(living, v)
	abort()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		cancel()
		return nil, fetchError(err)
	}
	headers := []any{}
	for name, values := range resp.Header {
		for _, value := range values {
			headers = append(headers, []any{name, value})
		}
	}
	return map[string]any{
		"status": resp.StatusCode, "statusText": http.StatusText(resp.StatusCode), "url": resp.Request.URL.String(),
		"redirected": resp.Request.Response != nil, "headers": headers,
		"body": p.keep(io.ReadCloser(&body{resp.Body, cancel})),
	}, nil
}

// A body releases its request when it is closed.
type body struct {
	io.ReadCloser
	release func()
}

func (b *body) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

func (w *web) do(ctx context.Context, v js.Value) (*http.Response, error) {
	target, err := url.Parse(text(v, "url"))
	if err != nil || (target.Scheme != "http" && target.Scheme != "https") || target.Host == "" {
		return nil, badArgument("url: want http:// or https:// and a host")
	}
	var content io.Reader
	length := int64(-1)
	switch b := v.Get("body"); b.Type() {
	case js.TypeFunction:
		content = &puller{ctx: ctx, pull: b}
	case js.TypeObject:
		bytesOf := toBytes(b)
		content, length = bytes.NewReader(bytesOf), int64(len(bytesOf))
	}
	req, err := http.NewRequestWithContext(ctx, text(v, "method"), target.String(), content)
	if err != nil {
		return nil, badArgument("method: %v", err)
	}
	if content != nil {
		req.ContentLength = length
	}
	headers := v.Get("headers")
	for i := range headers.Get("length").Int() {
		req.Header.Add(headers.Index(i).Index(0).String(), headers.Index(i).Index(1).String())
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "") // none is sent: it would tell who we are
	}
	c := http.Client{Transport: w.transport}
	if v.Get("cookies").Truthy() {
		c.Jar = w.jar
	}
	c.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		switch mode := text(v, "redirect"); {
		case mode == "manual":
			return http.ErrUseLastResponse
		case mode == "error":
			return errors.New("the server redirects, which the request forbids")
		case len(via) >= maxRedirects:
			return errors.New("too many redirects")
		}
		return nil
	}
	return c.Do(req)
}

// hasAuthorityError reports that a certificate was not believed.
func hasAuthorityError(err error) bool {
	var unverified *tls.CertificateVerificationError
	return errors.As(err, &unverified)
}

// fetchError takes the words of package net/http away from around the cause.
func fetchError(err error) error {
	var around *url.Error
	if errors.As(err, &around) {
		return around.Err
	}
	return err
}

// A puller reads a request's body from JavaScript.
type puller struct {
	ctx  context.Context
	pull js.Value
	rest []byte
}

// Read implements [io.Reader].
func (r *puller) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		v, err := await(r.ctx, r.pull.Invoke())
		if err != nil {
			return 0, err
		}
		if v.IsNull() {
			return 0, io.EOF
		}
		r.rest = toBytes(v)
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
