package main

import (
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"nym-socks5/internal/clitest"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
)

// Everybody learns from a directory what nodes there are; the requester registers
// there, and the proxy finds it.
func TestNetworkByDirectory(t *testing.T) {
	b, nodes, topology := newNetwork(t)
	text, err := os.ReadFile(topology)
	if err != nil {
		t.Fatal(err)
	}
	view, err := directory.ParseFile(text)
	if err != nil {
		t.Fatal(err)
	}

	d := b.Init(t, "network-requester", "requester")
	key := keys.NewIdentityKey()
	server, err := dirserver.New(dirserver.Config{
		Network: "testnet", Key: key, Fixed: view.Nodes, Period: time.Second,
		Allow: func(id keys.Identity, role directory.Role) bool {
			return role == directory.RoleRequester && id.String() == d["identity_key"]
		},
		Schedule: directory.Schedule{Start: time.Now().Add(-time.Hour), Duration: time.Hour, Validity: 8760, First: 8760},
	})
	if err != nil {
		t.Fatal(err)
	}
	runDirectory(t, server)
	web := httptest.NewServer(server)
	defer web.Close()

	page := strings.Repeat("by a directory ", 100)
	host := clitest.Serve(t, page)

	network := []string{"--directory", web.URL, "--directory-key", key.Public().String(), "--network", "testnet"}
	fast := append(network, "--hop-delay", "off", "--send-every", "off", "--cover-every", "off")
	for _, n := range nodes {
		b.Run(t, n.program, n.name, network...).Says(t, `"status":"`, 1)
	}
	socks := b.Run(t, "nym-socks5", "socks", append(fast, "--listen", "127.0.0.1:0")...)
	socks.Says(t, "the directories list no requester yet, waiting for one", 1)
	requester := b.Run(t, "network-requester", "requester", append(fast, "--allow", host, "--register")...)
	address := requester.Line(t)
	requester.Says(t, `"lease held"`, 1)
	proxy := socks.Line(t)
	if got, err := clitest.Fetch(proxy, host); got != page || err != nil {
		t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(page))
	}
	if kept, err := os.ReadFile(b.Path("socks/records/requester")); err != nil || !strings.HasSuffix(string(kept), address) {
		t.Errorf("kept %s, %v; want %s", kept, err, address)
	}
	socks.End(t)
	requester.End(t)
}

// runDirectory runs a directory until the test ends.
func runDirectory(t *testing.T, server *dirserver.Server) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
