package link

import (
	"net/netip"
	"sync"
)

// limits bounds the accepted connections: in all, of strangers together, and
// of each IPv4 address or IPv6 /56.
type limits struct {
	all, strangers, perAddr int
	exemptLoopback          bool

	mu        sync.Mutex
	total     int
	strange   int
	addresses map[netip.Prefix]int
}

func prefixOf(ip netip.Addr) netip.Prefix {
	bits := 32
	if ip.Is6() {
		bits = 56
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no IP: all such connections count as one address
	}
	return p
}

// take admits a connection, which must be given back, or refuses it.
func (l *limits) take(ip netip.Addr, stranger bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	exempt := l.exemptLoopback && ip.IsLoopback()
	p := prefixOf(ip)
	switch {
	case l.total >= l.all:
		return false
	case stranger && l.strange >= l.strangers:
		return false
	case !exempt && l.addresses[p] >= l.perAddr:
		return false
	}
	l.total++
	if stranger {
		l.strange++
	}
	if l.addresses == nil {
		l.addresses = make(map[netip.Prefix]int)
	}
	l.addresses[p]++
	return true
}

// give undoes a take.
func (l *limits) give(ip netip.Addr, stranger bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if stranger {
		l.strange--
	}
	p := prefixOf(ip)
	if l.addresses[p]--; l.addresses[p] <= 0 {
		delete(l.addresses, p)
	}
}
