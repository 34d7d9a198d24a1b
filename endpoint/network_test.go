package endpoint

import (
	"net/netip"
	"testing"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/topology"
)

// hardening.md H30: "every address of the topology", and all that directories
// list: further addresses of a node, and nodes without a role.
func TestH30AllListedAddressesAreGuarded(t *testing.T) {
	listed := &directory.View{Nodes: []directory.Node{
		{ID: 1, Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}},
		{ID: 2, Role: 0, Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.2")}},
	}}
	addrs := nodeAddrs(&topology.Network{}, listed)
	for text, want := range map[string]bool{"192.0.2.1": true, "2001:db8::1": true, "192.0.2.2": true, "192.0.2.3": false} {
		if got := addrs[netip.MustParseAddr(text)]; got != want {
			t.Errorf("%s: guarded %v, want %v", text, got, want)
		}
	}
}
