package main

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/boltstore"
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
	if err := assembly.CheckSelf(src.Current(), cfg.Mix, env.Keys, true); err != nil {
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
	replay, err := assembly.OpenReplay(env.State, env.Keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, replay.Close()) }()
	server, err := gateway.New(engine(env, assembly.Node(cfg.Mix, env.Keys, replay, src, env.Log), store))
	if err != nil {
		return err
	}
	mix, err := net.Listen("tcp", cfg.Mix.Listen.String())
	if err != nil {
		return err
	}
	clients, err := net.Listen("tcp", cfg.Clients.Listen.String())
	if err != nil {
		mix.Close()
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Run(ctx, mix, clients) })
	g.Go(func() error { return src.Run(ctx, env.Reload, env.Log) })
	env.Ready("serving clients")
	return g.Wait()
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
		Log:             env.Log,
	}
}
