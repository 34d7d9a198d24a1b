package fleet

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
)

// Ports are drawn from below those that systems give to outgoing connections:
// one of these could have the port of a node while it is down.
const (
	firstPort = 20_000
	lastPort  = 31_999
)

// ports gives free ports, none of them twice.
type ports struct{ given map[uint16]bool }

// free gives an address with a port that nobody listens at.
func (p *ports) free(ip netip.Addr) (netip.AddrPort, error) {
	if p.given == nil {
		p.given = make(map[uint16]bool)
	}
	for range 1000 {
		at := netip.AddrPortFrom(ip, uint16(firstPort+rand.IntN(lastPort-firstPort+1)))
		if p.given[at.Port()] {
			continue
		}
		ln, err := net.Listen("tcp", at.String())
		if err != nil {
			continue
		}
		p.given[at.Port()] = true
		return at, ln.Close()
	}
	return netip.AddrPort{}, errors.New("fleet: no free port")
}
