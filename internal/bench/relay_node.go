package bench

import (
	"context"
	"errors"
	"io"
	"net"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/mixnet/topology"
	"nym-socks5/proxy"
	"nym-socks5/proxy/socks"
)

// relayChild is a mix node as the program has it, and answers questions about
// what it has used.
func relayChild(ctx context.Context, p *pipe) error {
	var spec relaySpec
	if err := p.receive(&spec); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	snapshot, err := spec.topology(addr)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	cfg := mixnode.Config{
		Keys:     mixnode.Keys{Primary: mixnode.Key{Rotation: relayRotation, Key: keys.SphinxKeyFromBytes(spec.Sphinx)}},
		Addr:     mixnet.NodeAddrFrom(addr),
		Topology: func() *topology.Network { return snapshot },
		Server:   link.ServerConfig{ExemptLoopback: true},
	}
	if spec.Noise != [keys.Size]byte{} {
		cfg.Noise = keys.NoiseKeyFromBytes(spec.Noise)
	}
	hello := relayReport{Addr: addr}
	var beside *loneGateway
	var front net.Listener
	if spec.Flooded {
		cfg.Server.ExemptLoopback = false
		if beside, err = newLoneGateway(nil, nil); err != nil {
			return errors.Join(err, ln.Close())
		}
		if front, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return errors.Join(err, ln.Close())
		}
		hello.Clients, hello.Gateway = beside.ws.Addr().(*net.TCPAddr).AddrPort(), beside.identity.Public()
		hello.SOCKS = front.Addr().(*net.TCPAddr).AddrPort()
	}
	node, err := mixnode.New(cfg)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return node.Run(ctx, ln) })
	if beside != nil {
		g.Go(func() error { return beside.Run(ctx, beside.mix, beside.ws) })
		server := socks.New(socks.Config{Dial: func(context.Context, string, proxy.DialOptions) (proxy.Stream, error) {
			return nil, errors.New("bench: nobody asks for a target")
		}})
		g.Go(func() error { return server.Run(ctx, front) })
	}
	err = relayReports(p, node, hello)
	cancel()
	return errors.Join(err, g.Wait())
}

// relayReports answers until the parent is gone.
func relayReports(p *pipe, node *mixnode.Node, hello relayReport) error {
	report := hello
	for {
		if err := p.send(report); err != nil {
			return err
		}
		var question string
		if err := p.receive(&question); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		s := node.Stats()
		report = relayReport{CPU: processCPU(), Forwarded: s.Forwarded}
		var err error
		if report.Resident, err = residentMemory(); err != nil {
			return err
		}
		for _, d := range s.Dropped {
			report.Dropped += d
		}
	}
}
