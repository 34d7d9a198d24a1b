package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nym-socks5/internal/clitest"
)

// A node is one of the network.
type node struct{ program, name, mix string }

// newNetwork makes the instances of a network's nodes, and its topology file.
func newNetwork(t *testing.T) (b *clitest.Testbed, nodes []node, topology string) {
	t.Helper()
	b = clitest.NewTestbed(t, "../mixnode", "../gateway", "../network-requester", ".")
	nodes = []node{
		{"mixnode", "mix1", b.Addr(t)}, {"mixnode", "mix2", b.Addr(t)}, {"mixnode", "mix3", b.Addr(t)},
		{"gateway", "gateway1", b.Addr(t)}, {"gateway", "gateway2", b.Addr(t)},
	}
	entries := make(map[string]any)
	for i, n := range nodes {
		flags := []string{"--mix-listen", n.mix}
		clients := ""
		if n.program == "gateway" {
			clients = b.Addr(t)
			flags = append(flags, "--clients-listen", clients)
		}
		d := b.Init(t, n.program, n.name, flags...)
		e := map[string]any{
			"node_id": i + 1, "mix_host": d["mix_host"], "identity_key": d["identity_key"], "sphinx_key": d["sphinx_key"],
			"noise_key":       d["noise_key"],
			"supported_roles": map[string]bool{"mixnode": clients == "", "mixnet_entry": clients != "", "mixnet_exit": clients != ""},
		}
		if clients != "" {
			port, err := strconv.Atoi(d["clients_ws_port"])
			if err != nil {
				t.Fatal(err)
			}
			ip := netip.MustParseAddrPort(clients).Addr()
			e["entry"] = map[string]any{"ip_addresses": []netip.Addr{ip}, "clients_ws_port": port}
		}
		entries[strconv.Itoa(i+1)] = e
	}
	text, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"key_rotation_id": 1, "absolute_epoch_id": 8760, "refreshed_at": "2026-05-16T06:27:52Z"},
		"rewarded_set": map[string]any{
			"epoch_id": 8760, "layer1": []int{1}, "layer2": []int{2}, "layer3": []int{3},
			"entry_gateways": []int{4}, "exit_gateways": []int{5}, "standby": []int{},
		},
		"node_details": entries,
	})
	if err != nil {
		t.Fatal(err)
	}
	topology = b.Path("topology.json")
	if err := os.WriteFile(topology, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return b, nodes, topology
}

// A network of real programs: a page comes through it, the allowlist changes
// while it runs, a gateway is started again, and everything ends in order.
func TestNetworkOfPrograms(t *testing.T) {
	page := strings.Repeat("through the mixnet ", 2000)
	host := clitest.Serve(t, page)
	b, nodes, topology := newNetwork(t)
	rules := b.Path("rules")
	allow := func(text string) {
		t.Helper()
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	allow("allow " + host + "\n")

	var all []*clitest.Running
	byName := make(map[string]*clitest.Running)
	start := func(n node) {
		r := b.Run(t, n.program, n.name, "--topology", topology)
		all, byName[n.name] = append(all, r), r
		r.Says(t, `"status":"`, 1)
	}
	for _, n := range nodes {
		start(n)
	}
	fast := []string{"--topology", topology, "--hop-delay", "off", "--send-every", "off", "--cover-every", "off"}
	requester := b.Run(t, "network-requester", "requester", append(fast, "--allowlist", rules)...)
	address := requester.Line(t)
	socks := b.Run(t, "nym-socks5", "socks", append(fast, "--listen", "127.0.0.1:0", "--requester", address)...)
	proxy := socks.Line(t)
	if got, err := clitest.Fetch(proxy, host); got != page || err != nil {
		t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(page))
	}
	if got := string(b.Do(t, "network-requester", "requester", "details")); !strings.Contains(got, address) {
		t.Errorf("details have no address %s:\n%s", address, got)
	}

	allow("allow printer.example.org\n")
	reload := func(want string, n int) {
		t.Helper()
		requester.Signal(t, syscall.SIGHUP)
		requester.Says(t, want, n)
	}
	reload("files read again", 1)
	if _, err := clitest.Fetch(proxy, host); err == nil {
		t.Error("what the allowlist does not name any more was fetched")
	}
	allow("allow *\n") // by accident: the rules before stay
	reload("say --open", 1)
	if _, err := clitest.Fetch(proxy, host); err == nil {
		t.Error("a list that was refused is in force")
	}
	allow("allow " + host + "\n")
	reload("files read again", 2)

	// Gateways remember their clients, clients their gateway.
	for _, n := range nodes[3:] {
		byName[n.name].End(t)
		start(n)
	}
	if got, err := clitest.Fetch(proxy, host); got != page || err != nil {
		t.Errorf("after the gateways were started again: %d bytes, %v", len(got), err)
	}
	// The only mix of its layer has new keys, which the topology does not have yet.
	byName["mix1"].End(t)
	b.Do(t, "mixnode", "mix1", "renew-key", "sphinx")
	b.Do(t, "mixnode", "mix1", "renew-key", "noise")
	start(nodes[0])
	if got, err := clitest.Fetch(proxy, host); got != page || err != nil {
		t.Errorf("after a mix node got new keys: %d bytes, %v", len(got), err)
	}
	requester.End(t)
	again := b.Run(t, "network-requester", "requester") // all else stands in its file by now
	if got := again.Line(t); got != address {
		t.Errorf("the requester's address was %s and is %s", address, got)
	}

	all = append(all, requester, socks, again)
	for _, r := range []*clitest.Running{socks, again, byName["mix1"], byName["mix2"], byName["mix3"], byName["gateway1"], byName["gateway2"]} {
		r.End(t)
	}
	// hardening.md H38: nothing tells who talks to whom.
	identity, _, _ := strings.Cut(address, ".")
	for _, r := range all {
		r.Hides(t, host, identity, "printer.example.org")
	}
}
