package requester

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// OwnAddresses gives a function that reports whether an address is one of this
// host's, for a policy to refuse them (H30). Interfaces are read again after ten
// seconds. If they cannot be read, every address counts as one.
func OwnAddresses() func(netip.Addr) bool {
	own := &ownAddresses{list: net.InterfaceAddrs}
	return own.has
}

type ownAddresses struct {
	list func() ([]net.Addr, error)

	mu    sync.Mutex
	addrs map[netip.Addr]bool // nil: unknown
	read  time.Time
}

func (o *ownAddresses) has(addr netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); o.addrs == nil || now.Sub(o.read) >= ownAge {
		if found, err := o.list(); err == nil {
			o.addrs, o.read = make(map[netip.Addr]bool, len(found)), now
			for _, f := range found {
				if ip, ok := f.(*net.IPNet); ok {
					if a, ok := netip.AddrFromSlice(ip.IP); ok {
						o.addrs[a.Unmap()] = true
					}
				}
			}
		}
	}
	return o.addrs == nil || o.addrs[addr.Unmap().WithZone("")]
}
