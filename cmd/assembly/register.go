package assembly

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/node"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/announce"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

// A Registered is a mix node or gateway that is in the directories because it
// announces itself there, with Sphinx keys that follow their schedule.
type Registered struct {
	Network  config.Network
	Invite   string // secret of an invitation; empty: none
	Source   *Source
	State    *cli.State
	Identity *keys.IdentityKey
	Says     directory.Announcement // role, addresses and ports
	Build    Build
	Log      zerolog.Logger
}

// A Build makes an engine with its first keys, and gives how these are changed and
// how it runs.
type Build func(mixnode.Keys) (set func(mixnode.Keys) error, run func(context.Context) error, err error)

// Run announces the node, and runs it as soon as the directories have told
// which keys it is to use.
func (r Registered) Run(ctx context.Context) (err error) {
	chain, err := node.OpenKeychain(r.State.Path(""), Records(r.State))
	if err != nil {
		return Explain(err)
	}
	defer func() { err = errors.Join(err, chain.Close()) }()
	announcer, err := NewAnnouncer(r.Source, r.State, r.Network, r.Invite, announce.Config{
		Identity:     r.Identity,
		Announcement: r.Says,
		Keyring:      chain.Ring,
		OnKeys:       chain.Use,
		Log:          r.Log,
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return announcer.Run(ctx) })
	g.Go(func() error {
		var run func(context.Context) error
		err := chain.Attach(ctx, func(k mixnode.Keys) (set func(mixnode.Keys) error, err error) {
			set, run, err = r.Build(k)
			return set, err
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		return run(ctx)
	})
	return g.Wait()
}

// Announcement is what a node says of its mix port.
func Announcement(role directory.Role, m config.Mix, ks cli.Keys) directory.Announcement {
	said := directory.Announcement{
		Role:    role,
		Hosts:   []netip.Addr{m.Addr().Addr().Unmap()},
		MixPort: m.Addr().Port(),
	}
	if m.Noise {
		said.Noise = ks.Noise.Public()
	}
	return said
}

// NewAnnouncer makes an announcer for the directories that a Source asks. Of cfg
// it fills in what all announcers have in common.
func NewAnnouncer(src *Source, s *cli.State, n config.Network, invite string, cfg announce.Config) (*announce.Announcer, error) {
	if invite != "" {
		secret, err := parseInvite(invite)
		if err != nil {
			return nil, err
		}
		cfg.Invite = secret.Key()
	}
	records := Records(s)
	sequence, err := node.Sequence(records)
	if err != nil {
		return nil, Explain(err)
	}
	cfg.Sequence = sequence
	cfg.Save = func(n uint64) error { return node.SaveSequence(records, n) }
	cfg.URLs, cfg.Key, cfg.Fetch, cfg.Compare, cfg.Schedule = n.Directories, src.key, src.web.Fetch, src.Compare, src.Schedule
	cfg.Announcement.Network = n.Name
	cfg.Announcement.Build = "nym-socks5 " + cli.BuildInfo().Version
	a, err := announce.New(cfg)
	if err != nil {
		return nil, cli.Invalid("%v", err)
	}
	return a, nil
}

// CheckInvite reports what is wrong with the secret of an invitation, if there is one.
func CheckInvite(r config.Registration) error {
	if r.Invite == "" {
		return nil
	}
	_, err := parseInvite(r.Invite)
	return err
}

func parseInvite(text string) (directory.Invite, error) {
	secret, err := directory.ParseInvite(text)
	if err != nil {
		err = cli.Invalid("registration.invite: %s", strings.TrimPrefix(err.Error(), "directory: "))
	}
	return secret, err
}

// A Listed is a mix node or gateway that somebody put into the topology by hand.
type Listed struct {
	State  *cli.State
	Sphinx *keys.SphinxKey
	Build  Build
}

// Run runs the node.
func (l Listed) Run(ctx context.Context) (err error) {
	held, err := node.OpenListed(l.State.Path(""), Records(l.State), l.Sphinx)
	if err != nil {
		return Explain(err)
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	set, run, err := l.Build(held.Keys())
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return held.Run(ctx, set) })
	g.Go(func() error { return run(ctx) })
	return g.Wait()
}
