//go:build rust

package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/localnet"
	"nym-socks5/localnet/trace"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
)

// rust starts the client of Nym's SDK for Rust (nodes.md §5.2, generation A).
// With a folder it is the one that used it before.
func (w *world) rust(t *testing.T, options string, folder ...string) *foreign {
	t.Helper()
	return launchForeign(t, w.rustCommand(options, folder...))
}

func (w *world) rustCommand(options string, folder ...string) *exec.Cmd {
	// make interop-rust has built it.
	return exec.Command("rust-sdk/target/debug/nymsdk", append([]string{w.api, options}, folder...)...)
}

func TestRustClient(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast()})
	converse(t, w, w.rust(t, `{}`))
}

// The same at Nym's pace, where each node and the directory are processes.
func TestRustClientOnPrograms(t *testing.T) {
	w := runPrograms(t, network{})
	converse(t, w, w.rust(t, `{}`))
}

func TestRustLongReplies(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast(), PlainLinks: true})
	longReplies(t, w, w.rust(t, `{}`))
}

func TestRustReturns(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast()})
	folder := t.TempDir()
	comesBack(t, w, func() *foreign { return w.rust(t, `{}`, folder) })
}

func TestRustKeyRotation(t *testing.T) {
	w := runPrograms(t, rotating)
	changeKeys(t, w, w.rust(t, `{"refresh_ms":1000}`))
}

// A client that wants to be forgotten is nobody to the gateway afterwards
// (nodes.md §1.2: "the client's next authenticateV2 must fail").
func TestRustIsForgotten(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast()})
	folder := t.TempDir()
	w.rust(t, `{"forget_me":true}`, folder).quit(t)
	out, err := w.rustCommand(`{}`, folder).Output()
	if err == nil || !strings.Contains(string(out), "not registered") {
		t.Errorf("it came back: %v, %s", err, out)
	}
}

// The gateway of Nym's client is killed and started again: the client finds it
// (nodes.md §1.9), and messages go both ways as before.
func TestRustOutlivesItsGateway(t *testing.T) {
	w := runPrograms(t, network{})
	nym := w.rust(t, `{}`)
	part := w.partOf(t, nym.address.Gateway)
	other := w.rust(t, fmt.Sprintf(`{"gateway":%q}`, w.otherGateway(nym.address.Gateway)))
	nextSecond() // a login that is refused once it never tries again
	w.localnet(t, "kill", part)
	w.localnet(t, "start", part)
	for i := range 5 {
		body := fmt.Sprint("hello ", i)
		other.send(t, nym.address, []byte(body))
		nym.wantBodies(t, body)
		nym.ask(t, other.address, []byte(body), 3)
		other.wantBodies(t, body)
	}
}

// otherGateway is a gateway that is not this one.
func (w *world) otherGateway(id keys.Identity) keys.Identity {
	for _, g := range w.network.Gateways() {
		if g.Identity != id {
			return g.Identity
		}
	}
	panic("interop: a network with one gateway")
}

// partOf names the process of a gateway.
func (w *world) partOf(t *testing.T, id keys.Identity) string {
	t.Helper()
	for _, part := range []string{"gateway-1", "gateway-2"} {
		out, err := exec.Command(filepath.Join(programs(t), "gateway"), "details", "--output", "json",
			"--config", filepath.Join(w.dir, "etc", part+".toml"), "--state-dir", filepath.Join(w.dir, "state", part)).Output()
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Identity string `json:"identity_key"`
		}
		if err := json.Unmarshal(out, &d); err != nil {
			t.Fatal(err)
		}
		if d.Identity == id.String() {
			return part
		}
	}
	t.Fatal("no process is the gateway")
	return ""
}

func (w *world) localnet(t *testing.T, args ...string) {
	t.Helper()
	args = append(args, "--dir", w.dir)
	if out, err := exec.Command(filepath.Join(programs(t), "localnet"), args...).CombinedOutput(); err != nil {
		t.Fatalf("localnet %q: %v\n%s", args, err, out)
	}
}

// wantListener waits until somebody listens: Nym's client is ready before.
func wantListener(t *testing.T, addr string) {
	t.Helper()
	const pause = 20 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range patience / pause {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
		<-tick.C
	}
	t.Fatalf("nobody listens at %s", addr)
}

// Nym's SOCKS5 client, that of the SDK and the one of version 2.0.0, fetches and
// sends through our requester.
func TestRustSOCKS(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(serve))
	t.Cleanup(target.Close)
	w := runPrograms(t, network{allow: target.Listener.Addr().String()})
	file := filepath.Join(t.TempDir(), "topology.json")
	out, err := exec.Command(filepath.Join(programs(t), "directory"), "export", "--custom-mixnet", file,
		"--config", filepath.Join(w.dir, "etc", "directory.toml"), "--state-dir", filepath.Join(w.dir, "state", "directory")).CombinedOutput()
	if err != nil {
		t.Fatalf("directory export: %v\n%s", err, out)
	}
	const sdk, latest = "rust-sdk/target/debug/nymsdk", "rust-socks/target/debug/nymsocks"
	for _, c := range []struct {
		name, path string
		options    map[string]any
	}{
		{"SDK with its return address", sdk, nil},
		{"SDK, anonymous", sdk, map[string]any{"anonymous": true}},
		{"2.0.0 with its return address", latest, nil},
		{"2.0.0, anonymous", latest, map[string]any{"anonymous": true}},
		{"2.0.0 with a topology file", latest, map[string]any{"custom_mixnet": file}}, // nodes.md §4.8
	} {
		t.Run(c.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ln.Close() // a free port
			socks := ln.Addr().String()
			options := map[string]any{"requester": w.requester, "listen": socks}
			maps.Copy(options, c.options)
			text, err := json.Marshal(options)
			if err != nil {
				t.Fatal(err)
			}
			nym := launchForeign(t, exec.Command(c.path, w.api, string(text)))
			wantListener(t, socks)
			fetchesBySOCKS(t, socks, target.URL)
			nym.quit(t)
		})
	}
}

// fetchesBySOCKS fetches and sends through a SOCKS port.
func fetchesBySOCKS(t *testing.T, socks, target string) {
	t.Helper()
	c := &http.Client{Timeout: patience, Transport: &http.Transport{
		Proxy:             http.ProxyURL(&url.URL{Scheme: "socks5h", Host: socks}),
		DisableKeepAlives: true,
	}}
	read := func(resp *http.Response, err error) []byte {
		if err != nil {
			t.Error(err)
			return nil
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return got
	}
	get := func(path string) []byte { return read(c.Get(target + path)) }
	echo := func(body []byte) []byte { return read(c.Post(target+"/echo", "", bytes.NewReader(body))) }
	want(t, "page", get("/hello"), []byte("hello GET"))
	want(t, "a megabyte down", get("/noise"), noise(megabyte))
	want(t, "a megabyte up and down", echo(noise(megabyte)), noise(megabyte))
	var ten sync.WaitGroup
	for i := range 10 {
		ten.Go(func() { want(t, "one of ten", echo(noise(20_000+i)), noise(20_000+i)) })
	}
	ten.Wait()
}

// Packets of Nym's client and of ours, taken apart layer by layer, differ in
// nothing but the Sphinx version of cover (sphinx.md §8 trap 1).
func TestRustPackets(t *testing.T) {
	var tp tape
	w := newWorld(t, localnet.Spec{Traffic: client.Fast(), Gateways: 6, Trace: tp.add}) // the network's own clients are silent
	at := func(i int) keys.Identity { return w.network.Gateways()[i-1].Identity }
	nym := w.rust(t, fmt.Sprintf(`{"gateway":%q}`, at(2)))
	w.net.Name(nym.address.Identity, "nym")
	our := w.ours(t, at(5), client.Traffic{SendEvery: 14 * time.Millisecond})
	w.net.Name(our.Address().Identity, "ours")
	to := func(name string) func(*trace.Record) bool {
		return func(r *trace.Record) bool { return r.Dest == name }
	}
	began := time.Now()
	t.Run("messages", func(t *testing.T) {
		exchangeMegabytes(t, nym, our)
		theirs, ours := tp.await(t, 3*megabyte/1611, began, "gateway-2", to("ours")), tp.await(t, 3*megabyte/1611, began, "gateway-5", to("nym"))
		sameStructures(t, "messages", structures(theirs, "nym"), structures(ours, "ours"))
		compareDelays(t, "messages", theirs, ours)
		uniform(t, "Nym's messages", theirs)
		uniform(t, "our messages", ours)
	})
	t.Run("cover", func(t *testing.T) {
		loops := func(r *trace.Record) bool { return r.Loop() }
		theirs, ours := tp.await(t, samples/2, began, "gateway-2", loops), tp.await(t, samples/2, began, "gateway-5", loops)
		as259 := replaced(t, replaced(t, structures(theirs, "nym"), "\nsphinx versions: 258, 258, 258, 258\n", "\nsphinx versions: 259, 259, 259, 259\n"),
			"\nack sphinx versions: 258, 258, 258, 258\n", "\nack sphinx versions: 259, 259, 259, 259\n")
		sameStructures(t, "cover", as259, structures(ours, "ours"))
		compareDelays(t, "cover", theirs, ours)
		uniform(t, "Nym's cover", theirs)
	})
}

// Streams of Nym's SDK (sdk-streams.md) to and from ours, two at a time, a megabyte each
// way on one of them, and beside messages at one address.
func TestRustStreams(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast()})
	streamBothWays(t, w, endpoint.Config{Peers: true})
	streamBothWays(t, w, endpoint.Config{Peers: true, Messages: true})
}

func streamBothWays(t *testing.T, w *world, cfg endpoint.Config) {
	t.Helper()
	e, err := w.net.NewEndpoint(cfg)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "our endpoint", e.Run)
	select {
	case <-e.Ready():
	case <-time.After(patience):
		t.Fatal("our endpoint did not connect")
	}
	ln, err := e.Listen(7)
	if err != nil {
		t.Fatal(err)
	}
	nym := w.rust(t, `{"streams":true}`)
	sizes := []int{5, 1 << 20} // which Nym's end sends for a quarter of a minute
	for _, size := range sizes {
		c, err := e.DialAddress(t.Context(), nym.address, 0)
		if err != nil {
			t.Fatal(err)
		}
		nym.converseBy(t, c, nym.want(t, "accepted").Stream, size)
	}
	for _, size := range sizes {
		nym.do(t, map[string]any{"do": "open", "to": e.Address().String()})
		id := nym.want(t, "opened").Stream
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		nym.converseBy(t, c, id, size)
	}
	nym.quit(t)
}

// converseBy has both ends say something at the same time, twice.
func (f *foreign) converseBy(t *testing.T, c net.Conn, id string, size int) {
	t.Helper()
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	for _, size := range []int{1, size} {
		theirs, ours := bytes.Repeat([]byte("Nym's"), size/5+1)[:size], bytes.Repeat([]byte("ours."), size/5+1)[:size]
		f.do(t, map[string]any{"do": "write", "stream": id, "body": theirs})
		wrote := make(chan error, 1)
		go func() { _, err := c.Write(ours); wrote <- err }()
		got := make([]byte, size)
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, theirs) {
			t.Fatalf("what Nym's end wrote is not what arrived (%d bytes): %v", size, err)
		}
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		var heard []byte
		for len(heard) < size {
			e := f.want(t, "data")
			if e.Stream != id {
				t.Fatalf("data of stream %s, want %s", e.Stream, id)
			}
			heard = append(heard, e.Body...)
		}
		if !bytes.Equal(heard, ours) {
			t.Fatalf("what our end wrote is not what arrived: %d bytes of %d", len(heard), size)
		}
	}
	f.do(t, map[string]any{"do": "drop", "stream": id})
}
