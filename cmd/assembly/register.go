package assembly

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sync/errgroup"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/mixnode"
)

// sequenceFile has the sequence number of the last announcement.
const sequenceFile = "announcement"

// RunRegistered runs a mix node that is in the directories because it announces
// itself there, with Sphinx keys that follow their schedule. It begins to mix
// when the directories have told that.
func RunRegistered(ctx context.Context, env *cli.Env[*config.Mixnode], src *Source, ln net.Listener) (err error) {
	chain, err := OpenKeychain(env.State)
	if err != nil {
		ln.Close()
		return err
	}
	defer func() { err = errors.Join(err, chain.Close()) }()
	announcer, err := NewAnnouncer(src, env.State, env.Config.Network, directory.AnnouncerConfig{
		Identity:     env.Keys.Identity,
		Announcement: mixAnnouncement(env.Config.Mix, env.Keys),
		Keyring:      chain.Ring,
		OnKeys:       chain.Use,
		Log:          env.Log,
	})
	if err != nil {
		ln.Close()
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return announcer.Run(ctx) })
	g.Go(func() error {
		defer ln.Close()
		var node *mixnode.Node
		err := chain.Attach(ctx, func(k mixnode.Keys) (func(mixnode.Keys) error, error) {
			cfg := Node(env.Config.Mix, env.Keys, nil, src, env.Log)
			cfg.Keys = k
			var err error
			if node, err = mixnode.New(cfg); err != nil {
				return nil, err
			}
			return node.SetKeys, nil
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		env.Status("mixing")
		return node.Run(ctx, ln)
	})
	return g.Wait()
}

// mixAnnouncement is what a mix node says of itself.
func mixAnnouncement(m config.Mix, ks cli.Keys) directory.Announcement {
	said := directory.Announcement{
		Role:    directory.RoleMixnode,
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
func NewAnnouncer(src *Source, s *cli.State, n config.Network, cfg directory.AnnouncerConfig) (*directory.Announcer, error) {
	var err error
	if cfg.Sequence, err = readSequence(s); err != nil {
		return nil, err
	}
	cfg.Save = func(n uint64) error { return s.WriteText(sequenceFile, strconv.FormatUint(n, 10)) }
	cfg.URLs, cfg.Key, cfg.Compare = n.Directories, src.key, src.dir.Compare
	cfg.Announcement.Network = n.Name
	cfg.Announcement.Build = "nym-socks5 " + cli.BuildInfo().Version
	a, err := directory.NewAnnouncer(cfg)
	if err != nil {
		return nil, cli.Invalid("%v", err)
	}
	return a, nil
}

func readSequence(s *cli.State) (uint64, error) {
	text, err := s.ReadText(sequenceFile)
	if err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, cli.Invalid("%s: it is no number", s.Path(sequenceFile))
	}
	return n, nil
}
