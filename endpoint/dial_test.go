package endpoint

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// A gateway with a name is dialed at its address; nobody is asked for the name,
// since what is dialed is always an address.
func TestNamesOfGatewaysAreNotLookedUp(t *testing.T) {
	node := func(id uint32, role topology.Role, at, clients string) topology.Node {
		return topology.Node{
			ID: id, Role: role, Identity: keys.NewIdentityKey().Public(), Sphinx: keys.NewSphinxKey().Public(),
			Addr: mixnet.NodeAddrFrom(netip.MustParseAddrPort(at)), Clients: clients,
		}
	}
	n, err := topology.New(topology.Snapshot{Rotation: 1, Epoch: 1, Nodes: []topology.Node{
		node(1, topology.RoleMix1, "192.0.2.1:1789", ""), node(2, topology.RoleMix2, "192.0.2.2:1789", ""),
		node(3, topology.RoleMix3, "192.0.2.3:1789", ""),
		node(4, topology.RoleGateway, "192.0.2.4:1789", "wss://GW.example.org:9001"),
		node(5, topology.RoleGateway, "192.0.2.5:1789", "wss://gw.example.org:443"),
		node(6, topology.RoleGateway, "[2001:db8::6]:1789", "wss://six.example.org:9001"),
		node(7, topology.RoleGateway, "192.0.2.7:1789", "wss://two.example.org:9001"),
		node(8, topology.RoleGateway, "192.0.2.8:1789", "wss://two.example.org:9001"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	reached := errors.New("reached")
	var dialed string
	var current *topology.Network
	dial := dialGateways(func() *topology.Network { return current }, func(_ context.Context, network, addr string) (net.Conn, error) {
		dialed = addr
		return nil, reached
	})
	if _, err := dial(t.Context(), "tcp", "gw.example.org:443"); err != errUnknownName {
		t.Errorf("without a snapshot: %v", err)
	}
	current = n
	for _, c := range []struct{ addr, want string }{
		{"192.0.2.4:9000", "192.0.2.4:9000"},
		{"[2001:db8::1]:9000", "[2001:db8::1]:9000"},
		{"gw.example.org:9001", "192.0.2.4:9001"},
		{"gw.example.org:443", "192.0.2.5:443"},
		{"six.example.org:9001", "[2001:db8::6]:9001"},
		{"gw.example.org:9000", ""},
		{"else.example.org:9001", ""},
		{"localhost:9001", ""},
	} {
		dialed = ""
		_, err := dial(t.Context(), "tcp", c.addr)
		if want := map[bool]error{true: errUnknownName, false: reached}[c.want == ""]; dialed != c.want || err != want {
			t.Errorf("%s: dialed %q, %v, want %q", c.addr, dialed, err, c.want)
		}
	}
	// Whoever claims another's name keeps nobody away for long.
	both := make(map[string]bool)
	for range 100 {
		dial(t.Context(), "tcp", "two.example.org:9001")
		both[dialed] = true
	}
	if !both["192.0.2.7:9001"] || !both["192.0.2.8:9001"] {
		t.Errorf("of two that claim a name only %v are tried", both)
	}
}
