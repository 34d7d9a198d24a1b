package admit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// Accept hands the connections of ln to handle, one after the other, until ctx
// ends, then returns nil. It closes ln. handle owns the connection; while it
// waits nothing else is accepted. Accept fails if somebody else closes ln, and
// survives any other failure.
func Accept(ctx context.Context, ln net.Listener, log zerolog.Logger, handle func(net.Conn)) error {
	defer ln.Close()
	defer context.AfterFunc(ctx, func() { ln.Close() })() // unblocks ln.Accept
	pause := time.Duration(0)
	for {
		c, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				c.Close()
			}
			return nil
		case err == nil:
			if pause > 0 {
				log.Info().Msg("connections are accepted again")
				pause = 0
			}
			handle(c)
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept: %w", err)
		default:
			if pause == 0 {
				log.Warn().Err(err).Msg("no connection can be accepted, trying again")
			}
			pause = min(max(2*pause, minPause), maxPause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// Listen puts limits below a server that accepts by itself: its connections
// hold a place until they are closed. Those beyond the limits are closed
// without an answer.
func Listen(ln net.Listener, l *Limiter) net.Listener { return &listener{ln, l} }

type listener struct {
	net.Listener
	limiter *Limiter
}

// Accept implements [net.Listener].
func (ln *listener) Accept() (net.Conn, error) {
	for {
		c, err := ln.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if in, ok := ln.limiter.Conn(c); ok {
			return in, nil
		}
	}
}

// Conn takes a place for a connection, which is given back when the connection
// is closed. If there is none, it closes the connection and reports false.
func (l *Limiter) Conn(c net.Conn) (net.Conn, bool) {
	p, ok := l.Enter(AddrPort(c.RemoteAddr()).Addr())
	if !ok {
		c.Close()
		return nil, false
	}
	return &placed{c, p}, true
}

// A placed connection gives its place back when it is closed.
type placed struct {
	net.Conn
	place *Place
}

// Close implements [net.Conn].
func (c *placed) Close() error {
	defer c.place.Leave()
	return c.Conn.Close()
}

// What sockets can do beyond net.Conn, the connection can if the one below it can.

// CloseWrite ends what is sent, as [net.TCPConn] does.
func (c *placed) CloseWrite() error {
	if below, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return below.CloseWrite()
	}
	return errors.ErrUnsupported
}

// SetLinger says what becomes of unsent data when the connection is closed.
func (c *placed) SetLinger(sec int) error {
	if below, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		return below.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// SyscallConn implements [syscall.Conn].
func (c *placed) SyscallConn() (syscall.RawConn, error) {
	if below, ok := c.Conn.(syscall.Conn); ok {
		return below.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
