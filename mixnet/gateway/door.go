package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// A door lets clients' connections in, from any number of ports: so many at a
// time, so many from one address, so many in a second, and of those over TLS so
// many that compute a handshake (H23). Who is too many is dropped without a word
// (nodes.md §1.1); who comes too fast waits in the kernel, where that is cheap.
//
//	port ──Accept──▶ a place? ──▶ TLS: handshake in time ──▶ in ──▶ http.Server
//	     at a pace      │no              │late, or none
//	                    ▼                ▼
//	                  closed           closed, the place is free again
type door struct {
	all, perAddr int
	turned       atomic.Uint64 // connections beyond the limits
	slots        chan struct{} // one for each TLS handshake being computed
	pace         *rate.Limiter // of those that have a place
	log          zerolog.Logger

	mu    sync.Mutex // guards the following
	conns map[netip.Prefix]int
	total int
}

// entriesPerCPU is how many connections may come in within a second, for each
// CPU. What follows costs some hundred microseconds at most, a registration.
const entriesPerCPU = 250

func newDoor(all, perAddr int, log zerolog.Logger) *door {
	cpus := runtime.GOMAXPROCS(0)
	return &door{
		all: all, perAddr: perAddr, log: log,
		slots: make(chan struct{}, max(1, cpus/2)),
		pace:  rate.NewLimiter(rate.Limit(cpus*entriesPerCPU), cpus*entriesPerCPU),
		conns: make(map[netip.Prefix]int),
	}
}

// TLS makes of a port one where clients speak TLS (wss), for [Server.Run].
// cfg must have a certificate, and must not be changed afterwards.
func TLS(ln net.Listener, cfg *tls.Config) net.Listener { return &tlsPort{ln, cfg} }

// A tlsPort is a port whose connections the door wraps, since it must stand
// below TLS.
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

// take takes a place for a connection, unless there is none.
func (d *door) take(remote net.Addr) (from netip.Prefix, ok bool) {
	ap, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return netip.Prefix{}, false
	}
	addr := ap.Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 56
	}
	from, _ = addr.Prefix(bits)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.total >= d.all || !addr.IsLoopback() && d.conns[from] >= d.perAddr {
		d.turned.Add(1)
		return from, false
	}
	d.total++
	d.conns[from]++
	return from, true
}

func (d *door) give(from netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total--
	if d.conns[from]--; d.conns[from] == 0 {
		delete(d.conns, from)
	}
}

// open opens the door to some ports, of which there is at least one. What comes
// in is to be accepted from the hall, whose Close closes the ports too.
func (d *door) open(ports []net.Listener) *hall {
	h := &hall{door: d, ports: ports, in: make(chan net.Conn), failed: make(chan error, len(ports))}
	h.ctx, h.cancel = context.WithCancel(context.Background()) // ended by Close
	for _, p := range ports {
		h.wg.Go(func() { h.watch(p) })
	}
	return h
}

// A hall is a listener for what a door has let in.
type hall struct {
	door   *door
	ports  []net.Listener
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	in     chan net.Conn // unbuffered: who was let in waits, in its place
	failed chan error    // room for each port
}

// Accept implements [net.Listener].
func (h *hall) Accept() (net.Conn, error) {
	select {
	case c := <-h.in:
		return c, nil
	case err := <-h.failed:
		return nil, err
	case <-h.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr is that of the first port.
func (h *hall) Addr() net.Addr { return h.ports[0].Addr() }

// Close closes the ports; what wait waits for ends then.
func (h *hall) Close() error {
	h.cancel()
	var errs []error
	for _, p := range h.ports {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

func (h *hall) wait() { h.wg.Wait() }

// watch accepts from one port until it is closed.
func (h *hall) watch(port net.Listener) {
	plain := port
	secure, ok := port.(*tlsPort)
	if ok {
		plain = secure.Listener
	}
	pause := time.Duration(0)
	for {
		c, err := plain.Accept()
		switch {
		case err == nil:
			pause = 0
			from, ok := h.door.take(c.RemoteAddr())
			if !ok {
				c.Close()
				continue
			}
			c = &placed{Conn: c, give: sync.OnceFunc(func() { h.door.give(from) })}
			if secure == nil {
				h.enter(c)
			} else {
				h.wg.Go(func() { h.handshake(c, secure.cfg) })
			}
			h.door.pace.Wait(h.ctx) // fails only when the next Accept does too
		case errors.Is(err, net.ErrClosed):
			h.failed <- err
			return
		default: // out of files, most likely: wait until some are closed
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			h.door.log.Warn().Err(err).Dur("retry", pause).Msg("accept failed")
			select {
			case <-time.After(pause):
			case <-h.ctx.Done():
				return
			}
		}
	}
}

// enter hands a connection over, or closes it if nobody accepts any more.
func (h *hall) enter(c net.Conn) {
	select {
	case h.in <- c:
	case <-h.ctx.Done():
		c.Close()
	}
}

// handshake does that of TLS. Why one failed is nobody's business: it would be
// told with the client's address.
func (h *hall) handshake(c net.Conn, cfg *tls.Config) {
	ctx, cancel := context.WithTimeout(h.ctx, upgradePatience)
	defer cancel()
	turns := &turns{Conn: c, ctx: ctx, slots: h.door.slots}
	secure := tls.Server(turns, cfg)
	err := secure.HandshakeContext(ctx)
	turns.end()
	if err != nil {
		c.Close() // and not secure: that would wait for room to say goodbye
		return
	}
	h.enter(secure)
}

// A placed connection gives its place back when it is closed.
type placed struct {
	net.Conn
	give func()
}

func (c *placed) Close() error {
	defer c.give()
	return c.Conn.Close()
}

// turns is a connection during its handshake. What is computed for it is
// computed between one read and the next, in one of few slots: so handshakes
// take no more than a share of the CPUs, and who sends nothing takes nothing.
type turns struct {
	net.Conn
	ctx   context.Context
	slots chan struct{}
	holds bool
	over  bool
}

func (c *turns) Read(b []byte) (int, error) {
	if c.over {
		return c.Conn.Read(b)
	}
	c.release()
	n, err := c.Conn.Read(b)
	if err != nil {
		return n, err
	}
	select {
	case c.slots <- struct{}{}:
		c.holds = true
		return n, nil
	case <-c.ctx.Done():
		return 0, c.ctx.Err()
	}
}

func (c *turns) release() {
	if c.holds {
		c.holds = false
		<-c.slots
	}
}

// end is called when the handshake is over, however it went.
func (c *turns) end() {
	c.release()
	c.over = true
}
