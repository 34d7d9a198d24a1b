package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// ErrMalformed reports a document, an announcement or a header that no
// conforming directory or node makes.
var ErrMalformed = errors.New("directory: malformed")

// fileKey is a key that topology files of Nym's programs hold as an array of
// numbers and our documents as base58 text. Both are read.
type fileKey struct {
	b       [keys.Size]byte
	numbers bool // how it is written
}

func (k fileKey) MarshalJSON() ([]byte, error) {
	if k.numbers {
		return json.Marshal(k.b) // an array, not a slice: numbers
	}
	return json.Marshal(keys.Identity(k.b).String())
}

func (k *fileKey) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		n, err := keys.ParseNoiseText(s) // 32 bytes of any value
		k.b = n
		return err
	}
	var numbers []uint8n
	if err := json.Unmarshal(b, &numbers); err != nil {
		return err
	}
	if len(numbers) != keys.Size {
		return fmt.Errorf("%w: key of %d numbers", ErrMalformed, len(numbers))
	}
	for i, n := range numbers {
		k.b[i] = byte(n)
	}
	k.numbers = true
	return nil
}

// uint8n is a byte that stands as a number: encoding/json takes []uint8 for base64.
type uint8n uint8

type fileMetadata struct {
	Rotation  uint32    `json:"key_rotation_id"`
	Epoch     uint32    `json:"absolute_epoch_id"`
	Refreshed time.Time `json:"refreshed_at"`
}

type fileEntry struct {
	Hosts    []netip.Addr `json:"ip_addresses"`
	WS       uint16       `json:"clients_ws_port"`
	Hostname *string      `json:"hostname"`
	WSS      *uint16      `json:"clients_wss_port"`
}

type fileRoles struct {
	Mixnode bool `json:"mixnode"`
	Entry   bool `json:"mixnet_entry"`
	Exit    bool `json:"mixnet_exit"`
}

type fileNode struct {
	ID       uint32     `json:"node_id"`
	Host     string     `json:"mix_host"`
	Entry    *fileEntry `json:"entry"`
	Identity fileKey    `json:"identity_key"`
	Sphinx   fileKey    `json:"sphinx_key"`
	Roles    fileRoles  `json:"supported_roles"`
	// Ours.
	Noise *fileKey `json:"noise_key,omitempty"`
	Next  *fileKey `json:"next_sphinx_key,omitempty"`
	Role  string   `json:"role,omitempty"`
}

type fileRequester struct {
	Identity  string   `json:"identity"`
	Addresses []string `json:"addresses"`
	Policy    string   `json:"policy,omitempty"`
}

// fileRotation is the Schedule in our documents.
type fileRotation struct {
	Validity   uint32    `json:"validity_epochs"`
	Initial    uint32    `json:"initial_epoch"`
	Seconds    uint64    `json:"epoch_seconds"`
	EpochStart time.Time `json:"epoch_start"`
}

// fileCadence says when the directory publishes, so that readers know when to ask.
type fileCadence struct {
	Period float64 `json:"period_seconds"`
	Lead   float64 `json:"lead_seconds"`
}

// fileTopology is the topology file of Nym's Rust programs (nodes.md §4.8) and,
// with the members at its end, our own topology document (§4.11).
type fileTopology struct {
	Metadata *fileMetadata       `json:"metadata,omitempty"`
	Rewarded nymRewardedSet      `json:"rewarded_set"`
	Nodes    map[string]fileNode `json:"node_details"`
	Network  string              `json:"network,omitempty"`
	Rotation *fileRotation       `json:"rotation,omitempty"`
	Cadence  *fileCadence        `json:"publication,omitempty"`
	Reqs     []fileRequester     `json:"requesters,omitempty"`
}

// AppendFile appends the topology file that Nym's Rust programs take by
// --custom-mixnet (nodes.md §4.8).
func (v *View) AppendFile(b []byte) ([]byte, error) {
	f := v.file(true)
	f.Network, f.Rotation, f.Cadence, f.Reqs = "", nil, nil, nil
	for id, n := range f.Nodes {
		n.Noise, n.Next, n.Role = nil, nil, ""
		f.Nodes[id] = n
	}
	out, err := json.MarshalIndent(f, "", " ")
	return append(append(b, out...), '\n'), err
}

// AppendDocument appends our own topology document (nodes.md §4.11).
func (v *View) AppendDocument(b []byte) ([]byte, error) {
	out, err := json.Marshal(v.file(false))
	return append(b, out...), err
}

func (v *View) file(numbers bool) fileTopology {
	f := fileTopology{
		Rewarded: v.rewardedSet(),
		Nodes:    make(map[string]fileNode, len(v.Nodes)),
		Network:  v.Network,
	}
	if v.Rotation != noRotation {
		f.Metadata = &fileMetadata{v.Rotation, v.Epoch, v.Refreshed.UTC()}
	}
	if s := v.Schedule; !s.IsZero() {
		f.Rotation = &fileRotation{s.Validity, s.Initial, uint64(s.Duration / time.Second), s.EpochStart(v.Epoch).UTC()}
	}
	if c := v.Cadence; c != (Cadence{}) {
		f.Cadence = &fileCadence{c.Period.Seconds(), c.Lead.Seconds()}
	}
	exits := v.exits()
	for i := range v.Nodes {
		n := &v.Nodes[i]
		key := func(b [keys.Size]byte) *fileKey {
			if b == ([keys.Size]byte{}) {
				return nil
			}
			return &fileKey{b, numbers}
		}
		fn := fileNode{
			ID: n.ID, Host: n.Addr().String(), Role: string(RoleMixnode),
			Identity: fileKey{n.Identity, numbers}, Sphinx: fileKey{n.Sphinx, numbers},
			Noise: key(n.Noise), Next: key(n.Next),
			Roles: fileRoles{Mixnode: n.Role.IsMix()},
		}
		if n.Role == topology.RoleGateway {
			_, exit := exits[n.Identity]
			fn.Role, fn.Roles.Entry, fn.Roles.Exit = string(RoleGateway), true, exit
			fn.Entry = &fileEntry{Hosts: n.Hosts, WS: n.Clients.WS}
			if n.Clients.Hostname != "" {
				fn.Entry.Hostname = &n.Clients.Hostname
			}
			if n.Clients.WSS != 0 {
				fn.Entry.WSS = &n.Clients.WSS
			}
		}
		f.Nodes[strconv.FormatUint(uint64(n.ID), 10)] = fn
	}
	for _, r := range v.Requesters {
		fr := fileRequester{Identity: r.Identity.String(), Policy: r.Policy, Addresses: []string{}}
		for _, a := range r.Addresses {
			fr.Addresses = append(fr.Addresses, a.String())
		}
		f.Reqs = append(f.Reqs, fr)
	}
	return f
}

// ParseFile reads a topology file, or our topology document: the one is a part
// of the other. Nodes that make no sense are left out. A file says nothing
// about the schedule of rotations. Its errors wrap [ErrMalformed].
func ParseFile(b []byte) (*View, error) {
	var f struct {
		fileTopology
		Nodes map[string]json.RawMessage `json:"node_details"`
	}
	if err := decode(b, &f); err != nil {
		return nil, err
	}
	if len(f.Nodes) > maxNodes {
		return nil, fmt.Errorf("%w: %d nodes", ErrMalformed, len(f.Nodes))
	}
	v := &View{Network: f.Network, Epoch: f.Rewarded.Epoch, Rotation: noRotation}
	if m := f.Metadata; m != nil {
		if m.Epoch != f.Rewarded.Epoch {
			return nil, fmt.Errorf("%w: epochs of metadata and rewarded set differ", ErrMalformed)
		}
		v.Rotation, v.Refreshed = m.Rotation, m.Refreshed.UTC()
	}
	if r := f.Rotation; r != nil {
		if r.Seconds > math.MaxInt64/uint64(time.Second) {
			return nil, fmt.Errorf("%w: duration of an epoch", ErrMalformed)
		}
		v.Schedule = Schedule{
			Start: r.EpochStart.UTC(), First: v.Epoch, Initial: r.Initial, Validity: r.Validity,
			Duration: time.Duration(r.Seconds) * time.Second,
		}
		if err := v.Schedule.Check(); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
		}
	}
	if c := f.Cadence; c != nil {
		v.Cadence = Cadence{time.Duration(c.Period * float64(time.Second)), time.Duration(c.Lead * float64(time.Second))}
		if err := v.Cadence.Check(); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
		}
	}
	roles := f.Rewarded.roles()
	for id, raw := range f.Nodes {
		var fn fileNode
		if json.Unmarshal(raw, &fn) != nil || strconv.FormatUint(uint64(fn.ID), 10) != id {
			continue
		}
		if n, err := fn.node(roles); err == nil {
			v.Nodes = append(v.Nodes, n)
		}
	}
	for _, fr := range f.Reqs {
		if r, err := fr.requester(); err == nil {
			v.Requesters = append(v.Requesters, r)
		}
	}
	v.Sort()
	return v, nil
}

// decode reads one JSON text of a bounded size.
func decode(b []byte, into any) error {
	if len(b) > MaxFile {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(b))
	}
	if err := json.Unmarshal(bytes.TrimSpace(b), into); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return nil
}

// roles tells what each node of the rewarded set does. What is in none of its
// layers may still be a gateway.
func (s *nymRewardedSet) roles() map[uint32]topology.Role {
	m := make(map[uint32]topology.Role)
	for i, ids := range [][]uint32{s.Layer1, s.Layer2, s.Layer3} {
		for _, id := range ids {
			m[id] = topology.Role(i + 1)
		}
	}
	for _, ids := range [][]uint32{s.Entry, s.Exit} {
		for _, id := range ids {
			m[id] = topology.RoleGateway
		}
	}
	return m
}

// node reads one node. Gateways are those of the rewarded set and those that
// let clients in; any of them can be the gateway of a recipient.
func (fn *fileNode) node(roles map[uint32]topology.Role) (Node, error) {
	role := roles[fn.ID]
	if role == topology.RoleNone && fn.Entry != nil && fn.Roles.Entry {
		role = topology.RoleGateway
	}
	ap, err := netip.ParseAddrPort(fn.Host)
	if err != nil || ap.Port() == 0 || ap.Addr().Zone() != "" {
		return Node{}, fmt.Errorf("%w: mix_host", ErrMalformed)
	}
	n := Node{ID: fn.ID, Role: role, Hosts: []netip.Addr{ap.Addr().Unmap()}, MixPort: ap.Port()}
	if n.Identity, err = keys.ParseIdentity(fn.Identity.b[:]); err != nil {
		return Node{}, err
	}
	if n.Sphinx, err = keys.ParseSphinx(fn.Sphinx.b[:]); err != nil {
		return Node{}, err
	}
	if fn.Noise != nil {
		n.Noise = fn.Noise.b
	}
	if fn.Next != nil {
		if n.Next, err = keys.ParseSphinx(fn.Next.b[:]); err != nil {
			return Node{}, err
		}
	}
	if e := fn.Entry; e != nil && role == topology.RoleGateway {
		n.Clients.WS = e.WS
		if e.Hostname != nil {
			n.Clients.Hostname = *e.Hostname
		}
		if e.WSS != nil {
			n.Clients.WSS = *e.WSS
		}
		for _, h := range e.Hosts {
			if h = h.Unmap(); h.IsValid() && h != n.Hosts[0] {
				n.Hosts = append(n.Hosts, h)
			}
		}
	}
	return n, nil
}

func (fr *fileRequester) requester() (Requester, error) {
	r := Requester{Policy: fr.Policy}
	var err error
	if r.Identity, err = keys.ParseIdentityText(fr.Identity); err != nil {
		return Requester{}, err
	}
	for _, s := range fr.Addresses {
		a, err := mixnet.ParseRecipientText(s)
		if err != nil {
			return Requester{}, err
		}
		r.Addresses = append(r.Addresses, a)
	}
	return r, nil
}
