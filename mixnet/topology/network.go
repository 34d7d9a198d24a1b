package topology

import (
	"errors"
	"fmt"
	"net/netip"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// Errors of a snapshot.
var (
	// ErrInsufficient reports a snapshot with an empty layer or no gateway.
	ErrInsufficient = errors.New("topology: a layer or the gateways are missing")
	// ErrUnknownGateway reports a route to a gateway that the snapshot lacks.
	ErrUnknownGateway = errors.New("topology: unknown gateway")
)

// A Role is what a node does for packets.
type Role uint8

// The roles. The layers' values are their numbers.
const (
	RoleNone    Role = 0 // knows no packets
	RoleMix1    Role = 1
	RoleMix2    Role = 2
	RoleMix3    Role = 3
	RoleGateway Role = 4
)

// Layers is the number of mix nodes on a route.
const Layers = 3

// Hops is the length of a route in Sphinx hops: the mixes and the recipient's gateway.
const Hops = Layers + 1

// IsMix reports whether r is one of the three layers.
func (r Role) IsMix() bool { return r >= RoleMix1 && r <= RoleMix3 }

// String names the role.
func (r Role) String() string {
	switch {
	case r == RoleNone:
		return "none"
	case r.IsMix():
		return fmt.Sprintf("layer %d", uint8(r))
	case r == RoleGateway:
		return "gateway"
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// A Node is one mix node or gateway.
type Node struct {
	ID       uint32 // unique in the snapshot
	Role     Role
	Identity keys.Identity   // signs for the node; clients name a gateway by it
	Addr     mixnet.NodeAddr // mix port
	Sphinx   keys.Sphinx     // for the rotation of the snapshot
	Noise    keys.Noise      // zero: its links are plain
	Clients  string          // gateway: WebSocket URL of the client port
}

// A Snapshot is what a Network is made from.
type Snapshot struct {
	// Rotation is the number of the Sphinx key rotation (sphinx.md §7.1).
	Rotation uint32
	// Epoch is the absolute number of the epoch (nodes.md §3.7).
	Epoch uint32
	Nodes []Node
}

// A Network is an immutable snapshot of the network.
type Network struct {
	rotation, epoch uint32
	layers          [Layers][]Node
	gateways        []Node
	byIdentity      map[keys.Identity]int // index into gateways
	byAddr          map[mixnet.NodeAddr]entry
	noiseAt         map[netip.Addr][]keys.Noise
	byNoise         map[keys.Noise]Role
	dropped         int
}

type entry struct {
	role  Role
	noise keys.Noise
}

// New makes a Network. Nodes with a Sphinx key that no honest node has are left
// out (H10). It fails with [ErrInsufficient] when no route remains, and when
// two nodes claim one id, address or identity.
func New(p Snapshot) (*Network, error) {
	n := &Network{
		rotation:   p.Rotation,
		epoch:      p.Epoch,
		byIdentity: make(map[keys.Identity]int),
		byAddr:     make(map[mixnet.NodeAddr]entry),
		noiseAt:    make(map[netip.Addr][]keys.Noise),
		byNoise:    make(map[keys.Noise]Role),
	}
	ids := make(map[uint32]bool)
	identities := make(map[keys.Identity]bool)
	for _, node := range p.Nodes {
		if node.Addr.IsZero() || node.Addr.AddrPort().Port() == 0 {
			return nil, fmt.Errorf("topology: node %d has no address", node.ID)
		}
		if _, ok := n.byAddr[node.Addr]; ok || ids[node.ID] || identities[node.Identity] {
			return nil, fmt.Errorf("topology: node %d has the id, address or identity of another", node.ID)
		}
		ids[node.ID], identities[node.Identity] = true, true
		if _, err := keys.ParseSphinx(node.Sphinx[:]); err != nil {
			n.dropped++
			continue
		}
		switch {
		case node.Role.IsMix():
			n.layers[node.Role-1] = append(n.layers[node.Role-1], node)
		case node.Role == RoleGateway:
			n.byIdentity[node.Identity] = len(n.gateways)
			n.gateways = append(n.gateways, node)
		default:
			continue
		}
		n.byAddr[node.Addr] = entry{node.Role, node.Noise}
		if !node.Noise.IsZero() {
			ip := node.Addr.AddrPort().Addr()
			n.noiseAt[ip] = append(n.noiseAt[ip], node.Noise)
			if role, ok := n.byNoise[node.Noise]; ok && role != node.Role {
				n.byNoise[node.Noise] = RoleNone // one key, several roles: it proves none of them
			} else {
				n.byNoise[node.Noise] = node.Role
			}
		}
	}
	if len(n.layers[0]) == 0 || len(n.layers[1]) == 0 || len(n.layers[2]) == 0 || len(n.gateways) == 0 {
		return nil, ErrInsufficient
	}
	return n, nil
}

// RotationID is the number of the Sphinx key rotation.
func (n *Network) RotationID() uint32 { return n.rotation }

// Rotation is the byte that packets carry for it.
func (n *Network) Rotation() mixnet.Rotation { return mixnet.RotationOf(n.rotation) }

// Epoch is the absolute number of the epoch.
func (n *Network) Epoch() uint32 { return n.epoch }

// Dropped counts the nodes left out for their Sphinx keys.
func (n *Network) Dropped() int { return n.dropped }

// Layer lists the nodes of a layer, 1 to 3. The caller must not change it.
func (n *Network) Layer(layer int) []Node { return n.layers[layer-1] }

// Without gives the same network, but that routes lead around the mixes for which is
// says yes, and [Network.Layer] does not list them. Where it says so of a whole layer,
// that keeps them all.
func (n *Network) Without(is func(mixnet.NodeAddr) bool) *Network {
	w := *n
	for i, layer := range n.layers {
		var kept []Node
		for _, node := range layer {
			if !is(node.Addr) {
				kept = append(kept, node)
			}
		}
		if len(kept) > 0 {
			w.layers[i] = kept
		}
	}
	return &w
}

// Gateways lists the gateways. The caller must not change the list.
func (n *Network) Gateways() []Node { return n.gateways }

// Nodes are all nodes, by layer, gateways last. A nil Network has none.
func (n *Network) Nodes() (all []Node) {
	if n == nil {
		return nil
	}
	for _, layer := range n.layers {
		all = append(all, layer...)
	}
	return append(all, n.gateways...)
}

// Gateway finds a gateway by its identity.
func (n *Network) Gateway(id keys.Identity) (Node, bool) {
	i, ok := n.byIdentity[id]
	if !ok {
		return Node{}, false
	}
	return n.gateways[i], true
}

// Role tells what the node at exactly this IP and port does; false: nobody is there.
func (n *Network) Role(addr mixnet.NodeAddr) (Role, bool) {
	e, ok := n.byAddr[addr]
	return e.role, ok
}

// NoiseKey is the key that the node at this address announces; zero for none.
func (n *Network) NoiseKey(addr mixnet.NodeAddr) keys.Noise { return n.byAddr[addr].noise }

// NoiseKeysAt lists all Noise keys announced at an IP, whatever the port.
func (n *Network) NoiseKeysAt(ip netip.Addr) []keys.Noise { return n.noiseAt[ip.Unmap()] }

// RoleOf tells whose Noise key this is; [RoleNone] where nodes of several roles
// share it.
func (n *Network) RoleOf(k keys.Noise) (Role, bool) {
	role, ok := n.byNoise[k]
	return role, ok
}
