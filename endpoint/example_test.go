package endpoint_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"

	"nym-socks5/endpoint"
	"nym-socks5/internal/simnet"
	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// A page is fetched through a requester. Its name is looked up there, not here.
func Example() {
	network, stop := exampleNetwork()
	defer stop()
	fmt.Println(fetch(network, "http://example.com/"))
	// Output: a page of example.com <nil>
}

// In a network with directories, the endpoint is made by [endpoint.New] with a
// Network of [endpoint.Directories], and run by its Run.
func fetch(network *localnet.Network, url string) (string, error) {
	e, err := network.Join(context.Background(), endpoint.Config{Requesters: []mixnet.Recipient{network.Requester()}})
	if err != nil {
		return "", err
	}
	web := http.Client{Transport: &http.Transport{DialContext: e.DialContext, DisableKeepAlives: true}}
	resp, err := web.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	return string(page), err
}

func TestExampleOnVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, stop := exampleNetwork()
		defer stop()
		if page, err := fetch(network, "http://example.com/"); page != "a page of example.com" || err != nil {
			t.Errorf("got %q, %v", page, err)
		}
	})
}

// exampleNetwork runs a network in memory, with a web server behind its requester.
func exampleNetwork() (network *localnet.Network, stop func()) {
	inside, outside, next := simnet.New(), simnet.New(), 0
	network, err := localnet.New(localnet.Spec{
		Traffic: client.Fast(),
		Addr: func(string) string {
			next++
			return fmt.Sprintf("10.0.0.%d:1000", next)
		},
		SOCKS: "10.0.1.1:1080", Listen: inside.Listen, Dial: inside.DialContext,
		Allow: func(string, netip.Addr, uint16) error { return nil },
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		},
		DialTarget: outside.DialContext,
	})
	if err != nil {
		panic(err)
	}
	web, err := outside.Listen("192.0.2.1:80")
	if err != nil {
		panic(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a page of ", r.Host) })}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- network.Run(ctx) }()
	go func() { server.Serve(web); ended <- nil }()
	<-network.Ready()
	return network, func() {
		server.Close()
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				panic(err)
			}
		}
	}
}
