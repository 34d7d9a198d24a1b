package broadcast

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nym-socks5/internal/clitest"
)

const chainID = 31337

// devKey is the first of the keys that anvil gives ether to. Everybody knows it.
const devKey = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

// An ethereumWallet signs with ethers.
type ethereumWallet struct {
	addr  string // of the node
	nonce int
}

func newEthereumWallet(t *testing.T, b *clitest.Testbed) *ethereumWallet {
	t.Helper()
	e := &ethereumWallet{addr: b.Addr(t)}
	host, port, _ := strings.Cut(e.addr, ":")
	bin, err := filepath.Abs("node_modules/.bin/anvil")
	if err != nil {
		t.Fatal(err)
	}
	ended := node(t, "anvil", installed(t, bin, "say npm ci"), "--host", host, "--port", port, "--chain-id", strconv.Itoa(chainID), "--no-mining")
	await(t, ended, e.addr, "/", "", "eth_chainId")
	return e
}

// sign signs a transfer with ethers.
func (e *ethereumWallet) sign(t *testing.T, nonce int, value string) (tx, hash string) {
	t.Helper()
	const script = `
		const { Wallet, keccak256 } = require('ethers')
		const [key, nonce, chainId, value] = process.argv.slice(1)
		const w = new Wallet(key)
		const type = Number(nonce) % 2 ? 2 : 0
		const fees = type ? { maxFeePerGas: 20000000000n, maxPriorityFeePerGas: 1000000000n } : { gasPrice: 20000000000n }
		w.signTransaction({ type, chainId: BigInt(chainId), nonce: Number(nonce), to: w.address, value: BigInt(value), gasLimit: 21000n, ...fees })
			.then(tx => console.log(tx.slice(2), keccak256(tx)))`
	out, err := exec.Command(installed(t, "node", "install Node.js 20 or later"), "-e", script, devKey, strconv.Itoa(nonce), strconv.Itoa(chainID), value).Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) != 2 {
		t.Fatalf("ethers says %q, %v", out, err)
	}
	return words[0], words[1]
}

func (e *ethereumWallet) fresh(t *testing.T) (tx, hash string) {
	t.Helper()
	tx, hash = e.sign(t, e.nonce, "1")
	e.nonce++
	return tx, hash
}

func (e *ethereumWallet) mine(t *testing.T) {
	t.Helper()
	rpc(t, e.addr, "/", "", "evm_mine")
}

// ethereumOnly is what there is of Ethereum alone: nonces, chain ids, and a wallet that
// is a script. The last of everyChain waits for its time with a nonce that others use here.
func ethereumOnly(t *testing.T, w *world, e *ethereumWallet) {
	e.nonce--
	t.Run("Refused", func(t *testing.T) {
		tx, _ := e.sign(t, 0, "2") // the nonce of another
		w.want(t, "refused", tx, "send", "ethereum")
		tx, _ = e.sign(t, e.nonce, "1000000000000000000000000000")
		w.want(t, "refused", tx, "send", "ethereum")
		if _, code := w.ask(t, tx, "check", "ethereum"); code != 1 {
			t.Errorf("check: exit code %d", code)
		}
	})
	t.Run("OtherChain", func(t *testing.T) {
		tx, _ := e.sign(t, e.nonce, "3")
		w.want(t, "queued", tx, "send", "other")
	})
	t.Run("Script", func(t *testing.T) {
		const friend = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
		run := func() string {
			cmd := exec.Command("node", "send.mjs", "ws://"+w.port, w.to, "ethereum", devKey, strconv.Itoa(e.nonce), strconv.Itoa(chainID), friend, "7")
			cmd.WaitDelay = time.Minute
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("send.mjs: %v\n%s", err, out)
			}
			return string(out)
		}
		first := run()
		if !strings.HasPrefix(first, "accepted 0x") || run() != first {
			t.Errorf("the script prints %q, and then something else", first)
		}
		e.mine(t)
		e.nonce++
		w.settlesReceipt(t, "ethereum", strings.Fields(first)[1])
	})
}

// settlesReceipt wants a block to have a transaction.
func (w *world) settlesReceipt(t *testing.T, chain, hash string) {
	t.Helper()
	if facts := w.want(t, "accepted", "", "status", chain, hash, "--receipt"); facts["confirmed"] != "true" {
		t.Errorf("got %v", facts)
	}
}
