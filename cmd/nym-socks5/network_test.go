package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nym-socks5/internal/clitest"
	"nym-socks5/internal/socksclient"
)

// patience is how long a step may take. None takes more than a second or two.
const patience = time.Minute

// A testbed has the programs and the folder where their profiles are.
type testbed struct {
	bin, dir string
	ip       string // where everything listens
	port     int    // the next free one
}

// newTestbed builds the programs of a network.
func newTestbed(t *testing.T) *testbed {
	t.Helper()
	b := &testbed{bin: t.TempDir(), dir: t.TempDir(), ip: "127.0.0.1"}
	out, err := exec.Command("go", "build", "-o", b.bin+string(filepath.Separator),
		"../mixnode", "../gateway", "../network-requester", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if runtime.GOOS == "linux" { // an address of this machine that nobody else uses
		b.ip = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		b.port = 1789
	}
	return b
}

// addr gives an address that is free.
func (b *testbed) addr(t *testing.T) string {
	t.Helper()
	if b.port != 0 {
		b.port++
		return net.JoinHostPort(b.ip, strconv.Itoa(b.port))
	}
	ln, err := net.Listen("tcp", b.ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// profile gives the flags that choose a profile.
func (b *testbed) profile(name string) []string {
	return []string{"--config", filepath.Join(b.dir, name+".toml"), "--state-dir", filepath.Join(b.dir, name)}
}

// do runs a program to its end and gives what it printed.
func (b *testbed) do(t *testing.T, program, command, profile string, flags ...string) []byte {
	t.Helper()
	var errOut bytes.Buffer
	cmd := exec.Command(filepath.Join(b.bin, program), append(append([]string{command}, b.profile(profile)...), flags...)...)
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, command, err, errOut.String())
	}
	return out
}

// run starts "PROGRAM run", which ends with the test if not before.
func (b *testbed) run(t *testing.T, program, profile string, flags ...string) *clitest.Running {
	t.Helper()
	flags = append(append([]string{"run", "--log-level", "debug"}, b.profile(profile)...), flags...)
	return clitest.Start(t, profile, patience, filepath.Join(b.bin, program), flags...)
}

// A node is one of the network.
type node struct{ program, name, mix string }

// network makes the profiles of a network's nodes, and its topology file.
func (b *testbed) network(t *testing.T) (nodes []node, topology string) {
	t.Helper()
	nodes = []node{
		{"mixnode", "mix1", b.addr(t)}, {"mixnode", "mix2", b.addr(t)}, {"mixnode", "mix3", b.addr(t)},
		{"gateway", "gateway1", b.addr(t)}, {"gateway", "gateway2", b.addr(t)},
	}
	entries := make(map[string]any)
	for i, n := range nodes {
		flags := []string{"--mix-listen", n.mix}
		clients := ""
		if n.program == "gateway" {
			clients = b.addr(t)
			flags = append(flags, "--clients-listen", clients)
		}
		b.do(t, n.program, "init", n.name, flags...)
		var d map[string]string
		if err := json.Unmarshal(b.do(t, n.program, "details", n.name, "--output", "json"), &d); err != nil {
			t.Fatal(err)
		}
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
			e["entry"] = map[string]any{"ip_addresses": []string{b.ip}, "clients_ws_port": port}
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
	topology = filepath.Join(b.dir, "topology.json")
	if err := os.WriteFile(topology, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return nodes, topology
}

// fetch gets a page through the proxy.
func fetch(proxy, target string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := socksclient.Dialer{Proxy: proxy}
	c := http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// A network of real programs: a page comes through it, the allowlist changes
// while it runs, a gateway is started again, and everything ends in order.
func TestNetworkOfPrograms(t *testing.T) {
	b := newTestbed(t)
	page := strings.Repeat("through the mixnet ", 2000)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
	defer target.Close()
	host := target.Listener.Addr().String()
	rules := filepath.Join(b.dir, "rules")
	allow := func(text string) {
		t.Helper()
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	allow("allow " + host + "\n")

	nodes, topology := b.network(t)
	var all []*clitest.Running
	byName := make(map[string]*clitest.Running)
	start := func(n node) {
		r := b.run(t, n.program, n.name, "--topology", topology)
		all, byName[n.name] = append(all, r), r
		r.Says(t, `"status":"`, 1)
	}
	for _, n := range nodes {
		start(n)
	}
	fast := []string{"--topology", topology, "--hop-delay", "off", "--send-every", "off", "--cover-every", "off"}
	requester := b.run(t, "network-requester", "requester", append(fast, "--allowlist", rules)...)
	address := requester.Line(t)
	socks := b.run(t, "nym-socks5", "socks", append(fast, "--listen", "127.0.0.1:0", "--requester", address)...)
	proxy, ok := strings.CutPrefix(socks.Line(t), "socks5h://")
	if !ok {
		t.Fatalf("nym-socks5 prints no URL but %q", proxy)
	}
	if got, err := fetch(proxy, host); got != page || err != nil {
		t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(page))
	}
	if got := string(b.do(t, "network-requester", "details", "requester")); !strings.Contains(got, address) {
		t.Errorf("details have no address %s:\n%s", address, got)
	}

	allow("allow printer.example.org\n")
	reload := func(want string, n int) {
		t.Helper()
		requester.Signal(t, syscall.SIGHUP)
		requester.Says(t, want, n)
	}
	reload("files read again", 1)
	if _, err := fetch(proxy, host); err == nil {
		t.Error("what the allowlist does not name any more was fetched")
	}
	allow("allow *\n") // by accident: the rules before stay
	reload("say --open", 1)
	if _, err := fetch(proxy, host); err == nil {
		t.Error("a list that was refused is in force")
	}
	allow("allow " + host + "\n")
	reload("files read again", 2)

	// Gateways remember their clients, clients their gateway.
	for _, n := range nodes[3:] {
		byName[n.name].End(t)
		start(n)
	}
	if got, err := fetch(proxy, host); got != page || err != nil {
		t.Errorf("after the gateways were started again: %d bytes, %v", len(got), err)
	}
	requester.End(t)
	again := b.run(t, "network-requester", "requester") // all else stands in its file by now
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
		for _, secret := range []string{host, identity, "printer.example.org"} {
			if strings.Contains(r.Logged(), secret) {
				t.Errorf("the log of %s has %s in it", r.Name(), secret)
			}
		}
	}
}
