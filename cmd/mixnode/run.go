package main

import (
	"context"
	"net"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/ops"
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
	defer ln.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Run(ctx, env.Reload, env.Log) })
	g.Go(func() error {
		if cfg.Registration.Register {
			env.Status("registering")
			return registered(ctx, env, src, ln)
		}
		return assembly.Listed{State: env.State, Sphinx: env.Keys.Sphinx, Build: build(env, src, ln)}.Run(ctx)
	})
	return g.Wait()
}

// build makes the engine with its first keys, for a node that announces itself and
// for one that somebody put into the topology by hand.
func build(env *cli.Env[*config.Mixnode], src *assembly.Source, ln net.Listener) assembly.Build {
	return func(k mixnode.Keys) (func(mixnode.Keys) error, func(context.Context) error, error) {
		before, err := assembly.PreviousNoise(env.State)
		if err != nil {
			return nil, nil, err
		}
		node, err := mixnode.New(assembly.Node(env.Config.Mix, env.Keys, k, before, src, env.Log))
		if err != nil {
			return nil, nil, err
		}
		return node.SetKeys, func(ctx context.Context) error { return serve(ctx, env, src, node, ln) }, nil
	}
}

// registered runs a node that announces itself.
func registered(ctx context.Context, env *cli.Env[*config.Mixnode], src *assembly.Source, ln net.Listener) error {
	return assembly.Registered{
		Network:  env.Config.Network,
		Invite:   env.Config.Registration.Invite,
		Source:   src,
		State:    env.State,
		Identity: env.Keys.Identity,
		Says:     assembly.Announcement(directory.RoleMixnode, env.Config.Mix, env.Keys),
		Build:    build(env, src, ln),
		Log:      env.Log,
	}.Run(ctx)
}

func serve(ctx context.Context, env *cli.Env[*config.Mixnode], src *assembly.Source, node *mixnode.Node, ln net.Listener) error {
	return assembly.Serve(ctx, env, src, "mixing", func(ctx context.Context) error { return node.Run(ctx, ln) },
		func() []ops.Count { return assembly.MixCounts(node.Stats()) })
}
