package interop

import (
	"context"
	"testing"
	"time"

	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// patience is how long one step may take: the foreign client is slow to start,
// paces what it sends, and takes long for a megabyte on a busy machine.
const patience = 2 * time.Minute

// A world is a network of ours on loopback, with a directory that lists it.
type world struct {
	net       *localnet.Network // nil: it runs as processes
	dir       string            // of the processes, if it does
	api       string            // URL of the directory
	requester string            // address of the network's
	network   *topology.Network // as it was at the start
	newClient func(client.Config) (*client.Client, error)
}

func newWorld(t *testing.T, spec localnet.Spec) *world {
	t.Helper()
	spec.Directory = "127.0.0.1:0"
	n, err := localnet.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{net: n, newClient: n.NewClient}
	run(t, "network", n.Run)
	select {
	case <-n.Ready():
	case <-time.After(patience):
		t.Fatal("the network did not come up")
	}
	w.network, w.api, w.requester = n.Topology(), n.DirectoryURL(), n.Requester().String()
	return w
}

// run runs a part of the world until the test ends, and waits for it then.
func run(t *testing.T, name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
}

// ours runs a client of ours at a gateway until the test ends.
func (w *world) ours(t *testing.T, gateway keys.Identity, tr client.Traffic) *ours {
	t.Helper()
	c, err := w.newClient(client.Config{Entries: []client.Entry{{Gateway: gateway}}, Traffic: tr})
	if err != nil {
		t.Fatal(err)
	}
	run(t, "our client", c.Run)
	select {
	case <-c.Ready():
	case <-time.After(patience):
		t.Fatal("our client did not connect")
	}
	return &ours{c}
}

type ours struct{ *client.Client }

func (o *ours) receive(t *testing.T, what string) mixnet.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := o.Receive(ctx)
	if err != nil {
		t.Fatalf("our client waits for %s: %v", what, err)
	}
	return m
}

// wantDone waits until a message is acknowledged.
func (o *ours) wantDone(t *testing.T, what string, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(patience):
		t.Errorf("%s: not acknowledged", what)
	}
}
