package main

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"

	"nym-socks5/allowlist"
	"nym-socks5/localnet"
	"nym-socks5/mixnet/topology"
	"nym-socks5/proxy/requester"
)

// readAllowlist reads the operator's rules: those of the flags first, then the
// file's. Without any it refuses, so that nobody runs an open requester, or a
// useless one, by accident.
func readAllowlist(file string, rules []string) (*allowlist.List, error) {
	if file == "" && len(rules) == 0 {
		return nil, usagef("the requester needs to know what it may dial: add --allow example.org:443, or --allowlist FILE (--allow '*' opens every public host)")
	}
	list, err := allowlist.ParseFlags(rules)
	if err != nil {
		return nil, usagef("--allow: %s", strings.TrimPrefix(err.Error(), "allowlist: "))
	}
	if file == "" {
		return notEmpty(list, "--allow")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, usagef("--allowlist: %v", err)
	}
	defer f.Close()
	fromFile, err := allowlist.Parse(f)
	if err != nil {
		return nil, usagef("--allowlist %s: %s", file, strings.TrimPrefix(err.Error(), "allowlist: "))
	}
	if len(rules) == 0 {
		return notEmpty(fromFile, "--allowlist "+file)
	}
	list, err = list.Append(fromFile)
	if err != nil {
		return nil, errors.New("--allow and --allowlist together: " + strings.TrimPrefix(err.Error(), "allowlist: "))
	}
	return notEmpty(list, "--allow and --allowlist")
}

func notEmpty(l *allowlist.List, from string) (*allowlist.List, error) {
	if l.Empty() {
		return nil, usagef("%s allows nothing; a rule looks like: allow example.org:443", from)
	}
	return l, nil
}

// A guard reports whether an address is one of this host's or one of the
// network's nodes, which a requester must not dial unless a rule names them (H30).
type guard struct {
	own   func(netip.Addr) bool
	nodes func() map[netip.Addr]bool
}

func newGuard(n *localnet.Network) guard {
	return guard{
		own: requester.OwnAddresses(),
		// Asked for the first time when a stream has come through the network.
		nodes: sync.OnceValue(func() map[netip.Addr]bool { return nodeAddrs(n.Topology()) }),
	}
}

func (g guard) has(a netip.Addr) bool { return g.nodes()[a] || g.own(a) }

func nodeAddrs(t *topology.Network) map[netip.Addr]bool {
	addrs := make(map[netip.Addr]bool)
	add := func(nodes []topology.Node) {
		for _, n := range nodes {
			addrs[n.Addr.AddrPort().Addr().Unmap()] = true
		}
	}
	for layer := 1; layer <= topology.Layers; layer++ {
		add(t.Layer(layer))
	}
	add(t.Gateways())
	return addrs
}

// sampleURL gives something to fetch that the list allows, as far as that can be
// told: what its first line about a name or an IPv4 address allows, or else
// example.org.
func sampleURL(l *allowlist.List) string {
	for line := range strings.Lines(l.String()) {
		rule, ok := strings.CutPrefix(strings.TrimSpace(line), "allow ")
		if !ok {
			continue
		}
		host, ports, _ := strings.Cut(rule, ":")
		if below, ok := strings.CutPrefix(host, "*."); ok {
			host = "www." + below
		}
		if strings.ContainsAny(host, "*/[") {
			continue
		}
		port, _, _ := strings.Cut(ports, ",")
		port, _, _ = strings.Cut(port, "-")
		switch port {
		case "", "443":
			return "https://" + host + "/"
		case "80":
			return "http://" + host + "/"
		default:
			return "http://" + host + ":" + port + "/"
		}
	}
	return "https://example.org/"
}
