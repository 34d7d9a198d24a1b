package directory

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// A Role is what a node announces itself as.
type Role string

// The roles (nodes.md §4.11).
const (
	RoleMixnode   Role = "mixnode"
	RoleGateway   Role = "gateway"
	RoleRequester Role = "requester"
)

// A RotationKey is the Sphinx key of a node for one rotation.
type RotationKey struct {
	Rotation uint32
	Key      keys.Sphinx
}

// An Announcement is what a node, gateway or requester says of itself. Members
// that do not fit its role are zero.
type Announcement struct {
	Network  string
	Identity keys.Identity
	Role     Role
	Sequence uint64 // greater than in every announcement before
	Issued   time.Time
	Hosts    []netip.Addr // mixnode, gateway: packets go to the first
	MixPort  uint16
	Sphinx   []RotationKey // at most 2
	Noise    keys.Noise    // zero: plain links
	Clients  Clients       // gateway
	// Addresses and Policy are the requester's: where it is reached, and the
	// SHA-256 of its exit policy in hex.
	Addresses []mixnet.Recipient
	Policy    string
	Build     string // program and version, for people
	// PreferredLayer asks for a layer of mixes, 1 to 3; zero leaves it to the directory.
	PreferredLayer uint8
	// InvitedBy is the public key of the [Invite] that signed the announcement
	// besides its identity; zero: none did. It is not part of what is said.
	InvitedBy keys.Identity
}

type announcementJSON struct {
	Version   int            `json:"version"`
	Network   string         `json:"network"`
	Identity  string         `json:"identity"`
	Role      Role           `json:"role"`
	Sequence  uint64         `json:"sequence"`
	Issued    time.Time      `json:"issued"`
	Hosts     []netip.Addr   `json:"host,omitempty"`
	MixPort   uint16         `json:"mix_port,omitempty"`
	Sphinx    []rotationJSON `json:"sphinx,omitempty"`
	Noise     *noiseJSON     `json:"noise,omitempty"`
	Clients   *clientsJSON   `json:"clients,omitempty"`
	Requester *requesterJSON `json:"requester,omitempty"`
	Build     string         `json:"build"`
	Layer     *uint8         `json:"preferred_layer"`
}

type rotationJSON struct {
	Rotation uint32 `json:"rotation_id"`
	Key      string `json:"key"`
}

type noiseJSON struct {
	Version uint8  `json:"version"`
	Key     string `json:"key"`
}

type clientsJSON struct {
	WS       uint16  `json:"ws_port"`
	WSS      *uint16 `json:"wss_port"`
	Hostname *string `json:"hostname"`
}

type requesterJSON struct {
	Addresses []string `json:"addresses"`
	Policy    string   `json:"policy"`
}

// signedAnnouncement is what goes over the wire.
type signedAnnouncement struct {
	Announcement string           `json:"announcement"`
	Signature    string           `json:"signature"`
	Invite       *inviteSignature `json:"invite,omitempty"`
}

type inviteSignature struct {
	Key       string `json:"key"`
	Signature string `json:"signature"`
}

// Sign gives the signed form (nodes.md §4.11): the JSON text in base64, and the
// signature over that text's bytes. The key must be that of a.Identity.
func (a *Announcement) Sign(k *keys.IdentityKey) ([]byte, error) { return a.SignInvited(k, nil) }

// SignInvited is Sign, with a second signature by the key of an [Invite]; nil: none.
func (a *Announcement) SignInvited(k, invite *keys.IdentityKey) ([]byte, error) {
	text, err := json.Marshal(a.json())
	if err != nil {
		return nil, fmt.Errorf("directory: announcement: %w", err)
	}
	sig := k.Sign(text)
	signed := signedAnnouncement{Announcement: base64.StdEncoding.EncodeToString(text), Signature: base58.Encode(sig[:])}
	if invite != nil {
		sig := invite.Sign(invited(text))
		signed.Invite = &inviteSignature{Key: invite.Public().String(), Signature: base58.Encode(sig[:])}
	}
	return json.Marshal(signed)
}

// OpenAnnouncement reads a signed announcement and checks its signature and its
// form. Whether it is fresh, and whether its author may join, is the
// directory's to judge. Its errors wrap [ErrMalformed].
func OpenAnnouncement(b []byte) (*Announcement, error) {
	if len(b) > MaxAnnouncement {
		return nil, fmt.Errorf("%w: announcement of %d bytes", ErrMalformed, len(b))
	}
	var s signedAnnouncement
	if err := decode(b, &s); err != nil {
		return nil, err
	}
	text, err := base64.StdEncoding.DecodeString(s.Announcement)
	if err != nil {
		return nil, fmt.Errorf("%w: announcement is not base64", ErrMalformed)
	}
	sig, err := parseSignature(s.Signature)
	if err != nil {
		return nil, err
	}
	a, err := parseAnnouncement(text)
	if err != nil {
		return nil, err
	}
	if !a.Identity.Verify(text, sig[:]) {
		return nil, fmt.Errorf("%w: announcement not signed by its identity", ErrMalformed)
	}
	if s.Invite == nil {
		return a, nil
	}
	if a.InvitedBy, err = keys.ParseIdentityText(s.Invite.Key); err != nil {
		return nil, fmt.Errorf("%w: key of an invitation", ErrMalformed)
	}
	if sig, err = parseSignature(s.Invite.Signature); err != nil {
		return nil, err
	}
	if !a.InvitedBy.Verify(invited(text), sig[:]) {
		return nil, fmt.Errorf("%w: announcement not signed by its invitation", ErrMalformed)
	}
	return a, nil
}

// Check finds out before anything is said what a directory would refuse.
// Identity, Sequence, Issued and Sphinx may be filled in later.
func (a Announcement) Check() error {
	a.Issued = time.Unix(0, 0)
	if a.Role != RoleRequester && len(a.Sphinx) == 0 {
		a.Sphinx = []RotationKey{{1, keys.NewSphinxKey().Public()}}
	}
	text, err := json.Marshal(a.json())
	if err != nil {
		return fmt.Errorf("directory: announcement: %w", err)
	}
	_, err = parseAnnouncement(text)
	return err
}

func (a *Announcement) json() announcementJSON {
	j := announcementJSON{
		Version: 1, Network: a.Network, Identity: a.Identity.String(), Role: a.Role,
		Sequence: a.Sequence, Issued: a.Issued.UTC(), Hosts: a.Hosts, MixPort: a.MixPort, Build: a.Build,
	}
	for _, k := range a.Sphinx {
		j.Sphinx = append(j.Sphinx, rotationJSON{k.Rotation, k.Key.String()})
	}
	if !a.Noise.IsZero() {
		j.Noise = &noiseJSON{1, a.Noise.String()}
	}
	if a.Role == RoleGateway {
		j.Clients = &clientsJSON{WS: a.Clients.WS}
		if a.Clients.WSS != 0 {
			j.Clients.WSS = &a.Clients.WSS
		}
		if a.Clients.Hostname != "" {
			j.Clients.Hostname = &a.Clients.Hostname
		}
	}
	if a.Role == RoleRequester {
		j.Requester = &requesterJSON{Policy: a.Policy}
		for _, r := range a.Addresses {
			j.Requester.Addresses = append(j.Requester.Addresses, r.String())
		}
	}
	if a.PreferredLayer != 0 {
		j.Layer = &a.PreferredLayer
	}
	return j
}

func parseAnnouncement(text []byte) (*Announcement, error) {
	var j announcementJSON
	if err := decode(text, &j); err != nil {
		return nil, err
	}
	a, err := j.announcement()
	if err != nil {
		if errors.Is(err, ErrMalformed) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: announcement: %v", ErrMalformed, err)
	}
	return a, nil
}

func (j *announcementJSON) announcement() (*Announcement, error) {
	if j.Version != 1 {
		return nil, fmt.Errorf("version %d", j.Version)
	}
	a := &Announcement{
		Network: j.Network, Role: j.Role, Sequence: j.Sequence, Issued: j.Issued.UTC(), Build: j.Build,
	}
	var err error
	if a.Identity, err = keys.ParseIdentityText(j.Identity); err != nil {
		return nil, err
	}
	if err := CheckNetwork(a.Network); err != nil {
		return nil, err
	}
	if len(a.Build) > 64 || strings.ContainsFunc(a.Build, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("build")
	}
	switch a.Role {
	case RoleRequester:
		return a, j.asRequester(a)
	case RoleMixnode, RoleGateway:
		return a, j.asNode(a)
	}
	return nil, errors.New("unknown role")
}

func (j *announcementJSON) asRequester(a *Announcement) error {
	if j.Requester == nil || len(j.Requester.Addresses) == 0 || len(j.Requester.Addresses) > maxAddresses {
		return errors.New("a requester has between 1 and 8 addresses")
	}
	for _, s := range j.Requester.Addresses {
		r, err := mixnet.ParseRecipientText(s)
		if err != nil {
			return err
		}
		a.Addresses = append(a.Addresses, r)
	}
	if a.Policy = j.Requester.Policy; a.Policy != "" {
		if _, err := ParseHash(a.Policy); err != nil {
			return err
		}
	}
	return nil
}

func (j *announcementJSON) asNode(a *Announcement) error {
	var err error
	if a.Hosts, err = CheckHosts(j.Hosts); err != nil {
		return err
	}
	if a.MixPort = j.MixPort; a.MixPort == 0 {
		return errors.New("no mix port")
	}
	if len(j.Sphinx) == 0 || len(j.Sphinx) > 2 || len(j.Sphinx) == 2 && j.Sphinx[0].Rotation == j.Sphinx[1].Rotation {
		return errors.New("one or two Sphinx keys of different rotations are announced")
	}
	for _, s := range j.Sphinx {
		k, err := keys.ParseSphinxText(s.Key) // refuses points that no honest node has (H10)
		if err != nil {
			return err
		}
		a.Sphinx = append(a.Sphinx, RotationKey{s.Rotation, k})
	}
	if j.Noise != nil {
		if j.Noise.Version != 1 {
			return errors.New("unknown version of Noise")
		}
		if a.Noise, err = keys.ParseNoiseText(j.Noise.Key); err != nil {
			return err
		}
	}
	if j.Layer != nil {
		if a.PreferredLayer = *j.Layer; a.PreferredLayer < 1 || a.PreferredLayer > 3 || a.Role != RoleMixnode {
			return errors.New("preferred layer")
		}
	}
	if a.Role != RoleGateway {
		return nil
	}
	if j.Clients == nil {
		return errors.New("a gateway has a port for clients")
	}
	a.Clients.WS = j.Clients.WS
	if j.Clients.WSS != nil {
		a.Clients.WSS = *j.Clients.WSS
	}
	if a.Clients.WS == 0 && (a.Clients.WSS == 0 || j.Clients.Hostname == nil) {
		return errors.New("a gateway has a port for clients, and for TLS a name too")
	}
	if h := j.Clients.Hostname; h != nil {
		if a.Clients.Hostname = *h; !isHostname(*h) {
			return errors.New("host name")
		}
	}
	return nil
}

// CheckNetwork reports what is wrong with the name of a network: names keep to
// letters that need no escaping anywhere.
func CheckNetwork(id string) error {
	if len(id) == 0 || len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}) {
		return errors.New("a network's name has 1 to 64 letters a-z, digits, dots and hyphens")
	}
	return nil
}

func isHostname(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.ToLower(s), ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
			}) {
			return false
		}
	}
	// An address is no name: its last label is a number.
	return strings.Trim(s[strings.LastIndexByte(s, '.')+1:], "0123456789") != ""
}
