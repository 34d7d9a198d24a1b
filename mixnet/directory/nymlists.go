package directory

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// The JSON that Nym's clients and nodes read (nodes.md §4.3, §4.4), and the
// only thing we read from a directory whose key we do not know.

type nymMetadata struct {
	Status    *string `json:"status"`
	Epoch     uint32  `json:"absolute_epoch_id"`
	Rotation  uint32  `json:"rotation_id"`
	Refreshed string  `json:"refreshed_at"`
}

type nymPagination struct {
	Total int `json:"total"`
	Page  int `json:"page"`
	Size  int `json:"size"`
}

// nymPage is page 0, which holds everything. A total beyond what page 0 holds
// makes clients loop over further pages.
type nymPage[T any] struct {
	Pagination nymPagination `json:"pagination"`
	Data       []T           `json:"data"`
}

func pageOf[T any](data []T) nymPage[T] {
	if data == nil {
		data = []T{}
	}
	return nymPage[T]{nymPagination{Total: len(data), Size: len(data)}, data}
}

type nymList[T any] struct {
	Metadata nymMetadata `json:"metadata"`
	Nodes    nymPage[T]  `json:"nodes"`
}

type nymSkimmed struct {
	ID          uint32         `json:"node_id"`
	Identity    string         `json:"ed25519_identity_pubkey"`
	Hosts       []string       `json:"ip_addresses"`
	MixPort     uint16         `json:"mix_port"`
	Sphinx      string         `json:"x25519_sphinx_pubkey"`
	Role        nymRole        `json:"role"`
	Supported   nymRoles       `json:"supported_roles"`
	Entry       *nymEntry      `json:"entry"`
	Performance nymPerformance `json:"performance"`
}

type nymRoles struct {
	Mixnode bool `json:"mixnode"`
	Entry   bool `json:"entry"`
	ExitNR  bool `json:"exit_nr"`
	ExitIPR bool `json:"exit_ipr"`
}

type nymEntry struct {
	Hostname *string `json:"hostname"`
	WS       uint16  `json:"ws_port"`
	WSS      *uint16 `json:"wss_port"`
}

type nymSemiSkimmed struct {
	Basic nymSkimmed `json:"basic"`
	Noise *nymNoise  `json:"x25519_noise_versioned_key"`
}

type nymNoise struct {
	Version uint8  `json:"supported_version"`
	Key     string `json:"x25519_pubkey"`
}

// nymRole is a layer, or the name of another role.
type nymRole struct {
	Layer int // 0: Name counts
	Name  string
}

func (r nymRole) MarshalJSON() ([]byte, error) {
	if r.Layer == 0 {
		return json.Marshal(r.Name)
	}
	return fmt.Appendf(nil, `{"Mixnode":{"layer":%d}}`, r.Layer), nil
}

// UnmarshalJSON takes every form; clients do not route by it.
func (r *nymRole) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &r.Name)
	}
	var mix struct {
		Mixnode struct {
			Layer int `json:"layer"`
		}
	}
	if err := json.Unmarshal(b, &mix); err != nil {
		return err
	}
	r.Layer = mix.Mixnode.Layer
	return nil
}

// nymPerformance is a fraction between 0 and 1 in units of 10^-18, written as
// decimal text.
type nymPerformance uint64

const (
	performanceFull nymPerformance = 1e18
	performanceLow                 = performanceFull / 2 // nodes below are not used (nodes.md §4.3)
)

func (p nymPerformance) MarshalText() ([]byte, error) {
	if p >= performanceFull {
		return []byte("1"), nil
	}
	if p == 0 {
		return []byte("0"), nil
	}
	return []byte("0." + strings.TrimRight(fmt.Sprintf("%018d", uint64(p)), "0")), nil
}

// UnmarshalText reads what nodes.md §4.3 allows: at most 1, no sign, digits on
// both sides of the point, at most 18 decimals.
func (p *nymPerformance) UnmarshalText(b []byte) error {
	whole, frac, point := strings.Cut(string(b), ".")
	var n uint64
	if len(whole) == 0 || len(frac) > 18 || point && len(frac) == 0 {
		return fmt.Errorf("%w: performance", ErrMalformed)
	}
	for _, c := range whole {
		if c < '0' || c > '1' || n == 1 { // leading zeros pass
			return fmt.Errorf("%w: performance", ErrMalformed)
		}
		n = uint64(c - '0')
	}
	for i := range 18 {
		d := uint64(0)
		if i < len(frac) {
			if frac[i] < '0' || frac[i] > '9' {
				return fmt.Errorf("%w: performance", ErrMalformed)
			}
			d = uint64(frac[i] - '0')
		}
		n = n*10 + d
	}
	if n > uint64(performanceFull) {
		return fmt.Errorf("%w: performance above 1", ErrMalformed)
	}
	*p = nymPerformance(n)
	return nil
}

type nymRewardedSet struct {
	Epoch   uint32   `json:"epoch_id"`
	Entry   []uint32 `json:"entry_gateways"`
	Exit    []uint32 `json:"exit_gateways"`
	Layer1  []uint32 `json:"layer1"`
	Layer2  []uint32 `json:"layer2"`
	Layer3  []uint32 `json:"layer3"`
	Standby []uint32 `json:"standby"`
}

// nymRotationInfo is what key-rotation-info answers. All members are required.
type nymRotationInfo struct {
	State struct {
		Validity uint32 `json:"validity_epochs"`
		Initial  uint32 `json:"initial_epoch_id"`
	} `json:"key_rotation_state"`
	Epoch    uint32    `json:"current_absolute_epoch_id"`
	Start    time.Time `json:"current_epoch_start"`
	Duration struct {
		Secs  uint64 `json:"secs"`
		Nanos uint32 `json:"nanos"`
	} `json:"epoch_duration"`
	Progress struct {
		Rotation uint32 `json:"current_key_rotation_id"`
		First    uint32 `json:"current_rotation_starting_epoch"`
		Last     uint32 `json:"current_rotation_ending_epoch"`
	} `json:"progress"`
}

// nymTime writes the one form that clients of every age understand.
func nymTime(t time.Time) string {
	s := t.UTC().Format("2006-01-02 15:04:05.000000000")
	s = strings.TrimRight(s, "0")
	if strings.HasSuffix(s, ".") {
		s += "0"
	}
	return s + " +00:00:00"
}

// parseNymTime reads that form or RFC 3339. What is neither counts as 1970, as
// it does in Nym's clients.
func parseNymTime(s string) time.Time {
	for _, layout := range []string{"2006-01-02 15:04:05.999999999 -07:00:00", time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Unix(0, 0).UTC()
}

func (v *View) metadata() nymMetadata {
	return nymMetadata{Epoch: v.Epoch, Rotation: v.Rotation, Refreshed: nymTime(v.Refreshed)}
}

// exits are the gateways that a requester is reached through: Nym calls them
// exit gateways.
func (v *View) exits() map[keys.Identity]string {
	m := make(map[keys.Identity]string)
	for _, r := range v.Requesters {
		for _, a := range r.Addresses {
			if _, ok := m[a.Gateway]; !ok {
				m[a.Gateway] = a.String()
			}
		}
	}
	return m
}

func (v *View) skimmed(n *Node, exit bool) nymSkimmed {
	s := nymSkimmed{
		ID: n.ID, Identity: n.Identity.String(), MixPort: n.MixPort, Sphinx: n.Sphinx.String(),
		Performance: performanceFull,
	}
	for _, h := range n.Hosts {
		s.Hosts = append(s.Hosts, h.String())
	}
	if n.Role != topology.RoleGateway {
		s.Role.Layer = int(n.Role)
		s.Supported.Mixnode = true
		return s
	}
	s.Role.Name = "EntryGateway"
	if exit {
		s.Role.Name = "ExitGateway"
	}
	s.Supported.Entry, s.Supported.ExitNR = true, exit
	s.Entry = &nymEntry{WS: n.Clients.WS}
	if n.Clients.Hostname != "" {
		s.Entry.Hostname = &n.Clients.Hostname
	}
	if n.Clients.WSS != 0 {
		s.Entry.WSS = &n.Clients.WSS
	}
	return s
}

// skimmedList lists the nodes that want lets through.
func (v *View) skimmedList(want func(topology.Role) bool) nymList[nymSkimmed] {
	exits := v.exits()
	var data []nymSkimmed
	for i := range v.Nodes {
		if n := &v.Nodes[i]; want(n.Role) {
			_, exit := exits[n.Identity]
			data = append(data, v.skimmed(n, exit))
		}
	}
	return nymList[nymSkimmed]{v.metadata(), pageOf(data)}
}

func (v *View) semiSkimmedList() nymList[nymSemiSkimmed] {
	exits := v.exits()
	var data []nymSemiSkimmed
	for i := range v.Nodes {
		n := &v.Nodes[i]
		_, exit := exits[n.Identity]
		data = append(data, nymSemiSkimmed{Basic: v.skimmed(n, exit), Noise: noiseOf(n.Noise)})
	}
	return nymList[nymSemiSkimmed]{v.metadata(), pageOf(data)}
}

func noiseOf(k keys.Noise) *nymNoise {
	if k.IsZero() {
		return nil
	}
	return &nymNoise{Version: 1, Key: k.String()}
}

func (v *View) rewardedSet() nymRewardedSet {
	s := nymRewardedSet{
		Epoch: v.Epoch, Entry: []uint32{}, Exit: []uint32{},
		Layer1: []uint32{}, Layer2: []uint32{}, Layer3: []uint32{}, Standby: []uint32{},
	}
	exits := v.exits()
	for _, n := range v.Nodes {
		list := &s.Standby
		switch n.Role {
		case topology.RoleMix1:
			list = &s.Layer1
		case topology.RoleMix2:
			list = &s.Layer2
		case topology.RoleMix3:
			list = &s.Layer3
		case topology.RoleGateway:
			list = &s.Entry
			if _, exit := exits[n.Identity]; exit {
				list = &s.Exit
			}
		}
		*list = append(*list, n.ID)
	}
	return s
}

func (v *View) rotationInfo() nymRotationInfo {
	var i nymRotationInfo
	i.State.Validity, i.State.Initial = v.Schedule.Validity, v.Schedule.Initial
	i.Epoch, i.Start = v.Epoch, v.Schedule.EpochStart(v.Epoch).UTC()
	i.Duration.Secs = uint64(v.Schedule.Duration / time.Second)
	i.Progress.Rotation = v.Rotation
	i.Progress.First, i.Progress.Last = v.Schedule.rotationEpochs(v.Rotation)
	return i
}

// schedule reads the Schedule out of key-rotation-info.
func (i *nymRotationInfo) schedule() (Schedule, error) {
	if i.Duration.Secs > math.MaxInt64/uint64(time.Second) || i.Duration.Nanos >= 1e9 {
		return Schedule{}, fmt.Errorf("%w: duration of an epoch", ErrMalformed)
	}
	s := Schedule{
		Start: i.Start.UTC(), First: i.Epoch, Initial: i.State.Initial, Validity: i.State.Validity,
		Duration: time.Duration(i.Duration.Secs) * time.Second,
	}
	if err := s.Check(); err != nil {
		return Schedule{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return s, nil
}

// node reads one item of a list. Items that make no sense are left out by the
// caller: one bad node spoils nothing.
func (s *nymSkimmed) node(role topology.Role) (Node, error) {
	n := Node{ID: s.ID, Role: role, MixPort: s.MixPort}
	var err error
	if n.Identity, err = keys.ParseIdentityText(s.Identity); err != nil {
		return Node{}, err
	}
	if n.Sphinx, err = keys.ParseSphinxText(s.Sphinx); err != nil {
		return Node{}, err
	}
	for _, h := range s.Hosts {
		ip, err := netip.ParseAddr(h)
		if err != nil {
			return Node{}, fmt.Errorf("%w: host", ErrMalformed)
		}
		n.Hosts = append(n.Hosts, ip.Unmap())
	}
	if len(n.Hosts) == 0 || n.MixPort == 0 {
		return Node{}, fmt.Errorf("%w: node without an address", ErrMalformed)
	}
	if role == topology.RoleGateway {
		if s.Entry == nil {
			return Node{}, fmt.Errorf("%w: gateway without a client port", ErrMalformed)
		}
		n.Clients.WS = s.Entry.WS
		if s.Entry.Hostname != nil {
			n.Clients.Hostname = *s.Entry.Hostname
		}
		if s.Entry.WSS != nil {
			n.Clients.WSS = *s.Entry.WSS
		}
	}
	return n, nil
}
