package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nym-socks5/internal/clitest"
	"nym-socks5/internal/socksclient"
	"nym-socks5/mixnet/directory"
)

// patience is how long a step may take. None takes more than a few seconds.
const patience = time.Minute

// A testbed has the programs and the folder where their profiles are.
type testbed struct{ bin, dir string }

func newTestbed(t *testing.T) *testbed {
	t.Helper()
	b := &testbed{bin: t.TempDir(), dir: t.TempDir()}
	out, err := exec.Command("go", "build", "-o", b.bin+string(filepath.Separator),
		"../mixnode", "../gateway", "../network-requester", "../nym-socks5", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return b
}

// free gives an address of this machine that is free.
func free(t *testing.T) string {
	t.Helper()
	at, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// profile gives the flags that choose a profile.
func (b *testbed) profile(name string) []string {
	return []string{"--config", filepath.Join(b.dir, name+".toml"), "--state-dir", filepath.Join(b.dir, name)}
}

// do runs a program to its end and gives what it printed. The words come before
// the flags that choose the profile.
func (b *testbed) do(t *testing.T, program, profile string, words []string, flags ...string) []byte {
	t.Helper()
	var errOut bytes.Buffer
	cmd := exec.Command(filepath.Join(b.bin, program), append(append(words, b.profile(profile)...), flags...)...)
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, words, err, errOut.String())
	}
	return out
}

// run starts "PROGRAM run", which ends with the test if not before.
func (b *testbed) run(t *testing.T, program, profile string, flags ...string) *clitest.Running {
	t.Helper()
	flags = append(append([]string{"run", "--log-level", "debug"}, b.profile(profile)...), flags...)
	return clitest.Start(t, profile, patience, filepath.Join(b.bin, program), flags...)
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

// A network that nobody wrote down: the programs announce themselves to the
// directory, one that its operator does not list stays out, and a page comes
// through it. All that the programs are told is one line of the directory's.
func TestNetworkOfPrograms(t *testing.T) {
	b := newTestbed(t)
	page := strings.Repeat("through the mixnet ", 2000)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
	defer target.Close()
	host := target.Listener.Addr().String()

	b.do(t, "directory", "directory", []string{"init"}, "--network", "testnet", "--listen", free(t), "--period", "1s")
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
			flags = []string{"--mix-listen", free(t)}
		case "gateway":
			flags = []string{"--mix-listen", free(t), "--clients-listen", free(t)}
		}
		b.do(t, p.program, p.name, []string{"init"}, flags...)
		var d map[string]string
		if err := json.Unmarshal(b.do(t, p.program, p.name, []string{"details"}, "--output", "json"), &d); err != nil {
			t.Fatal(err)
		}
		identity[p.name] = d["identity_key"]
		if p.role != "" {
			b.do(t, "directory", "directory", []string{"allow", identity[p.name], "--role", p.role})
		}
	}

	dir := b.run(t, "directory", "directory")
	told := strings.Fields(dir.Line(t))
	all := []*clitest.Running{dir}
	for _, p := range parts[:6] {
		all = append(all, b.run(t, p.program, p.name, append(told, "--register")...))
	}
	fast := append(told, "--hop-delay", "off", "--send-every", "off", "--cover-every", "off")
	requester := b.run(t, "network-requester", "requester", append(fast, "--register", "--allow", host)...)
	address := requester.Line(t)
	dir.Says(t, `"nodes":5,"requesters":1,"routable":true`, 2) // the first is in force when the second is issued

	// Nobody says what requester there is: the directory does.
	socks := b.run(t, "nym-socks5", "socks", append(fast, "--listen", "127.0.0.1:0")...)
	proxy, ok := strings.CutPrefix(socks.Line(t), "socks5h://")
	if !ok {
		t.Fatalf("nym-socks5 prints no URL but %q", proxy)
	}
	if got, err := fetch(proxy, host); got != page || err != nil {
		t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(page))
	}

	// The topology for Nym's programs has who is allowed, and nobody else.
	file := filepath.Join(b.dir, "topology.json")
	b.do(t, "directory", "directory", []string{"export", "--custom-mixnet", file})
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
	if got, err := fetch(proxy, host); got != page || err != nil {
		t.Errorf("without the directory: %d bytes, %v", len(got), err)
	}
	again := b.run(t, "directory", "directory")
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
		for _, secret := range []string{host, client} {
			if strings.Contains(r.Logged(), secret) {
				t.Errorf("the log of %s has %s in it", r.Name(), secret)
			}
		}
	}
}
