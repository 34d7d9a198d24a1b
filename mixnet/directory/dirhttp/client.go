package dirhttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"

	"nym-socks5/mixnet/directory"
)

// agent is the same for everybody (H25).
const agent = "nym-socks5"

// maxIdle is how many idle connections to one directory are kept: one client
// asks for one document after the other, an announcer stands beside it.
const maxIdle = 2

// A Client makes requests of directories.
type Client struct {
	http http.Client

	mu    sync.Mutex // guards the following
	asked []netip.Addr
}

// maxAsked is how many addresses of directories are remembered, the newest of them.
const maxAsked = 64

// Asked reports whether an address is one at which a directory was asked lately.
func (c *Client) Asked(a netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.asked, a.Unmap().WithZone(""))
}

// connected remembers where a request went.
func (c *Client) connected(info httptrace.GotConnInfo) {
	at, ok := info.Conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return
	}
	a := at.AddrPort().Addr().Unmap().WithZone("")
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.asked, a) {
		return
	}
	if c.asked = append(c.asked, a); len(c.asked) > maxAsked {
		c.asked = c.asked[1:]
	}
}

// New makes a Client that asks over a transport; nil stands for a new one with
// the defaults of package net/http, without compression.
func New(transport http.RoundTripper) *Client {
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableCompression = true
		t.MaxIdleConnsPerHost = maxIdle
		transport = t
	}
	return &Client{http: http.Client{
		Transport: transport,
		// What is signed is the path that was asked for.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close closes idle connections. The Client may be used again.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Fetch is a [directory.Fetch].
func (c *Client) Fetch(ctx context.Context, r directory.Request) (directory.Response, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if r.Body != nil {
		method, body = http.MethodPost, bytes.NewReader(r.Body)
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: c.connected})
	req, err := http.NewRequestWithContext(ctx, method, r.URL, body)
	if err != nil {
		return directory.Response{}, err
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept", "application/json")
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Have != (directory.Hash{}) {
		req.Header.Set("If-None-Match", r.Have.ETag())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return directory.Response{}, explain(err)
	}
	defer resp.Body.Close()
	out := directory.Response{Status: resp.StatusCode, Seal: resp.Header.Get(directory.SealHeader)}
	if out.Body, err = io.ReadAll(io.LimitReader(resp.Body, directory.MaxFile+1)); err != nil {
		return directory.Response{}, explain(err)
	}
	return out, nil
}

// explain says in plain words why a request failed, and what may help.
func explain(err error) error {
	var (
		name   *net.DNSError
		header tls.RecordHeaderError
		host   x509.HostnameError
		issuer x509.UnknownAuthorityError
		cert   *tls.CertificateVerificationError
	)
	cause, remedy := "", ""
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &name) && name.IsNotFound:
		cause, remedy = fmt.Sprintf("the name %s is not known", name.Name), "is it spelled right, and does name resolution work on this machine?"
	case errors.As(err, &name):
		cause, remedy = fmt.Sprintf("the name %s cannot be looked up", name.Name), "does name resolution work on this machine?"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &header):
		cause, remedy = "the port speaks http, without TLS", "write http:// in place of https://"
	case strings.Contains(err.Error(), "malformed HTTP response"):
		cause, remedy = "the port does not speak http", "if it speaks https, write https:// in place of http://"
	case errors.As(err, &host):
		cause, remedy = "its certificate is for another name", "use the name that the certificate has"
	case errors.As(err, &issuer):
		cause, remedy = "its certificate is signed by nobody this machine trusts", "is the URL right, and are the system's root certificates there?"
	case errors.As(err, &cert):
		cause, remedy = "its certificate is refused: "+cert.Err.Error(), "are the clocks right?"
	case errors.Is(err, syscall.ECONNREFUSED):
		cause, remedy = "connection refused", "is it running, and is the port right?"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		cause, remedy = "there is no way to its address", "is the network up?"
	default:
		if asked := new(url.Error); errors.As(err, &asked) {
			return asked.Err // without the URL, which is said anyhow
		}
		return err
	}
	return &directory.AskError{Cause: errors.New(cause), Remedy: remedy}
}
