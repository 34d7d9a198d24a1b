package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	common "nym-socks5/internal/cli"

	"nym-socks5/allowlist"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

func TestReadAllowlist(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good", "# ours\nallow a.org:80\n")
	for _, tc := range []struct {
		name, file string
		rules      []string
		want, err  string
	}{
		{"file", good, nil, "allow a.org:80\n", ""},
		{"flags", "", []string{"b.org:80,443", "*"}, "allow b.org:80,443\nallow *\n", ""},
		{"flags come first", good, []string{"deny a.org", "c.org"}, "deny a.org\nallow c.org\nallow a.org:80\n", ""},
		{"neither", "", nil, "", "needs to know what it may dial"},
		{"bad rule", "", []string{"a.org", "a b"}, "", "--allow: rule 2: unknown action"},
		{"bad line", file("bad", "a.org\n\n\nallow :80\n"), nil, "", "bad: line 4: "},
		{"no file", filepath.Join(dir, "none"), nil, "", "no such file"},
		{"a folder", dir, nil, "", "is a directory"},
		{"empty file", file("empty", "\n"), nil, "", "allows nothing"},
		{"only denials", file("denials", "deny a.org\n"), []string{"deny b.org"}, "", "allows nothing"},
	} {
		list, err := readAllowlist(tc.file, tc.rules)
		switch {
		case tc.err == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.err == "" && list.String() != tc.want:
			t.Errorf("%s: got %q, want %q", tc.name, list, tc.want)
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err) || common.ExitCode(err) != 2):
			t.Errorf("%s: got %v, want a usage error with %q", tc.name, err, tc.err)
		}
	}
}

func TestSampleURL(t *testing.T) {
	for rules, want := range map[string]string{
		"*":                          "https://example.org/",
		"deny a.org|b.org":           "https://b.org/",
		"b.org:80":                   "http://b.org/",
		"b.org:80,443":               "http://b.org/",
		"b.org:8000-8999":            "http://b.org:8000/",
		"[2001:500::1]|b.org:443":    "https://b.org/",
		"192.0.43.0/24|192.0.43.7":   "https://192.0.43.7/",
		"127.0.0.1:8080":             "http://127.0.0.1:8080/",
		"*.b.org:443":                "https://www.b.org/",
		"192.0.43.0/24":              "https://example.org/",
		"ExitPolicy accept *:443":    "https://example.org/",
		"deny a.org|[2001:500::]/32": "https://example.org/",
	} {
		list, err := allowlist.ParseFlags(strings.Split(rules, "|"))
		if err != nil {
			t.Fatal(err)
		}
		if got := sampleURL(list); got != want {
			t.Errorf("%s: %s, want %s", rules, got, want)
		}
	}
}

// hardening H30: "the host's own addresses, every address of the topology"
func TestH30GuardsHostAndTopology(t *testing.T) {
	var p topology.Snapshot
	addrs := []string{"192.0.43.1", "192.0.43.2", "192.0.43.3", "192.0.43.4"}
	for i, a := range addrs {
		p.Nodes = append(p.Nodes, topology.Node{
			ID: uint32(i), Role: topology.Role(i + 1), Identity: keys.NewIdentityKey().Public(),
			Sphinx: keys.NewSphinxKey().Public(), Addr: mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.MustParseAddr(a), 1789)),
		})
	}
	network, err := topology.New(p)
	if err != nil {
		t.Fatal(err)
	}
	g := guard{
		own:   func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.43.9") },
		nodes: func() map[netip.Addr]bool { return nodeAddrs(network) },
	}
	list, err := allowlist.ParseFlags([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	list = list.Guard(g.has)
	for _, a := range append(addrs, "192.0.43.9") {
		if list.Addr("", netip.MustParseAddr(a), 443) == nil {
			t.Errorf("%s may be dialed", a)
		}
	}
	if err := list.Addr("", netip.MustParseAddr("192.0.43.5"), 443); err != nil {
		t.Errorf("192.0.43.5: %v", err)
	}
}
