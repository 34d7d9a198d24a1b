package broadcast

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"nym-socks5/internal/clitest"
)

const bitcoinAuth = "someone:a password"

// A bitcoinWallet has what a node of its own mined for it.
type bitcoinWallet struct {
	addr string // of the node
	key  *btcec.PrivateKey
	old  []byte // script of what it mined
	new  []byte // script that needs a witness
	next int64  // block whose reward is spent next
}

// blocks is how many are mined at first: enough for witnesses to be taken (BIP 9, with the
// 100 blocks of simnet), and for rewards to be spent.
const blocks = 420

func newBitcoinWallet(t *testing.T, b *clitest.Testbed, btcd string) *bitcoinWallet {
	t.Helper()
	key, _ := btcec.PrivKeyFromBytes(bytes.Repeat([]byte{7}, 32))
	hash := address.Hash160(key.PubKey().SerializeCompressed())
	mine, err := address.NewAddressPubKeyHash(hash, &chaincfg.SimNetParams)
	if err != nil {
		t.Fatal(err)
	}
	segwit, err := address.NewAddressWitnessPubKeyHash(hash, &chaincfg.SimNetParams)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(b.Addr(t), ":")
	w := &bitcoinWallet{addr: "127.0.0.1:" + port, key: key, next: 1} // btcd takes no other without TLS
	if w.old, err = txscript.PayToAddrScript(mine); err != nil {
		t.Fatal(err)
	}
	if w.new, err = txscript.PayToAddrScript(segwit); err != nil {
		t.Fatal(err)
	}
	dir := folder(t, "btcd")
	ended := node(t, "btcd", btcd, "--simnet", "--notls", "--nolisten", "--nodnsseed", "--txindex", "--datadir="+dir, "--logdir="+dir, "--configfile="+dir+"/none",
		"--rpclisten="+w.addr, "--rpcuser=someone", "--rpcpass=a password", "--miningaddr="+mine.EncodeAddress())
	await(t, ended, w.addr, "/", bitcoinAuth, "getblockcount")
	w.mine(t, blocks)
	return w
}

func (w *bitcoinWallet) mine(t *testing.T, n int) {
	t.Helper()
	rpc(t, w.addr, "/", bitcoinAuth, "generate", n)
}

// reward gives the output that a block made, and what it is worth.
func (w *bitcoinWallet) reward(t *testing.T) (*wire.OutPoint, int64) {
	t.Helper()
	var hash string
	if err := json.Unmarshal(rpc(t, w.addr, "/", bitcoinAuth, "getblockhash", w.next), &hash); err != nil {
		t.Fatal(err)
	}
	w.next++
	var block struct{ Tx []string }
	if err := json.Unmarshal(rpc(t, w.addr, "/", bitcoinAuth, "getblock", hash, 1), &block); err != nil {
		t.Fatal(err)
	}
	id, err := chainhash.NewHashFromStr(block.Tx[0])
	if err != nil {
		t.Fatal(err)
	}
	return wire.NewOutPoint(id, 0), 50e8
}

// pay makes a transaction that spends a reward, and gives it and its id.
func (w *bitcoinWallet) pay(t *testing.T, fee int64) (*wire.MsgTx, string, string) {
	t.Helper()
	from, value := w.reward(t)
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(from, nil, nil))
	tx.AddTxOut(wire.NewTxOut(value-fee, w.new))
	script, err := txscript.SignatureScript(tx, 0, w.old, txscript.SigHashAll, w.key, true)
	if err != nil {
		t.Fatal(err)
	}
	tx.TxIn[0].SignatureScript = script
	return tx, encoded(t, tx), tx.TxHash().String()
}

// payOn makes a transaction that spends one of pay, with a witness.
func (w *bitcoinWallet) payOn(t *testing.T, before *wire.MsgTx) (tx *wire.MsgTx, text, id string) {
	t.Helper()
	hash := before.TxHash()
	value := before.TxOut[0].Value
	tx = wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&hash, 0), nil, nil))
	tx.AddTxOut(wire.NewTxOut(value-10_000, w.new))
	sums := txscript.NewTxSigHashes(tx, txscript.NewCannedPrevOutputFetcher(w.new, value))
	witness, err := txscript.WitnessSignature(tx, sums, 0, value, w.new, txscript.SigHashAll, w.key, true)
	if err != nil {
		t.Fatal(err)
	}
	tx.TxIn[0].Witness = witness
	return tx, encoded(t, tx), tx.TxHash().String()
}

func encoded(t *testing.T, tx *wire.MsgTx) string {
	t.Helper()
	var b bytes.Buffer
	if err := tx.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b.Bytes())
}
