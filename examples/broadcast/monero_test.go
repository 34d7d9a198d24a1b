package broadcast

import (
	"encoding/json"
	"strings"
	"testing"

	"nym-socks5/internal/clitest"
)

// A moneroWallet is that of Monero.
type moneroWallet struct {
	addr   string // of the node
	wallet string // of monero-wallet-rpc
	own    string // what the miner is paid at
}

// moneroBlocks is how many are mined at first: 60 lock a reward, and a ring needs 16
// outputs. There is one reward for each transaction.
const moneroBlocks = 90

func newMoneroWallet(t *testing.T, b *clitest.Testbed) *moneroWallet {
	t.Helper()
	const hint = "on Debian, apt install monero"
	x := &moneroWallet{addr: b.Addr(t), wallet: b.Addr(t)}
	host, port, _ := strings.Cut(x.addr, ":")
	_, p2p, _ := strings.Cut(b.Addr(t), ":")
	ended := node(t, "monerod", installed(t, "monerod", hint), "--regtest", "--offline", "--fixed-difficulty", "1", "--non-interactive",
		"--data-dir", folder(t, "monerod"), "--no-zmq", "--log-level", "0", "--confirm-external-bind",
		"--rpc-bind-ip", host, "--rpc-bind-port", port, "--p2p-bind-ip", host, "--p2p-bind-port", p2p)
	await(t, ended, x.addr, "/json_rpc", "", "get_info")
	host, port, _ = strings.Cut(x.wallet, ":")
	ended = node(t, "monero-wallet-rpc", installed(t, "monero-wallet-rpc", hint), "--daemon-address", x.addr, "--trusted-daemon",
		"--wallet-dir", folder(t, "wallet"), "--rpc-bind-ip", host, "--rpc-bind-port", port, "--confirm-external-bind", "--disable-rpc-login", "--log-level", "0")
	await(t, ended, x.wallet, "/json_rpc", "", "get_version")
	x.call(t, nil, "create_wallet", map[string]any{"filename": "w", "language": "English"})
	var at struct{ Address string }
	x.call(t, &at, "get_address", map[string]any{"account_index": 0})
	x.own = at.Address
	for range moneroBlocks / 10 {
		x.blocks(t, 10)
	}
	x.call(t, nil, "refresh", map[string]any{})
	return x
}

// call calls the wallet.
func (x *moneroWallet) call(t *testing.T, into any, method string, params map[string]any) {
	t.Helper()
	out := rpc(t, x.wallet, "/json_rpc", "", method, params)
	if into != nil {
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatal(err)
		}
	}
}

func (x *moneroWallet) blocks(t *testing.T, n int) {
	t.Helper()
	rpc(t, x.addr, "/json_rpc", "", "generateblocks", map[string]any{"amount_of_blocks": n, "wallet_address": x.own})
}

func (x *moneroWallet) mine(t *testing.T) {
	t.Helper()
	x.blocks(t, 1)
}

// fresh makes a transaction that the wallet does not hand over itself, and marks what it
// spends as spent.
func (x *moneroWallet) fresh(t *testing.T) (tx, hash string) {
	t.Helper()
	x.call(t, nil, "refresh", map[string]any{})
	var made struct {
		Hash     string `json:"tx_hash"`
		Blob     string `json:"tx_blob"`
		Metadata string `json:"tx_metadata"`
		Spent    struct {
			Images []string `json:"key_images"`
		} `json:"spent_key_images"`
	}
	x.call(t, &made, "transfer", map[string]any{
		"destinations": []any{map[string]any{"amount": 1_000_000_000, "address": x.own}},
		"do_not_relay": true, "get_tx_hex": true,
	})
	for _, image := range made.Spent.Images {
		x.call(t, nil, "freeze", map[string]any{"key_image": image})
	}
	return made.Blob, made.Hash
}

// moneroOnly is what there is of Monero alone.
func moneroOnly(t *testing.T, w *world, x *moneroWallet) {
	t.Run("Refused", func(t *testing.T) {
		tx, _ := x.fresh(t)
		last := map[byte]string{'0': "1"}[tx[len(tx)-1]]
		if last == "" {
			last = "0"
		}
		facts := w.want(t, "refused", tx[:len(tx)-1]+last, "send", "monero") // a proof is wrong
		if !strings.Contains(facts["reply"], `"status": "Failed"`) {
			t.Errorf("got %v", facts)
		}
		w.want(t, "accepted", tx, "send", "monero")
		if _, code := w.ask(t, tx[:100], "send", "monero"); code != 1 {
			t.Errorf("a part of it: exit code %d", code)
		}
	})
}
