package simnet

import (
	"net"
	"net/netip"
	"sync"
)

// A listener is a net.Listener of a Network.
type listener struct {
	net   *Network
	addr  netip.AddrPort
	queue chan *conn // bounded: dials wait
	once  sync.Once
	done  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	if !l.isClosed() {
		select {
		case c := <-l.queue:
			return c, nil
		case <-l.done:
		}
	}
	return nil, opError("accept", l.addr, netip.AddrPort{}, net.ErrClosed)
}

// Close frees the address and resets what was not yet accepted.
func (l *listener) Close() error {
	err := opError("close", l.addr, netip.AddrPort{}, net.ErrClosed)
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, l.addr)
		l.net.mu.Unlock()
		close(l.done)
		l.drain()
		err = nil
	})
	return err
}

func (l *listener) isClosed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *listener) drain() {
	for {
		select {
		case c := <-l.queue:
			c.in.reset()
			c.out.reset()
			c.Close()
		default:
			return
		}
	}
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }
