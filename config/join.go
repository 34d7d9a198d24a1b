package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"nym-socks5/mixnet"
)

// joinScheme is what links begin with.
const joinScheme = "nym-socks5:"

var networkForm = regexp.MustCompile(`^[a-z0-9.-]{1,64}$`)

// A Join is what somebody must know to take part in a network: its facts, which are
// no secret and the same for everybody, and, for one who is to run a node, an
// invitation. As a link it is
//
//	nym-socks5:NETWORK,key=KEY,directory=URL[,directory=URL…][,requester=ADDRESS…][,role=ROLE,invite=SECRET]
//
// in which commas, percent signs and all that is not printable ASCII are written as
// %XX, so that a link needs no quotes in a shell; as a file, network.toml, it is
// the facts alone (nodes.md §4.11).
type Join struct {
	Network     string   `toml:"id"`
	Directories []string `toml:"directories"`
	Key         string   `toml:"key"`
	// Requesters connect users to their targets; none: those that the directories list.
	Requesters []string `toml:"requesters,omitempty"`
	// Role and Invite are an invitation: the secret of who may join as a mixnode,
	// gateway or requester. Never in a file.
	Role   string `toml:"-"`
	Invite string `toml:"-"`
}

// ParseJoin reads a link, or the text of a file of facts. Its errors wrap
// [ErrInvalid] and repeat no secret.
func ParseJoin(text string) (Join, error) {
	if len(text) > MaxJoin {
		return Join{}, invalid("a link or file to join by has at most %d bytes", MaxJoin)
	}
	parse := parseFacts
	if strings.HasPrefix(strings.TrimSpace(text), joinScheme) {
		parse = parseLink
	}
	j, err := parse(strings.TrimSpace(text))
	if err != nil {
		return Join{}, err
	}
	if slices.Equal(j.Requesters, []string{auto}) {
		j.Requesters = nil
	}
	return j, j.check()
}

func parseLink(text string) (j Join, err error) {
	parts := strings.Split(strings.TrimPrefix(text, joinScheme), ",")
	j.Network = parts[0]
	for _, part := range parts[1:] {
		name, value, ok := strings.Cut(part, "=")
		if value, err = url.PathUnescape(value); !ok || err != nil {
			return j, invalid("the link to join by is damaged at %q; copy it as a whole", name)
		}
		var one *string
		switch name {
		case "directory":
			j.Directories = append(j.Directories, value)
			continue
		case "requester":
			j.Requesters = append(j.Requesters, value)
			continue
		case "key":
			one = &j.Key
		case "role":
			one = &j.Role
		case "invite":
			one = &j.Invite
		default:
			continue // of a later version
		}
		if *one != "" {
			return j, invalid("the link to join by says %s twice", name)
		}
		*one = value
	}
	return j, nil
}

func parseFacts(text string) (j Join, err error) {
	if _, err := toml.Decode(text, &j); err != nil {
		return j, invalid("this is neither a link to join by, which begins with %s, nor a file of a network's facts: %v", joinScheme, err)
	}
	return j, nil
}

func (j Join) check() error {
	var errs []error
	n := Network{Directories: j.Directories}
	switch {
	case !networkForm.MatchString(j.Network):
		errs = append(errs, invalid("what to join by names no network, which has 1 to 64 letters a-z, digits, dots and hyphens"))
	case j.Key == "":
		errs = append(errs, invalid("what to join by has no key of the directory"))
	case len(j.Directories) == 0:
		errs = append(errs, invalid("what to join by names no directory"))
	case len(j.Directories) > maxDirectories:
		errs = append(errs, invalid("what to join by names %d directories; at most %d are asked", len(j.Directories), maxDirectories))
	case (j.Role == "") != (j.Invite == ""):
		errs = append(errs, invalid("the link to join by has only half of an invitation; copy it as a whole"))
	}
	for _, r := range j.Requesters {
		if _, err := mixnet.ParseRecipientText(r); err != nil {
			errs = append(errs, invalid("what to join by names a requester that cannot be: %v", err))
		}
	}
	return errors.Join(append(errs, n.check())...)
}

// Link gives the link.
func (j Join) Link() string {
	var b strings.Builder
	b.WriteString(joinScheme + linkText(j.Network))
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" {
				fmt.Fprintf(&b, ",%s=%s", name, linkText(v))
			}
		}
	}
	add("key", j.Key)
	add("directory", j.Directories...)
	add("requester", j.Requesters...)
	add("role", j.Role)
	add("invite", j.Invite)
	return b.String()
}

// linkText writes what could be misunderstood, by us or by a shell, as %XX.
func linkText(s string) string {
	const plain = "-._~:/@[]+=" // beside letters and digits
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// File gives the file of the facts, without an invitation.
func (j Join) File() ([]byte, error) {
	var b strings.Builder
	b.WriteString("# What a program must know to join this network: say --join FILE. Nothing here is secret.\n")
	if err := toml.NewEncoder(&b).Encode(j); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

// CanJoin reports whether settings have a network to join; a directory makes one.
func CanJoin(c Config) bool {
	return slices.ContainsFunc(Settings(c), func(s Setting) bool { return s.Key() == "network.directories" })
}

// Apply puts the facts into settings, and an invitation where it is for that
// program. Its errors wrap [ErrInvalid].
func (j Join) Apply(to Config) error {
	if !CanJoin(to) {
		return invalid("this program joins no network")
	}
	role, registration := roleOf(to)
	switch {
	case j.Role != "" && role == "":
		return invalid("this link invites a %s, which it is a secret for; ask for the link that is for users", j.Role)
	case j.Role != "" && role != j.Role:
		return invalid("this link invites a %s, and this is a %s", j.Role, role)
	case j.Role != "":
		registration.Register, registration.Invite = true, j.Invite
	}
	n := &to.base().Network
	n.Topology, n.Directories, n.Key, n.Name = "", slices.Clone(j.Directories), j.Key, j.Network
	if users, ok := to.(*SOCKS); ok {
		users.Front.Requester = slices.Clone(j.Requesters)
	}
	return nil
}

// roleOf tells what a program can register as.
func roleOf(c Config) (role string, r *Registration) {
	switch c := c.(type) {
	case *Mixnode:
		return "mixnode", &c.Registration
	case *Gateway:
		return "gateway", &c.Registration
	case *Requester:
		return "requester", &c.Registration
	}
	return "", nil
}

// ReachedAt tells a node under which address of this machine others reach it, unless
// its settings say so already. It reports whether that was of use.
func ReachedAt(c Config, ip netip.Addr) bool {
	var m *Mix
	switch c := c.(type) {
	case *Mixnode:
		m = &c.Mix
	case *Gateway:
		m = &c.Mix
	default:
		return false
	}
	if m.Addr().IsValid() || m.Listen.Port() == 0 {
		return false
	}
	m.Announce = netip.AddrPortFrom(ip, m.Listen.Port())
	return true
}
