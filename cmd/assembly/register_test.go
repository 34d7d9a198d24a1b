package assembly

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/node"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

// A mix node gets into the directory, with keys that it still has in its next life.
func TestNodeRegisters(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ks := cli.Keys{Identity: keys.NewIdentityKey(), Sphinx: keys.NewSphinxKey(), Noise: keys.NewNoiseKey()}
	pinned := keys.NewIdentityKey()
	server, err := dirserver.New(dirserver.Config{
		Network: "testnet", Key: pinned, Fixed: nodesOf(parts()), Period: time.Second,
		Allow: func(id keys.Identity, role directory.Role) bool {
			return id == ks.Identity.Public() && role == directory.RoleMixnode
		},
		Schedule: directory.Schedule{Start: time.Now().Add(-time.Hour), Duration: time.Hour, Validity: 8760, First: 8760},
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Run(ctx) }()
	web := httptest.NewServer(server)
	defer web.Close()

	cfg := config.NewMixnode()
	cfg.Network = config.Network{Directories: []string{web.URL}, Key: pinned.Public().String(), Name: "testnet"}
	cfg.Mix.Listen = netip.MustParseAddrPort("127.0.0.1:0")
	cfg.Registration = config.Registration{Register: true}
	s := state(t)
	// live runs the node until it is listed in a snapshot of its own.
	live := func() directory.Node {
		t.Helper()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		ln, err := net.Listen("tcp", cfg.Mix.Listen.String())
		if err != nil {
			t.Fatal(err)
		}
		cfg.Mix.Announce = ln.Addr().(*net.TCPAddr).AddrPort()
		src, err := OpenSource(cfg.Network, s, true, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		node := Registered{
			Network: cfg.Network, Source: src, State: s, Identity: ks.Identity,
			Says: Announcement(directory.RoleMixnode, cfg.Mix, ks),
			Build: func(k mixnode.Keys) (func(mixnode.Keys) error, func(context.Context) error, error) {
				defer ln.Close()
				if k.Primary.Key == nil {
					t.Error("built without a key")
				}
				return func(mixnode.Keys) error { return nil }, func(ctx context.Context) error { <-ctx.Done(); return nil }, nil
			},
			Log: zerolog.Nop(),
		}
		done := make(chan error, 2)
		go func() { done <- src.Run(ctx, nil, zerolog.Nop()) }()
		go func() { done <- node.Run(ctx) }()
		var listed directory.Node
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for listed.MixPort != cfg.Mix.Announce.Port() {
			select {
			case <-tick.C:
			case err := <-done:
				t.Fatalf("ended early: %v", err)
			case <-ctx.Done():
				t.Fatal("the node is not in the directory")
			}
			if v := server.View(); v != nil {
				for _, n := range v.Nodes {
					if n.Identity == ks.Identity.Public() {
						listed = n
					}
				}
			}
		}
		stop()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Fatal(err)
		}
		return listed
	}
	first := live()
	if first.Noise != ks.Noise.Public() || !first.Role.IsMix() || first.Sphinx == ks.Sphinx.Public() {
		t.Errorf("listed as %+v", first)
	}
	records := Records(s)
	before, err := node.Sequence(records)
	if err != nil || before == 0 {
		t.Fatalf("sequence %d, %v", before, err)
	}
	again := live()
	if again.Sphinx != first.Sphinx {
		t.Error("the Sphinx key was lost between two lives")
	}
	if after, err := node.Sequence(records); err != nil || after <= before {
		t.Errorf("sequence %d after %d, %v", after, before, err)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
