package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/wsapi"
)

func run(ctx context.Context, env *cli.Env[*config.NymClient]) (err error) {
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
	cfg.Messages, cfg.Peers = true, true
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
		return serve(ctx, env, ln, end)
	})
	return g.Wait()
}

// serve serves programs until ctx ends.
func serve(ctx context.Context, env *cli.Env[*config.NymClient], ln net.Listener, end *endpoint.Endpoint) error {
	front, err := front(env, end)
	if err != nil {
		return err
	}
	server, err := wsapi.New(front)
	if err != nil {
		return err
	}
	env.Ready("connected")
	fmt.Fprintf(env.Out, "ws://%v\n", ln.Addr())
	return server.Run(ctx, ln)
}

// front makes the Config of the server.
func front(env *cli.Env[*config.NymClient], end *endpoint.Endpoint) (wsapi.Config, error) {
	w := env.Config.WebSocket
	secret, err := token(w)
	if err != nil {
		return wsapi.Config{}, err
	}
	kept, err := backlog(env)
	if err != nil {
		return wsapi.Config{}, err
	}
	return wsapi.Config{
		Messenger: end.Messenger(),
		Backlog:   kept,
		Names:     known(env.State),
		Client:    fares(end),
		Streams:   streams(end),
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
