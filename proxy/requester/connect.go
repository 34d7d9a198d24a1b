package requester

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"nym-socks5/proxy"
)

// errChanged reports an address that was allowed and, when its socket was about
// to connect, is not.
var errChanged = errors.New("requester: address is no longer allowed")

// connect connects to the first address that answers. The addresses are tried in
// turn, each starting when the one before failed or Config.Stagger after it, and
// also as answers about them come in. Of several failures it returns the one that
// says most.
func (r *Requester) connect(ctx context.Context, t target, s *resolution) (net.Conn, proxy.Reason, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.LookupTimeout+r.cfg.DialTimeout)
	defer cancel()
	dialing, stop := context.WithCancel(ctx)
	defer stop()
	a := &attempts{
		r: r, t: t, s: s, dialing: dialing, stop: stop,
		results: make(chan dialed, 2*maxAddrs), // room for all: none waits
	}
	for a.goOn() {
		a.step(ctx)
	}
	return a.outcome()
}

// attempts are those of connecting to the addresses of one target, while answers
// about them come in.
type attempts struct {
	r *Requester
	t target
	s *resolution

	dialing context.Context // of those that run
	stop    func()          // ends them
	results chan dialed
	running int
	limit   <-chan time.Time // of connecting to all addresses; nil: none was tried
	stagger <-chan time.Time // until the next may start; nil: now

	over    bool     // nothing more is begun
	conn    net.Conn // of the first that succeeded
	failure error    // of the others, the one that says most
}

// dialed is how an attempt has ended.
type dialed struct {
	conn net.Conn
	err  error
}

// goOn reports whether there is something to wait for.
func (a *attempts) goOn() bool {
	return a.running > 0 || !a.over && (a.s.pending > 0 || len(a.s.six)+len(a.s.four) > 0)
}

// step waits for what happens next, and deals with it.
func (a *attempts) step(ctx context.Context) {
	answers := a.s.answers
	if a.over {
		answers = nil
	}
	select {
	case f := <-answers:
		if !a.r.add(a.s, a.t, f) {
			a.finish(nil)
			return
		}
		a.startIfIdle(ctx)
	case <-a.s.hold:
		a.s.hold = nil
		a.startIfIdle(ctx)
	case <-a.s.late:
		a.s.late = nil
		if !a.s.found {
			a.finish(nil)
		}
	case end := <-a.results:
		a.ended(ctx, end)
	case <-a.stagger:
		a.stagger = nil
		a.start(ctx)
	case <-a.limit:
		a.limit = nil
		a.finish(context.DeadlineExceeded)
	case <-ctx.Done():
		if !a.over {
			a.finish(ctx.Err())
		}
		if a.running > 0 { // they end with it
			a.running--
			if end := <-a.results; end.err == nil {
				end.conn.Close()
			}
		}
	}
}

// startIfIdle starts an attempt unless the last one still has its time alone.
func (a *attempts) startIfIdle(ctx context.Context) {
	if a.running == 0 || a.stagger == nil {
		a.start(ctx)
	}
}

// start starts the attempt whose turn it is, if there is one and it may.
func (a *attempts) start(ctx context.Context) {
	if a.over || a.s.pending > 0 && a.r.cfg.RefuseMixed || a.running >= maxConnecting || ctx.Err() != nil {
		return
	}
	addr, ok := a.s.next()
	if !ok {
		return
	}
	if a.limit == nil {
		a.limit = time.After(a.r.cfg.DialTimeout)
	}
	a.running++
	a.stagger = time.After(a.r.cfg.Stagger)
	go func() {
		c, err := a.r.connectTo(a.dialing, a.t, addr)
		a.results <- dialed{c, err}
	}()
}

// ended takes in how an attempt has ended.
func (a *attempts) ended(ctx context.Context, end dialed) {
	a.running--
	switch {
	case end.err == nil && a.conn == nil && !a.over:
		a.conn = end.conn
		a.finish(nil)
	case end.err == nil:
		end.conn.Close() // it came second
	case a.conn == nil:
		a.failure = tellsMore(a.failure, end.err)
		a.start(ctx)
	}
}

// finish begins nothing more, and ends what runs.
func (a *attempts) finish(err error) {
	a.over = true
	a.failure = tellsMore(a.failure, err)
	a.stop()
}

// outcome says what came of it all.
func (a *attempts) outcome() (net.Conn, proxy.Reason, error) {
	switch {
	case a.conn != nil:
		return a.conn, 0, nil
	case a.failure != nil:
		return nil, reasonOf(a.failure), a.failure
	case a.s.denied != nil:
		return nil, proxy.ReasonDenied, a.s.denied
	case a.s.failed != nil:
		return nil, proxy.ReasonDNS, a.s.failed
	}
	return nil, proxy.ReasonDNS, errNoAddress
}

// connectTo connects to one address.
func (r *Requester) connectTo(ctx context.Context, t target, addr netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.AddrTimeout)
	defer cancel()
	network := "tcp6"
	if addr.Is4() {
		network = "tcp4"
	}
	to := netip.AddrPortFrom(addr, t.port)
	dial := r.cfg.Dial
	if dial == nil {
		d := net.Dialer{ControlContext: func(_ context.Context, _, text string, _ syscall.RawConn) error {
			return r.recheck(t, to, text)
		}}
		dial = d.DialContext
	}
	return dial(ctx, network, to.String())
}

// recheck asks Allow about the address that a socket is about to connect to.
func (r *Requester) recheck(t target, want netip.AddrPort, text string) error {
	got, err := netip.ParseAddrPort(text)
	if err != nil || netip.AddrPortFrom(got.Addr().Unmap(), got.Port()) != want {
		return errChanged
	}
	if r.cfg.Allow(t.host, want.Addr(), want.Port()) != nil {
		return errChanged
	}
	return nil
}

// reasonOf gives the reason to tell for an error of connecting (socks.md §21.7).
func reasonOf(err error) proxy.Reason {
	switch {
	case errors.Is(err, errChanged):
		return proxy.ReasonDenied
	case errors.Is(err, syscall.ECONNREFUSED):
		return proxy.ReasonRefused
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return proxy.ReasonTimeout
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL),
		errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EHOSTDOWN):
		return proxy.ReasonUnreachable
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		return proxy.ReasonLimit
	case errors.Is(err, context.Canceled):
		return proxy.ReasonInternal
	default:
		return proxy.ReasonUnknown
	}
}

// tellsMore picks the failure that says most about the target: an answer before
// silence, silence before a lack of routes, which may concern one family only.
func tellsMore(a, b error) error {
	rank := func(err error) int {
		if err == nil {
			return -1
		}
		switch reasonOf(err) {
		case proxy.ReasonDenied:
			return 6
		case proxy.ReasonRefused:
			return 5
		case proxy.ReasonTimeout:
			return 4
		case proxy.ReasonLimit:
			return 3
		case proxy.ReasonUnknown:
			return 2
		case proxy.ReasonUnreachable:
			return 1
		default:
			return 0
		}
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}
