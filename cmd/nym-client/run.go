package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/wsapi"
)

func run(ctx context.Context, env *cli.Env[*config.NymClient]) error {
	cfg := env.Config
	src, err := assembly.OpenSource(cfg.Network, env.State, false, env.Log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Run(ctx, env.Reload, env.Log) })
	g.Go(func() error {
		c, err := assembly.NewClient(ctx, assembly.ClientConfig{
			Client: cfg.Client, Keys: env.Keys, State: env.State, Source: src, Log: env.Log,
		})
		if err != nil {
			return err
		}
		return serve(ctx, env, c)
	})
	return g.Wait()
}

// serve opens the port and serves programs until ctx ends.
func serve(ctx context.Context, env *cli.Env[*config.NymClient], c *assembly.Client) error {
	front, err := front(env, c.Messenger)
	if err != nil {
		return c.Close(err)
	}
	server, err := wsapi.New(front)
	if err != nil {
		return c.Close(err)
	}
	ln, err := net.Listen("tcp", env.Config.WebSocket.Listen.String())
	if err != nil {
		return c.Close(err)
	}
	env.Status("connecting")
	return c.Run(ctx, func(ctx context.Context) error { return server.Run(ctx, ln) }, func() {
		env.Ready("connected")
		fmt.Fprintf(env.Out, "ws://%v\n", ln.Addr())
	})
}

// front makes the Config of the server.
func front(env *cli.Env[*config.NymClient], m mixnet.Messenger) (wsapi.Config, error) {
	w := env.Config.WebSocket
	secret, err := token(w)
	if err != nil {
		return wsapi.Config{}, err
	}
	return wsapi.Config{
		Messenger: m,
		Hosts:     append(slices.Clone(w.Hosts), w.Listen.Addr().String()),
		Origins:   w.Origins,
		Token:     secret,
		MaxPeers:  w.MaxPeers,
		KeepBytes: int(w.Keep),
		Log:       env.Log,
	}, nil
}

// token reads what programs must show; empty: nothing.
func token(w config.WebSocket) (string, error) {
	if w.Token == "" {
		return "", nil
	}
	b, err := cli.ReadSecret(string(w.Token))
	if err != nil {
		return "", cli.Invalid("websocket.token: %v", err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", cli.Invalid("websocket.token: %s is empty", w.Token)
	}
	return text, nil
}
