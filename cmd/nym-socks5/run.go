package main

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet"
	"nym-socks5/proxy"
	"nym-socks5/proxy/socks"
)

func run(ctx context.Context, env *cli.Env[*config.SOCKS]) error {
	cfg := env.Config
	src, err := assembly.OpenSource(cfg.Network, env.State, false, env.Log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Run(ctx, env.Reload, env.Log) })
	g.Go(func() error {
		requester, err := assembly.ChooseRequester(ctx, cfg.Front.Requester, env.State, src)
		if err != nil {
			return err
		}
		end, err := assembly.NewEndpoint(ctx, assembly.ClientConfig{
			Client: cfg.Client, Keys: env.Keys, State: env.State, Source: src, SolicitedOnly: true, Log: env.Log,
		}, proxy.Config{})
		if err != nil {
			return err
		}
		return serve(ctx, env, end, requester)
	})
	return g.Wait()
}

// serve opens the port and serves applications until ctx ends.
func serve(ctx context.Context, env *cli.Env[*config.SOCKS], end *assembly.Endpoint, requester mixnet.Recipient) error {
	ln, err := net.Listen("tcp", env.Config.Front.Listen.String())
	if err != nil {
		return end.Close(err)
	}
	server := socks.New(front(env, end.Proxy, requester))
	env.Status("connecting")
	return end.Run(ctx, func(ctx context.Context) error { return server.Run(ctx, ln) }, func() {
		env.Ready("connected")
		fmt.Fprintf(env.Out, "socks5h://%v\n", ln.Addr())
	})
}

// front makes the Config of the SOCKS server.
func front(env *cli.Env[*config.SOCKS], p *proxy.Proxy, requester mixnet.Recipient) socks.Config {
	f := env.Config.Front
	return socks.Config{
		Dial: socks.Dialer(func(ctx context.Context, target string, o proxy.DialOptions) (*proxy.Conn, error) {
			return p.Dial(ctx, requester, target, o)
		}),
		Optimistic:     f.Optimistic,
		IsolateTargets: f.IsolateTargets,
		MaxConns:       f.MaxConns,
		Log:            env.Log,
	}
}
