package assembly

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"nym-socks5/config"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// withGateways makes a picture with a mix in each layer and these gateways.
func withGateways(t *testing.T, gateways ...keys.Identity) *topology.Network {
	t.Helper()
	var p topology.Picture
	for i, part := range parts()[:3] {
		p.Nodes = append(p.Nodes, topology.Node{
			ID: uint32(i + 1), Role: topology.Role(i + 1), Identity: part.node.Identity, Sphinx: part.node.Sphinx,
			Addr: mixnet.NodeAddrFrom(homeAddr(i)),
		})
	}
	for i, g := range gateways {
		p.Nodes = append(p.Nodes, topology.Node{
			ID: uint32(i + 10), Role: topology.RoleGateway, Identity: g, Sphinx: keys.NewSphinxKey().Public(),
			Addr: mixnet.NodeAddrFrom(homeAddr(i + 10)), Clients: fmt.Sprintf("ws://192.0.2.%d:9000", i+10),
		})
	}
	n, err := topology.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func homeAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 1789)
}

func identities(n int) (all []keys.Identity) {
	for range n {
		all = append(all, keys.NewIdentityKey().Public())
	}
	return all
}

var homesNow = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// hardening.md H26: "At most three gateways persisted, a separate identity at
// each, ... at most ten ever tried in 30 days."
func TestH26GatewaysAreKept(t *testing.T) {
	s, ids := state(t), identities(5)
	n := withGateways(t, ids...)
	h, err := LoadHomes(s)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := h.fill(n, s, homesNow); !changed || err != nil || len(h.List) != maxHomes {
		t.Fatalf("drew %+v, changed %v, %v", h.List, changed, err)
	}
	if err := h.Save(s); err != nil {
		t.Fatal(err)
	}
	again, err := LoadHomes(s)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := again.fill(n, s, homesNow.Add(time.Hour)); changed || err != nil || fmt.Sprint(again.List) != fmt.Sprint(h.List) {
		t.Errorf("a second start: %+v, changed %v, %v", again.List, changed, err)
	}
	seen := make(map[keys.Identity]bool)
	for _, g := range h.List {
		k, err := s.Identity(g.Key)
		if err != nil || seen[k.Public()] {
			t.Errorf("the identity for a gateway: used before or %v", err)
		}
		seen[k.Public()] = true
	}
}

// A gateway that is away keeps its place; one that is gone for good does not, and
// its identity is shown to no other.
func TestH26GatewaysAreReplacedSlowly(t *testing.T) {
	s, ids := state(t), identities(40)
	h := &Homes{Version: homesVersion}
	fill := func(at time.Duration, there ...keys.Identity) {
		t.Helper()
		if _, err := h.fill(withGateways(t, there...), s, homesNow.Add(at)); err != nil && len(h.List) > 0 {
			t.Fatal(err)
		}
	}
	fill(0, ids[:3]...)
	first := h.List[0]
	key, err := s.Identity(first.Key)
	if err != nil {
		t.Fatal(err)
	}
	others := append([]keys.Identity(nil), ids[3:6]...)
	for _, id := range ids[:3] {
		if id.String() != first.Gateway {
			others = append(others, id)
		}
	}
	fill(time.Hour, others...)
	if h.List[0].Gateway != first.Gateway || h.List[0].Missing == nil {
		t.Fatalf("a gateway that is away for an hour: %+v", h.List)
	}
	fill(missingAfter, others...)
	if h.List[0].Gateway != first.Gateway {
		t.Errorf("a gateway was given up early: %+v", h.List)
	}
	fill(missingAfter+2*time.Hour, others...)
	if h.index(first.Gateway) >= 0 || len(h.List) != maxHomes {
		t.Fatalf("a gateway that is gone for a week: %+v", h.List)
	}
	if after, err := s.Identity(first.Key); err != nil || after.Public() == key.Public() {
		t.Errorf("an identity moves on to another gateway, %v", err)
	}
	// Every week the whole network is another.
	tried := len(h.Tried)
	for week := 2; week < 4; week++ {
		for _, later := range []time.Duration{0, 8 * 24 * time.Hour} {
			fill(time.Duration(week*8*24)*time.Hour+later, ids[6+3*week:9+3*week]...)
		}
	}
	if tried != 4 || len(h.Tried) > maxTried {
		t.Errorf("%d gateways were tried, then %d; want 4 and no more than %d in 30 days", tried, len(h.Tried), maxTried)
	}
}

func TestGatewaysAreChangedByHand(t *testing.T) {
	s, h := state(t), &Homes{Version: homesVersion}
	var g []string
	for _, id := range identities(4) {
		g = append(g, id.String())
	}
	order := func(what string, err error, ok bool, want ...string) {
		t.Helper()
		var got []string
		for _, x := range h.List {
			got = append(got, x.Gateway)
		}
		if (err == nil) != ok || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, order %v, want %v", what, err, got, want)
		}
	}
	order("add", h.Add(g[0]), true, g[0])
	order("add twice", h.Add(g[0]), false, g[0])
	order("use one that is new", h.Use(g[1]), true, g[1], g[0])
	order("add", h.Add(g[2]), true, g[1], g[0], g[2])
	order("add one too many", h.Add(g[3]), false, g[1], g[0], g[2])
	order("use one too many", h.Use(g[3]), false, g[1], g[0], g[2])
	order("use", h.Use(g[2]), true, g[2], g[1], g[0])
	order("remove", h.Remove(g[1], s), true, g[2], g[0])
	order("remove it again", h.Remove(g[1], s), false, g[2], g[0])
	order("use another", h.Use(g[3]), true, g[3], g[2], g[0])
	used := make(map[string]bool)
	for _, x := range h.List {
		used[x.Key] = true
	}
	if len(used) != 3 {
		t.Errorf("two gateways share an identity: %+v", h.List)
	}
}

// What the version before kept is understood.
func TestGatewaysOfTheVersionBefore(t *testing.T) {
	s, id := state(t), identities(1)[0]
	if err := s.WriteText(gatewayFile, id.String()); err != nil {
		t.Fatal(err)
	}
	h, err := LoadHomes(s)
	if err != nil || len(h.List) != 1 || h.List[0] != (Home{Gateway: id.String(), Key: "identity.pem"}) {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestBrokenListOfGateways(t *testing.T) {
	id := identities(1)[0].String()
	for _, text := range []string{
		"{", `{"version":0}`, `{"version":2}`, `{"version":1,"gateways":[{"gateway":"x","key":"identity.pem"}]}`,
		`{"version":1,"gateways":[{"gateway":"` + id + `","key":"../../x"}]}`,
		`{"version":1,"gateways":[{},{},{},{}]}`,
	} {
		s := state(t)
		if err := os.WriteFile(s.Path(homesFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadHomes(s); !errors.Is(err, config.ErrInvalid) {
			t.Errorf("%s: got %v, want an error of the settings", text, err)
		}
	}
}

func FuzzHomes(f *testing.F) {
	f.Add(`{"version":1,"gateways":[{"gateway":"` + identities(1)[0].String() + `","key":"identity-2.pem"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		h := new(Homes)
		if h.parse(text) == nil && (len(h.List) > maxHomes || h.Version != homesVersion) {
			t.Errorf("%q was taken for %+v", text, h)
		}
	})
}
