package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nym-socks5/internal/clitest"
	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// patience is how long a step may take. None takes more than a second or two.
const patience = time.Minute

// A testbed is a network in this process, for clients that are processes of
// their own.
type testbed struct {
	bin, dir string
	api      string // URL of the network's directory
}

func newTestbed(t *testing.T) *testbed {
	t.Helper()
	b := &testbed{bin: filepath.Join(t.TempDir(), "nym-client"), dir: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", b.bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	network, err := localnet.New(localnet.Spec{Traffic: client.Fast(), Directory: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- network.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-network.Ready():
	case <-time.After(patience):
		t.Fatal("the network did not come up")
	}
	b.api = network.DirectoryURL()
	return b
}

// A nymClient is a program that runs, and a WebSocket to it.
type nymClient struct {
	*clitest.Running
	ws      *websocket.Conn
	address string
	port    string
}

// start starts a client and connects to it.
func (b *testbed) start(t *testing.T, name string) *nymClient {
	t.Helper()
	flags := []string{"--config", filepath.Join(b.dir, name+".toml"), "--state-dir", filepath.Join(b.dir, name)}
	c := &nymClient{Running: clitest.Start(t, name, patience, b.bin, append([]string{"run", "--log-level", "debug", "--directory", b.api,
		"--listen", "127.0.0.1:0", "--keep-on-disk", "--hop-delay", "off", "--send-every", "off", "--cover-every", "off"}, flags...)...)}
	url := c.Line(t)
	c.port = strings.TrimPrefix(url, "ws://")
	var err error
	c.ws, _, err = websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"nym.text"}})
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	t.Cleanup(func() { c.ws.CloseNow() })
	out, err := exec.Command(b.bin, append([]string{"details", "--output", "json"}, flags...)...).Output()
	var details map[string]string
	if err != nil || json.Unmarshal(out, &details) != nil || details["address"] == "" {
		t.Fatalf("details say %s, %v; want an address", out, err)
	}
	c.address = details["address"]
	return c
}

// ask sends a request.
func (c *nymClient) ask(t *testing.T, request map[string]any) {
	t.Helper()
	b, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ws.Write(t.Context(), websocket.MessageText, b); err != nil {
		t.Fatal(err)
	}
}

// hear waits for a response.
func (c *nymClient) hear(t *testing.T) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, b, err := c.ws.Read(ctx)
	if err != nil {
		t.Fatalf("%s: %v", c.Name(), err)
	}
	var response map[string]any
	if err := json.Unmarshal(b, &response); err != nil {
		t.Fatalf("%s: %q: %v", c.Name(), b, err)
	}
	return response
}

// receives wants a message, and gives its sender tag.
func (c *nymClient) receives(t *testing.T, want string) (tag string) {
	t.Helper()
	got := c.hear(t)
	if got["type"] != "received" || got["message"] != want {
		t.Fatalf("%s: got %v, want message %q", c.Name(), got, want)
	}
	tag, _ = got["senderTag"].(string)
	return tag
}

// delivered waits until what was sent on a connection is acknowledged: at the
// gateway, if the recipient is not there.
func (c *nymClient) delivered(t *testing.T, conn int) {
	t.Helper()
	const pause = 10 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range patience / pause {
		c.ask(t, map[string]any{"type": "getLaneQueueLength", "connectionId": conn})
		if got := c.hear(t); got["queue_length"] == 0.0 {
			return
		}
		<-tick.C
	}
	t.Fatalf("%s: messages on connection %d are not delivered", c.Name(), conn)
}

// command runs a command of a client, and gives what it printed.
func (b *testbed) command(t *testing.T, c *nymClient, in string, args ...string) string {
	t.Helper()
	cmd := exec.Command(b.bin, append(args, b.flags(c)...)...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", args, err, out)
	}
	return string(out)
}

// commands tries those that talk to clients that run.
func (b *testbed) commands(t *testing.T, alice, bob *nymClient) {
	t.Helper()
	alice.ws.CloseNow()
	bob.ws.CloseNow()
	b.command(t, alice, "", "alias", "add", "bob", bob.address)
	if got := b.command(t, alice, "", "alias", "list"); !strings.Contains(got, bob.address) {
		t.Errorf("alias list prints %q", got)
	}
	b.command(t, alice, "hi\n", "send", "bob", "--timeout", "1m")
	b.command(t, alice, "who?", "send", "--anonymous", "bob")
	got := b.command(t, bob, "", "receive", "--json", "--count", "2", "--timeout", "1m")
	lines := strings.Split(got, "\n")
	if len(lines) != 3 || lines[0] != `{"message":"hi\n","senderTag":null}` {
		t.Fatalf("receive prints %q", got)
	}
	var asked struct{ Message, SenderTag string }
	if err := json.Unmarshal([]byte(lines[1]), &asked); err != nil || asked.Message != "who?" || asked.SenderTag == "" {
		t.Fatalf("receive prints %q", got)
	}
	b.command(t, bob, "me", "send", asked.SenderTag)
	b.command(t, alice, "more", "send", "bob")
	if got := b.command(t, bob, "", "receive", "--timeout", "3s"); got != "more\n" { // which ends by its time
		t.Errorf("receive prints %q, want more", got)
	}
	client, _, _ := strings.Cut(bob.address, "@")
	identity, _, _ := strings.Cut(client, ".")
	for _, row := range []struct {
		code       int
		args, want string
	}{
		{2, "send nosuch", `the recipient "nosuch" is neither an address (identity.encryption@gateway) nor a known name`},
		{2, "send 0" + bob.address[1:], "the recipient is no address: each part of a recipient is base58 of 32 bytes"},
		{1, "send " + client + "@" + identity, "mixnet: the recipient's gateway is not in the network"}, // as one of another network
		{1, "send " + mixnet.NewSenderTag().String(), "mixnet: no reply SURBs were ever received under this tag"},
		{75, "receive --timeout 10ms", "no message has arrived within 10ms"},
		{75, "receive --count 2 --timeout 10ms", "2 of the messages that --count waits for have not arrived within 10ms"},
		{75, "receive --count 1 --timeout 10ms", "the message that --count waits for has not arrived within 10ms"},
	} {
		cmd := exec.Command(b.bin, append(strings.Fields(row.args), b.flags(bob)...)...)
		cmd.Stdin = strings.NewReader("hi")
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != row.code || !strings.HasPrefix(string(out), "nym-client: "+row.want) {
			t.Errorf("%s: exit code %d, %s; want %d, %s", row.args, cmd.ProcessState.ExitCode(), out, row.code, row.want)
		}
	}
	if got := b.command(t, alice, "", "receive", "--count", "1", "--timeout", "1m"); got != "me\n" {
		t.Errorf("receive prints %q, want me", got)
	}
	var status map[string]string
	if err := json.Unmarshal([]byte(b.command(t, bob, "", "status", "--output", "json")), &status); err != nil ||
		status["connected"] != "true" || status["address"] != bob.address || status["kept"] != "0" {
		t.Errorf("status is %v, %v", status, err)
	}
}

// Two clients write to each other, one of them not running in between.
func TestNetworkOfClients(t *testing.T) {
	b := newTestbed(t)
	alice, bob := b.start(t, "alice"), b.start(t, "bob")
	alice.ask(t, map[string]any{"type": "selfAddress"})
	if got := alice.hear(t); got["type"] != "selfAddress" || got["address"] != alice.address {
		t.Errorf("got %v, and details say %s", got, alice.address)
	}
	alice.ask(t, map[string]any{"type": "send", "recipient": alice.address, "message": "note to self"})
	alice.receives(t, "note to self")

	alice.ask(t, map[string]any{"type": "sendAnonymous", "recipient": bob.address, "message": "guess who", "replySurbs": 15})
	tag := bob.receives(t, "guess who")
	bob.ask(t, map[string]any{"type": "reply", "senderTag": tag, "message": "alice?"})
	alice.receives(t, "alice?")

	large := strings.Repeat("a large message, ", 10_000)
	bob.ask(t, map[string]any{"type": "send", "recipient": alice.address, "message": large, "connectionId": 7})
	if got := bob.hear(t); got["type"] != "laneQueueLength" || got["lane"] != 7.0 {
		t.Errorf("got %v, want the length of lane 7", got)
	}
	alice.ws.SetReadLimit(1 << 20)
	alice.receives(t, large)

	bob.End(t)
	const n = 5
	for i := range n {
		alice.ask(t, map[string]any{
			"type": "send", "recipient": bob.address, "message": fmt.Sprint("while you were away ", i), "connectionId": 8, "id": i,
		})
		if got := alice.hear(t); got["type"] != "laneQueueLength" || got["lane"] != 8.0 {
			t.Fatalf("got %v, want the length of lane 8", got)
		}
		if got := alice.hear(t); got["type"] != "ok" || got["id"] != float64(i) {
			t.Fatalf("got %v, want ok", got)
		}
	}
	alice.delivered(t, 8)
	again := b.start(t, "bob")
	if again.address != bob.address {
		t.Errorf("bob's address was %s and is %s", bob.address, again.address)
	}
	came := make(map[any]bool)
	for range n {
		got := again.hear(t)
		came[got["message"]] = true
	}
	for i := range n {
		if s := fmt.Sprint("while you were away ", i); !came[s] {
			t.Errorf("bob did not get %q, but %v", s, came)
		}
	}

	// hardening.md H36, and "messages kept … on disk by choice": what came while no
	// program was connected survives a restart.
	again.ask(t, map[string]any{"type": "send", "recipient": alice.address, "message": "noted"})
	alice.receives(t, "noted") // and the gateway knows that bob has his mail
	again.ws.CloseNow()
	again.Says(t, `"peer gone"`, 1) // what is written to a program that leaves is lost with it
	alice.ask(t, map[string]any{"type": "send", "recipient": bob.address, "message": "kept", "id": "kept", "events": true})
	for _, step := range []string{"ok", "accepted", "acknowledged"} {
		if got := alice.hear(t); got["type"] != step || got["id"] != "kept" {
			t.Fatalf("got %v, want %s", got, step)
		}
	}
	again.End(t)
	again = b.start(t, "bob")
	again.receives(t, "kept")

	b.commands(t, alice, again)
	alice.End(t)
	again.End(t)
	// hardening.md H38: nothing tells who talks to whom.
	for _, c := range []*nymClient{alice, bob, again} {
		for _, secret := range []string{strings.Split(alice.address, ".")[0], strings.Split(bob.address, ".")[0], tag, "guess who"} {
			if strings.Contains(c.Logged(), secret) {
				t.Errorf("the log of %s has %s in it", c.Name(), secret)
			}
		}
	}
}
