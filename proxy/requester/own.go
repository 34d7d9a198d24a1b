package requester

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// OwnAddresses gives a function that reports whether an address is one of this
// host's, or of its neighbours on the same link, for a policy to refuse them (H30):
// what is on the link is reached without passing a router, and often not meant for
// strangers. Interfaces are read again after ten seconds. If they cannot be read,
// every address counts as one.
func OwnAddresses() func(netip.Addr) bool {
	own := &ownAddresses{list: net.InterfaceAddrs}
	return own.has
}

type ownAddresses struct {
	list func() ([]net.Addr, error)

	mu    sync.Mutex
	addrs map[netip.Addr]bool // nil: unknown
	links []netip.Prefix
	read  time.Time
}

func (o *ownAddresses) has(addr netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); o.addrs == nil || now.Sub(o.read) >= ownAge {
		if found, err := o.list(); err == nil {
			o.addrs, o.links, o.read = make(map[netip.Addr]bool, len(found)), nil, now
			for _, f := range found {
				if ip, ok := f.(*net.IPNet); ok {
					a, ok := netip.AddrFromSlice(ip.IP)
					if !ok {
						continue
					}
					a = a.Unmap()
					o.addrs[a] = true
					if bits, _ := ip.Mask.Size(); bits >= minLinkBits {
						if p, err := a.WithZone("").Prefix(bits); err == nil {
							o.links = append(o.links, p)
						}
					}
				}
			}
		}
	}
	addr = addr.Unmap().WithZone("")
	onLink := func(p netip.Prefix) bool { return p.Contains(addr) }
	return o.addrs == nil || o.addrs[addr] || slices.ContainsFunc(o.links, onLink)
}
