package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/clitest"
	"nym-socks5/internal/runtest"
	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

// A bitcoinNode says what bitcoind says.
type bitcoinNode struct {
	mu    sync.Mutex
	has   map[string]bool
	calls int           // that brought a transaction
	hold  chan struct{} // if set, answers wait for its end, with the transaction taken
}

func (n *bitcoinNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call struct {
		Method string
		Params []any
	}
	if json.NewDecoder(r.Body).Decode(&call) != nil || len(call.Params) == 0 {
		http.Error(w, "what?", http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch call.Method {
	case "sendrawtransaction":
		tx, _ := hex.DecodeString(call.Params[0].(string))
		h, _ := broadcast.Bitcoin.Hash(tx)
		id := broadcast.Bitcoin.Text(h)
		n.calls++
		had := n.has[id]
		n.has[id] = true
		if hold := n.hold; hold != nil {
			n.mu.Unlock()
			<-hold
			n.mu.Lock()
		}
		if had {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"result":null,"error":{"code":-27,"message":"Transaction already in block chain"},"id":1}`)
			return
		}
		fmt.Fprintf(w, `{"result":%q,"error":null,"id":1}`, id)
	case "getrawtransaction":
		if id := call.Params[0].(string); n.has[id] {
			fmt.Fprintf(w, `{"result":{"txid":%q,"confirmations":2},"error":null,"id":1}`, id)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"result":null,"error":{"code":-5,"message":"No such mempool or blockchain transaction."},"id":1}`)
	default:
		http.NotFound(w, r)
	}
}

func (n *bitcoinNode) set(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

func (n *bitcoinNode) sent() (calls int) {
	n.set(func() { calls = n.calls })
	return calls
}

// A testbed is a network in this process, a node, and programs that are processes.
type testbed struct {
	*clitest.Testbed
	bin     string
	api     string // URL of the network's directory
	node    *bitcoinNode
	nodeURL string
	port    string // of nym-client
	to      string // address of the broadcaster
}

// unpaced are the flags of a client on a network that does not mix.
var unpaced = []string{"--hop-delay", "off", "--send-every", "off", "--cover-every", "off"}

func newTestbed(t *testing.T) *testbed {
	t.Helper()
	b := &testbed{bin: t.TempDir(), node: &bitcoinNode{has: make(map[string]bool)}}
	if err := clitest.Build(b.bin, ".", "../nym-client"); err != nil {
		t.Fatal(err)
	}
	b.Testbed = clitest.NewTestbedOf(t, b.bin)
	s := httptest.NewServer(b.node)
	t.Cleanup(s.Close)
	b.nodeURL = s.URL
	network, err := localnet.New(localnet.Spec{Traffic: client.Fast(), Directory: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	runtest.Start(t, network.Run)
	select {
	case <-network.Ready():
	case <-time.After(clitest.Patience):
		t.Fatal("the network did not come up")
	}
	b.api = network.DirectoryURL()
	return b
}

// broadcaster starts it, and learns where it is.
func (b *testbed) broadcaster(t *testing.T) *clitest.Running {
	t.Helper()
	r := b.Run(t, "broadcaster", "caster", append(unpaced, "--directory", b.api, "--chain", "bitcoin bitcoin "+b.nodeURL)...)
	at := r.Line(t)
	if b.to != "" && at != b.to {
		t.Errorf("the broadcaster was at %s and is at %s", b.to, at)
	}
	b.to = at
	return r
}

// ask has nym-client ask the broadcaster, and gives what it prints and its exit code.
func (b *testbed) ask(t *testing.T, in string, args ...string) (facts map[string]string, code int) {
	t.Helper()
	args = append(append([]string{"broadcast"}, args...), "--listen", b.port, "--output", "json",
		"--config", b.Path("wallet.toml"), "--state-dir", b.Path("wallet"))
	cmd := exec.Command(filepath.Join(b.bin, "nym-client"), args...)
	cmd.Stdin = strings.NewReader(in)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if len(out) > 0 {
		if err := json.Unmarshal(out, &facts); err != nil {
			t.Fatalf("%v: %s: %v", args, out, err)
		}
	}
	t.Logf("%v: %v %s", args[:2], facts["result"], &log)
	return facts, cmd.ProcessState.ExitCode()
}

// transaction makes one of Bitcoin, and gives it and its id.
func transaction(t *testing.T, n byte) (tx, id string) {
	t.Helper()
	tx = "01000000" + "01" + strings.Repeat(fmt.Sprintf("%02x", n), 36) + "00" + "ffffffff" + "01" + "0100000000000000" + "00" + "00000000"
	b, err := hex.DecodeString(tx)
	if err != nil {
		t.Fatal(err)
	}
	h, err := broadcast.Bitcoin.Hash(b)
	if err != nil {
		t.Fatal(err)
	}
	return tx, broadcast.Bitcoin.Text(h)
}

// A wallet has transactions broadcast through the mixnet, by a broadcaster that is killed
// when it hurts.
func TestNetworkWithBroadcaster(t *testing.T) {
	b := newTestbed(t)
	caster := b.broadcaster(t)
	wallet := b.Run(t, "nym-client", "wallet", append(unpaced, "--directory", b.api, "--listen", "127.0.0.1:0")...)
	b.port = strings.TrimPrefix(wallet.Line(t), "ws://")
	want := func(facts map[string]string, code int, result string, wantCode int) {
		t.Helper()
		if facts["result"] != result || code != wantCode {
			t.Fatalf("got %v with exit code %d; want %s, %d", facts, code, result, wantCode)
		}
	}

	facts, code := b.ask(t, "", "info", b.to)
	want(facts, code, "info", 0)
	if facts["chain bitcoin"] != "bitcoin, takes check" {
		t.Errorf("info says %v", facts)
	}
	tx, id := transaction(t, 1)
	facts, code = b.ask(t, tx+"\n", "send", b.to, "bitcoin")
	want(facts, code, "accepted", 0)
	if facts["hash"] != id || facts["reply"] != fmt.Sprintf(`{"result":%q,"error":null,"id":1}`, id) || facts["at"] == "" {
		t.Errorf("got %v", facts)
	}
	facts, code = b.ask(t, "0x"+tx, "send", b.to, "bitcoin")
	want(facts, code, "accepted", 0)
	if n := b.node.sent(); n != 1 {
		t.Errorf("the node got it %d times", n)
	}
	facts, code = b.ask(t, "", "status", b.to, "bitcoin", id, "--receipt")
	want(facts, code, "accepted", 0)
	if facts["confirmed"] != "true" || !strings.Contains(facts["receipt"], `"confirmations":2`) {
		t.Errorf("got %v", facts)
	}
	facts, code = b.ask(t, "", "status", b.to, "bitcoin", strings.Repeat("0", 64))
	want(facts, code, "unknown", 1)
	facts, code = b.ask(t, tx, "send", b.to, "dogecoin")
	want(facts, code, "denied", 1)
	if _, code := b.ask(t, "no transaction", "send", b.to, "bitcoin"); code != 2 {
		t.Errorf("what is no transaction is sent: exit code %d", code)
	}

	// Killed while the node is asked: the node has the transaction, and nobody knows.
	held, heldID := transaction(t, 2)
	hold := make(chan struct{})
	b.node.set(func() { b.node.hold = hold })
	for tries := 0; b.node.sent() < 2; tries++ {
		if facts, code := b.ask(t, held, "send", b.to, "bitcoin", "--timeout", "2s"); code != 75 || tries == 20 {
			t.Fatalf("the node has heard nothing, or the broadcaster has answered: %v, exit code %d", facts, code)
		}
	}
	caster.Kill()
	close(hold)
	b.node.set(func() { b.node.hold = nil })
	heard := b.node.sent()
	caster = b.broadcaster(t)
	facts, code = b.ask(t, held, "send", b.to, "bitcoin")
	want(facts, code, "known", 0)
	if facts["hash"] != heldID {
		t.Errorf("got %v", facts)
	}
	facts, code = b.ask(t, held, "send", b.to, "bitcoin")
	want(facts, code, "known", 0)
	if n := b.node.sent(); n != heard+1 {
		t.Errorf("the node got it %d times after the start, want once", n-heard)
	}

	// Killed while a transaction waits for its time.
	late, lateID := transaction(t, 3)
	facts, code = b.ask(t, late, "send", b.to, "bitcoin", "--delay", "24h")
	want(facts, code, "queued", 0)
	caster.Kill()
	caster = b.broadcaster(t)
	facts, code = b.ask(t, "", "status", b.to, "bitcoin", lateID, "--receipt")
	want(facts, code, "queued", 0)
	soon, _ := transaction(t, 4)
	facts, code = b.ask(t, soon, "send", b.to, "bitcoin", "--delay", "1s", "--wait")
	want(facts, code, "accepted", 0)
	if n := b.node.sent(); n != heard+2 {
		t.Errorf("the node got %d transactions, want the one whose time has come", n-heard-1)
	}
	wallet.End(t)
	caster.End(t)
	// hardening.md H38: nothing tells who sent what.
	for _, r := range []*clitest.Running{caster, wallet} {
		r.Hides(t, tx, id, held, heldID, late, lateID, strings.Split(b.to, ".")[0], b.nodeURL)
	}
}
