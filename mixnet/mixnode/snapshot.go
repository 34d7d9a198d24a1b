package mixnode

import (
	"net/netip"
	"sync/atomic"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/topology"
)

// roles is a set of topology roles.
type roles uint8

func (r roles) has(o topology.Role) bool { return r&(1<<o) != 0 }

func setOf(rs ...topology.Role) (set roles) {
	for _, r := range rs {
		set |= 1 << r
	}
	return set
}

// A snapshot is what the node reads out of one topology: who may send to it,
// and where it may send.
//
//	gateway ─▶ 1 ─▶ 2 ─▶ 3 ─▶ gateway        and, unless strict, gateway ─▶ gateway
type snapshot struct {
	net      *topology.Network
	at       map[netip.Addr]roles // of the nodes at each IP
	allNoise bool                 // every node announces a Noise key
	in, out  roles                // whom we take packets from, whom we send to; 0: anybody
}

// snapshots keeps the snapshot of the current topology.
type snapshots struct {
	topology func() *topology.Network
	self     mixnet.NodeAddr
	gateway  bool
	strict   bool
	current  atomic.Pointer[snapshot]
}

// get gives the snapshot, whose net is nil while there is no topology.
func (p *snapshots) get() *snapshot {
	net := p.topology()
	if snap := p.current.Load(); snap != nil && snap.net == net {
		return snap
	}
	snap := p.draw(net)
	p.current.Store(snap)
	return snap
}

func (p *snapshots) draw(net *topology.Network) *snapshot {
	snap := &snapshot{net: net}
	if net == nil {
		return snap
	}
	snap.at = make(map[netip.Addr]roles)
	snap.allNoise = true
	note := func(nodes []topology.Node) {
		for _, n := range nodes {
			snap.at[n.Addr.AddrPort().Addr()] |= setOf(n.Role)
			snap.allNoise = snap.allNoise && !n.Noise.IsZero()
		}
	}
	for layer := range topology.Layers {
		note(net.Layer(layer + 1))
	}
	note(net.Gateways())
	self, _ := net.Role(p.self)
	if p.gateway {
		self = topology.RoleGateway
	}
	snap.in, snap.out = neighbours(self, p.strict)
	return snap
}

// neighbours says which roles are before and behind one on a route (H17).
func neighbours(self topology.Role, strict bool) (in, out roles) {
	switch self {
	case topology.RoleMix1:
		return setOf(topology.RoleGateway), setOf(topology.RoleMix2)
	case topology.RoleMix2:
		return setOf(topology.RoleMix1), setOf(topology.RoleMix3)
	case topology.RoleMix3:
		return setOf(topology.RoleMix2), setOf(topology.RoleGateway)
	case topology.RoleGateway:
		in, out = setOf(topology.RoleMix3), setOf(topology.RoleMix1)
		if !strict {
			in |= setOf(topology.RoleGateway)
			out |= setOf(topology.RoleGateway)
		}
		return in, out
	}
	return 0, 0 // not in the topology: layers are not enforced
}

// next checks where a packet goes (nodes.md §3.6): exactly an IP and port of
// the topology, in the layer that follows ours.
func (p *snapshot) next(addr mixnet.NodeAddr) (why DropReason, ok bool) {
	if p.net == nil {
		return DropUnknownNext, false
	}
	role, ok := p.net.Role(addr)
	if !ok {
		return DropUnknownNext, false
	}
	if p.out != 0 && !p.out.has(role) {
		return DropOutboundLayer, false
	}
	return 0, true
}

// from checks whom packets come from, as far as that is known: by the Noise
// key, if one role alone has it, else by the nodes at the IP. Strangers pass.
func (p *snapshot) from(peer link.Peer) bool {
	if p.net == nil || p.in == 0 {
		return true
	}
	if !peer.Noise.IsZero() {
		if role, ok := p.net.RoleOf(peer.Noise); ok && role != topology.RoleNone {
			return p.in.has(role)
		}
	}
	at := p.at[peer.Addr.Addr()]
	return at == 0 || p.in&at != 0
}

// proved reports whether a peer is a node of the network: it showed the Noise key
// of one, or is at the address of one that needs to show none.
func (p *snapshot) proved(peer link.Peer) bool {
	if p.net == nil {
		return false
	}
	if peer.Noise.IsZero() {
		return !p.stranger(peer.Addr.Addr())
	}
	_, ok := p.net.RoleOf(peer.Noise)
	return ok
}

// stranger reports whether no node of the network is known at an IP.
func (p *snapshot) stranger(ip netip.Addr) bool { return p.at[ip] == 0 }

// standing is what the link server asks about an IP.
func (p *snapshot) standing(ip netip.Addr) link.Standing {
	if p.net == nil {
		return link.Standing{Stranger: true}
	}
	return link.Standing{
		Stranger: p.stranger(ip),
		Noise:    p.allNoise || len(p.net.NoiseKeysAt(ip)) > 0,
	}
}

// admits is what the link server asks about an initiator: where all nodes
// announce keys, its key must be one of them (H17).
func (p *snapshot) admits(k keys.Noise) bool {
	if p.net == nil || !p.allNoise {
		return true
	}
	_, ok := p.net.RoleOf(k)
	return ok
}

func (p *snapshot) noiseKey(addr mixnet.NodeAddr) keys.Noise {
	if p.net == nil {
		return keys.Noise{}
	}
	return p.net.NoiseKey(addr)
}
