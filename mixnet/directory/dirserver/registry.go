package dirserver

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// A member is an identity that announced itself at some time.
type member struct {
	Record
	said *directory.Announcement
}

// A registry knows who is in the network: who holds a lease, under which number
// and in which layer. The server's loop owns it.
//
//	unknown ──announce──▶ leased ──lease ends──▶ away ──announce──▶ leased
//	                        └──renew──┘          keeps number and layer
type registry struct {
	network  string
	lease    time.Duration
	schedule directory.Schedule
	allow    func(keys.Identity, directory.Role) bool
	invites  Invites // nil: there are none
	fixed    []directory.Node
	probes   bool // addresses must have been probed

	members map[keys.Identity]*member
	lastID  uint32
}

func newRegistry(c *Config) *registry {
	r := &registry{
		network: c.Network, lease: c.Lease, schedule: c.Schedule,
		allow: c.Allow, invites: c.Invites, fixed: c.Fixed, probes: c.Probe != nil,
		members: make(map[keys.Identity]*member),
	}
	for _, n := range c.Fixed {
		r.lastID = max(r.lastID, n.ID)
	}
	return r
}

// load takes over stored records. Who held a lease when the directory stopped
// gets a new one, so that a restart of the directory empties no network.
func (r *registry) load(records []Record, now time.Time) {
	var last time.Time
	for _, rec := range records {
		if rec.Expires.After(last) {
			last = rec.Expires
		}
	}
	for _, rec := range records {
		said, err := directory.OpenAnnouncement(rec.Announcement)
		if err != nil || said.Identity != rec.Identity {
			continue // of an older form: its number stays taken
		}
		if !rec.Expires.Before(last.Add(-r.lease)) {
			rec.Expires = now.Add(r.lease)
		}
		r.members[rec.Identity] = &member{rec, said}
	}
	for _, rec := range records {
		r.lastID = max(r.lastID, rec.ID)
	}
}

// judge decides about an announcement, and gives the record that stands once it
// is stored. needsProbe says that nobody has been seen at the announced address
// yet. Nothing changes before [registry.put].
func (r *registry) judge(a *directory.Announcement, signed []byte, now time.Time) (rec Record, needsProbe bool, err error) {
	refuse := func(code, message string) error { return &directory.Refusal{Code: code, Message: message} }
	if a.Network != r.network {
		return rec, false, refuse(directory.CodeNetwork, "this is the directory of network "+r.network)
	}
	if err := r.mayJoin(a); err != nil {
		return rec, false, err
	}
	if d := now.Sub(a.Issued); d > maxClockSkew || d < -maxClockSkew {
		return rec, false, refuse(directory.CodeClock, "issued more than two minutes from the directory's time")
	}
	old := r.members[a.Identity]
	if old != nil && a.Sequence <= old.said.Sequence {
		return rec, false, &directory.Refusal{
			Code: directory.CodeSequence, Message: "an announcement with this sequence number or a greater one was seen", Sequence: old.said.Sequence,
		}
	}
	if msg := r.conflict(a, now); msg != "" {
		return rec, false, refuse(directory.CodeTaken, msg)
	}
	rec = Record{Identity: a.Identity, Announcement: signed, Expires: now.Add(r.lease)}
	if old != nil {
		rec.ID = old.ID
	} else {
		rec.ID = r.lastID + 1
	}
	if a.Role == directory.RoleMixnode {
		if old != nil && old.Layer != 0 {
			rec.Layer = old.Layer
		} else {
			rec.Layer = r.assign(a.PreferredLayer, now)
		}
	}
	if a.Role != directory.RoleRequester && r.probes {
		needsProbe = old == nil || !old.Expires.After(now) || addrOf(old.said) != addrOf(a) || old.said.Noise != a.Noise
	}
	return rec, needsProbe, nil
}

// mayJoin says whether the operator wants the author of an announcement: the list has
// it, or an invitation would let it in. It uses up no invitation; [registry.join] does.
func (r *registry) mayJoin(a *directory.Announcement) error {
	switch {
	case r.allow(a.Identity, a.Role):
		return nil
	case r.invites != nil && !a.InvitedBy.IsZero():
		return invitedError(r.invites.Check(a.InvitedBy, a.Identity, a.Role))
	}
	return &directory.Refusal{
		Code:    directory.CodeNotListed,
		Message: fmt.Sprintf("the operator does not list this identity as %[2]s; on the directory's machine say: directory allow %[1]v --role %[2]s", a.Identity, a.Role),
	}
}

// join uses the invitation of an announcement that was judged, if it needs one.
func (r *registry) join(a *directory.Announcement) error {
	if r.allow(a.Identity, a.Role) {
		return nil
	}
	return invitedError(r.invites.Use(a.InvitedBy, a.Identity, a.Role))
}

func invitedError(err error) error {
	if err == nil {
		return nil
	}
	return &directory.Refusal{Code: directory.CodeInvite, Message: err.Error()}
}

// put makes a judged record stand.
func (r *registry) put(rec Record, a *directory.Announcement) {
	r.members[rec.Identity] = &member{rec, a}
	r.lastID = max(r.lastID, rec.ID)
}

// addrOf is where a node's packets go.
func addrOf(a *directory.Announcement) mixnet.NodeAddr {
	n := directory.Node{Hosts: a.Hosts, MixPort: a.MixPort}
	return n.Addr()
}

// conflict says what a node claims that another one has.
func (r *registry) conflict(a *directory.Announcement, now time.Time) string {
	for _, n := range r.fixed {
		if n.Identity == a.Identity || a.Role != directory.RoleRequester && n.Addr() == addrOf(a) {
			return "another node has this identity or address"
		}
	}
	if a.Role == directory.RoleRequester {
		return ""
	}
	for id, m := range r.members {
		if id != a.Identity && m.said.Role != directory.RoleRequester && m.Expires.After(now) && addrOf(m.said) == addrOf(a) {
			return "another node has this address"
		}
	}
	return ""
}

// assign chooses the layer of a new mix: the one it prefers unless that has
// two more than another, else the emptiest.
func (r *registry) assign(preferred uint8, now time.Time) uint8 {
	var count [topology.Layers]int
	for _, n := range r.fixed {
		if n.Role.IsMix() {
			count[n.Role-1]++
		}
	}
	for _, m := range r.members {
		if m.Layer != 0 && m.Expires.After(now) {
			count[m.Layer-1]++
		}
	}
	emptiest := slices.Index(count[:], slices.Min(count[:]))
	if preferred != 0 && count[preferred-1] <= count[emptiest]+1 {
		return preferred
	}
	return uint8(emptiest + 1)
}

// listed gives the members that are in the next topology, by number.
func (r *registry) listed(now time.Time) []*member {
	var all []*member
	for _, m := range r.members {
		if m.Expires.After(now) && r.allow(m.Identity, m.said.Role) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *member) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// view is the network as it comes into force at a time, judged now. A node that
// has not announced a Sphinx key for the rotation of that time is left out:
// nothing could be sent to it.
func (r *registry) view(now, at time.Time) *directory.View {
	v := &directory.View{Network: r.network, Schedule: r.schedule, Epoch: r.schedule.Epoch(at)}
	v.Rotation = r.schedule.Rotation(v.Epoch)
	v.Nodes = append(v.Nodes, r.fixed...)
	for _, m := range r.listed(now) {
		switch m.said.Role {
		case directory.RoleRequester:
			v.Requesters = append(v.Requesters, directory.Requester{Identity: m.Identity, Addresses: m.said.Addresses, Policy: m.said.Policy})
		default:
			if n, ok := m.node(v.Rotation); ok {
				v.Nodes = append(v.Nodes, n)
			}
		}
	}
	v.Sort()
	return v
}

func (m *member) node(rotation uint32) (directory.Node, bool) {
	a := m.said
	n := directory.Node{
		ID: m.ID, Role: topology.RoleGateway, Identity: m.Identity,
		Hosts: a.Hosts, MixPort: a.MixPort, Noise: a.Noise, Clients: a.Clients,
	}
	if a.Role == directory.RoleMixnode {
		n.Role = topology.Role(m.Layer)
	}
	found := false
	for _, k := range a.Sphinx {
		switch k.Rotation {
		case rotation:
			n.Sphinx, found = k.Key, true
		case rotation + 1:
			n.Next = k.Key
		}
	}
	return n, found
}

// thin gives a mix that should move so that no layer is empty: the newest of
// the fullest layer, if that has two.
func (r *registry) thin(now time.Time) (rec Record, ok bool) {
	var layers [topology.Layers][]*member
	var fixed [topology.Layers]int
	for _, n := range r.fixed {
		if n.Role.IsMix() {
			fixed[n.Role-1]++
		}
	}
	for _, m := range r.listed(now) {
		if m.Layer != 0 {
			layers[m.Layer-1] = append(layers[m.Layer-1], m)
		}
	}
	empty, fullest := -1, 0
	for i := range layers {
		if len(layers[i])+fixed[i] == 0 {
			empty = i
		}
		if len(layers[i]) > len(layers[fullest]) {
			fullest = i
		}
	}
	if empty < 0 || len(layers[fullest]) == 0 || len(layers[fullest])+fixed[fullest] < 2 {
		return Record{}, false
	}
	rec = layers[fullest][len(layers[fullest])-1].Record
	rec.Layer = uint8(empty + 1)
	return rec, true
}
