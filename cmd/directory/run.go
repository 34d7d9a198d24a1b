package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"nym-socks5/internal/web"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/admit"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/ops"
	"nym-socks5/mixnet/boltstore"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
)

// storeFile has the records of nodes and the head of the last topology.
const storeFile = "directory.db"

func run(ctx context.Context, env *cli.Env[*config.Directory]) (err error) {
	cfg := env.Config
	if cfg.List.Members == "" {
		if err := makeMembers(membersFile(cfg.List, env.State)); err != nil {
			return err
		}
	}
	list, err := openMembers(membersFile(cfg.List, env.State))
	if err != nil {
		return err
	}
	given, err := openInvites(env.State.Path(invitesFile))
	if err != nil {
		return err
	}
	host, err := newHost(given, list, membersFile(cfg.List, env.State), env.State.Path(invitedFile))
	if err != nil {
		return err
	}
	cert, err := openCertificate(cfg.List)
	if err != nil {
		return err
	}
	store, err := boltstore.OpenDirectory(env.State.Path(storeFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	server, err := dirserver.New(serving(env, list, host, store))
	if err != nil {
		return err
	}
	env.Watch(func() ops.Report { return report(server) })
	ln, err := env.Listen(listen)
	if err != nil {
		return err
	}
	at := ln.Addr().(*net.TCPAddr).AddrPort()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Run(ctx) })
	g.Go(func() error {
		return web.Serve(ctx, admit.Listen(ln, admit.New(places(cfg))), server, secured(cert))
	})
	g.Go(func() error {
		files := []cli.Rereader{list, given}
		if cert != nil {
			files = append(files, cert)
		}
		cli.Reread(ctx, env.Reload, env.Log, files...)
		return nil
	})
	g.Go(func() error {
		select {
		case <-server.Ready():
			fmt.Fprintf(env.Out, "--network %s --directory %s --directory-key %s\n",
				cfg.List.Name, address(cfg.List, at), env.Keys.Identity.Public())
			fmt.Fprintf(env.Out, "--join %s\n", facts(cfg.List, at, env.Keys.Identity.Public()).Link())
			env.Ready("serving")
		case <-ctx.Done():
		}
		return nil
	})
	return g.Wait()
}

// report tells how a directory fares.
func report(s *dirserver.Server) ops.Report {
	st := s.Stats()
	r := ops.Report{Counts: assembly.DirectoryCounts(st), Facts: []ops.Fact{
		{Name: "topology", Value: fmt.Sprintf("number %d, with %d nodes", st.Sequence, st.Nodes)},
	}}
	if !st.Routable {
		r.Facts = append(r.Facts, ops.Fact{Name: "network", Value: "not complete: it needs a mix node in each of three layers, and a gateway"})
	}
	return r
}

// placesShare is how many addresses it takes to fill all places: of the 4096 of
// the defaults one has 128, for a hundred clients behind one line.
const placesShare = 32

// places bounds the connections, and those of one address: the kernel's queue is
// for everybody (H23). Behind a reverse proxy all come from one address.
func places(c *config.Directory) admit.Limits {
	l := admit.Limits{Places: c.Rates.MaxConns, CountLoopback: true}
	if !c.List.Proxied {
		l.PlacesPerPrefix = max(c.Rates.MaxConns/placesShare, 1)
	}
	return l
}

// address is where clients and nodes find the directory that listens there.
func address(l config.List, at netip.AddrPort) string {
	if l.URL != "" {
		return l.URL
	}
	ip := at.Addr().Unmap()
	if ip.IsUnspecified() { // every address of ours: the one that always works here
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	scheme := "http"
	if l.Certificate != "" {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%v/api/", scheme, netip.AddrPortFrom(ip, at.Port()))
}

// firstEpoch is when the first epoch of every network of ours began.
var firstEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// engine makes of the settings what can be made of them alone.
func engine(c *config.Directory, key *keys.IdentityKey) dirserver.Config {
	d := dirserver.Config{
		Network: c.List.Name,
		Key:     key,
		Schedule: directory.Schedule{
			Start:    firstEpoch,
			First:    uint32(c.Times.Rotation), // never rotation 0, which packets cannot name
			Duration: c.Times.Epoch.Std(),
			Validity: uint32(c.Times.Rotation),
		},
		Period:       c.Times.Period.Std(),
		Lease:        c.Times.Lease.Std(),
		ValidFor:     c.Times.ValidFor.Std(),
		ReadRate:     float64(c.Rates.Read),
		AnnounceRate: float64(c.Rates.Announce),
		Legacy:       c.List.Legacy,
	}
	if c.List.Proxied {
		d.Peer = forwarded
	}
	return d
}

// serving adds what is there when the program runs.
func serving(env *cli.Env[*config.Directory], list *cli.File[members], host *host, store dirserver.Store) dirserver.Config {
	d := engine(env.Config, env.Keys.Identity)
	d.Store = store
	d.Allow = func(id keys.Identity, role directory.Role) bool { return list.Value()[member{id, role}] }
	d.Invites = host
	if env.Config.List.Probe {
		d.Probe = probe
	}
	d.Log = env.Log
	return d
}
