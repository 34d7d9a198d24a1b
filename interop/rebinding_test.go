package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"testing"

	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/mixnet/wsapi"
)

// hardening.md H34: "the Host header must be a loopback literal or a configured
// name, a foreign or null Origin is refused ... Tested from Chromium with a
// rebinding name."
func TestH34ReboundPages(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>page</title><body></body>")
	}))
	defer page.Close()
	pagePort := page.Listener.Addr().(*net.TCPAddr).Port

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := wsapi.New(wsapi.Config{
		Messenger: mixnettest.NewPair(mixnettest.Options{}).A,
		Origins:   []string{fmt.Sprintf("http://allowed.test:%d", pagePort)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, ln) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	late, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	port := ln.Addr().(*net.TCPAddr).Port
	cmd := exec.CommandContext(late, "node", "rebinding.mjs", chromium(t), strconv.Itoa(pagePort), strconv.Itoa(port))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the browser: %v, %s", err, out)
	}
	var got map[string]string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"a page that is allowed":             "open",
		"an allowed page, by a foreign name": "refused",
		"a foreign page":                     "refused",
		"a foreign page, by its own name":    "refused",
		"a page of another local port":       "refused",
		"a frame without an origin":          "refused",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
