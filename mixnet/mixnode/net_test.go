package mixnode

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/linktest"
	"nym-socks5/internal/runtest"
	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// The places of a testNet: one mix in each layer, an entry and an exit gateway.
const (
	mix1 = iota
	mix2
	mix3
	entry
	exit
	places
)

// A testNet is a network of five nodes, of which a test runs those it is about.
type testNet struct {
	t      *testing.T
	net    *simnet.Network
	addrs  [places]mixnet.NodeAddr
	keys   [places]*keys.SphinxKey
	noise  [places]*keys.NoiseKey
	topo   *topology.Network // of the moment
	mu     sync.Mutex        // guards topo
	client keys.Identity
}

func newTestNet(t *testing.T, noise bool) *testNet {
	n := &testNet{t: t, net: simnet.New(), client: keys.NewIdentityKey().Public()}
	n.net.SetLatency(10 * time.Millisecond)
	for i := range places {
		n.addrs[i] = mixnet.NodeAddrFrom(netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:1789", i+1)))
		n.keys[i] = keys.NewSphinxKey()
		if noise {
			n.noise[i] = keys.NewNoiseKey()
		}
	}
	n.topo = n.topology()
	return n
}

func (n *testNet) topology() *topology.Network {
	n.t.Helper()
	var p topology.Snapshot
	for i := range places {
		node := topology.Node{
			ID: uint32(i + 1), Role: topology.Role(min(i+1, int(topology.RoleGateway))),
			Identity: keys.NewIdentityKey().Public(), Addr: n.addrs[i], Sphinx: n.keys[i].Public(),
		}
		if n.noise[i] != nil {
			node.Noise = n.noise[i].Public()
		}
		p.Nodes = append(p.Nodes, node)
	}
	topo, err := topology.New(p)
	if err != nil {
		n.t.Fatal(err)
	}
	return topo
}

func (n *testNet) host(place int) simnet.Host {
	return n.net.Host(n.addrs[place].AddrPort().Addr().String())
}

func (n *testNet) current() *topology.Network {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.topo
}

func (n *testNet) change(topo *topology.Network) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.topo = topo
}

// node makes and runs one node until stop is called.
func (n *testNet) node(place int, change func(*Config)) (node *Node, stop func()) {
	n.t.Helper()
	cfg := Config{
		Keys:     Keys{Primary: Key{Rotation: NoRotation, Key: n.keys[place]}},
		Noise:    n.noise[place],
		Addr:     n.addrs[place],
		Topology: n.current,
		Pool:     link.PoolConfig{Dial: n.host(place).DialContext},
	}
	if change != nil {
		change(&cfg)
	}
	node, err := New(cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	ln, err := n.net.Listen(n.addrs[place].String())
	if err != nil {
		n.t.Fatal(err)
	}
	stop = runtest.Start(n.t, func(ctx context.Context) error { return node.Run(ctx, ln) })
	synctest.Wait()
	return node, stop
}

// A sender is a plain link to a node, from the host of another.
type sender struct {
	t *testing.T
	c net.Conn
}

func (n *testNet) link(from simnet.Host, to int) *sender {
	n.t.Helper()
	c, err := from.DialContext(n.t.Context(), "tcp", n.addrs[to].String())
	if err != nil {
		n.t.Fatal(err)
	}
	return &sender{n.t, c}
}

func (s *sender) send(v wire.FrameVersion, frames ...wire.Frame) {
	s.t.Helper()
	var b []byte
	for _, f := range frames {
		var err error
		if b, err = wire.AppendFrame(b, v, f); err != nil {
			s.t.Error(err)
		}
	}
	if _, err := s.c.Write(b); err != nil {
		s.t.Errorf("write: %v", err)
	}
}

// sink listens in the place of a node and keeps what comes.
func (n *testNet) sink(place int) *linktest.Sink {
	n.t.Helper()
	ln, err := n.net.Listen(n.addrs[place].String())
	if err != nil {
		n.t.Fatal(err)
	}
	return linktest.Listen(n.t, ln, n.noise[place])
}

// packet builds a packet for a route of places.
func (n *testNet) packet(size mixnet.PacketSize, delay time.Duration, route ...int) []byte {
	n.t.Helper()
	var hops []sphinx.Hop
	for _, at := range route {
		hops = append(hops, sphinx.Hop{Addr: n.addrs[at], Key: n.keys[at].Public(), Delay: delay})
	}
	return n.build(sphinx.Job{Route: hops, Dest: n.client, Message: []byte("hello")}, size)
}

func (n *testNet) build(j sphinx.Job, size mixnet.PacketSize) []byte {
	n.t.Helper()
	rand.Read(j.Secret[:])
	rand.Read(j.Padding[:])
	j.Packet = make([]byte, size.Total())
	var b sphinx.Builder
	if err := b.Build([]sphinx.Job{j}); err != nil {
		n.t.Fatal(err)
	}
	return j.Packet
}

// strip takes off the layer of a place, as the next node would.
func (n *testNet) strip(place int, packet []byte) sphinx.Packet {
	n.t.Helper()
	var w sphinx.Workspace
	p := []sphinx.Packet{{Data: bytes.Clone(packet), Keys: [2]*keys.SphinxKey{n.keys[place]}}}
	w.Open(p)
	w.Strip(p)
	return p[0]
}

func odd(packet []byte) wire.Frame {
	return wire.Frame{Rotation: mixnet.RotationOdd, Packet: packet}
}

// wantDrops checks that exactly these packets were dropped.
func wantDrops(t *testing.T, n *Node, want map[DropReason]uint64) {
	t.Helper()
	got := n.Stats().Dropped
	for _, r := range DropReasons() {
		if got[r] != want[r] {
			t.Errorf("dropped for %q: got %d, want %d", r, got[r], want[r])
		}
	}
}

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func addrPort(ip string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port)
}
