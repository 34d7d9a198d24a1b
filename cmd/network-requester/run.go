package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sync/errgroup"

	"nym-socks5/allowlist"
	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/announce"
	"nym-socks5/proxy"
	"nym-socks5/proxy/protocol"
	"nym-socks5/proxy/requester"
)

func run(ctx context.Context, env *cli.Env[*config.Requester]) error {
	cfg := env.Config
	rules, err := openRules(cfg.Egress)
	if err != nil {
		return err
	}
	env.Log.Info().Str("rules", rules.Value().Describe()).Msg("allowlist read")
	src, err := assembly.OpenSource(cfg.Network, env.State, false, env.Log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Run(ctx, env.Reload, env.Log, rules) })
	g.Go(func() error {
		end, err := assembly.NewEndpoint(ctx, assembly.ClientConfig{
			Client: cfg.Client, Keys: env.Keys, State: env.State, Source: src, Log: env.Log,
		}, proxy.Config{Serve: true, Answer: answers(rules), Build: buildInfo()})
		if err != nil {
			return err
		}
		service, err := serve(env, end, rules, src)
		if err != nil {
			return end.Close(err)
		}
		env.Status("connecting")
		return end.Run(ctx, service, func() {
			env.Ready("connected")
			fmt.Fprintln(env.Out, end.Messenger.Address())
		})
	})
	return g.Wait()
}

// serve gives what runs above the mixnet: the requester, and the announcer that
// tells the directories of it.
func serve(env *cli.Env[*config.Requester], end *assembly.Endpoint, rules *cli.File[*allowlist.List], src *assembly.Source) (func(context.Context) error, error) {
	r := requester.New(egress(env, end.Proxy, rules, src))
	if !env.Config.Registration.Register {
		return r.Run, nil
	}
	announcer, err := assembly.NewAnnouncer(src, env.State, env.Config.Network, announce.Config{
		Identity:     env.Keys.Identity,
		Announcement: directory.Announcement{Role: directory.RoleRequester, Addresses: []mixnet.Recipient{end.Messenger.Address()}},
		Log:          env.Log,
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return r.Run(ctx) })
		g.Go(func() error { return announcer.Run(ctx) })
		return g.Wait()
	}, nil
}

// egress makes the Config of the requester.
func egress(env *cli.Env[*config.Requester], p *proxy.Proxy, rules *cli.File[*allowlist.List], src *assembly.Source) requester.Config {
	e := env.Config.Egress
	own := requester.OwnAddresses()
	guarded := func(a netip.Addr) bool { return own(a) || src.HasAddr(a) } // H30
	services := make(map[string]func(context.Context, net.Conn))
	if heads := src.Heads(); heads != nil {
		services[assembly.HeadTarget] = heads.Serve
	}
	return requester.Config{
		Services: services,
		Accept:   requester.Streams(p),
		Allow: func(host string, addr netip.Addr, port uint16) error {
			return rules.Value().Guard(guarded).Allow(host, addr, port)
		},
		Lookup:      requester.Lookup(e.Resolver),
		RefuseMixed: e.RefuseMixed,
		MaxStreams:  e.MaxStreams,
		Log:         env.Log,
	}
}

// buildInfo says what program answers.
func buildInfo() protocol.BuildInfo {
	b := cli.BuildInfo()
	return protocol.BuildInfo{
		BinaryName: "network-requester", BuildVersion: b.Version, CommitSHA: b.Revision, CommitTimestamp: b.Time,
		RustcVersion: b.Go, CargoTriple: b.Platform,
	}
}
