package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/ops"
	"nym-socks5/proxy/socks"
)

func run(ctx context.Context, env *cli.Env[*config.SOCKS]) (err error) {
	ln, err := env.Listen(listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	src, err := assembly.OpenSource(env.Config.Network, env.State, false, env.Log)
	if err != nil {
		return err
	}
	cfg, done, err := assembly.Endpoint(env.Config.Client, env.Keys, env.State, src, env.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if cfg.Requesters, err = assembly.Requesters(env.Config.Front.Requester); err != nil {
		return err
	}
	cfg.ListedRequesters = len(cfg.Requesters) == 0
	end, err := endpoint.New(cfg)
	if err != nil {
		return err
	}
	server := socks.New(front(env, end))
	env.Watch(func() ops.Report {
		r := assembly.EndpointReport(end)
		r.Counts = append(r.Counts, assembly.FrontCounts(server.Stats())...)
		return r
	})
	env.Status("connecting")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Files(ctx, env.Reload, env.Log) })
	g.Go(func() error { return assembly.Explain(end.Run(ctx)) })
	g.Go(func() error { return server.Run(ctx, ln) })
	g.Go(func() error {
		if awaitReady(ctx, env, end) {
			env.Ready("connected")
			fmt.Fprintf(env.Out, "socks5h://%v\n", ln.Addr())
		}
		return nil
	})
	return g.Wait()
}

// awaitReady tells what the start waits for; false: ctx ended.
func awaitReady(ctx context.Context, env *cli.Env[*config.SOCKS], end *endpoint.Endpoint) bool {
	for asking := false; ; {
		changed, s := end.Changed(), end.Status()
		switch {
		case s.Ready:
			return true
		case s.Entry.Connected && !asking:
			asking = true
			env.Status("asking a requester")
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// front makes the Config of the SOCKS server.
func front(env *cli.Env[*config.SOCKS], end *endpoint.Endpoint) socks.Config {
	f := env.Config.Front
	return socks.Config{
		Dial:           socks.Dialer(end.Dial),
		Optimistic:     f.Optimistic,
		IsolateTargets: f.IsolateTargets,
		MaxConns:       f.MaxConns,
		Log:            env.Log,
	}
}
