package main

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/ops"
	"nym-socks5/mixnet/boltstore"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/mixnode"
)

// storeFile has the clients and their mail.
const storeFile = "gateway.db"

func run(ctx context.Context, env *cli.Env[*config.Gateway]) (err error) {
	cfg := env.Config
	src, err := assembly.OpenSource(cfg.Network, env.State, true, env.Log)
	if err != nil {
		return err
	}
	store, err := boltstore.OpenGateway(env.State.Path(storeFile), gateway.Limits{
		ClientBytes: int(cfg.Clients.MailPerClient),
		TotalBytes:  int(cfg.Clients.MailTotal),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	mix, err := env.Listen(mixListen)
	if err != nil {
		return err
	}
	defer mix.Close()
	clients, err := openPorts(env)
	if err != nil {
		return err
	}
	defer clients.close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Run(ctx, env.Reload, env.Log, clients.files()...) })
	g.Go(func() error { return clients.run(ctx, env.Log) })
	g.Go(func() error {
		build := build(env, src, store, mix, clients)
		if cfg.Registration.Register {
			env.Status("registering")
			return registered(ctx, env, src, build, clients)
		}
		return assembly.Listed{State: env.State, Sphinx: env.Keys.Sphinx, Build: build}.Run(ctx)
	})
	return g.Wait()
}

// build makes the engine with its first keys, for a gateway that announces itself
// and for one that somebody put into the topology by hand.
func build(env *cli.Env[*config.Gateway], src *assembly.Source, store *boltstore.Gateway, mix net.Listener, clients *ports) assembly.Build {
	return func(k mixnode.Keys) (func(mixnode.Keys) error, func(context.Context) error, error) {
		before, err := assembly.PreviousNoise(env.State)
		if err != nil {
			return nil, nil, err
		}
		server, err := gateway.New(engine(env, assembly.Node(env.Config.Mix, env.Keys, k, before, src, env.Log), store))
		if err != nil {
			return nil, nil, err
		}
		return server.SetKeys, func(ctx context.Context) error { return serve(ctx, env, src, server, mix, clients) }, nil
	}
}

// registered runs a gateway that announces itself.
func registered(ctx context.Context, env *cli.Env[*config.Gateway], src *assembly.Source, build assembly.Build, clients *ports) error {
	says := assembly.Announcement(directory.RoleGateway, env.Config.Mix, env.Keys)
	says.Clients = clients.said
	return assembly.Registered{
		Network:  env.Config.Network,
		Invite:   env.Config.Registration.Invite,
		Source:   src,
		State:    env.State,
		Identity: env.Keys.Identity,
		Says:     says,
		Build:    build,
		Log:      env.Log,
	}.Run(ctx)
}

func serve(ctx context.Context, env *cli.Env[*config.Gateway], src *assembly.Source, server *gateway.Server, mix net.Listener, clients *ports) error {
	return assembly.Serve(ctx, env, src, "serving clients", func(ctx context.Context) error { return server.Run(ctx, mix, clients.all...) }, func() []ops.Count {
		s := server.Stats()
		return append(assembly.GatewayCounts(s), assembly.MixCounts(s.Node)...)
	})
}

// engine makes the engine's Config of the settings.
func engine(env *cli.Env[*config.Gateway], node mixnode.Config, store *boltstore.Gateway) gateway.Config {
	c := env.Config.Clients
	return gateway.Config{
		Node:            node,
		Identity:        env.Keys.Identity,
		Accounts:        store,
		Inbox:           store,
		MailAge:         c.MailAge.Std(),
		MaxConns:        c.MaxConns,
		MaxConnsPerAddr: c.MaxConnsPerAddress,
		PacketRate:      c.MaxPackets,
		AllowLegacy:     env.Config.Mix.AllowLegacy,
		Log:             env.Log,
	}
}
