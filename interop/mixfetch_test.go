package interop

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The packages of mix-fetch: the client inside is of 2025 (nodes.md §0.2,
// generation B), or of 2026 (generation A).
const mixFetch2025, mixFetch2026 = "@nymproject/mix-fetch", "mix-fetch-1.4.4"

// mix-fetch, which Nym publishes for browsers, runs in a page. It asks with a
// return address and sends no SURBs (socks.md §15).
func TestMixFetch(t *testing.T) {
	t.Run("1.4.1", func(t *testing.T) { fetchesInPage(t, mixFetch2025) })
	t.Run("1.4.4", func(t *testing.T) { fetchesInPage(t, mixFetch2026) })
}

func fetchesInPage(t *testing.T, pkg string) {
	path := chromium(t)
	at := newTargets(t)
	b := newWorld(t, at.spec()).mixFetch(t, path, pkg)
	fetches(t, b, at.url)
	at.wantHello(t, b)
	t.Run("and on", func(t *testing.T) {
		r := b.fetch(t, fetch{URL: at.url("/hello"), Method: "GET"})
		want(t, "body", r.Body, []byte("hello GET"))
	})
	// A ConnectionError ends a request at once. Neither version survives
	// any: it forgets the request, then closes its connection, and takes it as
	// fatal that it has forgotten it. So this comes last.
	t.Run("refused", func(t *testing.T) {
		text := b.fails(t, fetch{URL: fmt.Sprintf("http://refused.example:%d/hello", at.plain.Port()), Method: "GET"})
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
	b := w.mixFetch(t, path, mixFetch2025)
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
func (w *world) mixFetch(t *testing.T, chromium, pkg string) *fetcher {
	t.Helper()
	return startFetcher(t, mixFetchPage(t, chromium, pkg, w.options())...)
}

// options are those of mix-fetch: the first gateway and the network's requester.
func (w *world) options() map[string]any {
	return map[string]any{
		"clientId":                  "interop",
		"nymApiUrl":                 w.api,
		"preferredGateway":          w.network.Gateways()[0].Identity.String(),
		"preferredNetworkRequester": w.requester,
		"forceTls":                  false,
		"mixFetchOverride":          map[string]any{"requestTimeoutMs": patience.Milliseconds()},
	}
}

// fetches fetches and sends. Each URL that it asks for has another host.
func fetches(t *testing.T, b *fetcher, url func(path string) string) {
	gets(t, b, url)
	t.Run("POST", func(t *testing.T) {
		r := b.fetch(t, fetch{URL: url("/echo"), Method: "POST", Body: []byte("a form of words")})
		want(t, "body", r.Body, []byte("a form of words"))
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

// gets fetches. Each URL that it asks for has another host.
func gets(t *testing.T, b *fetcher, url func(path string) string) {
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
	t.Run("a megabyte down", func(t *testing.T) {
		r := b.fetch(t, fetch{URL: url("/noise"), Method: "GET"})
		want(t, "body", r.Body, noise(megabyte))
	})
}
