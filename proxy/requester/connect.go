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
	dialCtx, stopDialing := context.WithCancel(ctx)
	defer stopDialing()

	type result struct {
		c   net.Conn
		err error
	}
	results := make(chan result, 2*maxAddrs) // room for all: no attempt waits
	running := 0
	var limit <-chan time.Time // of connecting to all addresses
	var stagger <-chan time.Time
	start := func() {
		if s.pending > 0 && r.cfg.RefuseMixed || running >= maxConnecting || ctx.Err() != nil {
			return
		}
		a, ok := s.next()
		if !ok {
			return
		}
		if limit == nil {
			limit = time.After(r.cfg.DialTimeout)
		}
		running++
		stagger = time.After(r.cfg.Stagger)
		go func() {
			c, err := r.connectTo(dialCtx, t, a)
			results <- result{c, err}
		}()
	}

	var conn net.Conn
	var failure error
	over := false // nothing more is begun
	stop := func(err error) {
		over = true
		failure = tellsMore(failure, err)
		stopDialing()
	}
	for !over && (running > 0 || s.pending > 0 || len(s.six)+len(s.four) > 0) || running > 0 {
		answers := s.answers
		if over {
			answers = nil
		}
		select {
		case f := <-answers:
			if !r.add(s, t, f) {
				stop(nil)
				continue
			}
			if running == 0 || stagger == nil {
				start()
			}
		case <-s.hold:
			s.hold = nil
			if running == 0 || stagger == nil {
				start()
			}
		case <-s.late:
			s.late = nil
			if !s.found {
				stop(nil)
			}
		case res := <-results:
			running--
			switch {
			case res.err == nil && conn == nil && !over:
				conn = res.c
				stop(nil)
			case res.err == nil:
				res.c.Close() // came second
			case conn == nil:
				failure = tellsMore(failure, res.err)
				if !over {
					start()
				}
			}
		case <-stagger:
			stagger = nil
			if !over {
				start()
			}
		case <-limit:
			limit = nil
			stop(context.DeadlineExceeded)
		case <-ctx.Done():
			if !over {
				stop(ctx.Err())
			}
			if running > 0 { // they end with it
				res := <-results
				running--
				if res.err == nil {
					res.c.Close()
				}
			}
		}
	}
	switch {
	case conn != nil:
		return conn, 0, nil
	case failure != nil:
		return nil, reasonOf(failure), failure
	case s.denied != nil:
		return nil, proxy.ReasonDenied, s.denied
	case s.failed != nil:
		return nil, proxy.ReasonDNS, s.failed
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
