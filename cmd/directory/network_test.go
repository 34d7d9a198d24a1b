package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"nym-socks5/internal/clitest"
	"nym-socks5/mixnet/directory"
)

// A network that nobody wrote down: the programs announce themselves to the
// directory, one that its operator does not list stays out, and a page comes
// through it. All that the programs are told is one line of the directory's.
func TestNetworkOfPrograms(t *testing.T) {
	b := clitest.NewTestbed(t, "../mixnode", "../gateway", "../network-requester", "../nym-socks5", ".")
	page := strings.Repeat("through the mixnet ", 2000)
	host := clitest.Serve(t, page)

	b.Do(t, "directory", "directory", "init", "--network", "testnet", "--listen", b.Addr(t), "--period", "1s")
	type part struct{ program, name, role string }
	parts := []part{
		{"mixnode", "mix1", "mixnode"}, {"mixnode", "mix2", "mixnode"}, {"mixnode", "mix3", "mixnode"},
		{"gateway", "gateway1", "gateway"}, {"gateway", "gateway2", "gateway"},
		{"mixnode", "stranger", ""},
		{"network-requester", "requester", "requester"},
	}
	identity := make(map[string]string)
	for _, p := range parts {
		var flags []string
		switch p.program {
		case "mixnode":
			flags = []string{"--mix-listen", b.Addr(t)}
		case "gateway":
			flags = []string{"--mix-listen", b.Addr(t), "--clients-listen", b.Addr(t)}
		}
		identity[p.name] = b.Init(t, p.program, p.name, flags...)["identity_key"]
		if p.role != "" {
			b.Do(t, "directory", "directory", "allow", identity[p.name], "--role", p.role)
		}
	}

	dir := b.Run(t, "directory", "directory")
	told := strings.Fields(dir.Line(t))
	all := []*clitest.Running{dir}
	for _, p := range parts[:6] {
		all = append(all, b.Run(t, p.program, p.name, append(told, "--register")...))
	}
	fast := append(told, "--hop-delay", "off", "--send-every", "off", "--cover-every", "off")
	requester := b.Run(t, "network-requester", "requester", append(fast, "--register", "--allow", host)...)
	address := requester.Line(t)
	dir.Says(t, `"nodes":5,"requesters":1,"routable":true`, 2) // the first is in force when the second is issued

	// Nobody says what requester there is: the directory does.
	socks := b.Run(t, "nym-socks5", "socks", append(fast, "--listen", "127.0.0.1:0")...)
	proxy := socks.Line(t)
	if got, err := clitest.Fetch(proxy, host); got != page || err != nil {
		t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(page))
	}

	// The topology for Nym's programs has who is allowed, and nobody else.
	file := b.Path("topology.json")
	b.Do(t, "directory", "directory", "export", "--custom-mixnet", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	v, err := directory.ParseFile(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Topology(); err != nil || len(v.Nodes) != 5 {
		t.Errorf("exported %d nodes, %v; want 5 that make a network", len(v.Nodes), err)
	}
	for _, n := range v.Nodes {
		if n.Identity.String() == identity["stranger"] {
			t.Error("who is not in the list was listed")
		}
	}

	// The directory is not needed from one minute to the next.
	dir.End(t)
	if got, err := clitest.Fetch(proxy, host); got != page || err != nil {
		t.Errorf("without the directory: %d bytes, %v", len(got), err)
	}
	// Programs start without it too, a node and a client.
	all[1].End(t)
	socks.End(t)
	mix := b.Run(t, "mixnode", "mix1", append(told, "--register")...)
	mix.Says(t, "starting with the kept one", 1)
	socks = b.Run(t, "nym-socks5", "socks", append(fast, "--listen", "127.0.0.1:0")...)
	proxy = socks.Line(t)
	socks.Says(t, "starting with the kept one", 1)
	if got, err := clitest.Fetch(proxy, host); got != page || err != nil {
		t.Errorf("started without the directory: %d bytes, %v", len(got), err)
	}
	all[1] = mix
	again := b.Run(t, "directory", "directory")
	if got := strings.Fields(again.Line(t)); fmt.Sprint(got) != fmt.Sprint(told) {
		t.Errorf("the directory was %v and is %v", told, got)
	}
	again.Says(t, `"nodes":5,"requesters":1,"routable":true`, 1)

	// hardening.md H38: nothing tells who talks to whom.
	all = append(all[1:], requester, socks, again)
	for i := len(all) - 1; i >= 0; i-- {
		all[i].End(t)
	}
	client, _, _ := strings.Cut(address, ".")
	for _, r := range append(all, dir) {
		r.Hides(t, host, client)
	}
}
