package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
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
		requester, err := assembly.ChooseRequester(ctx, cfg.Front.Requester, env.State, src, env.Log)
		if err != nil {
			return err
		}
		end, err := assembly.NewEndpoint(ctx, assembly.ClientConfig{
			Client: cfg.Client, Keys: env.Keys, State: env.State, Source: src, SolicitedOnly: true, Log: env.Log,
		}, proxy.Config{})
		if err != nil {
			return err
		}
		return serve(ctx, env, src, end, requester)
	})
	return g.Wait()
}

// serve opens the port and serves applications until ctx ends.
func serve(ctx context.Context, env *cli.Env[*config.SOCKS], src *assembly.Source, end *assembly.Endpoint, requester *assembly.Requesters) error {
	ln, err := net.Listen("tcp", env.Config.Front.Listen.String())
	if err != nil {
		return end.Close(err)
	}
	server := socks.New(front(env, end.Proxy, requester))
	env.Status("connecting")
	above := func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return server.Run(ctx, ln) })
		g.Go(func() error {
			src.CompareHeads(ctx, probe(end.Proxy, requester), env.Log)
			return nil
		})
		return g.Wait()
	}
	return end.Run(ctx, above, func() {
		env.Ready("connected")
		fmt.Fprintf(env.Out, "socks5h://%v\n", ln.Addr())
	})
}

// probe opens streams of our own, each under a tag that nothing else has (H28).
func probe(p *proxy.Proxy, requester *assembly.Requesters) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, target string) (net.Conn, error) {
		c, err := requester.Dial(ctx, p, target, proxy.DialOptions{Isolation: "probe " + rand.Text()})
		if err != nil {
			return nil, err // and no typed nil beside it
		}
		return c, nil
	}
}

// front makes the Config of the SOCKS server.
func front(env *cli.Env[*config.SOCKS], p *proxy.Proxy, requester *assembly.Requesters) socks.Config {
	f := env.Config.Front
	return socks.Config{
		Dial: socks.Dialer(func(ctx context.Context, target string, o proxy.DialOptions) (*proxy.Conn, error) {
			return requester.Dial(ctx, p, target, o)
		}),
		Optimistic:     f.Optimistic,
		IsolateTargets: f.IsolateTargets,
		MaxConns:       f.MaxConns,
		Log:            env.Log,
	}
}
