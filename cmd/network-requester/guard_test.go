package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

// hardening.md H30: "the host's own addresses and those on its links, every
// address of a node", as the program asks for it: rules that allow everything do
// not open them, neither for a name nor for an address.
func TestH30ProgramGuardsHostAndNodes(t *testing.T) {
	script, err := os.ReadFile("testdata/script/requester.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, topology, _ := strings.Cut(string(script), "-- topology.json --\n")
	topology, _, _ = strings.Cut(topology, "\n-- ")
	path := filepath.Join(t.TempDir(), "topology.json")
	if err := os.WriteFile(path, []byte(strings.Replace(topology, "127.9.9.1:", "93.184.216.34:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.NewRequester()
	cfg.Network.Topology = config.Path(path)
	cfg.Egress.Allow, cfg.Egress.Open = []string{"*"}, true
	src, err := assembly.OpenSource(cfg.Network, nil, false, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := openRules(cfg.Egress)
	if err != nil {
		t.Fatal(err)
	}
	own := func(a netip.Addr) bool { return a == netip.MustParseAddr("93.184.216.99") }
	allow := egress(&cli.Env[*config.Requester]{Config: cfg}, nil, rules, src, own).Allow
	for text, open := range map[string]bool{"93.184.216.34": false, "93.184.216.99": false, "93.184.216.35": true} {
		addr := netip.MustParseAddr(text)
		for _, host := range []string{"example.org", text} {
			if err := allow(host, addr, 443); (err == nil) != open {
				t.Errorf("%s for %s: got %v, want allowed %v", text, host, err, open)
			}
		}
		if err := allow(text, netip.Addr{}, 443); (err == nil) != open {
			t.Errorf("%s before a look-up: got %v, want allowed %v", text, err, open)
		}
	}
}
