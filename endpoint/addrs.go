//go:build !js

package endpoint

import (
	"net"
	"slices"

	"nym-socks5/mixnet/session"
)

// ownAddrs lists the addresses of this machine, sorted. Those that nothing beyond
// it is reached from are left out.
func ownAddrs() (all []string) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			all = append(all, ip.String())
		}
	}
	slices.Sort(all)
	return all
}

func defaultDial() session.DialFunc { return new(net.Dialer).DialContext }
