package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"nym-socks5/internal/socksclient"
	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

// A testbed is a network that runs, and the targets beside it.
type testbed struct {
	ctx   context.Context // of the network
	stop  context.CancelFunc
	socks string // address of its SOCKS port
	wg    sync.WaitGroup
	err   error // of the network; read it after wg
}

// run runs the network until it ends or the testbed is closed, and waits until
// it is up.
func (b *testbed) run(ctx context.Context, run func(context.Context) error, ready <-chan struct{}) error {
	b.ctx, b.stop = context.WithCancel(ctx)
	b.wg.Go(func() {
		b.err = run(b.ctx)
		b.stop()
	})
	var err error
	select {
	case <-ready:
		return nil
	case <-time.After(startTimeout):
		err = errors.New("the network does not come up")
	case <-b.ctx.Done():
		err = context.Cause(b.ctx)
	}
	return errors.Join(err, b.close())
}

// close ends the network and all targets.
func (b *testbed) close() error {
	b.stop()
	b.wg.Wait()
	return b.err
}

// A world is a whole network in this process, over loopback TCP.
type world struct {
	testbed
	*localnet.Network
}

// startTimeout is how long a network may take to come up.
const startTimeout = 30 * time.Second

// newWorld starts a network and waits until it is up.
func newWorld(ctx context.Context, t client.Traffic) (*world, error) {
	n, err := localnet.New(localnet.Spec{
		Traffic: t,
		Allow:   func(string, netip.Addr, uint16) error { return nil },
	})
	if err != nil {
		return nil, err
	}
	w := &world{Network: n}
	if err := w.run(ctx, n.Run, n.Ready()); err != nil {
		return nil, err
	}
	w.socks = n.SOCKSAddr().String()
	return w, nil
}

// in runs a measurement in a world of its own.
func in[V any](ctx context.Context, t client.Traffic, measure func(*world) (V, error)) (v V, err error) {
	w, err := newWorld(ctx, t)
	if err != nil {
		return v, err
	}
	v, err = measure(w)
	return v, errors.Join(err, w.close())
}

// target opens a port and hands each connection to handle, which ends when the
// connection does; that is when the world ends at the latest.
func (b *testbed) target(handle func(c *net.TCPConn)) (addr string, err error) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	context.AfterFunc(b.ctx, func() { ln.Close() })
	b.wg.Go(func() {
		for {
			c, err := ln.AcceptTCP()
			if err != nil {
				return
			}
			b.wg.Go(func() {
				defer c.Close()
				defer context.AfterFunc(b.ctx, func() { c.Close() })()
				handle(c)
			})
		}
	})
	return ln.Addr().String(), nil
}

// connect opens a stream to a target through the SOCKS port. It is closed when
// the world ends, if not before.
func (b *testbed) connect(target string) (net.Conn, error) { return b.connectAs("", target) }

// connectAs is connect with a SOCKS user: streams of different users share
// nothing in the network.
func (b *testbed) connectAs(user, target string) (net.Conn, error) {
	d := socksclient.Dialer{Proxy: b.socks, User: user}
	c, err := d.DialContext(b.ctx, "tcp", target)
	if err != nil {
		return nil, fmt.Errorf("connect through SOCKS: %w", err)
	}
	context.AfterFunc(b.ctx, func() { c.Close() })
	return c, nil
}
