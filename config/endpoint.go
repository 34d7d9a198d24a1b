package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"nym-socks5/mixnet"
)

// Client is how a program takes part in the mixnet as a client.
type Client struct {
	Gateway string `toml:"gateway" flag:"gateway" arg:"IDENTITY" help:"identity of the gateway we are reached through. If empty, one is drawn at the first start and kept; nym-socks5 keeps up to three and goes to another while one cannot be reached"`

	HopDelay   Duration `toml:"hop_delay" arg:"TIME" help:"mean delay at each of the three mixes; off: mixes mix nothing"`
	SendEvery  Duration `toml:"send_every" arg:"TIME" help:"mean time between two packets, data or cover; off: packets leave at once, and when they leave shows the traffic"`
	CoverEvery Duration `toml:"cover_every" arg:"TIME" help:"mean time between two packets of the second stream of cover; off: there is none"`
	Packet     string   `toml:"packet_size" arg:"SIZE" help:"size of all packets but SURB-ACKs: regular, extended8, extended16 or extended32. Others than regular are faster and stand out"`
	Sphinx     int      `toml:"sphinx_version" arg:"N" help:"version of all packets: 259, or 258 where nodes are older than Nym's release 2025.8"`
	NeverStop  bool     `toml:"never_stop" help:"send messages even while hardly any cover comes home, which may be an attack to see where ours go"`
}

// newClient has the means of Nym's own clients (sphinx.md §6.1).
func newClient() Client {
	return Client{
		HopDelay:   Duration(15 * time.Millisecond),
		SendEvery:  Duration(20 * time.Millisecond),
		CoverEvery: Duration(200 * time.Millisecond),
		Packet:     "regular",
		Sphinx:     259,
	}
}

// sizes are the names of packet sizes.
var sizes = map[string]mixnet.PacketSize{
	"regular": mixnet.Regular, "extended8": mixnet.Extended8, "extended16": mixnet.Extended16, "extended32": mixnet.Extended32,
}

// PacketSize gives the size that Packet names.
func (c Client) PacketSize() mixnet.PacketSize { return sizes[c.Packet] }

func (c Client) check() error {
	mean := func(key string, d Duration) error {
		if d == Off {
			return nil
		}
		return between(key, d, Duration(time.Millisecond), Duration(time.Minute))
	}
	return errors.Join(
		mean("client.hop_delay", c.HopDelay),
		mean("client.send_every", c.SendEvery),
		mean("client.cover_every", c.CoverEvery),
		oneOf("client.packet_size", c.Packet, "regular", "extended8", "extended16", "extended32"),
		between("client.sphinx_version", c.Sphinx, 258, 259),
	)
}

// Front is the port where applications connect.
type Front struct {
	Listen         netip.AddrPort `toml:"listen" flag:"listen" arg:"ADDR" help:"IP and port where applications connect: SOCKS5, SOCKS4a, SOCKS4 and HTTP"`
	BeyondLoopback bool           `toml:"beyond_loopback" help:"let listen be an address that other machines reach; whoever reaches it may use it"`
	Requester      Requesters     `toml:"requester" flag:"requester" arg:"ADDRESS" help:"address of the network requester that connects to the targets: identity.encryption@gateway. Of several each SOCKS user has one of the fast ones, and another when it does not answer. If there is none, or auto, three are drawn at the first start from those that the directories list, and kept"`
	Optimistic     bool           `toml:"optimistic" help:"tell applications that the target is connected before it is: faster, and failures look like broken connections"`
	IsolateTargets bool           `toml:"isolate_targets" help:"show the requester another pseudonym for each target, not only for each SOCKS user name and password"`
	MaxConns       int            `toml:"max_connections" arg:"N" help:"most connections of applications at a time"`
}

// auto leaves the choice to the program.
const auto = "auto"

// Requesters are addresses of network requesters; none, or the word auto: those
// that the directories list. In a file one alone may stand without brackets.
type Requesters []string

// Named gives the addresses.
func (r Requesters) Named() []string {
	if len(r) == 1 && r[0] == auto {
		return nil
	}
	return r
}

// UnmarshalTOML implements [toml.Unmarshaler].
func (r *Requesters) UnmarshalTOML(v any) error {
	*r = nil
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return fmt.Errorf("%v is no address of a requester", item)
		}
		if text != "" {
			*r = append(*r, text)
		}
	}
	return nil
}

// SOCKS is the settings of nym-socks5.
type SOCKS struct {
	Base
	Front  Front  `toml:"socks"`
	Client Client `toml:"client"`
}

// NewSOCKS gives the defaults.
func NewSOCKS() *SOCKS {
	return &SOCKS{
		Base:   newBase(),
		Client: newClient(),
		Front: Front{
			Listen:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1080),
			MaxConns: 1024,
		},
	}
}

// Check implements [Config].
func (c *SOCKS) Check() error {
	return errors.Join(
		c.Log.check(),
		c.Ops.check(),
		c.Network.check(),
		c.Front.check(),
		c.Client.check(),
	)
}

func (f Front) check() error {
	if err := listening("socks.listen", f.Listen); err != nil {
		return err
	}
	if !f.Listen.Addr().Unmap().IsLoopback() && !f.BeyondLoopback {
		return invalid("socks.listen is %v, which other machines can reach, and it has no password: set socks.beyond_loopback (--beyond-loopback) if you mean it", f.Listen)
	}
	if len(f.Requester) > 1 && slices.Contains(f.Requester, auto) {
		return invalid("socks.requester is %s and an address; it can be one or the other", auto)
	}
	for _, r := range f.Requester.Named() {
		if _, err := mixnet.ParseRecipientText(r); err != nil {
			return invalid("socks.requester: %v", err)
		}
	}
	return between("socks.max_connections", f.MaxConns, 1, 1<<16)
}

// Missing implements [Config].
func (c *SOCKS) Missing() error {
	var err error
	if len(c.Front.Requester.Named()) == 0 && len(c.Network.Directories) == 0 {
		err = invalid("socks.requester is not set: say with --requester ADDRESS who connects to the targets")
	}
	return errors.Join(c.Network.missing(), err)
}

// Egress is what a requester may do.
type Egress struct {
	Allow       []string `toml:"allow" flag:"allow" arg:"RULE" help:"rules of what may be connected to, such as example.org:443, asked before those of the allowlist; may be repeated"`
	Allowlist   Path     `toml:"allowlist" flag:"allowlist" arg:"FILE" help:"file of such rules, one a line; read again when it changes, and on HUP"`
	Open        bool     `toml:"open" flag:"open" help:"let the rules allow everything; without this such rules are refused"`
	Resolver    string   `toml:"resolver" flag:"resolver" arg:"ADDR" help:"IP and port of the DNS server to ask. If empty, it is the system's"`
	RefuseMixed bool     `toml:"refuse_mixed" help:"refuse a name as a whole if one of its addresses is not allowed, instead of leaving that out"`
	KeepRefused bool     `toml:"keep_refused" help:"write the targets that the rules refuse into the state folder, without who asked, for network-requester policy refused; if not, they are only counted by reason and port"`
	Pace        string   `toml:"pace" arg:"PACE" help:"how packets leave, data or cover. steps: 50, 200, 800 or 3200 a second (of client.send_every, and 4, 16 and 64 times as often), up as soon as data wait and down after ten minutes; fixed: at client.send_every; unpaced: at once, and when they leave shows the traffic"`
	Gateways    int      `toml:"gateways" arg:"N" help:"through how many gateways the requester is reached at once, under an identity of its own at each: client.gateway, if that names one, and others that are drawn and kept. Its address is that at the first; clients of ours learn the others"`
	MaxStreams  int      `toml:"max_streams" arg:"N" help:"most streams at a time; where all are taken, idle ones of the sender tag with most give way"`
	PerTag      int      `toml:"max_streams_per_tag" arg:"N" help:"most of them under one sender tag; a client of ours with more uses further tags"`
	Memory      int      `toml:"max_memory_mb" arg:"MB" help:"most received bytes that wait for targets, in all streams; beyond it the sender tag that holds most loses a stream"`
}

// How the packets of a requester leave (H33).
const (
	PaceSteps   = "steps"
	PaceFixed   = "fixed"
	PaceUnpaced = "unpaced"
)

// Requester is the settings of a network requester.
type Requester struct {
	Base
	Egress       Egress       `toml:"requester"`
	Client       Client       `toml:"client"`
	Registration Registration `toml:"registration"`
}

// NewRequester gives the defaults.
func NewRequester() *Requester {
	return &Requester{Base: newBase(), Client: newClient(), Egress: Egress{Pace: PaceSteps, Gateways: 2, MaxStreams: 1024, PerTag: 256, Memory: 256}}
}

// Check implements [Config]. It does not read rules: package allowlist does.
func (c *Requester) Check() error {
	var err error
	if c.Egress.Resolver != "" {
		if _, bad := netip.ParseAddrPort(c.Egress.Resolver); bad != nil {
			err = invalid("requester.resolver is %q; write it like 9.9.9.9:53", c.Egress.Resolver)
		}
	}
	return errors.Join(
		c.Log.check(),
		c.Ops.check(),
		c.Network.check(),
		c.Client.check(),
		c.Registration.check(c.Network),
		oneOf("requester.pace", c.Egress.Pace, PaceSteps, PaceFixed, PaceUnpaced),
		between("requester.gateways", c.Egress.Gateways, 1, 3),
		between("requester.max_streams", c.Egress.MaxStreams, 1, 1<<16),
		between("requester.max_streams_per_tag", c.Egress.PerTag, 1, 1<<16),
		between("requester.max_memory_mb", c.Egress.Memory, 1, 1<<20),
		err,
	)
}

// Missing implements [Config].
func (c *Requester) Missing() error {
	var err error
	if len(c.Egress.Allow) == 0 && c.Egress.Allowlist == "" {
		err = invalid("the requester does not know what it may connect to: say --allow example.org:443, or --allowlist FILE")
	}
	return errors.Join(c.Network.missing(), err)
}
