package main

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/mixnode"
)

func run(ctx context.Context, env *cli.Env[*config.Mixnode]) error {
	cfg := env.Config
	src, err := assembly.OpenSource(cfg.Network, env.State, true, env.Log)
	if err != nil {
		return err
	}
	ln, err := env.Listen(mixListen)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Run(ctx, env.Reload, env.Log) })
	g.Go(func() error {
		if cfg.Registration.Register {
			env.Status("registering")
			return registered(ctx, env, src, ln)
		}
		return listed(ctx, env, src, ln)
	})
	return g.Wait()
}

// registered runs a node that announces itself.
func registered(ctx context.Context, env *cli.Env[*config.Mixnode], src *assembly.Source, ln net.Listener) error {
	defer ln.Close()
	return assembly.Registered{
		Network:  env.Config.Network,
		Source:   src,
		State:    env.State,
		Identity: env.Keys.Identity,
		Says:     assembly.Announcement(directory.RoleMixnode, env.Config.Mix, env.Keys),
		Build: func(k mixnode.Keys) (func(mixnode.Keys) error, func(context.Context) error, error) {
			cfg := assembly.Node(env.Config.Mix, env.Keys, nil, src, env.Log)
			cfg.Keys = k
			node, err := mixnode.New(cfg)
			if err != nil {
				return nil, nil, err
			}
			return node.SetKeys, func(ctx context.Context) error { return serve(ctx, env, src, node, ln) }, nil
		},
		Log: env.Log,
	}.Run(ctx)
}

// listed runs a node that somebody put into the topology by hand.
func listed(ctx context.Context, env *cli.Env[*config.Mixnode], src *assembly.Source, ln net.Listener) (err error) {
	defer ln.Close()
	replay, err := assembly.OpenReplay(env.State, env.Keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, replay.Close()) }()
	node, err := mixnode.New(assembly.Node(env.Config.Mix, env.Keys, replay, src, env.Log))
	if err != nil {
		return err
	}
	return serve(ctx, env, src, node, ln)
}

func serve(ctx context.Context, env *cli.Env[*config.Mixnode], src *assembly.Source, node *mixnode.Node, ln net.Listener) error {
	return assembly.Serve(ctx, env, src, "mixing", func(ctx context.Context) error { return node.Run(ctx, ln) })
}
