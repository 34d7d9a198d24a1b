package directory

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// noRotation is the number of the rotation where none is known (sphinx.md §7.1).
const noRotation uint32 = 1<<32 - 1

// A View is all that a directory says of the network at one moment. Every
// format, ours and Nym's, is written from a View or read into one.
type View struct {
	Network    string   // name of the network; empty in Nym's formats
	Schedule   Schedule // zero in a topology file
	Epoch      uint32
	Rotation   uint32    // of the Sphinx keys in it; 2^32-1: unknown
	Refreshed  time.Time // when it changed last
	Nodes      []Node    // by ID
	Requesters []Requester

	// Cadence says when a directory of ours publishes; zero elsewhere.
	Cadence Cadence
}

// A Node is a mix node or gateway as the directory lists it.
type Node struct {
	ID       uint32        // unique, stays with the identity
	Role     topology.Role // a layer, or gateway
	Identity keys.Identity
	Hosts    []netip.Addr // at least one; packets go to the first
	MixPort  uint16
	Sphinx   keys.Sphinx // for the View's rotation
	Next     keys.Sphinx // for the rotation after it; zero: not announced yet
	Noise    keys.Noise  // zero: plain links
	Clients  Clients     // gateways only
}

// Clients is where a gateway's clients connect.
type Clients struct {
	WS       uint16 // port of plain WebSockets; zero: none
	WSS      uint16 // port of WebSockets over TLS; zero: none
	Hostname string // its name, needed for TLS; may be empty
}

// A Requester is a service that opens connections for others.
type Requester struct {
	Identity  keys.Identity
	Addresses []mixnet.Recipient
	Policy    string // SHA-256 of its exit policy in hex; may be empty
}

// Addr is where the node's packets go; zero if it has no host.
func (n *Node) Addr() mixnet.NodeAddr {
	if len(n.Hosts) == 0 {
		return mixnet.NodeAddr{}
	}
	return mixnet.NodeAddrFrom(netip.AddrPortFrom(n.Hosts[0], n.MixPort))
}

// clientsURL is where clients connect (nodes.md §4.6): over TLS if the gateway
// has a name and a port for it, else to its first address.
func (n *Node) clientsURL() string {
	c := n.Clients
	switch {
	case c.Hostname != "" && c.WSS != 0:
		return "wss://" + c.Hostname + ":" + strconv.Itoa(int(c.WSS))
	case c.WS != 0 && len(n.Hosts) > 0:
		return "ws://" + netip.AddrPortFrom(n.Hosts[0], c.WS).String()
	}
	return ""
}

// Topology makes the snapshot that clients and nodes work with. Nodes without an
// address are left out, and so is one that claims the address or identity of a
// node before it, lest one entry spoil the whole. It fails as [topology.New] does.
func (v *View) Topology() (*topology.Network, error) {
	p := topology.Snapshot{Rotation: v.Rotation, Epoch: v.Epoch}
	ids := make(map[uint32]bool)
	addrs := make(map[mixnet.NodeAddr]bool)
	identities := make(map[keys.Identity]bool)
	for i := range v.Nodes {
		n := &v.Nodes[i]
		addr := n.Addr()
		if addr.IsZero() || n.MixPort == 0 || ids[n.ID] || addrs[addr] || identities[n.Identity] {
			continue
		}
		ids[n.ID], addrs[addr], identities[n.Identity] = true, true, true
		p.Nodes = append(p.Nodes, topology.Node{
			ID: n.ID, Role: n.Role, Identity: n.Identity, Addr: addr,
			Sphinx: n.Sphinx, Noise: n.Noise, Clients: n.clientsURL(),
		})
	}
	return topology.New(p)
}

// Routable reports whether packets can cross the network.
func (v *View) Routable() bool {
	_, err := v.Topology()
	return err == nil
}

// Sort brings nodes and requesters into the order in which a View has them.
func (v *View) Sort() {
	slices.SortFunc(v.Nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(v.Requesters, func(a, b Requester) int { return slices.Compare(a.Identity[:], b.Identity[:]) })
}

// CheckHosts refuses what cannot be dialed, and puts IPv4 first: Nym's clients
// write the first host into a URL without brackets (nodes.md §4.3).
func CheckHosts(hosts []netip.Addr) ([]netip.Addr, error) {
	if len(hosts) == 0 || len(hosts) > maxHosts {
		return nil, errors.New("between 1 and 8 hosts are announced")
	}
	out := make([]netip.Addr, 0, len(hosts))
	for _, h := range hosts {
		h = h.Unmap()
		if !h.IsValid() || h.IsUnspecified() || h.IsMulticast() || h.Zone() != "" {
			return nil, fmt.Errorf("nothing can be reached at host %v", h)
		}
		if slices.Contains(out, h) {
			return nil, errors.New("a host is announced twice")
		}
		out = append(out, h)
	}
	slices.SortStableFunc(out, func(a, b netip.Addr) int { return cmp.Compare(a.BitLen(), b.BitLen()) })
	return out, nil
}
