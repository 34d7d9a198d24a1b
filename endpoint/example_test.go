package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
	return get(e, url)
}

func get(e *endpoint.Endpoint, url string) (string, error) {
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

// A web server has no port on the internet, but one of an endpoint's address. Who asks
// it stays unknown to it.
func ExampleEndpoint_Listen() {
	network, stop := exampleNetwork()
	defer stop()
	fmt.Println(serveAndAsk(network))
	// Output: nobody knows who asks for /page <nil>
}

func serveAndAsk(network *localnet.Network) (string, error) {
	ctx := context.Background()
	server, err := network.Join(ctx, endpoint.Config{Peers: true})
	if err != nil {
		return "", err
	}
	ln, err := server.Listen(80)
	if err != nil {
		return "", err
	}
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "nobody knows who asks for ", r.URL) })
	go http.Serve(ln, site) // until the endpoint ends

	asker, err := network.Join(ctx, endpoint.Config{})
	if err != nil {
		return "", err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return asker.DialAddress(ctx, server.Address(), 80)
	}
	web := http.Client{Transport: &http.Transport{DialContext: dial}}
	defer web.CloseIdleConnections()
	resp, err := web.Get("http://site.invalid/page") // a name that only the server sees
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	return string(page), err
}

// Somebody asks, is answered, and stays unknown: the answer goes to the tag that the
// question came under.
func ExampleEndpoint_Messenger() {
	network, stop := exampleNetwork()
	defer stop()
	fmt.Println(askAndAnswer(network))
	// Output: bob, at your service <nil>
}

func askAndAnswer(network *localnet.Network) (string, error) {
	ctx := context.Background()
	alice, err := network.Join(ctx, endpoint.Config{Messages: true})
	if err != nil {
		return "", err
	}
	bob, err := network.Join(ctx, endpoint.Config{Messages: true})
	if err != nil {
		return "", err
	}
	question := mixnet.SendOptions{As: mixnet.NewSenderTag()}
	if err := alice.Messenger().Send(ctx, bob.Address(), []byte("who are you?"), question); err != nil {
		return "", err
	}
	m, err := bob.Messenger().Receive(ctx)
	if err != nil {
		return "", err
	}
	if err := bob.Messenger().Reply(ctx, m.From, []byte("bob, at your service"), mixnet.SendOptions{}); err != nil {
		return "", err
	}
	m, err = alice.Messenger().Receive(ctx)
	return string(m.Body), err
}

// Each task has an endpoint of its own, which was connected before the task began.
func ExamplePool() {
	network, stop := exampleNetwork()
	defer stop()
	fmt.Println(fetchUnlinked(network, "http://example.com/", "http://example.org/"))
	// Output: [a page of example.com a page of example.org] <nil>
}

func fetchUnlinked(network *localnet.Network, urls ...string) (pages []string, err error) {
	pool, err := endpoint.NewPool(endpoint.PoolConfig{New: func() (*endpoint.Endpoint, error) {
		return network.NewEndpoint(endpoint.Config{Requesters: []mixnet.Recipient{network.Requester()}})
	}})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- pool.Run(ctx) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()
	for _, url := range urls {
		e, err := pool.Get(ctx)
		if err != nil {
			return pages, err
		}
		page, err := get(e, url)
		if err != nil {
			return pages, err
		}
		pages = append(pages, page)
		if err := e.Shutdown(ctx); err != nil {
			return pages, err
		}
	}
	return pages, nil
}

func TestExamplesOnVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, stop := exampleNetwork()
		defer stop()
		for _, f := range []func(*localnet.Network) (string, error){serveAndAsk, askAndAnswer} {
			if got, err := f(network); got == "" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		}
		if pages, err := fetchUnlinked(network, "http://example.com/"); len(pages) != 1 || pages[0] != "a page of example.com" || err != nil {
			t.Errorf("got %q, %v", pages, err)
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
