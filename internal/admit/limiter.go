package admit

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits say what a Limiter admits. A zero field sets no limit.
type Limits struct {
	// Places is how many may be in at once; PlacesPerPrefix how many of one
	// prefix. Where there are many more places than one prefix may have, places
	// that become few are shared: see placeShare.
	Places, PlacesPerPrefix int
	// Rate is how many may come in a second, at most a second's worth at once.
	Rate int
	// RatePerPrefix is how many of one prefix may come in a second,
	// BurstPerPrefix of them at once. If the burst is zero, it is a second's worth.
	RatePerPrefix  float64
	BurstPerPrefix int
	// CountLoopback limits this machine's own connections by address too.
	CountLoopback bool
}

// A Limiter counts connections: those that are open and those that come. Any number of goroutines, and of
// listeners, may share one: then the limits are those of all together.
type Limiter struct {
	limits Limits
	pace   *rate.Limiter // of all; nil: no limit

	mu       sync.Mutex // guards the following
	in       int
	refused  uint64
	prefixes map[netip.Prefix]*usage
	swept    time.Time
}

// usage is what a prefix takes.
type usage struct {
	in   int
	pace *rate.Limiter // nil while nothing was asked of it
	used time.Time
}

// New makes a Limiter.
func New(l Limits) *Limiter {
	if l.RatePerPrefix > 0 && l.BurstPerPrefix == 0 {
		l.BurstPerPrefix = max(1, int(l.RatePerPrefix))
	}
	out := &Limiter{limits: l, prefixes: make(map[netip.Prefix]*usage)}
	if l.Rate > 0 {
		out.pace = rate.NewLimiter(rate.Limit(l.Rate), l.Rate)
	}
	return out
}

// A Place is held by one connection.
type Place struct {
	of     *Limiter
	prefix netip.Prefix
	left   bool // guarded by of.mu
}

// Enter takes a place for a connection from ip, or reports that there is none.
func (l *Limiter) Enter(ip netip.Addr) (*Place, bool) {
	p := Prefix(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.prefixes[p]
	full := l.limits.Places > 0 && l.in >= l.limits.Places
	many := u != nil && l.limits.PlacesPerPrefix > 0 && u.in >= l.perPrefix()
	if full || many && l.counts(ip) {
		l.refused++
		return nil, false
	}
	if u == nil {
		u = &usage{}
		l.prefixes[p] = u
	}
	u.in++
	l.in++
	return &Place{of: l, prefix: p}, true
}

// perPrefix is how many places a prefix may have now. mu is held.
func (l *Limiter) perPrefix() int {
	if l.limits.Places < placeShare*l.limits.PlacesPerPrefix {
		return l.limits.PlacesPerPrefix
	}
	return min(l.limits.PlacesPerPrefix, (l.limits.Places-l.in)/placeShare)
}

// Leave gives the place back. It may be called again.
func (p *Place) Leave() {
	l := p.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.left {
		return
	}
	p.left = true
	l.in--
	u := l.prefixes[p.prefix]
	if u.in--; u.in == 0 && u.pace == nil {
		delete(l.prefixes, p.prefix)
	}
}

// counts reports whether an address is limited.
func (l *Limiter) counts(ip netip.Addr) bool {
	return l.limits.CountLoopback || !ip.Unmap().IsLoopback()
}

// Allow reports whether one more may come from ip now, and counts it. One that
// its own prefix keeps out takes nothing from the others.
func (l *Limiter) Allow(ip netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.RatePerPrefix > 0 && l.counts(ip) && !l.allowPrefix(Prefix(ip), now) ||
		l.pace != nil && !l.pace.AllowN(now, 1) {
		l.refused++
		return false
	}
	return true
}

// allowPrefix is Allow for the pace of one prefix. mu is held.
func (l *Limiter) allowPrefix(p netip.Prefix, now time.Time) bool {
	u := l.prefixes[p]
	if u == nil {
		if len(l.prefixes) >= maxPrefixes && !l.forget(now) {
			return false
		}
		u = &usage{}
		l.prefixes[p] = u
	}
	if u.pace == nil {
		u.pace = rate.NewLimiter(rate.Limit(l.limits.RatePerPrefix), l.limits.BurstPerPrefix)
	}
	u.used = now
	return u.pace.AllowN(now, 1)
}

// forget drops the prefixes that have nobody in and may come at full pace
// again; false: there are none. It looks at most once a second. mu is held.
func (l *Limiter) forget(now time.Time) bool {
	if now.Sub(l.swept) < time.Second {
		return false
	}
	l.swept = now
	refill := time.Duration(float64(l.limits.BurstPerPrefix) / l.limits.RatePerPrefix * float64(time.Second))
	n := len(l.prefixes)
	for p, u := range l.prefixes {
		if u.in == 0 && now.Sub(u.used) > refill {
			delete(l.prefixes, p)
		}
	}
	return len(l.prefixes) < n
}

// Wait waits until one more may come by the pace of all: what comes too fast
// stays in the kernel, where that is cheap. It fails only with ctx.
func (l *Limiter) Wait(ctx context.Context) error {
	if l.pace == nil {
		return ctx.Err()
	}
	return l.pace.Wait(ctx)
}

// In is how many are in now.
func (l *Limiter) In() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.in
}

// Refused counts those that were kept out.
func (l *Limiter) Refused() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}
