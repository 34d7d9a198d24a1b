package config

import (
	"errors"
	"net/netip"
	"net/url"
	"time"
)

// List is what a directory says, where, and of whom.
type List struct {
	Name   string         `toml:"name" flag:"network" arg:"NAME" help:"name of the network: letters a-z, digits, dots and hyphens. It never changes"`
	Listen netip.AddrPort `toml:"listen" flag:"listen" arg:"ADDR" help:"IP and port where clients and nodes ask, by HTTP, or by HTTPS where there is a certificate"`
	URL    string         `toml:"url" flag:"url" arg:"URL" help:"address that clients and nodes are told, such as https://directory.example.org/api/. If empty, it is made of listen"`

	Certificate Path `toml:"tls_certificate" arg:"FILE" help:"certificate and those above it, in PEM; read again on HUP"`
	Key         Path `toml:"tls_key" arg:"FILE" help:"key of the certificate, in PEM; read again on HUP"`
	Proxied     bool `toml:"behind_proxy" help:"believe the last address in X-Forwarded-For, for the rates: set it where a reverse proxy adds that, and nowhere else"`

	Members Path `toml:"members" flag:"members" arg:"FILE" help:"who may join, one identity and its role a line; read again on HUP. If empty, it is the file members in the state folder, which the command allow writes"`
	Probe   bool `toml:"probe" help:"list a node only if it answers at the port it announces"`
	Legacy  bool `toml:"legacy_clients" help:"serve the lists of Nym's clients before 2025 too"`
}

// Times is when a directory says it.
type Times struct {
	Period   Duration `toml:"period" arg:"TIME" help:"time between two topologies; a change waits for the next. While a network comes together it is 2s at most"`
	Lease    Duration `toml:"lease" arg:"TIME" help:"how long a node stays listed that is not heard of"`
	ValidFor Duration `toml:"valid_for" arg:"TIME" help:"how long a topology may be relied on when no newer one can be had"`
	Epoch    Duration `toml:"epoch" arg:"TIME" help:"length of an epoch, in whole seconds. It never changes"`
	Rotation int      `toml:"rotation_epochs" arg:"N" help:"epochs after which nodes change Sphinx keys. It never changes"`
}

// Rates are bounds for each IPv4 address and each IPv6 /56.
type Rates struct {
	Read     int `toml:"read_rate" arg:"N" help:"requests a second from one IPv4 address or IPv6 /56"`
	Announce int `toml:"announce_rate" arg:"N" help:"announcements a second from one IPv4 address or IPv6 /56"`
	MaxConns int `toml:"max_connections" arg:"N" help:"most connections at a time"`
}

// Directory is the settings of a directory. It asks nobody what nodes there
// are, and so begins without a [Network].
type Directory struct {
	Version int   `toml:"version"`
	Log     Log   `toml:"log"`
	Ops     Ops   `toml:"ops"`
	List    List  `toml:"directory"`
	Times   Times `toml:"times"`
	Rates   Rates `toml:"limits"`
}

// NewDirectory gives the defaults.
func NewDirectory() *Directory {
	b := newBase()
	return &Directory{
		Version: b.Version,
		Log:     b.Log,
		List:    List{Listen: netip.AddrPortFrom(netip.IPv4Unspecified(), 8080), Probe: true},
		Times: Times{
			Period:   Duration(time.Minute),
			Lease:    Duration(time.Minute),
			ValidFor: Duration(24 * time.Hour),
			Epoch:    Duration(time.Hour),
			Rotation: 24,
		},
		Rates: Rates{Read: 20, Announce: 2, MaxConns: 4096},
	}
}

func (c *Directory) base() *Base { return &Base{Version: c.Version, Log: c.Log, Ops: c.Ops} }

// Check implements [Config].
func (c *Directory) Check() error {
	return errors.Join(c.Log.check(), c.Ops.check(), c.List.check(), c.Times.check(),
		between("limits.read_rate", c.Rates.Read, 1, 1<<20),
		between("limits.announce_rate", c.Rates.Announce, 1, 1<<20),
		between("limits.max_connections", c.Rates.MaxConns, 1, 1<<20),
	)
}

func (l List) check() error {
	var err error
	switch u, bad := url.Parse(l.URL); {
	case l.URL == "":
	case bad != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		err = invalid("directory.url: %q is no address of a directory; write it like https://directory.example.org/api/", l.URL)
	}
	if (l.Certificate == "") != (l.Key == "") {
		err = errors.Join(err, invalid("directory.tls_certificate and directory.tls_key go together, and only one is set"))
	}
	return errors.Join(listening("directory.listen", l.Listen), err)
}

func (t Times) check() error {
	err := errors.Join(
		between("times.period", t.Period, Duration(time.Second), Duration(24*time.Hour)),
		between("times.lease", t.Lease, Duration(time.Second), Duration(24*time.Hour)),
		between("times.epoch", t.Epoch, Duration(time.Second), Duration(24*time.Hour)),
		between("times.rotation_epochs", t.Rotation, 2, 1_000_000),
	)
	if t.Rotation == 1 {
		err = errors.Join(err, invalid("times.rotation_epochs: a node has two Sphinx keys at a time, and announces the next one an epoch ahead; in rotations of one epoch that takes the place of the one before, which packets under way still need"))
	}
	if t.Epoch.Std()%time.Second != 0 {
		err = errors.Join(err, invalid("times.epoch is %v; it has whole seconds only", t.Epoch))
	}
	if t.ValidFor < t.Period {
		err = errors.Join(err, invalid("times.valid_for is %v, which is shorter than times.period", t.ValidFor))
	}
	return err
}

// Missing implements [Config].
func (c *Directory) Missing() error {
	if c.List.Name == "" {
		return invalid("directory.name is not set: say with --network NAME what network this is")
	}
	return nil
}
