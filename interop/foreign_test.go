package interop

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"nym-socks5/mixnet"
)

// A foreign client is Nym's, or our page, in a process of its own.
type foreign struct {
	in      io.Writer
	events  chan event
	address mixnet.Recipient
	log     *bytes.Buffer
	ended   chan struct{} // closed when the process has
}

type event struct {
	Event   string `json:"event"`
	Address string `json:"address"`
	Body    []byte `json:"body"`
	Tag     []byte `json:"tag"`
	Sender  string `json:"sender"` // of our page: the tag as text
	As      string `json:"as"`     // of our page: the tag that was answered
	Stream  string `json:"stream"` // the id of one
	Error   string `json:"error"`
}

// foreign starts Nym's client with options in JSON. It ends with the test.
func (w *world) foreign(t *testing.T, options string) *foreign {
	t.Helper()
	return startForeign(t, w.api, options, "")
}

// startForeign starts Nym's client with a directory and options in JSON. If file
// is not empty, it is the one that quit with that file before. It ends with the test.
func startForeign(t *testing.T, directory, options, file string) *foreign {
	t.Helper()
	args := []string{"nymclient.mjs", directory, options}
	if file != "" {
		args = append(args, file)
	}
	return launchForeign(t, exec.Command("node", args...))
}

// launchForeign starts a client of Nym's that a command drives. It ends with the
// test.
func launchForeign(t *testing.T, cmd *exec.Cmd) *foreign {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	f := &foreign{in: in, events: make(chan event, 64), log: new(bytes.Buffer), ended: make(chan struct{})}
	cmd.Stderr = f.log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s does not start: %v", cmd.Path, err)
	}
	go func() {
		defer close(f.ended)
		f.read(out)
		cmd.Wait() // it was killed, or said what is wrong
	}()
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		go func() { // nobody reads any more
			for range f.events {
			}
		}()
		<-f.ended
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

// read hands on what the client says until it ends.
func (f *foreign) read(out io.Reader) {
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
}

// quit ends the client. What it leaves in its file is there when this returns,
// its connection is closed, and it can come back: it authenticates with the time
// in whole seconds, which has to be later than it was the last time.
func (f *foreign) quit(t *testing.T) {
	t.Helper()
	f.do(t, map[string]any{"do": "quit"})
	f.want(t, "bye")
	select {
	case <-f.ended:
	case <-time.After(patience):
		t.Fatal("Nym's client does not end")
	}
	nextSecond()
}

// nextSecond waits until a client that has authenticated can do so again.
func nextSecond() {
	now := time.Now()
	<-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now))
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

// wantBodies waits for as many messages, in whatever order.
func (f *foreign) wantBodies(t *testing.T, bodies ...string) {
	t.Helper()
	var got []string
	for range bodies {
		got = append(got, string(f.want(t, "message").Body))
	}
	slices.Sort(got)
	slices.Sort(bodies)
	if !slices.Equal(got, bodies) {
		t.Errorf("Nym's client received %.100q, want %.100q", got, bodies)
	}
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
