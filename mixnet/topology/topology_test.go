package topology

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

func addr(port int) mixnet.NodeAddr {
	return mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)))
}

// snapshot has perLayer nodes in each layer and two gateways.
func snapshot(perLayer int) Snapshot {
	p := Snapshot{Rotation: 7, Epoch: 168}
	add := func(r Role) {
		i := len(p.Nodes) + 1
		p.Nodes = append(p.Nodes, Node{
			ID: uint32(i), Role: r, Addr: addr(10000 + i),
			Identity: keys.NewIdentityKey().Public(), Sphinx: keys.NewSphinxKey().Public(), Noise: keys.NewNoiseKey().Public(),
		})
	}
	for range perLayer {
		add(RoleMix1)
		add(RoleMix2)
		add(RoleMix3)
	}
	add(RoleGateway)
	add(RoleGateway)
	return p
}

func mustNew(t *testing.T, p Snapshot) *Network {
	t.Helper()
	n, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLookups(t *testing.T) {
	p := snapshot(2)
	n := mustNew(t, p)
	if n.Rotation() != mixnet.RotationOdd || n.RotationID() != 7 || n.Epoch() != 168 {
		t.Errorf("rotation %v (%d), epoch %d", n.Rotation(), n.RotationID(), n.Epoch())
	}
	for _, want := range p.Nodes {
		if r, ok := n.Role(want.Addr); !ok || r != want.Role {
			t.Errorf("node %d: role %v, %v", want.ID, r, ok)
		}
		if n.NoiseKey(want.Addr) != want.Noise {
			t.Errorf("node %d: wrong Noise key", want.ID)
		}
		if r, ok := n.RoleOf(want.Noise); !ok || r != want.Role {
			t.Errorf("node %d: its Noise key belongs to %v, %v", want.ID, r, ok)
		}
		if g, ok := n.Gateway(want.Identity); ok != (want.Role == RoleGateway) || ok && g != want {
			t.Errorf("node %d: as gateway %v, %v", want.ID, g, ok)
		}
	}
	if _, ok := n.Role(addr(1)); ok {
		t.Error("a node where there is none")
	}
	if got := len(n.NoiseKeysAt(netip.MustParseAddr("::ffff:127.0.0.1"))); got != len(p.Nodes) {
		t.Errorf("%d Noise keys at the IP, want %d", got, len(p.Nodes))
	}
}

func TestNewRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Snapshot){
		"same id":       func(p *Snapshot) { p.Nodes[1].ID = p.Nodes[0].ID },
		"same address":  func(p *Snapshot) { p.Nodes[1].Addr = p.Nodes[0].Addr },
		"same identity": func(p *Snapshot) { p.Nodes[1].Identity = p.Nodes[0].Identity },
		"no address":    func(p *Snapshot) { p.Nodes[1].Addr = mixnet.NodeAddr{} },
		"port 0":        func(p *Snapshot) { p.Nodes[1].Addr = addr(0) },
	} {
		p := snapshot(2)
		spoil(&p)
		if _, err := New(p); err == nil || errors.Is(err, ErrInsufficient) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range snapshot(1).Nodes[:3] {
		p := snapshot(1)
		p.Nodes[i].Role = RoleNone
		if _, err := New(p); !errors.Is(err, ErrInsufficient) {
			t.Errorf("without layer %d: %v", i+1, err)
		}
	}
}

// hardening.md H10: "A topology drops nodes whose Sphinx key is low-order, non-canonical or on the twist."
func TestH10BadSphinxKeys(t *testing.T) {
	twist := keys.Sphinx{2}
	nonCanonical := keys.Sphinx{0: 0xed + 9, 31: 0x7f}
	for i := 1; i < 31; i++ {
		nonCanonical[i] = 0xff
	}
	for name, bad := range map[string]keys.Sphinx{"zero": {}, "order 1": {1}, "twist": twist, "non-canonical": nonCanonical} {
		p := snapshot(2)
		p.Nodes[0].Sphinx = bad
		n := mustNew(t, p)
		if n.Dropped() != 1 || len(n.Layer(1)) != 1 {
			t.Errorf("%s: dropped %d, layer of %d", name, n.Dropped(), len(n.Layer(1)))
		}
		if _, ok := n.Role(p.Nodes[0].Addr); ok {
			t.Errorf("%s: the node is still known", name)
		}
	}
}

// sphinx.md §5.11: "each hop is drawn uniformly from the nodes assigned to layer 1, 2, 3"
func TestRoutesAreUniform(t *testing.T) {
	p := snapshot(4)
	n := mustNew(t, p)
	rng := rand.New(rand.NewPCG(1, 2))
	gw := n.Gateways()[1]
	counts := map[mixnet.NodeAddr]int{}
	const routes = 4000
	var route []sphinx.Hop
	for range routes {
		var err error
		route, err = n.AppendRoute(route[:0], rng, gw.Identity, time.Millisecond)
		if err != nil || len(route) != Hops {
			t.Fatalf("%d hops, %v", len(route), err)
		}
		for i, h := range route[:Layers] {
			if r, _ := n.Role(h.Addr); r != Role(i+1) {
				t.Fatalf("hop %d is of %v", i, r)
			}
			counts[h.Addr]++
		}
		if route[3].Addr != gw.Addr || route[3].Key != gw.Sphinx {
			t.Fatal("the last hop is not the recipient's gateway")
		}
	}
	for a, c := range counts {
		if c < routes/4-220 || c > routes/4+220 { // beyond 8σ
			t.Errorf("%v drawn %d times, want about %d", a, c, routes/4)
		}
	}
	if len(counts) != 12 {
		t.Errorf("%d mixes drawn, want 12", len(counts))
	}
	if _, err := n.AppendRoute(nil, rng, p.Nodes[0].Identity, 0); !errors.Is(err, ErrUnknownGateway) {
		t.Errorf("route to a mix: %v", err)
	}
}

// hardening.md H03: "Delays are resampled, never clamped to a cap."
func TestH03DelaysAreResampled(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var sum float64
	const n = 20000
	for range n {
		sum += Delay(rng, 15*time.Millisecond).Seconds()
	}
	if mean := sum / n; math.Abs(mean-0.015) > 8*0.015/math.Sqrt(n) {
		t.Errorf("mean %.5f s, want 0.015", mean)
	}
	for range n {
		if d := Delay(rng, 8*time.Second); d == MaxDelay || d > MaxDelay || d < 0 {
			t.Fatalf("delay %v", d)
		}
	}
	if d := Delay(rng, 0); d != 0 {
		t.Errorf("mean 0 gives %v", d)
	}
	if d := TotalDelay([]sphinx.Hop{{Delay: 1}, {Delay: 2}, {Delay: 4}}); d != 3 {
		t.Errorf("total delay %d, want 3: the last hop never delays", d)
	}
}
