package dirserver

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A limiter bounds requests for each IPv4 address and each IPv6 /56, which is
// what one customer of a provider has.
type limiter struct {
	rate  rate.Limit
	burst int

	mu    sync.Mutex
	seen  map[netip.Prefix]*bucket
	swept time.Time
}

type bucket struct {
	*rate.Limiter
	used time.Time
}

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{rate: rate.Limit(perSecond), burst: burst, seen: make(map[netip.Prefix]*bucket)}
}

func (l *limiter) allow(ip netip.Addr, now time.Time) bool {
	p := prefixOf(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.seen[p]
	if b == nil {
		if len(l.seen) >= maxPrefixes && !l.forget(now) {
			return false
		}
		b = &bucket{Limiter: rate.NewLimiter(l.rate, l.burst)}
		l.seen[p] = b
	}
	b.used = now
	return b.AllowN(now, 1)
}

// forget drops the prefixes whose buckets are full again; false: there are
// none. It looks at most once a second.
func (l *limiter) forget(now time.Time) bool {
	if now.Sub(l.swept) < time.Second {
		return false
	}
	l.swept = now
	refill := time.Duration(float64(l.burst) / float64(l.rate) * float64(time.Second))
	n := len(l.seen)
	for p, b := range l.seen {
		if now.Sub(b.used) > refill {
			delete(l.seen, p)
		}
	}
	return len(l.seen) < n
}

func prefixOf(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 56
	}
	p, _ := ip.Prefix(bits) // fails for the zero Addr: all who have none share one bucket
	return p
}

// peerOf is the address a request came from.
func peerOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip, _ := netip.ParseAddr(host)
	return ip
}
