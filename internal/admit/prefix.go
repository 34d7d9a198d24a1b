package admit

import (
	"net"
	"net/netip"
)

// Bits of an address that tell one customer of a provider from another.
const (
	bits4 = 32
	bits6 = 56
)

// Prefix is what counts as one address: the IPv4 /32 or the IPv6 /56. What has
// no IP has the zero Prefix, and counts as one address too.
func Prefix(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := bits4
	if ip.Is6() {
		bits = bits6
	}
	p, _ := ip.Prefix(bits) // fails for the zero Addr only
	return p
}

// AddrPort reads the address of one end of a connection, without a zone, and
// as IPv4 if it is that. It is zero if there is no IP.
func AddrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	if t, ok := a.(*net.TCPAddr); ok {
		ap = t.AddrPort()
	} else if a != nil {
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
