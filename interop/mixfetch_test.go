package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/localnet"
)

// zone holds names that only our requester can look up: what asks for one and
// gets an answer went through the mixnet.
const zone = ".example.com"

const megabyte = 1 << 20

// mix-fetch, which Nym publishes for browsers, runs in a page. It asks with a
// return address and sends no SURBs (socks.md §15).
func TestMixFetch(t *testing.T) {
	path := chromium(t)
	plain := httptest.NewServer(http.HandlerFunc(serve))
	t.Cleanup(plain.Close)
	var hello atomic.Value // the name in the last ClientHello
	secure := httptest.NewUnstartedServer(http.HandlerFunc(serve))
	secure.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hello.Store(h.ServerName)
		return nil, nil
	}}
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plainAt, secureAt := address(t, plain), address(t, secure)

	w := newWorld(t, localnet.Spec{
		Traffic: client.Fast(),
		Allow: func(host string, addr netip.Addr, port uint16) error {
			ours := port == plainAt.Port() || port == secureAt.Port()
			if !ours || !strings.HasSuffix(host, zone) || addr.IsValid() && addr != plainAt.Addr() {
				return errors.New("not for this test")
			}
			return nil
		},
		Lookup: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{plainAt.Addr()}, nil },
	})
	b := w.mixFetch(t, path)
	// mix-fetch has one request at a time for a host: each gets its own.
	hosts := 0
	url := func(path string) string {
		hosts++
		return fmt.Sprintf("http://host%d%s:%d%s", hosts, zone, plainAt.Port(), path)
	}
	fetches(t, b, url)
	// The authorities that it trusts are built in, so this server's is unknown
	// to it. It says so after a handshake through our requester.
	t.Run("TLS", func(t *testing.T) {
		text := b.fails(t, fetch{URL: fmt.Sprintf("https://secure%s:%d/hello", zone, secureAt.Port()), Method: "GET"})
		if !strings.Contains(text, "unknown authority") {
			t.Errorf("got error %q, want one about an unknown authority", text)
		}
		if got := hello.Load(); got != "secure"+zone {
			t.Errorf("the server got a ClientHello for %v, want one for %s", got, "secure"+zone)
		}
	})
	t.Run("and on", func(t *testing.T) {
		r := b.fetch(t, fetch{URL: url("/hello"), Method: "GET"})
		want(t, "body", r.Body, []byte("hello GET"))
	})
	// A ConnectionError ends a request at once. Version 1.4.1 does not survive
	// any: it forgets the request, then closes its connection, and takes it as
	// fatal that it has forgotten it. So this comes last.
	t.Run("refused", func(t *testing.T) {
		text := b.fails(t, fetch{URL: fmt.Sprintf("http://refused.example:%d/hello", plainAt.Port()), Method: "GET"})
		if strings.Contains(text, "Timeout") {
			t.Errorf("mix-fetch waited for an answer that did not come: %q", text)
		}
	})
}

// The same, where each node, the directory and the requester are processes of
// our programs.
func TestMixFetchOnPrograms(t *testing.T) {
	path := chromium(t)
	ln, err := net.Listen("tcp", "0.0.0.0:0") // on all of 127.0.0.0/8
	if err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewUnstartedServer(http.HandlerFunc(serve))
	plain.Listener.Close()
	plain.Listener = ln
	plain.Start()
	t.Cleanup(plain.Close)
	port := address(t, plain).Port()

	w := runPrograms(t, network{allow: fmt.Sprintf("127.64.0.0/16:%d", port)})
	b := w.mixFetch(t, path)
	hosts := 0
	fetches(t, b, func(path string) string {
		hosts++
		return fmt.Sprintf("http://127.64.0.%d:%d%s", hosts, port, path)
	})
	t.Run("refused", func(t *testing.T) {
		text := b.fails(t, fetch{URL: fmt.Sprintf("http://127.65.0.1:%d/hello", port), Method: "GET"})
		if strings.Contains(text, "Timeout") {
			t.Errorf("mix-fetch waited for an answer that did not come: %q", text)
		}
	})
}

// mixFetch starts mix-fetch, at the first gateway, for the network's requester.
func (w *world) mixFetch(t *testing.T, chromium string) *browser {
	t.Helper()
	return w.browser(t, chromium, map[string]any{
		"clientId":                  "interop",
		"nymApiUrl":                 w.api,
		"preferredGateway":          w.network.Gateways()[0].Identity.String(),
		"preferredNetworkRequester": w.requester,
		"forceTls":                  false,
		"mixFetchOverride":          map[string]any{"requestTimeoutMs": patience.Milliseconds()},
	})
}

// fetches fetches and sends. Each URL that it asks for has another host.
func fetches(t *testing.T, b *browser, url func(path string) string) {
	t.Run("GET", func(t *testing.T) {
		r := b.fetch(t, fetch{URL: url("/hello"), Method: "GET"})
		if r.Status != http.StatusOK || r.Type != "text/plain" {
			t.Errorf("got status %d and type %q, want 200 and text/plain", r.Status, r.Type)
		}
		want(t, "body", r.Body, []byte("hello GET"))
	})
	t.Run("not found", func(t *testing.T) {
		if r := b.fetch(t, fetch{URL: url("/nothing"), Method: "GET"}); r.Status != http.StatusNotFound {
			t.Errorf("got status %d, want 404", r.Status)
		}
	})
	t.Run("POST", func(t *testing.T) {
		r := b.fetch(t, fetch{URL: url("/echo"), Method: "POST", Body: []byte("a form of words")})
		want(t, "body", r.Body, []byte("a form of words"))
	})
	t.Run("a megabyte down", func(t *testing.T) {
		r := b.fetch(t, fetch{URL: url("/noise"), Method: "GET"})
		want(t, "body", r.Body, noise(megabyte))
	})
	t.Run("a megabyte up and down", func(t *testing.T) {
		r := b.fetch(t, fetch{URL: url("/echo"), Method: "POST", Body: noise(megabyte), Binary: true})
		want(t, "body", r.Body, noise(megabyte))
	})
	t.Run("ten at once", func(t *testing.T) {
		var open []<-chan fetched
		for i := range 10 {
			open = append(open, b.start(t, fetch{URL: url("/echo"), Method: "POST", Body: noise(20_000 + i), Binary: true}))
		}
		for i, c := range open {
			r := answer(t, fmt.Sprintf("request %d", i), c)
			want(t, fmt.Sprintf("body %d", i), r.Body, noise(20_000+i))
		}
	})
}

// serve is the target.
func serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/hello":
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "hello ", r.Method)
	case "/noise":
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(noise(megabyte))
	case "/echo":
		w.Header().Set("Content-Type", "application/octet-stream")
		io.Copy(w, r.Body)
	default:
		http.NotFound(w, r)
	}
}

func address(t *testing.T, s *httptest.Server) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return a
}
