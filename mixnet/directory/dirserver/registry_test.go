package dirserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

var noon = time.Date(2026, 5, 15, 12, 0, 0, 0, time.UTC)

// hourly has epochs of an hour and rotations of 4 of them: epoch 100, the first
// of rotation 25, begins at noon.
var hourly = directory.Schedule{Start: noon, First: 100, Duration: time.Hour, Validity: 4}

// wholeView is a network that packets can cross.
func wholeView() *directory.View {
	v := &directory.View{Network: "test", Schedule: hourly, Epoch: 100, Rotation: 25}
	for i, role := range []topology.Role{topology.RoleMix1, topology.RoleMix2, topology.RoleMix3, topology.RoleGateway} {
		n := directory.Node{
			ID: uint32(i + 1), Role: role, Identity: keys.NewIdentityKey().Public(), Sphinx: keys.NewSphinxKey().Public(),
			Hosts: []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)})}, MixPort: 1789,
		}
		if role == topology.RoleGateway {
			n.Clients.WS = 9000
		}
		v.Nodes = append(v.Nodes, n)
	}
	return v
}

func newTestRegistry() *registry {
	cfg, err := Config{
		Network: "test", Key: keys.NewIdentityKey(), Schedule: hourly,
		Allow: func(keys.Identity, directory.Role) bool { return true },
	}.withDefaults()
	if err != nil {
		panic(err)
	}
	return newRegistry(&cfg)
}

// A testNode announces itself by hand.
type testNode struct {
	key  *keys.IdentityKey
	said directory.Announcement
}

var testNodes uint8 // makes addresses differ

func newTestNode(_ *registry, role directory.Role) *testNode {
	n := &testNode{key: keys.NewIdentityKey()}
	n.said = testAnnouncement(n.key, role)
	return n
}

func testAnnouncement(k *keys.IdentityKey, role directory.Role) directory.Announcement {
	testNodes++
	a := directory.Announcement{Network: "test", Identity: k.Public(), Role: role, Build: "test 1"}
	switch role {
	case directory.RoleRequester:
		a.Addresses = []mixnet.Recipient{{Identity: keys.NewIdentityKey().Public(), Gateway: keys.NewIdentityKey().Public()}}
		return a
	case directory.RoleGateway:
		a.Clients = directory.Clients{WS: 9000}
	}
	a.Hosts, a.MixPort = []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, testNodes})}, 1789
	a.Sphinx = []directory.RotationKey{{Rotation: 25, Key: keys.NewSphinxKey().Public()}}
	a.Noise = keys.NewNoiseKey().Public()
	return a
}

// offer has the registry judge the node's next announcement, and takes it over
// if it is accepted.
func (n *testNode) offer(t *testing.T, r *registry, now time.Time) (Record, error) {
	t.Helper()
	n.said.Sequence++
	n.said.Issued = now
	signed, err := n.said.Sign(n.key)
	if err != nil {
		t.Fatal(err)
	}
	said, err := directory.OpenAnnouncement(signed)
	if err != nil {
		t.Fatal(err)
	}
	rec, _, err := r.judge(said, signed, now)
	if err == nil {
		r.put(rec, said)
	}
	return rec, err
}

func (n *testNode) announce(t *testing.T, r *registry, now time.Time) Record {
	t.Helper()
	rec, err := n.offer(t, r, now)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	var r *directory.Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// nodes.md §4.11: "sequence grows with every announcement of an identity; issued
// within 120 s of the directory's clock. Not greater, too old, another network, a
// role for which the identity is not listed … → 4xx"
func TestRefusals(t *testing.T) {
	r, now := newTestRegistry(), noon
	n := newTestNode(r, directory.RoleMixnode)
	n.announce(t, r, now)

	n.said.Sequence-- // offer counts up again
	_, err := n.offer(t, r, now)
	wantCode(t, "the same sequence", err, directory.CodeSequence)
	var refused *directory.Refusal
	if errors.As(err, &refused) && refused.Sequence != 1 {
		t.Errorf("the refusal names sequence %d, want 1", refused.Sequence)
	}

	for name, c := range map[string]struct {
		spoil func(*testNode)
		code  string
	}{
		"another network": {func(n *testNode) { n.said.Network = "other" }, directory.CodeNetwork},
		"another's address": {func(o *testNode) {
			o.said.Hosts, o.said.MixPort = n.said.Hosts, n.said.MixPort
		}, directory.CodeTaken},
	} {
		o := newTestNode(r, directory.RoleMixnode)
		c.spoil(o)
		_, err := o.offer(t, r, now)
		wantCode(t, name, err, c.code)
	}

	o := newTestNode(r, directory.RoleMixnode)
	for _, late := range []time.Duration{121 * time.Second, -121 * time.Second} {
		signed, _ := o.said.Sign(o.key)
		said := o.said
		said.Issued = now.Add(late)
		_, _, err := r.judge(&said, signed, now)
		wantCode(t, "issued "+late.String()+" off", err, directory.CodeClock)
	}
	if _, err := o.offer(t, r, now); err != nil {
		t.Errorf("the same node in order: %v", err)
	}
}

// Who may join a directory: identities that its operator listed.
func TestOnlyListedIdentitiesJoin(t *testing.T) {
	r, now := newTestRegistry(), noon
	mix, gw := newTestNode(r, directory.RoleMixnode), newTestNode(r, directory.RoleGateway)
	listed := map[keys.Identity]directory.Role{mix.said.Identity: directory.RoleMixnode, gw.said.Identity: directory.RoleMixnode}
	r.allow = func(id keys.Identity, role directory.Role) bool { return listed[id] == role }
	mix.announce(t, r, now)
	_, err := gw.offer(t, r, now)
	wantCode(t, "listed in another role", err, directory.CodeNotListed)
	if v := r.view(now, now); len(v.Nodes) != 1 {
		t.Fatalf("%d nodes, want 1", len(v.Nodes))
	}
	// Struck off the list, it leaves the next topology.
	delete(listed, mix.said.Identity)
	if v := r.view(now, now); len(v.Nodes) != 0 {
		t.Errorf("%d nodes, want none", len(v.Nodes))
	}
}

// nodes.md §4.11: "Without renewal within the lease the node leaves the next document."
func TestLeases(t *testing.T) {
	r, now := newTestRegistry(), noon
	n, gone := newTestNode(r, directory.RoleMixnode), newTestNode(r, directory.RoleMixnode)
	first := n.announce(t, r, now)
	gone.announce(t, r, now)
	n.announce(t, r, now.Add(r.lease/2))
	later := now.Add(r.lease + time.Second)
	v := r.view(later, later)
	if len(v.Nodes) != 1 || v.Nodes[0].Identity != n.said.Identity {
		t.Fatalf("%d nodes are left, want the one that renewed", len(v.Nodes))
	}
	// Who comes back keeps number and layer.
	back := gone.announce(t, r, later.Add(time.Hour))
	if back.ID == first.ID || back.ID != 2 || back.Layer != 2 {
		t.Errorf("comes back as %d in layer %d, was 2 in layer 2", back.ID, back.Layer)
	}
}

func TestLayersAreBalancedAndStable(t *testing.T) {
	r, now := newTestRegistry(), noon
	var all []*testNode
	var count [4]int
	for i := range 9 {
		n := newTestNode(r, directory.RoleMixnode)
		if i%2 == 0 {
			n.said.PreferredLayer = 1 // cannot have it all
		}
		all = append(all, n)
		count[n.announce(t, r, now).Layer]++
	}
	for layer := 1; layer <= 3; layer++ {
		if count[layer] < 2 || count[layer] > 4 {
			t.Errorf("layer %d has %d of 9 mixes", layer, count[layer])
		}
	}
	for _, n := range all {
		before := r.members[n.said.Identity].Layer
		n.said.PreferredLayer = before%3 + 1
		if rec := n.announce(t, r, now.Add(time.Second)); rec.Layer != before {
			t.Errorf("moved from layer %d to %d", before, rec.Layer)
		}
	}
	if _, ok := r.thin(now); ok {
		t.Error("a mix is moved although no layer is empty")
	}
	// All of layer 2 are gone: one moves there.
	for _, n := range all {
		if m := r.members[n.said.Identity]; m.Layer == 2 {
			m.Expires = now
		}
	}
	rec, ok := r.thin(now)
	if !ok || rec.Layer != 2 {
		t.Fatalf("moved to layer %d, %v", rec.Layer, ok)
	}
	r.put(rec, r.members[rec.Identity].said)
	if _, again := r.thin(now); again {
		t.Error("one is enough")
	}
}

func TestFixedNodesCount(t *testing.T) {
	r, now := newTestRegistry(), noon
	fixed := wholeView().Nodes[:1]
	r.fixed, r.lastID = fixed, 1
	n := newTestNode(r, directory.RoleMixnode)
	if rec := n.announce(t, r, now); rec.ID != 2 || rec.Layer != 2 {
		t.Errorf("number %d in layer %d, want 2 in 2", rec.ID, rec.Layer)
	}
	twin := newTestNode(r, directory.RoleMixnode)
	twin.said.Hosts, twin.said.MixPort = fixed[0].Hosts, fixed[0].MixPort
	_, err := twin.offer(t, r, now)
	wantCode(t, "the address of a fixed node", err, directory.CodeTaken)
}

// nodes.md §3.7: "The directory must therefore switch rotation_id and all
// x25519_sphinx_pubkey values atomically."
func TestViewHasTheKeysOfItsRotation(t *testing.T) {
	r, now := newTestRegistry(), noon
	ahead, late := newTestNode(r, directory.RoleMixnode), newTestNode(r, directory.RoleMixnode)
	next := keys.NewSphinxKey().Public()
	ahead.said.Sphinx = append(ahead.said.Sphinx, directory.RotationKey{Rotation: 26, Key: next})
	ahead.announce(t, r, now)
	late.announce(t, r, now)

	v := r.view(now, now)
	if v.Rotation != 25 || len(v.Nodes) != 2 || v.Nodes[0].Sphinx != ahead.said.Sphinx[0].Key || v.Nodes[0].Next != next {
		t.Errorf("rotation %d, %+v", v.Rotation, v.Nodes)
	}
	v = r.view(now, noon.Add(4*time.Hour))
	if v.Rotation != 26 || v.Epoch != 104 || len(v.Nodes) != 1 || v.Nodes[0].Sphinx != next {
		t.Errorf("rotation %d, epoch %d, %+v: want the one node that has a key for it", v.Rotation, v.Epoch, v.Nodes)
	}
}

func TestLoadedRecords(t *testing.T) {
	r, now := newTestRegistry(), noon
	alive, away := newTestNode(r, directory.RoleMixnode), newTestNode(r, directory.RoleGateway)
	gone := away.announce(t, r, now)
	kept := alive.announce(t, r, now.Add(10*time.Minute))

	again := newTestRegistry()
	later := now.Add(24 * time.Hour) // the directory was down for a day
	again.load([]Record{gone, kept, {Identity: keys.Identity{9}, ID: 40, Announcement: []byte("?")}}, later)
	v := again.view(later, later)
	if len(v.Nodes) != 0 { // its key is of an old rotation
		t.Errorf("%d nodes with keys of the rotation", len(v.Nodes))
	}
	if l := again.listed(later); len(l) != 1 || l[0].ID != kept.ID {
		t.Errorf("%d nodes hold leases, want the one that held one at the end", len(l))
	}
	if l := again.listed(later.Add(2 * again.lease)); len(l) != 0 {
		t.Error("the new lease does not end")
	}
	rec := newTestNode(again, directory.RoleMixnode).announce(t, again, later)
	if rec.ID != 41 {
		t.Errorf("a new node gets number %d, want 41: numbers are never given twice", rec.ID)
	}
	// Sequences are remembered.
	alive.said.Sequence = 0
	_, err := alive.offer(t, again, later)
	wantCode(t, "an old sequence after a restart", err, directory.CodeSequence)
}

func TestProbeIsAskedForOnceForEachAddress(t *testing.T) {
	r, now := newTestRegistry(), noon
	r.probes = true
	n := newTestNode(r, directory.RoleMixnode)
	ask := func(now time.Time) bool {
		n.said.Sequence++
		n.said.Issued = now
		rec, probe, err := r.judge(&n.said, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		said := n.said
		r.put(rec, &said)
		return probe
	}
	if !ask(now) {
		t.Error("a new node is not probed")
	}
	if ask(now.Add(time.Second)) {
		t.Error("a known one is probed again")
	}
	n.said.MixPort++
	if !ask(now.Add(2 * time.Second)) {
		t.Error("a new port is not probed")
	}
	n.said.Noise = keys.NewNoiseKey().Public()
	if !ask(now.Add(3 * time.Second)) {
		t.Error("a new Noise key is not probed")
	}
	if !ask(now.Add(3*time.Second + 2*r.lease)) {
		t.Error("who was away is not probed")
	}
}

func TestRequestersAreListed(t *testing.T) {
	r, now := newTestRegistry(), noon
	gw, req := newTestNode(r, directory.RoleGateway), newTestNode(r, directory.RoleRequester)
	req.said.Addresses[0].Gateway = gw.said.Identity
	gw.announce(t, r, now)
	if rec := req.announce(t, r, now); rec.Layer != 0 {
		t.Errorf("a requester in layer %d", rec.Layer)
	}
	v := r.view(now, now)
	if len(v.Nodes) != 1 || len(v.Requesters) != 1 || v.Nodes[0].Role != topology.RoleGateway {
		t.Fatalf("%d nodes, %d requesters", len(v.Nodes), len(v.Requesters))
	}
	// nodes.md §4.5: Nym's clients find it at its gateway.
	docs, err := v.Documents(false)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(docs[pathDescribed], []byte(`"address":"`+req.said.Addresses[0].String())) {
		t.Error("the gateway's description does not name the requester")
	}
	var set struct {
		Entry, Exit []uint32
	}
	if err := json.Unmarshal(bytes.ReplaceAll(docs[pathRewardedSet], []byte("_gateways"), nil), &set); err != nil || len(set.Exit) != 1 || len(set.Entry) != 0 {
		t.Errorf("rewarded set %s, want the gateway as an exit", docs[pathRewardedSet])
	}
}

// hardening.md H18: "After an unclean end that may have lost some, the node
// takes a new Sphinx key": the directory takes another key for a rotation that
// has one.
func TestH18ReplacedKeysAreListed(t *testing.T) {
	r := newTestRegistry()
	n := newTestNode(r, directory.RoleMixnode)
	n.announce(t, r, noon)
	want := keys.NewSphinxKey().Public()
	n.said.Sphinx = []directory.RotationKey{{Rotation: 25, Key: want}}
	n.announce(t, r, noon.Add(time.Second))
	if got := r.view(noon, noon).Nodes[0].Sphinx; got != want {
		t.Errorf("the topology has %v, want %v", got, want)
	}
}
