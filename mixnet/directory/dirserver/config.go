package dirserver

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// Config is what a [Server] is made of.
type Config struct {
	// Network is the name of the network: 1 to 64 letters a-z, digits, dots and
	// hyphens. Required.
	Network string
	// Key signs every document. Required; our programs pin its public half.
	Key *keys.IdentityKey
	// Store keeps records of nodes and the head. If nil, it is a [MemoryStore].
	Store Store

	// Allow says whether an identity may join in a role: the operator's list.
	// It is asked at every announcement and at every snapshot, by one goroutine
	// at a time, and may change its mind. If nil, nobody may.
	Allow func(keys.Identity, directory.Role) bool
	// Invites says whether an invitation lets an identity join that Allow refuses. If
	// nil, none does.
	Invites Invites
	// Fixed are nodes that are always listed, with one Sphinx key for every
	// rotation and numbers from 1.
	Fixed []directory.Node
	// Probe, if set, checks that a node answers at its mix port with the Noise
	// key it announces. It is called when an address is new, by several
	// goroutines at once.
	Probe func(ctx context.Context, addr mixnet.NodeAddr, noise keys.Noise) error

	// Schedule numbers epochs and rotations. If zero, it is that of the public
	// network: epochs of an hour, rotations of 24. A network that does not rotate
	// keys takes a Validity of 8760.
	Schedule directory.Schedule
	// Period is the time between snapshots; changes wait for the next. If zero,
	// it is a minute. While a network comes together it is two seconds at most.
	Period time.Duration
	// Lead is how long before it comes into force a snapshot can be fetched. If
	// zero, it is half the Period.
	Lead time.Duration
	// Lease is how long a node stays without renewing. If zero, it is a minute.
	Lease time.Duration
	// ValidFor is how long a snapshot may be relied on when no newer one can be
	// had. If zero, it is a day.
	ValidFor time.Duration

	// ReadRate is how many requests a second an IPv4 address or IPv6 /56 may
	// make, with bursts of three times that. If zero, it is 20.
	ReadRate float64
	// AnnounceRate is how many announcements, with bursts of ten times that. If
	// zero, it is 2.
	AnnounceRate float64
	// Peer tells where a request came from, for the rates: behind a reverse proxy
	// it reads the proxy's header. If nil, it is the connection's address.
	Peer func(*http.Request) netip.Addr
	// Legacy serves the lists of clients before 2025 too (nodes.md §4.7).
	Legacy bool

	// Log receives the directory's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// Invites are the invitations of an operator. The methods are called by one
// goroutine at a time. Their errors are told to who announces itself.
type Invites interface {
	// Check says whether the invitation with this public key would let the identity
	// join in the role. It changes nothing.
	Check(invite, id keys.Identity, role directory.Role) error
	// Use lets it join: once it has returned nil, Config.Allow does. What the
	// invitation was used for is on disk then. To use one again for the same
	// identity makes no difference.
	Use(invite, id keys.Identity, role directory.Role) error
}

func (c Config) withDefaults() (Config, error) {
	for _, d := range []struct {
		v  *time.Duration
		to time.Duration
	}{
		{&c.Period, DefaultPeriod},
		{&c.Lease, DefaultLease},
		{&c.ValidFor, DefaultValidFor},
	} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	if c.Lead == 0 {
		c.Lead = c.Period / 2
	}
	if c.ReadRate == 0 {
		c.ReadRate = DefaultReadRate
	}
	if c.AnnounceRate == 0 {
		c.AnnounceRate = DefaultAnnounceRate
	}
	if c.Schedule.IsZero() {
		c.Schedule = directory.DefaultSchedule()
	}
	if c.Store == nil {
		c.Store = NewMemoryStore()
	}
	if c.Peer == nil {
		c.Peer = peerOf
	}
	if c.Allow == nil {
		c.Allow = func(keys.Identity, directory.Role) bool { return false }
	}
	c.Log = c.Log.With().Str("component", "directory").Logger()
	return c, c.check()
}

func (c *Config) check() error {
	if err := directory.CheckNetwork(c.Network); err != nil {
		return err
	}
	if err := c.Schedule.Check(); err != nil {
		return err
	}
	if err := (directory.Cadence{Period: c.Period, Lead: c.Lead}).Check(); err != nil {
		return err
	}
	switch {
	case c.Key == nil:
		return errors.New("directory: no key to sign with")
	case c.Lease < time.Second:
		return errors.New("directory: a lease lasts at least a second")
	case c.ValidFor < c.Period:
		return errors.New("directory: snapshots are valid for at least a period")
	case c.ReadRate < 0 || c.AnnounceRate < 0:
		return errors.New("directory: negative rate")
	}
	return checkFixed(c.Fixed)
}

func checkFixed(nodes []directory.Node) error {
	ids := make(map[uint32]bool)
	for _, n := range nodes {
		if n.ID == 0 || ids[n.ID] || n.Role == topology.RoleNone || n.MixPort == 0 {
			return errors.New("directory: a fixed node lacks a number of its own, a role or a port")
		}
		ids[n.ID] = true
		if _, err := directory.CheckHosts(n.Hosts); err != nil {
			return err
		}
	}
	return nil
}
