package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/localnet"
	"nym-socks5/mixnet/topology"
)

// patience is how long one step may take: the foreign client is slow to start
// and paces what it sends.
const patience = 60 * time.Second

// A world is a network of ours on loopback, with a directory that lists it.
type world struct {
	t       *testing.T
	net     *localnet.Network
	api     string // URL of the directory
	network *topology.Network
}

func newWorld(t *testing.T, spec localnet.Spec) *world {
	t.Helper()
	spec.Directory = "127.0.0.1:0"
	n, err := localnet.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, net: n}
	w.run("network", n.Run)
	select {
	case <-n.Ready():
	case <-time.After(patience):
		t.Fatal("the network did not come up")
	}
	w.network, w.api = n.Topology(), n.DirectoryURL()
	return w
}

// run runs a part of the world until the test ends, and waits for it then.
func (w *world) run(name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("%s: %v", name, err)
		}
	})
}

// ours runs a client of ours at a gateway.
func (w *world) ours(gateway keys.Identity, tr client.Traffic) *ours {
	w.t.Helper()
	c, err := w.net.NewClient(client.Config{Gateway: gateway, Traffic: tr})
	if err != nil {
		w.t.Fatal(err)
	}
	w.run("our client", c.Run)
	select {
	case <-c.Ready():
	case <-time.After(patience):
		w.t.Fatal("our client did not connect")
	}
	return &ours{c}
}

type ours struct{ *client.Client }

func (o *ours) receive(t *testing.T, what string) mixnet.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := o.Receive(ctx)
	if err != nil {
		t.Fatalf("our client waits for %s: %v", what, err)
	}
	return m
}

// wantDone waits until a message is acknowledged.
func (o *ours) wantDone(t *testing.T, what string, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(patience):
		t.Errorf("%s: not acknowledged", what)
	}
}

// A foreign client is Nym's, in a process of its own.
type foreign struct {
	in      io.Writer
	events  chan event
	address mixnet.Recipient
	log     *bytes.Buffer
}

type event struct {
	Event   string `json:"event"`
	Address string `json:"address"`
	Body    []byte `json:"body"`
	Tag     []byte `json:"tag"`
	Error   string `json:"error"`
}

// foreign starts Nym's client with options in JSON. It ends with the test.
func (w *world) foreign(t *testing.T, options string) *foreign {
	t.Helper()
	cmd := exec.Command("node", "nymclient.mjs", w.api, options)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	f := &foreign{in: in, events: make(chan event, 64), log: new(bytes.Buffer)}
	cmd.Stderr = f.log
	if err := cmd.Start(); err != nil {
		t.Fatalf("node does not start: %v", err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(f.events)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			var e event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				e = event{Event: "error", Error: fmt.Sprintf("%q: %v", lines.Text(), err)}
			}
			f.events <- e
		}
	}()
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		go func() { // nobody reads any more
			for range f.events {
			}
		}()
		<-read
		cmd.Wait() // killed
		if t.Failed() {
			t.Logf("what Nym's client printed:\n%s", tail(f.log.String(), 60))
		}
	})
	e := f.want(t, "address")
	if f.address, err = mixnet.ParseRecipientText(e.Address); err != nil {
		t.Fatal(err)
	}
	return f
}

func tail(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func (f *foreign) want(t *testing.T, what string) event {
	t.Helper()
	select {
	case e, ok := <-f.events:
		switch {
		case !ok:
			t.Fatalf("Nym's client ended before its %s", what)
		case e.Event != what:
			t.Fatalf("Nym's client: %s %s, want %s", e.Event, e.Error, what)
		}
		return e
	case <-time.After(patience):
		t.Fatalf("Nym's client gave no %s in %v", what, patience)
	}
	return event{}
}

func (f *foreign) do(t *testing.T, order map[string]any) {
	t.Helper()
	if b, ok := order["body"].([]byte); ok {
		order["body"] = base64.StdEncoding.EncodeToString(b)
	}
	line, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}

func (f *foreign) send(t *testing.T, to mixnet.Recipient, body []byte) {
	t.Helper()
	f.do(t, map[string]any{"do": "send", "to": to.String(), "body": body})
}

func (f *foreign) ask(t *testing.T, to mixnet.Recipient, body []byte, surbs int) {
	t.Helper()
	f.do(t, map[string]any{"do": "ask", "to": to.String(), "body": body, "surbs": surbs})
}

func (f *foreign) reply(t *testing.T, tag mixnet.SenderTag, body []byte) {
	t.Helper()
	f.do(t, map[string]any{"do": "reply", "tag": tag.String(), "body": body})
}
