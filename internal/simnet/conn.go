package simnet

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A conn is one end of a connection: it reads from in and writes to out, and
// its peer does the reverse.
type conn struct {
	net           *Network
	peer          *conn
	local, remote netip.AddrPort
	dialed        bool // the end that dialed
	in, out       *pipe
	once          sync.Once
	abrupt        atomic.Bool // Close resets
}

func newPair(n *Network, local, remote netip.AddrPort) (near, far *conn) {
	latency := n.latencyBetween(local, remote)
	a, b := newPipe(latency), newPipe(latency)
	near = &conn{net: n, local: local, remote: remote, dialed: true, in: a, out: b}
	far = &conn{net: n, local: remote, remote: local, in: b, out: a}
	near.peer, far.peer = far, near
	return near, far
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	if err != nil && err != io.EOF {
		err = opError("read", c.local, c.remote, err)
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	if err != nil {
		err = opError("write", c.local, c.remote, err)
	}
	return n, err
}

// Close ends both directions. What was written before still arrives.
func (c *conn) Close() error {
	err := opError("close", c.local, c.remote, net.ErrClosed)
	c.once.Do(func() {
		if c.abrupt.Load() {
			c.out.breakOff()
		}
		c.out.closeWrite()
		c.in.closeRead()
		c.net.forget(c)
		err = nil
	})
	return err
}

// CloseWrite ends the direction away from us: the peer reads io.EOF.
func (c *conn) CloseWrite() error {
	c.out.closeWrite()
	return nil
}

// SetLinger makes Close reset the connection if sec is zero. What was written
// before still arrives, as it mostly does in a real network.
func (c *conn) SetLinger(sec int) error {
	c.abrupt.Store(sec == 0)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.reader, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writer, t)
	return nil
}
