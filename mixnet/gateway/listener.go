package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"sync"

	"github.com/rs/zerolog"

	"nym-socks5/internal/admit"
)

// TLS makes of a port one where clients speak TLS (wss), for [Server.Run].
// cfg must have a certificate, and must not be changed afterwards.
func TLS(ln net.Listener, cfg *tls.Config) net.Listener { return &tlsPort{ln, cfg} }

// A tlsPort is a port whose connections get their place below TLS.
type tlsPort struct {
	net.Listener
	cfg *tls.Config
}

// Accept gives a connection before its handshake.
func (p *tlsPort) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(c, p.cfg), nil
}

// An admission has the limits for clients' connections, those of all ports
// together (H23).
type admission struct {
	limits *admit.Limiter
	slots  admit.Slots // for TLS handshakes being computed
}

func newAdmission(all, perAddr int) admission {
	cpus := runtime.GOMAXPROCS(0)
	return admission{
		limits: admit.New(admit.Limits{Places: all, PlacesPerPrefix: perAddr, Rate: cpus * connsPerCPU}),
		slots:  admit.NewSlots(cpus / 2),
	}
}

// A listener accepts clients' connections from any number of ports within the
// limits, and does the handshake of those over TLS. Connections beyond the
// limits are closed without an answer (nodes.md §1.1).
//
//	port ──Accept──▶ a place? ──▶ TLS: handshake in time ──▶ ready ──▶ http.Server
//	     at a pace      │no              │late, or none
//	                    ▼                ▼
//	                  closed           closed, the place is free again
type listener struct {
	admission
	ports  []net.Listener
	log    zerolog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	ready  chan net.Conn // unbuffered: a connection waits in its place
	failed chan error    // room for each port
}

// listen starts accepting from ports, of which there is at least one. The
// listener's Close closes them.
func (a admission) listen(ports []net.Listener, log zerolog.Logger) *listener {
	l := &listener{admission: a, ports: ports, log: log, ready: make(chan net.Conn), failed: make(chan error, len(ports))}
	l.ctx, l.cancel = context.WithCancel(context.Background()) // ended by Close
	for _, p := range ports {
		l.wg.Go(func() {
			if err := l.accept(p); err != nil {
				l.failed <- err
			}
		})
	}
	return l
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr is that of the first port.
func (l *listener) Addr() net.Addr { return l.ports[0].Addr() }

// Close closes the ports; what wait waits for ends then.
func (l *listener) Close() error {
	l.cancel()
	var errs []error
	for _, p := range l.ports {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

func (l *listener) wait() { l.wg.Wait() }

// accept accepts from one port until it is closed.
func (l *listener) accept(port net.Listener) error {
	plain := port
	secure, overTLS := port.(*tlsPort)
	if overTLS {
		plain = secure.Listener
	}
	return admit.Accept(l.ctx, plain, l.log, func(c net.Conn) {
		c, ok := l.limits.Conn(c)
		if !ok {
			return
		}
		if overTLS {
			l.wg.Go(func() { l.handshake(c, secure.cfg) })
		} else {
			l.hand(c)
		}
		l.limits.Wait(l.ctx) // fails only when the next Accept does too
	})
}

// hand gives a connection to Accept, or closes it if nobody accepts any more.
func (l *listener) hand(c net.Conn) {
	select {
	case l.ready <- c:
	case <-l.ctx.Done():
		c.Close()
	}
}

// handshake does that of TLS. Why one failed is not logged: the error would
// name the client's address.
func (l *listener) handshake(c net.Conn, cfg *tls.Config) {
	ctx, cancel := context.WithTimeout(l.ctx, upgradePatience)
	defer cancel()
	below := &handshakeConn{Conn: c, ctx: ctx, slots: l.slots}
	secure := tls.Server(below, cfg)
	err := secure.HandshakeContext(ctx)
	below.end()
	if err != nil {
		c.Close() // and not secure: that would wait for room to say goodbye
		return
	}
	l.hand(secure)
}

// A handshakeConn is a connection during its handshake. What is computed for it
// is computed between one read and the next, in one of few slots: so handshakes
// take no more than a share of the CPUs, and a client that sends nothing takes
// nothing.
type handshakeConn struct {
	net.Conn
	ctx   context.Context
	slots admit.Slots
	holds bool
	over  bool
}

func (c *handshakeConn) Read(b []byte) (int, error) {
	if c.over {
		return c.Conn.Read(b)
	}
	c.release()
	n, err := c.Conn.Read(b)
	if err != nil {
		return n, err
	}
	if err := c.slots.Take(c.ctx); err != nil {
		return 0, err
	}
	c.holds = true
	return n, nil
}

func (c *handshakeConn) release() {
	if c.holds {
		c.holds = false
		c.slots.Give()
	}
}

// end is called when the handshake is over, however it went.
func (c *handshakeConn) end() {
	c.release()
	c.over = true
}
