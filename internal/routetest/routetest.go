package routetest

import (
	"net/netip"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

// A Node is a mix node or gateway of which a test knows the private key.
type Node struct {
	Addr mixnet.NodeAddr
	Key  *keys.SphinxKey
}

// Hop gives the node as one hop of a route.
func (n Node) Hop(delay time.Duration) sphinx.Hop {
	return sphinx.Hop{Addr: n.Addr, Key: n.Key.Public(), Delay: delay}
}

// New makes three mix nodes and a gateway, and the route through all of them,
// with a delay of i milliseconds at node i.
func New() (nodes []Node, route []sphinx.Hop) {
	for i := range 4 {
		ap := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 1789)
		n := Node{mixnet.NodeAddrFrom(ap), keys.NewSphinxKey()}
		nodes = append(nodes, n)
		route = append(route, n.Hop(time.Duration(i)*time.Millisecond))
	}
	return nodes, route
}

// Walk hands a packet from node to node, beginning at first, and gives what the
// last one takes out. The test ends where a node refuses it or none is the last.
func Walk(t *testing.T, nodes []Node, first mixnet.NodeAddr, packet []byte) sphinx.Packet {
	t.Helper()
	var w sphinx.Workspace
	for range sphinx.MaxHops {
		var at Node
		for _, n := range nodes {
			if n.Addr == first {
				at = n
			}
		}
		if at.Key == nil {
			t.Fatalf("there is no node at %v", first)
		}
		batch := []sphinx.Packet{{Data: packet, Keys: [2]*keys.SphinxKey{at.Key}}}
		if w.Open(batch); batch[0].Err == nil {
			w.Strip(batch)
		}
		p := batch[0]
		if p.Err != nil {
			t.Fatalf("at %v: %v", first, p.Err)
		}
		if p.Final {
			return p
		}
		first = p.Next
	}
	t.Fatal("the packet does not end")
	panic("unreachable")
}
