package requester

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
)

var (
	errNoAddress = errors.New("requester: name has no address")
	errHostsFile = errors.New("requester: name was not resolved by DNS")
)

// lookup resolves a name once, within a time limit. The addresses are unmapped,
// each one once.
func (r *Requester) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.LookupTimeout)
	defer cancel()
	found, err := r.cfg.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, a := range found {
		a = a.Unmap()
		if a.IsValid() && a.Zone() == "" && !slices.Contains(addrs, a) && len(addrs) < maxAddrs {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, errNoAddress
	}
	return addrs, nil
}

// Lookup gives a function that resolves names by DNS, with Go's own resolver. It
// asks the server "addr:port", or those of the system's configuration if server is
// empty.
//
// Names are absolute: no search domain is ever tried. An answer from the hosts
// file is not used: a name that stands there fails, as if unknown. (Go's resolver
// cannot be told to leave that file alone, but it shows whether a server was
// asked.) Every call asks anew, so nothing is shared between those who ask. Where
// Go has no resolver of its own for the platform, the system's may be used, and
// none of this is certain.
func Lookup(server string) func(ctx context.Context, host string) ([]netip.Addr, error) {
	return lookupBy(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if server != "" {
			addr = server
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	})
}

// lookupBy is Lookup over connections that dial opens to a server.
func lookupBy(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, host string) ([]netip.Addr, error) {
	return func(ctx context.Context, host string) ([]netip.Addr, error) {
		var asked atomic.Bool
		resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			asked.Store(true)
			return dial(ctx, network, addr)
		}}
		addrs, err := resolver.LookupNetIP(ctx, "ip", strings.TrimSuffix(host, ".")+".")
		if err != nil {
			return nil, err
		}
		if !asked.Load() {
			return nil, errHostsFile
		}
		return addrs, nil
	}
}
