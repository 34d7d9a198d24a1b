package dirhttp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"nym-socks5/mixnet/directory"
)

// hardening.md H25: "No answer differs by client: no cookies, ETag = SHA-256 of
// the body, and the client sends the hash it computed itself."
func TestH25RequestsTellNothing(t *testing.T) {
	var seen []*http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r)
		w.Header().Set("Set-Cookie", "id=1")
		w.Header().Set(directory.SealHeader, "v=1")
		switch {
		case r.Method == http.MethodPost:
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		case r.URL.Path == "/away":
			http.Redirect(w, r, "/", http.StatusFound)
		case r.Header.Get("If-None-Match") != "":
			w.WriteHeader(http.StatusNotModified)
		default:
			io.WriteString(w, "body")
		}
	}))
	defer srv.Close()
	c := New(nil)
	defer c.Close()
	have := directory.Hash{1}
	for _, x := range []struct {
		req    directory.Request
		status int
		body   string
	}{
		{directory.Request{URL: srv.URL + "/a"}, 200, "body"},
		{directory.Request{URL: srv.URL + "/a", Have: have}, 304, ""},
		{directory.Request{URL: srv.URL + "/a", Body: []byte("{}")}, 200, "{}"},
		{directory.Request{URL: srv.URL + "/away"}, 302, "<a href=\"/\">Found</a>.\n\n"},
	} {
		got, err := c.Fetch(t.Context(), x.req)
		if err != nil || got.Status != x.status || string(got.Body) != x.body || got.Seal != "v=1" {
			t.Errorf("%+v: %d %q %q, %v", x.req, got.Status, got.Body, got.Seal, err)
		}
	}
	for _, r := range seen {
		if r.UserAgent() != agent || r.Header.Get("Cookie") != "" || r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("headers %v", r.Header)
		}
	}
	// hardening.md H30: where directories are asked, nobody else is to go.
	if !c.Asked(netip.MustParseAddr("::ffff:127.0.0.1")) || c.Asked(netip.MustParseAddr("127.0.0.2")) {
		t.Errorf("asked at %v, want 127.0.0.1", c.asked)
	}
	if got := seen[1].Header.Get("If-None-Match"); got != have.ETag() {
		t.Errorf("If-None-Match %s, want %s", got, have.ETag())
	}
}

// What goes wrong is said in plain words, with what may help.
func TestErrorsNameCauseAndRemedy(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") })
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	ln.Close()
	odd := New(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "d.example", IsNotFound: true}
	}})
	for _, x := range []struct {
		name, url, cause, remedy string
		c                        *Client
	}{
		{"https on an http port", "https" + strings.TrimPrefix(plain.URL, "http"), "speaks http", "write http://", New(nil)},
		{"http on an https port", "http" + strings.TrimPrefix(secure.URL, "https"), "speaks https", "write https://", New(nil)},
		{"a closed port", "http://" + closed, "connection refused", "is it running", New(nil)},
		{"an unknown name", "http://d.example", "d.example is not known", "spelled right", odd},
		{"a certificate of nobody", secure.URL, "signed by nobody", "root certificates", New(nil)},
	} {
		s, err := directory.NewServers([]string{x.url}, x.c.Fetch)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Schedule(t.Context(), [32]byte{})
		x.c.Close()
		var asked *directory.AskError
		if !errors.As(err, &asked) || asked.URL != x.url || !strings.Contains(asked.Cause.Error(), x.cause) || !strings.Contains(asked.Remedy, x.remedy) {
			t.Errorf("%s: %v", x.name, err)
		}
		if got := strings.Count(err.Error(), x.url); got != 1 {
			t.Errorf("%s: the URL is named %d times: %v", x.name, got, err)
		}
	}
}
