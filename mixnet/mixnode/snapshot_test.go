package mixnode

import (
	"net/netip"
	"testing"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/topology"
)

// hardening.md H15: "by a Noise key of the topology; on a plain link by an address
// of the topology".
func TestH15ProvedPeers(t *testing.T) {
	n := newTestNet(t, true)
	ours := snapshots{topology: n.current, self: n.addrs[mix1]}
	none := snapshots{topology: func() *topology.Network { return nil }}
	at := n.addrs[entry].AddrPort()
	elsewhere := netip.MustParseAddrPort("198.51.100.9:1")
	for _, c := range []struct {
		name string
		in   *snapshots
		peer link.Peer
		want bool
	}{
		{"plain, address of a node", &ours, link.Peer{Addr: at}, true},
		{"plain, another address", &ours, link.Peer{Addr: elsewhere}, false},
		{"key of a node, its address", &ours, link.Peer{Addr: at, Noise: n.noise[entry].Public()}, true},
		{"key of a node, another address", &ours, link.Peer{Addr: elsewhere, Noise: n.noise[entry].Public()}, true},
		{"another key, address of a node", &ours, link.Peer{Addr: at, Noise: keys.NewNoiseKey().Public()}, false},
		{"no topology", &none, link.Peer{Addr: at, Noise: n.noise[entry].Public()}, false},
	} {
		if got := c.in.get().proved(c.peer); got != c.want {
			t.Errorf("%s: proved is %v", c.name, got)
		}
		l := &inbound{peer: c.peer}
		l.passes(c.in.get())
		if l.proved() != c.want {
			t.Errorf("%s: the link says %v", c.name, l.proved())
		}
		name := peerName{}
		switch {
		case c.want && c.peer.Noise.IsZero():
			name.addr = at.Addr()
		case c.want:
			name.noise = n.noise[entry].Public()
		}
		if l.name() != name {
			t.Errorf("%s: it shares in replay filters as %v", c.name, l.name())
		}
	}
}
