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
// turn, families alternating, each starting when the one before failed or
// Config.Stagger after it. Of several failures it returns the one that says most.
func (r *Requester) connect(ctx context.Context, t target, addrs []netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.DialTimeout)
	defer cancel()

	type result struct {
		c   net.Conn
		err error
	}
	results := make(chan result, len(addrs)) // room for all: no attempt waits
	queue := alternate(addrs)
	running := 0
	start := func() {
		a := queue[0]
		queue = queue[1:]
		running++
		go func() {
			c, err := r.connectTo(ctx, t, a)
			results <- result{c, err}
		}()
	}
	stagger := time.NewTimer(r.cfg.Stagger)
	defer stagger.Stop()

	start()
	var conn net.Conn
	var failure error
	for running > 0 {
		select {
		case res := <-results:
			running--
			switch {
			case res.err == nil && conn == nil:
				conn = res.c
				queue = nil
				cancel() // the others
			case res.err == nil:
				res.c.Close() // came second
			case conn == nil:
				failure = tellsMore(failure, res.err)
				if len(queue) > 0 && ctx.Err() == nil {
					start()
					stagger.Reset(r.cfg.Stagger)
				}
			}
		case <-stagger.C:
			if len(queue) > 0 && ctx.Err() == nil {
				start()
				stagger.Reset(r.cfg.Stagger)
			}
		}
	}
	if conn == nil {
		return nil, failure
	}
	return conn, nil
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

// alternate orders addresses so that families take turns, beginning with that
// of the first one.
func alternate(addrs []netip.Addr) []netip.Addr {
	var same, other []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			same = append(same, a)
		} else {
			other = append(other, a)
		}
	}
	out := make([]netip.Addr, 0, len(addrs))
	for len(same) > 0 || len(other) > 0 {
		if len(same) > 0 {
			out, same = append(out, same[0]), same[1:]
		}
		if len(other) > 0 {
			out, other = append(out, other[0]), other[1:]
		}
	}
	return out
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
