package endpoint

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// withGateways makes a topology with a mix in each layer and these gateways.
func withGateways(t testing.TB, gateways ...keys.Identity) *topology.Network {
	t.Helper()
	return withGatewaysBy(t, "ws", gateways...)
}

func withGatewaysBy(t testing.TB, scheme string, gateways ...keys.Identity) *topology.Network {
	t.Helper()
	p := topology.Snapshot{Rotation: 1, Epoch: 1}
	node := func(role topology.Role, id keys.Identity) {
		i := len(p.Nodes) + 1
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1789)
		n := topology.Node{ID: uint32(i), Role: role, Identity: id, Sphinx: keys.NewSphinxKey().Public(), Addr: mixnet.NodeAddrFrom(at)}
		if role == topology.RoleGateway {
			n.Clients = fmt.Sprintf("%s://%v:9000", scheme, at.Addr())
		}
		p.Nodes = append(p.Nodes, n)
	}
	for layer := 1; layer <= topology.Layers; layer++ {
		node(topology.Role(layer), keys.NewIdentityKey().Public())
	}
	for _, g := range gateways {
		node(topology.RoleGateway, g)
	}
	n, err := topology.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func identities(n int) (all []keys.Identity) {
	for range n {
		all = append(all, keys.NewIdentityKey().Public())
	}
	return all
}

var entriesNow = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// hardening.md H26: "At most three gateways persisted, a separate identity at
// each"
func TestH26GatewaysAreKept(t *testing.T) {
	n, s := withGateways(t, identities(5)...), NewMemoryStore()
	own := keys.NewIdentityKey()
	start := func() []client.Entry {
		e, err := New(Config{Network: Snapshots(func() *topology.Network { return n }), Store: s})
		if err != nil {
			t.Fatal(err)
		}
		all, err := e.entries(t.Context(), own)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	first := start()
	if len(first) != client.MaxEntries {
		t.Fatalf("%d entries, want %d", len(first), client.MaxEntries)
	}
	identities := make(map[keys.Identity]bool)
	for i, again := range start() {
		if again.Gateway != first[i].Gateway || again.Identity.Public() != first[i].Identity.Public() {
			t.Errorf("entry %d is another after a second start", i)
		}
		identities[again.Identity.Public()] = true
	}
	if len(identities) != client.MaxEntries || !identities[own.Public()] {
		t.Errorf("%d identities for %d gateways, or none is the endpoint's own", len(identities), client.MaxEntries)
	}
}

// Others know the gateway of an endpoint that they write to: it has one, and keeps
// it though it is away.
func TestReachableEndpointHasOneGateway(t *testing.T) {
	all, s := identities(2), NewMemoryStore()
	n := withGateways(t, all...)
	start := func(c Config) client.Entry {
		c.Network, c.Store = Snapshots(func() *topology.Network { return n }), s
		e, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.entries(t.Context(), keys.NewIdentityKey())
		if err != nil || len(got) != 1 {
			t.Fatalf("%d entries, %v; want one", len(got), err)
		}
		return got[0]
	}
	first := start(Config{Peers: true})
	n = withGateways(t, all[1-slices.Index(all, first.Gateway)])
	for _, c := range []Config{{Messages: true}, {Egress: true}, {Peers: true}} {
		if got := start(c); got.Gateway != first.Gateway {
			t.Errorf("%+v: the gateway changed", c)
		}
	}
	named := identities(1)[0]
	if got := start(Config{Gateway: named, Peers: true}); got.Gateway != named {
		t.Error("the gateway is not the one that was named")
	}
}

func TestGatewayIsDrawnUniformly(t *testing.T) {
	all := identities(2)
	n := withGateways(t, all...)
	drawn := make(map[keys.Identity]int)
	for range 60 {
		e := new(Entries)
		if _, err := e.fill(n, 1, entriesNow); err != nil {
			t.Fatal(err)
		}
		drawn[e.List[0].Gateway]++
	}
	// One of two is drawn less often than 10 times in 60 with probability 10^-7.
	if drawn[all[0]] < 10 || drawn[all[1]] < 10 {
		t.Errorf("drawn %d and %d times", drawn[all[0]], drawn[all[1]])
	}
}

// A page that came by TLS may use no other gateways.
func TestOnlyGatewaysWithTLSAreDrawn(t *testing.T) {
	n := withGateways(t, identities(3)...)
	e := &Entries{secure: true}
	if _, err := e.fill(n, client.MaxEntries, entriesNow); !errors.Is(err, ErrInsecure) {
		t.Errorf("with gateways without TLS: got error %v, want %v", err, ErrInsecure)
	}
	if _, err := e.fill(withGatewaysBy(t, "wss", identities(3)...), client.MaxEntries, entriesNow); err != nil || len(e.List) != client.MaxEntries {
		t.Errorf("with gateways that have it: got %d entries and error %v, want %d", len(e.List), err, client.MaxEntries)
	}
}

// A gateway that is away keeps its place; one that is gone for good does not, and
// its identity is shown to no other.
func TestH26GatewaysAreReplacedSlowly(t *testing.T) {
	ids := identities(6)
	e := new(Entries)
	fill := func(at time.Duration, there ...keys.Identity) {
		t.Helper()
		if _, err := e.fill(withGateways(t, there...), client.MaxEntries, entriesNow.Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	fill(0, ids[:3]...)
	first := e.List[0]
	others := slices.DeleteFunc(slices.Clone(ids), func(id keys.Identity) bool { return id == first.Gateway })
	fill(time.Hour, others...)
	if e.List[0].Gateway != first.Gateway || e.List[0].Missing.IsZero() {
		t.Fatalf("a gateway that is away for an hour: %+v", e.List)
	}
	fill(missingAfter, others...)
	if e.List[0].Gateway != first.Gateway {
		t.Errorf("a gateway was given up early: %+v", e.List)
	}
	fill(missingAfter+2*time.Hour, others...)
	if e.index(first.Gateway) >= 0 || len(e.List) != client.MaxEntries {
		t.Fatalf("a gateway that is gone for a week: %+v", e.List)
	}
	if e.ownUsed() != (first.identity != nil) { // the first drawn had the endpoint's own
		t.Error("an identity moves on to another gateway")
	}
	for _, g := range e.List {
		if g.identity != nil && first.identity != nil && g.identity.Public() == first.identity.Public() {
			t.Error("an identity moves on to another gateway")
		}
	}
}

// hardening.md H26: "at most ten ever tried in 30 days". Somebody who takes all
// gateways away again and again, to be met at last, is met no more often.
func TestH26TenGatewaysInThirtyDays(t *testing.T) {
	const day = 24 * time.Hour
	s := NewMemoryStore()
	drawn := make(map[keys.Identity]time.Duration)
	var order []time.Duration // when each was first drawn
	for at := time.Duration(0); at < 90*day; at += day {
		e, err := LoadEntries(t.Context(), s) // each day a new start
		if err != nil {
			t.Fatal(err)
		}
		// Those in use vanish every day, and new ones are there instead.
		_, err = e.fill(withGateways(t, identities(5)...), client.MaxEntries, entriesNow.Add(at))
		if err != nil && len(e.List) > 0 {
			t.Fatal(err)
		}
		for _, g := range e.List {
			if _, known := drawn[g.Gateway]; !known {
				drawn[g.Gateway] = at
				order = append(order, at)
			}
		}
		if err := e.Save(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for i := range order {
		if j := i + maxTried; j < len(order) && order[j]-order[i] < triedWithin {
			t.Fatalf("gateway %d was drawn %v after gateway %d: more than %d in 30 days", j, order[j]-order[i], i, maxTried)
		}
	}
	if len(order) < 2*maxTried {
		t.Errorf("%d gateways in 90 days: those gone for good are not replaced any more", len(order))
	}
}

func TestGatewaysAreChangedByHand(t *testing.T) {
	e, g := new(Entries), identities(4)
	order := func(what string, err error, ok bool, want ...keys.Identity) {
		t.Helper()
		var got []keys.Identity
		for _, x := range e.List {
			got = append(got, x.Gateway)
		}
		if (err == nil) != ok || !slices.Equal(got, want) {
			t.Errorf("%s: %v, order %v, want %v", what, err, got, want)
		}
	}
	order("add", e.Add(g[0]), true, g[0])
	order("add twice", e.Add(g[0]), false, g[0])
	order("use one that is new", e.Use(g[1]), true, g[1], g[0])
	order("add", e.Add(g[2]), true, g[1], g[0], g[2])
	order("add one too many", e.Add(g[3]), false, g[1], g[0], g[2])
	order("use one too many", e.Use(g[3]), false, g[1], g[0], g[2])
	order("use", e.Use(g[2]), true, g[2], g[1], g[0])
	order("remove", e.Remove(g[0]), true, g[2], g[1]) // it had the endpoint's own identity
	order("remove it again", e.Remove(g[0]), false, g[2], g[1])
	order("use another", e.Use(g[3]), true, g[3], g[2], g[1])
	if e.ownUsed() {
		t.Error("an identity moved on to another gateway")
	}
}

// What is kept comes back the same.
func TestEntriesComeBack(t *testing.T) {
	s, g := NewMemoryStore(), identities(4)
	e := new(Entries)
	for _, err := range []error{e.Add(g[0]), e.Add(g[1]), e.Remove(g[0]), e.Add(g[2]), e.Add(g[3])} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e.List[1].Missing = entriesNow
	e.Tried(g[0], entriesNow)
	if err := e.Save(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	got, err := LoadEntries(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	want, err := e.marshal()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := got.marshal(); string(b) != string(want) || err != nil || !got.ownSpent {
		t.Errorf("got\n%s\nwant\n%s\n%v", b, want, err)
	}
}

func TestBrokenEntries(t *testing.T) {
	a, b := identities(1)[0].String(), identities(1)[0].String()
	for _, text := range []string{
		"{", `{"entries":[{"gateway":"x"}]}`, `{"entries":[{},{},{},{}]}`,
		`{"entries":[{"gateway":"` + a + `"},{"gateway":"` + b + `"}]}`,
		`{"entries":[{"gateway":"` + a + `"}],"own_identity_spent":true}`,
		`{"entries":[{"gateway":"` + a + `","identity_seed":"abc"}]}`,
		`{"tried":[{"gateway":"x"}]}`,
	} {
		s := NewMemoryStore()
		if err := s.Save(t.Context(), entriesName, Record{entriesVersion, []byte(text)}); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadEntries(t.Context(), s); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	s := NewMemoryStore()
	if err := s.Save(t.Context(), entriesName, Record{entriesVersion + 1, nil}); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadEntries(t.Context(), s); !errors.Is(err, ErrNewer) {
		t.Errorf("a record of a newer program: %v", err)
	}
}

func FuzzEntries(f *testing.F) {
	e := new(Entries)
	for _, id := range identities(3) {
		if err := e.Add(id); err != nil {
			f.Fatal(err)
		}
	}
	e.Tried(identities(1)[0], entriesNow)
	b, err := e.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := parseEntries(in)
		if err != nil {
			return
		}
		once, err := e.marshal()
		if err != nil {
			return // a time that JSON has no form for
		}
		again, err := parseEntries(once)
		if err != nil {
			t.Fatalf("%s\nis written as\n%s\nwhich is refused: %v", in, once, err)
		}
		if twice, err := again.marshal(); string(twice) != string(once) || err != nil {
			t.Errorf("%s\nthen\n%s\n%v", once, twice, err)
		}
	})
}
