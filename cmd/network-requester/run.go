package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sync/errgroup"

	"nym-socks5/allowlist"
	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/ops"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/announce"
	"nym-socks5/proxy"
	"nym-socks5/proxy/protocol"
	"nym-socks5/proxy/requester"
)

func run(ctx context.Context, env *cli.Env[*config.Requester]) (err error) {
	rules, err := openRules(env.Config.Egress)
	if err != nil {
		return err
	}
	env.Log.Info().Str("rules", rules.Value().Describe()).Msg("allowlist read")
	src, err := assembly.OpenSource(env.Config.Network, env.State, false, env.Log)
	if err != nil {
		return err
	}
	cfg, done, err := assembly.Endpoint(env.Config.Client, env.Keys, env.State, src, env.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	cfg.Egress, cfg.Gateways = true, env.Config.Egress.Gateways
	connected := setPace(&cfg, env)
	cfg.Streams = proxy.Config{
		Streams: env.Config.Egress.MaxStreams, StreamsPerTag: env.Config.Egress.PerTag, Memory: int64(env.Config.Egress.Memory) << 20,
		Answer: answers(rules), Build: buildInfo(),
	}
	end, err := endpoint.New(cfg)
	if err != nil {
		return err
	}
	refused, err := openRefusals(env.State.Path(refusedFile), env.Config.Egress.KeepRefused)
	if err != nil {
		return err
	}
	egress := egress(env, end, rules, src, requester.OwnAddresses())
	egress.Refused = refused.add
	service := requester.New(egress)
	env.Watch(func() ops.Report {
		r := assembly.EndpointReport(end)
		r.Counts = append(r.Counts, assembly.EgressCounts(service.Stats())...)
		return r
	})
	env.Status("connecting")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Files(ctx, env.Reload, env.Log, rules) })
	g.Go(func() error { return assembly.Explain(end.Run(ctx)) })
	g.Go(func() error { return service.Run(ctx) })
	g.Go(func() error {
		tellDenials(ctx, service.Stats, refused, env.Log)
		return nil
	})
	g.Go(func() error {
		select {
		case <-end.Ready():
			env.Ready(connected)
			fmt.Fprintln(env.Out, end.Addresses()[0])
			return register(ctx, env, src, end.Addresses())
		case <-ctx.Done():
			return nil
		}
	})
	return g.Wait()
}

// setPace says how packets leave (H33), and gives what the status says of it.
func setPace(cfg *endpoint.Config, env *cli.Env[*config.Requester]) (status string) {
	switch env.Config.Egress.Pace {
	case config.PaceSteps:
		cfg.Traffic.FollowDemand = true
	case config.PaceUnpaced:
		cfg.Traffic.SendEvery = client.Off
	}
	if cfg.Traffic.SendEvery < 0 {
		env.Log.Warn().Msg("packets leave unpaced: when they leave shows the traffic")
		return "connected; packets leave unpaced"
	}
	return "connected"
}

// register tells the directories of us until ctx ends, if they are to know.
func register(ctx context.Context, env *cli.Env[*config.Requester], src *assembly.Source, at []mixnet.Recipient) error {
	if !env.Config.Registration.Register {
		return nil
	}
	announcer, err := assembly.NewAnnouncer(src, env.State, env.Config.Network, env.Config.Registration.Invite, announce.Config{
		Identity:     env.Keys.Identity,
		Announcement: directory.Announcement{Role: directory.RoleRequester, Addresses: at},
		Log:          env.Log,
	})
	if err != nil {
		return err
	}
	return announcer.Run(ctx)
}

// egress makes the Config of the requester. own says which addresses are this
// host's.
func egress(env *cli.Env[*config.Requester], end *endpoint.Endpoint, rules *cli.File[*allowlist.List], src *assembly.Source,
	own func(netip.Addr) bool) requester.Config {
	e := env.Config.Egress
	guarded := func(a netip.Addr) bool { return own(a) || src.HasAddr(a) } // H30
	services := make(map[string]func(context.Context, net.Conn))
	if heads := src.Heads(); heads != nil {
		services[endpoint.HeadTarget] = heads.Serve
	}
	return requester.Config{
		Services: services,
		Accept:   requester.Streams(end),
		Allow: func(host string, addr netip.Addr, port uint16) error {
			return rules.Value().Guard(guarded).Allow(host, addr, port)
		},
		Lookup:      requester.Lookup(e.Resolver),
		RefuseMixed: e.RefuseMixed,
		MaxStreams:  2 * e.MaxStreams, // with those that are ending
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
