package config

import (
	"errors"
	"net/netip"
	"time"
)

// Mix is the mix port of a mix node or gateway.
type Mix struct {
	Listen   netip.AddrPort `toml:"listen" flag:"mix-listen" arg:"ADDR" help:"IP and port where other nodes connect to us"`
	Announce netip.AddrPort `toml:"announce" flag:"mix-announce" arg:"ADDR" help:"IP and port under which the topology has us. If empty, it is where we listen, which then must be one address and not all of them"`
	Noise    bool           `toml:"noise" flag:"noise" help:"encrypt links to nodes that announce a Noise key, and announce one"`

	StrictLayers bool `toml:"strict_layers" help:"drop packets that go from one gateway straight to another, as clients send them that switched mixing off"`
	AllowLegacy  bool `toml:"allow_legacy_clients" help:"accept packets of Sphinx versions 1, 256 and 257, which a relay can tag without loss; a gateway also lets legacy clients in: those that register with 64 bytes, authenticate by the first version of that, or use the old envelopes"`

	MaxDelay     Duration `toml:"max_delay" arg:"TIME" help:"longest delay a sender may ask for, at most 10s"`
	DelayMemory  Size     `toml:"delay_memory" arg:"SIZE" help:"memory for packets that are being delayed; when it is full, packets are dropped"`
	ReplayMemory Size     `toml:"replay_memory" arg:"SIZE" help:"most memory for the replay filter of one key; 1GiB is enough for 90 million packets"`
}

func newMix() Mix {
	return Mix{
		Listen:       netip.AddrPortFrom(netip.IPv4Unspecified(), 1789),
		Noise:        true,
		MaxDelay:     maxDelay,
		DelayMemory:  256 << 20,
		ReplayMemory: 1 << 30,
	}
}

// Addr is the address under which the topology has the node; it is not valid
// if that cannot be told.
func (m Mix) Addr() netip.AddrPort {
	if !m.Announce.IsValid() && !m.Listen.Addr().IsUnspecified() && m.Listen.Port() != 0 {
		return m.Listen
	}
	return m.Announce
}

func (m Mix) check() error {
	return errors.Join(
		listening("mix.listen", m.Listen),
		announced("mix.announce", m.Announce),
		between("mix.max_delay", m.MaxDelay, Duration(time.Millisecond), maxDelay),
		between("mix.delay_memory", m.DelayMemory, 1<<20, 1<<40),
		between("mix.replay_memory", m.ReplayMemory, 128<<10, 1<<40),
	)
}

func (m Mix) missing() error {
	if !m.Addr().IsValid() {
		return invalid("mix.announce is not set, and mix.listen is not one address: say with --mix-announce IP:PORT where others reach this node")
	}
	return nil
}

// Registration is how a node or requester comes to be in the directories.
type Registration struct {
	Register bool   `toml:"register" flag:"register" help:"announce this program to the directories, which list it if their operator has its identity. A node then changes Sphinx keys as they say; without this it has one, and is listed by hand"`
	Invite   string `toml:"invite" arg:"SECRET" help:"secret of an invitation, which has the directories list this program though their operator does not have its identity; of no use once they have. A link to join by has it"`
}

func (r Registration) check(n Network) error {
	switch {
	case !r.Register && r.Invite != "":
		return invalid("registration.invite is set, and registration.register is off: an invitation is for programs that register")
	case !r.Register:
	case len(n.Directories) == 0:
		return invalid("registration.register is on, and no directory is given: say --directory URL")
	case n.Name == "":
		return invalid("registration.register is on, and network.name is not set: say --network NAME")
	}
	return nil
}

// Mixnode is the settings of a mix node.
type Mixnode struct {
	Base
	Mix          Mix          `toml:"mix"`
	Registration Registration `toml:"registration"`
}

// NewMixnode gives the defaults.
func NewMixnode() *Mixnode { return &Mixnode{Base: newBase(), Mix: newMix()} }

// Check implements [Config].
func (c *Mixnode) Check() error {
	return errors.Join(c.Log.check(), c.Ops.check(), c.Network.check(), c.Mix.check(), c.Registration.check(c.Network))
}

// Missing implements [Config].
func (c *Mixnode) Missing() error { return errors.Join(c.Network.missing(), c.Mix.missing()) }
