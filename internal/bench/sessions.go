package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/wire"
)

// The figures of a gateway with many clients that are silent. The gateway is a
// process of its own, whose resident memory is taken before they come and when
// all are there. The yardstick is a process that holds as many bare connections,
// each with a goroutine that reads into a buffer of 4 kB.
var sessionsFigures = []Figure{
	{
		Name: "gateway, a silent session, resident memory", Unit: "kB", Goal: AtMost(40),
		Measure: measureSessions,
	},
}

// How many sessions there are, and how many begin at once.
const (
	silentSessions = 5000
	sessionsAtOnce = 32
)

// A crowd is what a child says: where it listens, and as whom, and then what
// it takes.
type crowd struct {
	Addr     netip.AddrPort
	Gateway  keys.Identity // zero: bare connections
	Online   int
	Resident float64 // bytes
}

func measureSessions(l *Lab) (v Value, err error) {
	if v.Measured, err = l.crowd(childSessions, silentSessions); err != nil {
		return v, err
	}
	v.Yardstick, err = l.crowd(childConns, silentSessions)
	return v, err
}

// crowd gives what one of n costs a child, in kB.
func (l *Lab) crowd(mode string, n int) (float64, error) {
	return withChild(l, mode, func(p *pipe) (float64, error) { return gather(l.ctx, p, n) })
}

// gather opens n sessions or connections to a child.
func gather(ctx context.Context, p *pipe, n int) (kB float64, err error) {
	var before, after crowd
	if err := p.receive(&before); err != nil {
		return 0, err
	}
	ends := make([]func(), n)
	defer func() {
		for _, end := range ends {
			if end != nil {
				end()
			}
		}
	}()
	var g errgroup.Group
	g.SetLimit(sessionsAtOnce)
	for i := range ends {
		g.Go(func() (err error) {
			if before.Gateway.IsZero() {
				ends[i], err = openBare(ctx, before.Addr)
			} else {
				ends[i], err = openSilent(ctx, before.Addr, before.Gateway)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	for after.Online < n {
		if err := p.ask("report", &after); err != nil {
			return 0, fmt.Errorf("%d of %d are there: %w", after.Online, n, err)
		}
	}
	return (after.Resident - before.Resident) / 1000 / float64(n), nil
}

func openBare(ctx context.Context, at netip.AddrPort) (end func(), err error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	_, err = c.Write([]byte{1})
	return func() { c.Close() }, err
}

// openSilent registers a client, which says one thing, as it must to be online,
// and then nothing more.
func openSilent(ctx context.Context, at netip.AddrPort, gateway keys.Identity) (end func(), err error) {
	conn, err := session.Dial(ctx, urlOf(at), nil)
	if err != nil {
		return nil, err
	}
	end = func() { conn.Close(1000, "") }
	key, negotiated, err := session.Register(ctx, conn, keys.NewIdentityKey(), gateway)
	if err != nil {
		return end, err
	}
	packet := make([]byte, mixnet.Regular.Total())
	rand.Read(packet)
	nobody := mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1789))
	c := session.NewClient(conn, protocol.NewSealer(key), negotiated, func([]byte) {})
	return end, c.Send(ctx, wire.MixPacket{Next: nobody, Packet: packet})
}

// sessionsChild is a gateway, its stores in memory.
func sessionsChild(ctx context.Context, p *pipe) error {
	g, err := newLoneGateway(nil, nil)
	if err != nil {
		return err
	}
	hello := crowd{Addr: g.ws.Addr().(*net.TCPAddr).AddrPort(), Gateway: g.identity.Public()}
	return g.in(ctx, func(context.Context) error {
		return crowdReports(p, hello, func() int { return g.Stats().Online })
	})
}

// connsChild holds connections.
func connsChild(ctx context.Context, p *pipe) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var conns errgroup.Group
	online := count{new(atomic.Int64)}
	conns.Go(func() error {
		for {
			c, err := ln.Accept()
			if err != nil {
				return nil // closed
			}
			conns.Go(func() error {
				defer c.Close()
				defer context.AfterFunc(ctx, func() { c.Close() })()
				buf := make([]byte, 4096)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return nil
					}
					online.Write(buf[:n])
				}
			})
		}
	})
	hello := crowd{Addr: ln.Addr().(*net.TCPAddr).AddrPort()}
	err = crowdReports(p, hello, func() int { return int(online.n.Load()) })
	cancel()
	return errors.Join(err, ln.Close(), conns.Wait())
}

// crowdReports says hello, and then answers until the parent is gone.
func crowdReports(p *pipe, report crowd, online func() int) error {
	for {
		debug.FreeOSMemory() // what is left is in use
		var err error
		if report.Resident, err = residentMemory(); err != nil {
			return err
		}
		report.Online = online()
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
	}
}
