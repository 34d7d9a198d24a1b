package chain

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nym-socks5/internal/broadcast"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		line string
		want Spec
	}{
		{"bitcoin bitcoin http://127.0.0.1:8332/", Spec{Name: "bitcoin", Kind: broadcast.Bitcoin, URL: "http://127.0.0.1:8332/"}},
		{"  eth-main  ethereum\thttps://node.example/rpc?key=x credentials=/c ca=/ca.pem id=1",
			Spec{Name: "eth-main", Kind: broadcast.Ethereum, URL: "https://node.example/rpc?key=x", Credentials: "/c", CA: "/ca.pem", Number: 1}},
		{"p post http://127.0.0.1/tx type=application/json", Spec{Name: "p", Kind: broadcast.Post, URL: "http://127.0.0.1/tx", Type: "application/json"}},
		{"xmr monero http://127.0.0.1:18081", Spec{Name: "xmr", Kind: broadcast.Monero, URL: "http://127.0.0.1:18081"}},
	} {
		if got, err := Parse(c.line); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v", c.line, got, err)
		}
	}
	for line, want := range map[string]string{
		"":                                                                    "says too little",
		"bitcoin http://127.0.0.1:8332/":                                      "says too little",
		"Bitcoin bitcoin http://127.0.0.1:8332/":                              "no name of a chain",
		"b litecoin http://127.0.0.1:8332/":                                   "no kind",
		"b bitcoin ftp://127.0.0.1/":                                          "no URL of a node",
		"b bitcoin 127.0.0.1:8332":                                            "no URL of a node",
		"b bitcoin http://user:secret@127.0.0.1/":                             "credentials=FILE",
		"b bitcoin http://127.0.0.1/#x":                                       "a # in it",
		"b bitcoin http://127.0.0.1/ id=1":                                    "id is for kind ethereum",
		"b ethereum http://127.0.0.1/ id=0":                                   "no chain id",
		"b ethereum http://127.0.0.1/ id=x":                                   "no chain id",
		"b ethereum http://127.0.0.1/ id=1 id=2":                              "at most once",
		"b bitcoin http://127.0.0.1/ credentials=here":                        "no absolute path",
		"b bitcoin http://127.0.0.1/ ca=/x":                                   "ca is for https",
		"b bitcoin http://127.0.0.1/ type=text/plain":                         "type is for kind post",
		"b post http://127.0.0.1/ type=text":                                  "",
		"b post http://127.0.0.1/ type=/":                                     "no media type",
		"b post http://127.0.0.1/ speed=1":                                    "there is no speed",
		"b post http://127.0.0.1/ fast":                                       "write each of",
		"b post http://127.0.0.1/ credentials=":                               "write each of",
		strings.Repeat("x", 33) + " bitcoin http://127.0.0.1/ credentials=/x": "no name of a chain",
	} {
		if want == "" {
			continue
		}
		if got, err := Parse(line); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %+v, %v; want %q", line, got, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("eth ethereum https://node.example/rpc credentials=/c ca=/ca.pem id=1")
	f.Add("p post http://127.0.0.1/tx type=application/json")
	f.Fuzz(func(t *testing.T, line string) {
		s, err := Parse(line)
		if err != nil {
			return
		}
		again := fmt.Sprintf("%s %s %s", s.Name, s.Kind, s.URL)
		for _, o := range []struct {
			key, value string
			there      bool
		}{
			{"credentials", s.Credentials, s.Credentials != ""}, {"ca", s.CA, s.CA != ""},
			{"id", fmt.Sprint(s.Number), s.Number != 0}, {"type", s.Type, s.Type != ""},
		} {
			if o.there {
				again += " " + o.key + "=" + o.value
			}
		}
		if back, err := Parse(again); err != nil || back != s {
			t.Fatalf("%q is %+v, and %q is %+v, %v", line, s, again, back, err)
		}
	})
}

// A script is what a fake node says: by method of JSON-RPC, or by path.
type script map[string]string

// A fake is a node that says what its script has.
type fake struct {
	says  script
	calls []string // methods, paths
	last  []byte   // the body that came last
	seen  http.Header
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.last, _ = io.ReadAll(r.Body)
	f.seen = r.Header
	name := r.URL.Path
	var call struct{ Method string }
	if json.Unmarshal(f.last, &call) == nil && call.Method != "" {
		name = call.Method
	}
	f.calls = append(f.calls, name)
	says, ok := f.says[name]
	if !ok {
		http.Error(w, "no such method", http.StatusNotFound)
		return
	}
	var status int
	if _, err := fmt.Sscanf(says, "%d ", &status); err == nil {
		says = says[4:]
		w.Header().Set("Location", "http://127.0.0.1:9/")
		w.WriteHeader(status)
	}
	io.WriteString(w, says)
}

// fakeNode runs one and gives a Node that speaks with it.
func fakeNode(t *testing.T, kind broadcast.Kind, says script, more ...string) (*Node, *fake) {
	t.Helper()
	f := &fake{says: says}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	spec, err := Parse(strings.Join(append([]string{"x", string(kind), s.URL + "/"}, more...), " "))
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(spec, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return n, f
}

var (
	aTx   = []byte{1, 2, 3}
	aHash = broadcast.Hash{0xd5, 0xf2, 31: 0x9a}
	text  = hex.EncodeToString(aHash[:])
)

// hardening.md H48: "A refusal is believed where the node says, too, that it does not have
// the transaction", "no redirect is followed". What nodes say is as real ones of bitcoind 27, btcd 0.26, anvil 1.7, geth 1.14 and
// monerod 0.18 word it.
func TestH48Nodes(t *testing.T) {
	const (
		moneroOK     = `{"credits": 0, "double_spend": false, "fee_too_low": false, "not_relayed": false, "reason": "", "status": "OK", "untrusted": false}`
		moneroFailed = `{"credits": 0, "double_spend": true, "not_relayed": false, "reason": "double spend", "status": "Failed", "untrusted": false}`
	)
	btc := func(result, err string) string { return `{"result":` + result + `,"error":` + err + `,"id":1}` }
	eth := func(rest string) string { return `{"jsonrpc":"2.0","id":1,` + rest + `}` }
	for _, c := range []struct {
		name string
		kind broadcast.Kind
		says script
		want broadcast.Result // empty: no outcome, of that class
		of   Class
	}{
		{"bitcoin takes", broadcast.Bitcoin, script{"sendrawtransaction": btc(`"`+text+`"`, "null")}, broadcast.Accepted, ""},
		{"bitcoin has it in a block", broadcast.Bitcoin, script{"sendrawtransaction": "500 " + btc("null", `{"code":-27,"message":"Transaction outputs already in utxo set"}`)}, broadcast.Known, ""},
		{"bitcoin refuses", broadcast.Bitcoin, script{
			"sendrawtransaction": "500 " + btc("null", `{"code":-26,"message":"min relay fee not met, 0 < 110"}`),
			"getrawtransaction":  "500 " + btc("null", `{"code":-5,"message":"No such mempool or blockchain transaction. Use gettransaction for wallet transactions."}`),
		}, broadcast.Refused, ""},
		{"bitcoin had it, and it is spent", broadcast.Bitcoin, script{
			"sendrawtransaction": "500 " + btc("null", `{"code":-25,"message":"bad-txns-inputs-missingorspent"}`),
			"getrawtransaction":  btc(`{"txid":"`+text+`","confirmations":7}`, "null"),
		}, broadcast.Known, ""},
		{"btcd has it, and it waits", broadcast.Bitcoin, script{
			"sendrawtransaction": `{"jsonrpc":"1.0","result":null,"error":{"code":-26,"message":"TX rejected: already have transaction in mempool ` + text + `"},"id":1}`,
			"getrawtransaction":  `{"jsonrpc":"1.0","result":{"hex":"","txid":"` + text + `","version":2,"locktime":0},"error":null,"id":1}`,
		}, broadcast.Known, ""},
		{"btcd has it in a block", broadcast.Bitcoin, script{
			"sendrawtransaction": `{"jsonrpc":"1.0","result":null,"error":{"code":-27,"message":"TX rejected: transaction already exists in blockchain"},"id":1}`,
		}, broadcast.Known, ""},
		{"bitcoin refuses, and then is silent", broadcast.Bitcoin, script{
			"sendrawtransaction": "500 " + btc("null", `{"code":-25,"message":"bad-txns-inputs-missingorspent"}`),
			"getrawtransaction":  "503 busy",
		}, "", Busy},
		{"bitcoin warms up", broadcast.Bitcoin, script{"sendrawtransaction": "500 " + btc("null", `{"code":-28,"message":"Loading block index…"}`)}, "", Busy},
		{"bitcoin names another", broadcast.Bitcoin, script{"sendrawtransaction": btc(`"`+strings.Repeat("00", 32)+`"`, "null")}, "", Strange},
		{"bitcoin has no such method", broadcast.Bitcoin, script{"sendrawtransaction": "404 " + btc("null", `{"code":-32601,"message":"Method not found"}`)}, "", Busy},
		{"ethereum takes", broadcast.Ethereum, script{"eth_sendRawTransaction": eth(`"result":"0x` + text + `"`)}, broadcast.Accepted, ""},
		{"ethereum has it", broadcast.Ethereum, script{
			"eth_sendRawTransaction":   eth(`"error":{"code":-32000,"message":"already known"}`),
			"eth_getTransactionByHash": eth(`"result":{"hash":"0x` + text + `","blockHash":null}`),
		}, broadcast.Known, ""},
		{"ethereum has it in a block", broadcast.Ethereum, script{
			"eth_sendRawTransaction":   eth(`"error":{"code":-32003,"message":"nonce too low"}`),
			"eth_getTransactionByHash": eth(`"result":{"hash":"0x` + text + `","blockHash":"0x01"}`),
		}, broadcast.Known, ""},
		{"ethereum refuses", broadcast.Ethereum, script{
			"eth_sendRawTransaction":   eth(`"error":{"code":-32003,"message":"Insufficient funds for gas * price + value"}`),
			"eth_getTransactionByHash": eth(`"result":null`),
		}, broadcast.Refused, ""},
		{"ethereum refuses, and then is silent", broadcast.Ethereum, script{
			"eth_sendRawTransaction": eth(`"error":{"code":-32003,"message":"nonce too low"}`),
		}, "", Strange},
		{"ethereum answers another call", broadcast.Ethereum, script{"eth_sendRawTransaction": `{"jsonrpc":"2.0","id":2,"result":"0x` + text + `"}`}, "", Strange},
		{"ethereum says nothing", broadcast.Ethereum, script{"eth_sendRawTransaction": eth(`"error":null`)}, "", Strange},
		{"monero takes", broadcast.Monero, script{"/sendrawtransaction": moneroOK}, broadcast.Accepted, ""},
		{"monero has it", broadcast.Monero, script{"/sendrawtransaction": strings.Replace(moneroOK, `"not_relayed": false, "reason": ""`, `"not_relayed": true, "reason": "Not relayed"`, 1)}, broadcast.Known, ""},
		{"monero refuses", broadcast.Monero, script{"/sendrawtransaction": moneroFailed, "/get_transactions": `{"credits":0,"missed_tx":["` + text + `"],"status":"OK"}`}, broadcast.Refused, ""},
		{"monero has it in a block", broadcast.Monero, script{"/sendrawtransaction": moneroFailed, "/get_transactions": `{"credits":0,"status":"OK","txs":[{"tx_hash":"` + text + `","in_pool":false,"block_height":121}]}`}, broadcast.Known, ""},
		{"monero says nothing of it", broadcast.Monero, script{"/sendrawtransaction": moneroFailed, "/get_transactions": `{"credits":0,"status":"OK","txs":[]}`}, "", Strange},
		{"monero catches up", broadcast.Monero, script{"/sendrawtransaction": `{"status":"BUSY"}`}, "", Busy},
		{"post takes", broadcast.Post, script{"/": `201 {"ok":true}`}, broadcast.Accepted, ""},
		{"post refuses", broadcast.Post, script{"/": `422 no`}, broadcast.Refused, ""},
		{"post is too busy", broadcast.Post, script{"/": `429 slowly`}, "", Busy},
		{"post fails", broadcast.Post, script{"/": `500 oops`}, "", Busy},
		{"post is elsewhere", broadcast.Post, script{}, "", Strange},
		{"post leads elsewhere", broadcast.Post, script{"/": "307 there"}, "", Strange},
		{"bitcoin wants credentials", broadcast.Bitcoin, script{"sendrawtransaction": "401 "}, "", Unauthorized},
		{"ethereum leads elsewhere", broadcast.Ethereum, script{"eth_sendRawTransaction": "302 there"}, "", Strange},
		{"monero is an error page", broadcast.Monero, script{"/sendrawtransaction": "<html>"}, "", Strange},
		{"bitcoin is an error page", broadcast.Bitcoin, script{"sendrawtransaction": "502 <html>"}, "", Busy},
		{"ethereum says too much", broadcast.Ethereum, script{"eth_sendRawTransaction": eth(`"result":"0x` + text + `","x":"` + strings.Repeat("x", maxBody) + `"`)}, "", Strange},
		{"bitcoin is no text", broadcast.Bitcoin, script{"sendrawtransaction": btc(`"`+text+"\xff\"", "null")}, "", Strange},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, f := fakeNode(t, c.kind, c.says)
			o, err := n.Send(t.Context(), aTx, aHash)
			switch {
			case c.want == "" && (err == nil || ClassOf(err) != c.of):
				t.Errorf("got %+v, %v; want an error: %s", o, err, c.of)
			case c.want == "":
			case err != nil || o.Result != c.want:
				t.Errorf("got %+v, %v; want %s", o, err, c.want)
			default:
				said := c.says[f.calls[0]]
				if !strings.HasSuffix(said, string(o.Reply)) || len(o.Reply) < len(said)-4 {
					t.Errorf("the reply is %q, and the node said %q", o.Reply, said)
				}
			}
			if f.seen != nil && f.seen.Get("User-Agent") != "" {
				t.Errorf("the node is told %v", f.seen)
			}
		})
	}
}

func TestLooks(t *testing.T) {
	eth := func(rest string) string { return `{"jsonrpc":"2.0","id":1,` + rest + `}` }
	for _, c := range []struct {
		name             string
		kind             broadcast.Kind
		says             script
		found, confirmed bool
		fails            bool
	}{
		{"bitcoin: waits", broadcast.Bitcoin, script{"getrawtransaction": `{"result":{"txid":"x"},"error":null,"id":1}`}, true, false, false},
		{"bitcoin: in a block", broadcast.Bitcoin, script{"getrawtransaction": `{"result":{"txid":"x","confirmations":3},"error":null,"id":1}`}, true, true, false},
		{"bitcoin: unknown", broadcast.Bitcoin, script{"getrawtransaction": `500 {"result":null,"error":{"code":-5,"message":"No"},"id":1}`}, false, false, false},
		{"bitcoin: fails", broadcast.Bitcoin, script{"getrawtransaction": `x`}, false, false, true},
		{"ethereum: in a block", broadcast.Ethereum, script{"eth_getTransactionReceipt": eth(`"result":{"status":"0x1"}`)}, true, true, false},
		{"ethereum: waits", broadcast.Ethereum, script{"eth_getTransactionReceipt": eth(`"result":null`), "eth_getTransactionByHash": eth(`"result":{}`)}, true, false, false},
		{"ethereum: unknown", broadcast.Ethereum, script{"eth_getTransactionReceipt": eth(`"result":null`), "eth_getTransactionByHash": eth(`"result":null`)}, false, false, false},
		{"ethereum: fails", broadcast.Ethereum, script{"eth_getTransactionReceipt": eth(`"result":null`)}, false, false, true},
		{"monero: waits", broadcast.Monero, script{"/get_transactions": `{"status":"OK","txs":[{"tx_hash":"` + text + `","in_pool":true}]}`}, true, false, false},
		{"monero: in a block", broadcast.Monero, script{"/get_transactions": `{"status":"OK","txs":[{"tx_hash":"` + text + `","in_pool":false}]}`}, true, true, false},
		{"monero: unknown", broadcast.Monero, script{"/get_transactions": `{"status":"OK","missed_tx":["` + text + `"]}`}, false, false, false},
		{"monero: fails", broadcast.Monero, script{"/get_transactions": `{"status":"BUSY"}`}, false, false, true},
		{"post", broadcast.Post, script{}, false, false, true},
	} {
		n, _ := fakeNode(t, c.kind, c.says)
		s, err := n.Look(t.Context(), aHash)
		if s.Found != c.found || s.Confirmed != c.confirmed || (err != nil) != c.fails {
			t.Errorf("%s: got %+v, %v", c.name, s, err)
		}
	}
}

func TestChecks(t *testing.T) {
	for says, want := range map[string]broadcast.Result{
		`{"result":[{"txid":"` + text + `","allowed":true,"vsize":110}],"error":null,"id":1}`:                                                                           broadcast.Acceptable,
		`{"result":[{"txid":"` + text + `","allowed":false,"reject-reason":"x"}],"error":null,"id":1}`:                                                                  broadcast.Refused,
		`{"jsonrpc":"1.0","result":[{"txid":"` + text + `","wtxid":"` + text + `","package-error":"","reject-reason":"failed to validate input"}],"error":null,"id":1}`: broadcast.Refused,
		`500 {"result":null,"error":{"code":-22,"message":"TX decode failed."},"id":1}`:                                                                                 broadcast.Refused,
		`{"result":[{"txid":"` + strings.Repeat("00", 32) + `","allowed":true}],"error":null,"id":1}`:                                                                   "",
		`{"result":[{"txid":"` + text + `"}],"error":null,"id":1}`:                                                                                                      "",
		`{"result":[],"error":null,"id":1}`:                                                                                          "",
		`500 {"result":null,"error":{"code":-28,"message":"Verifying blocks…"},"id":1}`:                                              "",
		`{"jsonrpc":"1.0","result":null,"error":{"code":-32602,"message":"wrong number of params (expected 2, received 1)"},"id":1}`: "",
		`500 {"result":null,"error":{"code":-32601,"message":"Method not found"},"id":1}`:                                            "",
		`{"result":[{"txid":"` + text + `","allowed":true},{"txid":"x","allowed":true}],"error":null,"id":1}`:                        "",
	} {
		n, f := fakeNode(t, broadcast.Bitcoin, script{"testmempoolaccept": says})
		o, err := n.Check(t.Context(), aTx, aHash)
		if o.Result != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %+v, %v; want %q", says, o, err, want)
		}
		if len(f.calls) != 1 {
			t.Errorf("%s: the node was asked %v", says, f.calls)
		}
	}
	for _, k := range []broadcast.Kind{broadcast.Ethereum, broadcast.Monero, broadcast.Post} {
		n, f := fakeNode(t, k, script{})
		if o, err := n.Check(t.Context(), aTx, aHash); err == nil || len(f.calls) > 0 {
			t.Errorf("%s: got %+v", k, o)
		}
	}
}

// An Ethereum node of another chain gets no transaction, nor one that became one.
func TestH48EthereumChain(t *testing.T) {
	id := func(n string) string { return `{"jsonrpc":"2.0","id":1,"result":"` + n + `"}` }
	n, f := fakeNode(t, broadcast.Ethereum, script{"eth_chainId": id("0x5"), "eth_sendRawTransaction": id("0x" + text)}, "id=1")
	if o, err := n.Send(t.Context(), aTx, aHash); ClassOf(err) != OtherChain || len(f.calls) != 1 {
		t.Errorf("got %+v, %v after %v", o, err, f.calls)
	}
	f.says["eth_chainId"] = id("0x1")
	for range 2 {
		if o, err := n.Send(t.Context(), aTx, aHash); err != nil || o.Result != broadcast.Accepted {
			t.Errorf("got %+v, %v", o, err)
		}
	}
	if got := strings.Join(f.calls[1:], " "); got != "eth_chainId eth_sendRawTransaction eth_sendRawTransaction" {
		t.Errorf("the node was asked %s", got)
	}
	f.says["eth_sendRawTransaction"] = "503 "
	if _, err := n.Send(t.Context(), aTx, aHash); err == nil {
		t.Error("no error")
	}
	f.says["eth_chainId"], f.calls = id("0x5"), nil
	if _, err := n.Send(t.Context(), aTx, aHash); ClassOf(err) != OtherChain || len(f.calls) != 1 {
		t.Errorf("got %v after %v", err, f.calls)
	}
	for _, bad := range []string{"1", "0x", "0xz", "0x10000000000000001"} {
		f.says["eth_chainId"] = id(bad)
		if _, err := n.Send(t.Context(), aTx, aHash); ClassOf(err) != Strange {
			t.Errorf("chain id %q: got %v", bad, err)
		}
	}
}

// Credentials are read at each call: nodes draw new ones.
func TestCredentials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cookie")
	n, f := fakeNode(t, broadcast.Post, script{"/": "200 yes"}, "credentials="+path)
	if _, err := n.Send(t.Context(), aTx, aHash); ClassOf(err) != Unauthorized || len(f.calls) != 0 {
		t.Errorf("without a file: got %v after %v", err, f.calls)
	}
	for _, word := range []string{"one", "two:more"} {
		if err := os.WriteFile(path, []byte("user:"+word+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Send(t.Context(), aTx, aHash); err != nil {
			t.Fatal(err)
		}
		r := http.Request{Header: f.seen}
		if user, password, _ := r.BasicAuth(); user != "user" || password != word {
			t.Errorf("the node was shown %s, %s", user, password)
		}
	}
	if err := os.WriteFile(path, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(n.Spec(), time.Second); err == nil || !strings.Contains(err.Error(), "USER:PASSWORD") {
		t.Errorf("a file without a password: got %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(n.Spec(), time.Second); err == nil || !strings.Contains(err.Error(), "can be read or changed by others") {
		t.Errorf("a file for everybody: got %v", err)
	}
}

// A POST carries the bytes, their type and a name of theirs, and is not made again by
// itself.
func TestPost(t *testing.T) {
	n, f := fakeNode(t, broadcast.Post, script{"/": "200 yes"}, "type=application/json")
	if _, err := n.Send(t.Context(), []byte("{}"), aHash); err != nil {
		t.Fatal(err)
	}
	if string(f.last) != "{}" || f.seen.Get("Content-Type") != "application/json" || f.seen.Get("Idempotency-Key") != text {
		t.Errorf("the node got %q with %v", f.last, f.seen)
	}
}

// A node that is not there, closes at once, is slow, or certified by somebody else.
func TestH48NodesThatFail(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			io.ReadFull(c, make([]byte, 20))
			c.Close()
		}
	}()
	defer ln.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		w.Write([]byte("{"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer slow.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	for url, want := range map[string]Class{
		"http://127.0.0.1:9/":          Refusing,
		"http://" + ln.Addr().String(): CutOff,
		slow.URL:                       Slow,
		secure.URL:                     Uncertified,
	} {
		timeout := time.Minute
		if want == Slow {
			timeout = 100 * time.Millisecond
		}
		n, err := New(Spec{Name: "x", Kind: broadcast.Bitcoin, URL: url}, timeout)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Send(t.Context(), aTx, aHash); ClassOf(err) != want || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: got %v, want: %s", url, err, want)
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("a call that was cut off was made %d times", n)
	}
	n, err := New(Spec{Name: "x", Kind: broadcast.Bitcoin, URL: slow.URL}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := n.Send(ctx, aTx, aHash); ClassOf(err) != Ended || !errors.Is(err, context.Canceled) {
		t.Errorf("taken back: got %v", err)
	}
}

// A node is certified by those whom the operator names.
func TestCA(t *testing.T) {
	s := httptest.NewTLSServer(&fake{says: script{"/": "200 yes"}})
	defer s.Close()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Name: "x", Kind: broadcast.Post, URL: s.URL, CA: path}
	if _, err := New(spec, time.Second); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path, pemOf(s.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := New(spec, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := n.Send(t.Context(), aTx, aHash); err != nil || o.Result != broadcast.Accepted {
		t.Errorf("got %+v, %v", o, err)
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// A says answers every call with one reply.
type says struct {
	status int
	body   []byte
}

func (s says) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Body: io.NopCloser(bytes.NewReader(s.body)), Header: make(http.Header), Request: r}, nil
}

// Whatever a node says is an outcome or is not; what it takes it names, if its kind does.
func FuzzReply(f *testing.F) {
	f.Add("bitcoin", 200, []byte(`{"result":"`+text+`","error":null,"id":1}`))
	f.Add("bitcoin", 500, []byte(`{"result":null,"error":{"code":-27,"message":"x"},"id":1}`))
	f.Add("bitcoin", 200, []byte(`{"result":[{"txid":"`+text+`","allowed":true}],"error":null,"id":1}`))
	f.Add("ethereum", 200, []byte(`{"jsonrpc":"2.0","id":1,"result":"0x`+text+`"}`))
	f.Add("ethereum", 200, []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"x"}}`))
	f.Add("monero", 200, []byte(`{"status":"OK","not_relayed":true,"txs":[{"tx_hash":"`+text+`"}],"missed_tx":[]}`))
	f.Add("post", 422, []byte("no"))
	f.Fuzz(func(t *testing.T, kind string, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		n, err := New(Spec{Name: "x", Kind: broadcast.Kind(kind), URL: "http://127.0.0.1:9/"}, time.Minute)
		if err != nil {
			return
		}
		n.client.Transport = says{status, body}
		o, err := n.Send(t.Context(), aTx, aHash)
		switch o.Result {
		case broadcast.Accepted, broadcast.Known, broadcast.Refused:
			if err != nil || !bytes.Equal(o.Reply, body) {
				t.Fatalf("%s says %d %q: got %+v, %v", kind, status, body, o, err)
			}
		case "":
			if err == nil || ClassOf(err) == "" {
				t.Fatalf("%s says %d %q: neither an outcome nor an error", kind, status, body)
			}
		default:
			t.Fatalf("%s says %d %q: got %+v", kind, status, body, o)
		}
		if rpc := kind == "bitcoin" || kind == "ethereum"; rpc && o.Result == broadcast.Accepted && !bytes.Contains(bytes.ToLower(body), []byte(text)) && !bytes.Contains(body, []byte("\\u")) {
			t.Fatalf("%s says %q, which names another transaction", kind, body)
		}
		n.Check(t.Context(), aTx, aHash)
		n.Look(t.Context(), aHash)
	})
}
