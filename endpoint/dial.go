package endpoint

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"

	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/topology"
)

// errUnknownName reports a gateway's name that is not in the snapshot.
var errUnknownName = errors.New("endpoint: no gateway of the network has this name")

// dialGateways makes what opens connections to gateways. Where a gateway has a
// name, for TLS, it is reached at the address that the snapshot of the network
// has for it: its certificate is checked for the name, and nobody is asked for
// it, which would tell who is about to connect where. Several nodes may claim
// one name, but one only can have its certificate: which is tried is drawn.
func dialGateways(current func() *topology.Network, dial session.DialFunc) session.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if _, err := netip.ParseAddr(host); err == nil {
			return dial(ctx, network, addr)
		}
		var at []string
		if n := current(); n != nil {
			for _, g := range n.Gateways() {
				if strings.EqualFold(g.Clients, "wss://"+addr) {
					at = append(at, net.JoinHostPort(g.Addr.AddrPort().Addr().String(), port))
				}
			}
		}
		if len(at) == 0 {
			return nil, errUnknownName
		}
		return dial(ctx, network, at[rand.IntN(len(at))])
	}
}
