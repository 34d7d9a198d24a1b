package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/broadcast/service"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/boltstore"
)

// recordsFile has what is to be broadcast, and what was.
const recordsFile = "broadcasts.db"

func run(ctx context.Context, env *cli.Env[*config.Broadcaster]) (err error) {
	chains, err := openChains(env.Config.Broadcast)
	if err != nil {
		return err
	}
	src, err := assembly.OpenSource(env.Config.Network, env.State, false, env.Log)
	if err != nil {
		return err
	}
	cfg, done, err := assembly.Endpoint(env.Config.Client, env.Keys, env.State, src, env.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	records, err := boltstore.OpenBroadcasts(env.State.Path(recordsFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	cfg.Messages = true
	end, err := endpoint.New(cfg)
	if err != nil {
		return err
	}
	env.Status("connecting")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Files(ctx, env.Reload, env.Log) })
	g.Go(func() error { return assembly.Explain(end.Run(ctx)) })
	g.Go(func() error {
		select {
		case <-end.Ready():
		case <-ctx.Done():
			return nil
		}
		return serve(ctx, env, end, chains, records)
	})
	return g.Wait()
}

// serve serves strangers until ctx ends.
func serve(ctx context.Context, env *cli.Env[*config.Broadcaster], end *endpoint.Endpoint, chains []service.Chain, records service.Store) error {
	b := env.Config.Broadcast
	s, err := service.New(service.Config{
		Messenger:  end.Messenger(),
		Store:      records,
		Chains:     chains,
		Delay:      max(0, b.Delay.Std()),
		RetryFor:   max(0, b.RetryFor.Std()),
		KeepFor:    b.KeepFor.Std(),
		KeepBytes:  int64(b.Keep),
		QueueBytes: int64(b.Queue),
		MaxTx:      int(b.MaxTx),
		PerMinute:  b.PerMinute,
		PerSecond:  b.PerSecond,
		Calls:      b.Calls,
		Log:        env.Log,
	})
	if err != nil {
		return err
	}
	env.Ready("connected")
	fmt.Fprintln(env.Out, end.Address())
	return s.Run(ctx)
}
