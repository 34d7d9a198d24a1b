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

// A world is a whole network in this process, over loopback TCP, and targets
// beside it.
type world struct {
	*localnet.Network
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup
	err  error // of the network; read it after wg
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
	w.ctx, w.stop = context.WithCancel(ctx)
	w.wg.Go(func() {
		w.err = n.Run(w.ctx)
		w.stop()
	})
	select {
	case <-n.Ready():
		return w, nil
	case <-time.After(startTimeout):
		err = errors.New("the network does not come up")
	case <-w.ctx.Done():
		err = context.Cause(w.ctx)
	}
	return nil, errors.Join(err, w.close())
}

// close ends the network and all targets.
func (w *world) close() error {
	w.stop()
	w.wg.Wait()
	return w.err
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
func (w *world) target(handle func(c *net.TCPConn)) (addr string, err error) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	context.AfterFunc(w.ctx, func() { ln.Close() })
	w.wg.Go(func() {
		for {
			c, err := ln.AcceptTCP()
			if err != nil {
				return
			}
			w.wg.Go(func() {
				defer c.Close()
				defer context.AfterFunc(w.ctx, func() { c.Close() })()
				handle(c)
			})
		}
	})
	return ln.Addr().String(), nil
}

// connect opens a stream to a target through the SOCKS port. It is closed when
// the world ends, if not before.
func (w *world) connect(target string) (net.Conn, error) { return w.connectAs("", target) }

// connectAs is connect with a SOCKS user: streams of different users share
// nothing in the network.
func (w *world) connectAs(user, target string) (net.Conn, error) {
	d := socksclient.Dialer{Proxy: w.SOCKSAddr().String(), User: user}
	c, err := d.DialContext(w.ctx, "tcp", target)
	if err != nil {
		return nil, fmt.Errorf("connect through SOCKS: %w", err)
	}
	context.AfterFunc(w.ctx, func() { c.Close() })
	return c, nil
}
