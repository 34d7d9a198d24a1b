package broadcast

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"nym-socks5/internal/clitest"
	"nym-socks5/internal/runtest"
	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

// A world is a mixnet, a broadcaster, and a client whose commands ask it.
type world struct {
	*clitest.Testbed
	of       *testing.T // which all of it ends with
	bin, api string
	chains   []string
	caster   *clitest.Running
	to       string // its address
	port     string // of the client
	wallet   *clitest.Running
}

var unpaced = []string{"--hop-delay", "off", "--send-every", "off", "--cover-every", "off"}

// build builds our programs and btcd.
func build(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	for _, args := range [][]string{
		{"build", "-C", "../..", "-o", bin + "/", "./cmd/broadcaster", "./cmd/nym-client"},
		{"build", "-mod=mod", "-o", bin + "/", "github.com/btcsuite/btcd"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	return bin
}

func newWorld(t *testing.T, bin string, chains ...string) *world {
	t.Helper()
	w := &world{Testbed: clitest.NewTestbedOf(t, bin), of: t, bin: bin, chains: chains}
	network, err := localnet.New(localnet.Spec{Traffic: client.Fast(), Directory: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	runtest.Start(t, network.Run)
	select {
	case <-network.Ready():
	case <-time.After(patience):
		t.Fatal("the network did not come up")
	}
	w.api = network.DirectoryURL()
	w.start(t)
	w.wallet = w.Run(t, "nym-client", "wallet", append(unpaced, "--directory", w.api, "--listen", "127.0.0.1:0")...)
	w.port = strings.TrimPrefix(w.wallet.Line(t), "ws://")
	return w
}

// start starts the broadcaster, which keeps its address.
func (w *world) start(t *testing.T) {
	t.Helper()
	args := append(unpaced, "--directory", w.api, "--timeout", "10s")
	for _, c := range w.chains {
		args = append(args, "--chain", c)
	}
	w.caster = w.Run(w.of, "broadcaster", "caster", args...)
	w.to = w.caster.Line(t)
}

// ask asks the broadcaster, and gives what is printed and the exit code.
func (w *world) ask(t *testing.T, in string, args ...string) (facts map[string]string, code int) {
	t.Helper()
	do, rest := args[0], args[1:]
	args = append([]string{"broadcast", do, w.to}, rest...)
	args = append(args, "--listen", w.port, "--output", "json", "--config", w.Path("wallet.toml"), "--state-dir", w.Path("wallet"))
	cmd := exec.Command(filepath.Join(w.bin, "nym-client"), args...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.Output()
	exit := new(exec.ExitError)
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if len(out) > 0 {
		if err := json.Unmarshal(out, &facts); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	}
	t.Logf("%s %v: %s %.200s%s", do, rest[:min(1, len(rest))], facts["result"], facts["reply"], facts["reason"])
	return facts, cmd.ProcessState.ExitCode()
}

// want asks and wants a result.
func (w *world) want(t *testing.T, result, in string, args ...string) map[string]string {
	t.Helper()
	facts, code := w.ask(t, in, args...)
	if facts["result"] != result {
		t.Fatalf("%v: got %v with exit code %d, want %s", args, facts, code, result)
	}
	return facts
}

// settles asks for a transaction until it has an outcome, and wants that.
func (w *world) settles(t *testing.T, chain, hash, result string) {
	t.Helper()
	w.want(t, result, "", "status", chain, hash, "--wait", "--timeout", "3m")
}

// A subject is a chain with its gate, and wallets' transactions on it.
type subject struct {
	chain string
	gate  *gate
	// fresh makes a transaction that the node takes, and gives its hash. It may be
	// called several times before the node has the first.
	fresh func(t *testing.T) (tx, hash string)
	// mine puts what waits into a block.
	mine func(t *testing.T)
}

// everyChain is what holds for all kinds of nodes, and with all failures.
func everyChain(t *testing.T, w *world, s subject) {
	t.Run("Once", func(t *testing.T) {
		tx, hash := s.fresh(t)
		before := s.gate.transactions()
		facts := w.want(t, "accepted", tx, "send", s.chain)
		if facts["hash"] != hash || facts["reply"] == "" {
			t.Errorf("the wallet calls it %s, and the broadcaster says %v", hash, facts)
		}
		if again := w.want(t, "accepted", "0x"+tx, "send", s.chain); again["reply"] != facts["reply"] {
			t.Errorf("the second time: %v", again)
		}
		if n := s.gate.transactions() - before; n != 1 {
			t.Errorf("the node got it %d times", n)
		}
		s.mine(t)
		if facts := w.want(t, "accepted", "", "status", s.chain, hash, "--receipt"); facts["confirmed"] != "true" || facts["receipt"] == "" {
			t.Errorf("in a block: got %v", facts)
		}
	})
	t.Run("AnswerLost", func(t *testing.T) {
		tx, hash := s.fresh(t)
		s.gate.set(lost)
		w.want(t, "queued", tx, "send", s.chain)
		s.mine(t) // and what the node says of it now is what it says of a wrong one
		s.gate.set(open)
		w.settles(t, s.chain, hash, "known")
	})
	for name, m := range map[string]mode{"Down": cut, "Rubbish": rubbish, "Huge": huge} {
		t.Run(name, func(t *testing.T) {
			tx, hash := s.fresh(t)
			s.gate.set(m)
			w.want(t, "queued", tx, "send", s.chain)
			s.gate.set(open)
			w.settles(t, s.chain, hash, "accepted")
			s.mine(t)
		})
	}
	t.Run("Slow", func(t *testing.T) {
		tx, hash := s.fresh(t)
		s.gate.set(slow)
		w.want(t, "queued", tx, "send", s.chain) // the node has it, and has not said so
		s.gate.set(open)
		w.settles(t, s.chain, hash, "known")
		s.mine(t)
	})
	t.Run("Killed", func(t *testing.T) {
		tx, hash := s.fresh(t)
		before := s.gate.transactions()
		s.gate.set(slow)
		for tries := 0; s.gate.transactions() == before; tries++ {
			if facts, code := w.ask(t, tx, "send", s.chain, "--timeout", "4s"); code != 75 || tries == 20 {
				t.Fatalf("the node has heard nothing, or there is an answer: %v, exit code %d", facts, code)
			}
		}
		w.caster.Kill()
		s.gate.set(open)
		w.start(t)
		w.settles(t, s.chain, hash, "known")
		w.want(t, "known", tx, "send", s.chain)
		s.mine(t)
	})
	t.Run("Delayed", func(t *testing.T) {
		tx, hash := s.fresh(t)
		before := s.gate.transactions()
		w.want(t, "queued", tx, "send", s.chain, "--delay", "24h")
		w.caster.Kill()
		w.start(t)
		w.want(t, "queued", "", "status", s.chain, hash, "--receipt")
		if n := s.gate.transactions() - before; n != 0 {
			t.Errorf("the node got it before its time")
		}
	})
	t.Run("Unknown", func(t *testing.T) {
		w.want(t, "unknown", "", "status", s.chain, strings.Repeat("ab", 32), "--receipt")
	})
}

// TestRealNodes is all of it, one chain after the other.
func TestRealNodes(t *testing.T) {
	bin := build(t)
	b := clitest.NewTestbedOf(t, bin)
	btc := newBitcoinWallet(t, b, filepath.Join(bin, "btcd"))
	eth := newEthereumWallet(t, b)
	xmr := newMoneroWallet(t, b)
	secret := filepath.Join(t.TempDir(), "bitcoin")
	if err := os.WriteFile(secret, []byte(bitcoinAuth+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bitcoin, bitcoinURL := newGate(t, btc.addr)
	ethereum, ethereumURL := newGate(t, eth.addr)
	monero, moneroURL := newGate(t, xmr.addr)
	w := newWorld(t, bin,
		"bitcoin bitcoin "+bitcoinURL+" credentials="+secret,
		fmt.Sprintf("ethereum ethereum %s id=%d", ethereumURL, chainID),
		"other ethereum "+ethereumURL+" id=1",
		"monero monero "+moneroURL,
	)
	t.Run("Nodes", func(t *testing.T) {
		facts := w.want(t, "info", "", "info")
		if facts["chain bitcoin"] != "bitcoin, takes check" || facts["chain ethereum"] != "ethereum, chain id 31337" || facts["chain monero"] != "monero" {
			t.Errorf("got %v", facts)
		}
	})
	t.Run("Bitcoin", func(t *testing.T) {
		everyChain(t, w, subject{"bitcoin", bitcoin, func(t *testing.T) (string, string) {
			_, tx, id := btc.pay(t, 10_000)
			return tx, id
		}, func(t *testing.T) { btc.mine(t, 1) }})
		bitcoinOnly(t, w, btc)
	})
	t.Run("Ethereum", func(t *testing.T) {
		everyChain(t, w, subject{"ethereum", ethereum, eth.fresh, eth.mine})
		ethereumOnly(t, w, eth)
	})
	t.Run("Monero", func(t *testing.T) {
		everyChain(t, w, subject{"monero", monero, xmr.fresh, xmr.mine})
		moneroOnly(t, w, xmr)
	})
	for _, r := range []*clitest.Running{w.caster, w.wallet} {
		r.End(t)
		r.Hides(t, strings.Split(w.to, ".")[0], bitcoinURL, ethereumURL, moneroURL)
	}
}

// bitcoinOnly is what there is of Bitcoin alone: checks and witnesses.
func bitcoinOnly(t *testing.T, w *world, btc *bitcoinWallet) {
	t.Run("Check", func(t *testing.T) {
		first, tx, id := btc.pay(t, 10_000)
		w.want(t, "acceptable", tx, "check", "bitcoin")
		w.want(t, "unknown", "", "status", "bitcoin", id, "--receipt")
		spent := first.Copy()
		spent.TxOut[0].Value-- // and its signature is wrong
		w.want(t, "refused", encoded(t, spent), "check", "bitcoin")
		w.want(t, "refused", encoded(t, spent), "send", "bitcoin")
		w.want(t, "accepted", tx, "send", "bitcoin")
	})
	t.Run("Witness", func(t *testing.T) {
		first, text, _ := btc.pay(t, 10_000)
		second, signed, id := btc.payOn(t, first)
		// Its parent is not there yet.
		w.want(t, "refused", signed, "send", "bitcoin")
		w.want(t, "accepted", text, "send", "bitcoin")
		btc.mine(t, 1)
		// Whoever sends it with a bad witness keeps nobody out.
		bad := second.Copy()
		bad.TxIn[0].Witness = wire.TxWitness{bad.TxIn[0].Witness[0], {2}}
		w.want(t, "refused", encoded(t, bad), "send", "bitcoin")
		if facts := w.want(t, "accepted", signed, "send", "bitcoin"); facts["hash"] != id {
			t.Errorf("the wallet calls it %s, and the broadcaster says %v", id, facts)
		}
		t.Logf("a transaction with a witness, for the vectors: %s %s", signed, id)
	})
	t.Run("MoreThanThereIs", func(t *testing.T) {
		_, tx, _ := btc.pay(t, -1)
		if facts := w.want(t, "refused", tx, "check", "bitcoin"); !strings.Contains(facts["reply"], "reject-reason") {
			t.Errorf("got %v", facts)
		}
		w.want(t, "refused", tx, "send", "bitcoin")
	})
}
