package wsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a server, the far end of its Messenger, and virtual time.
type world struct {
	*testing.T
	server *Server
	far    *mixnettest.End
	near   *mixnettest.End
	net    *simnet.Network
	log    *bytes.Buffer
	stop   func() // ends the server and waits for it
}

const addr = "127.0.0.1:1977"

// inWorld runs a server while f does something with it.
func inWorld(t *testing.T, cfg Config, o mixnettest.Options, f func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		pair := mixnettest.NewPair(o)
		w := &world{T: t, near: pair.A, far: pair.B, net: simnet.New(), log: new(bytes.Buffer)}
		cfg.Messenger = pair.A
		cfg.Log = zerolog.New(zerolog.SyncWriter(w.log))
		var err error
		if w.server, err = New(cfg); err != nil {
			t.Fatal(err)
		}
		ln, err := w.net.Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.server.Run(ctx, ln) }()
		stopped := false
		w.stop = func() {
			if stopped {
				return
			}
			stopped = true
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
		defer w.stop()
		f(t, w)
	})
}

// A program is connected to the server.
type program struct {
	*testing.T
	ws *websocket.Conn
}

// connect connects a program, which leaves at the end of the test if not before.
func (w *world) connect(subprotocols ...string) *program {
	w.Helper()
	ws, _, err := w.dial("ws://"+addr, nil, subprotocols...)
	if err != nil {
		w.Fatal(err)
	}
	ws.SetReadLimit(maxFrame)
	w.Cleanup(func() { ws.CloseNow() })
	synctest.Wait() // it has joined
	return &program{w.T, ws}
}

func (w *world) dial(url string, h http.Header, subprotocols ...string) (*websocket.Conn, *http.Response, error) {
	transport := &http.Transport{DialContext: w.net.DialContext, DisableKeepAlives: true}
	return websocket.Dial(w.Context(), url, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: h, Host: h.Get("Host"), Subprotocols: subprotocols,
	})
}

func (p *program) binary(r request) {
	p.Helper()
	p.write(websocket.MessageBinary, encodeBinary(r))
}

func (p *program) text(s string) {
	p.Helper()
	p.write(websocket.MessageText, []byte(s))
}

func (p *program) write(typ websocket.MessageType, b []byte) {
	p.Helper()
	if err := p.ws.Write(p.Context(), typ, b); err != nil {
		p.Fatalf("write: %v", err)
	}
}

// read waits for a frame, at most a minute.
func (p *program) read() (typ websocket.MessageType, b []byte, err error) {
	return p.readWithin(time.Minute)
}

func (p *program) readWithin(d time.Duration) (typ websocket.MessageType, b []byte, err error) {
	ctx, cancel := context.WithTimeout(p.Context(), d)
	defer cancel()
	return p.ws.Read(ctx)
}

// saysText wants the next frame to be this text.
func (p *program) saysText(want string) {
	p.Helper()
	typ, got, err := p.read()
	if err != nil || typ != websocket.MessageText || string(got) != want {
		p.Fatalf("got %v %q, %v; want text %q", typ, got, err, want)
	}
}

// saysBinary wants the next frame to be a binary response.
func (p *program) saysBinary(kind responseKind) response {
	p.Helper()
	typ, b, err := p.read()
	if err != nil || typ != websocket.MessageBinary {
		p.Fatalf("got %v %q, %v; want binary", typ, b, err)
	}
	r, err := parseResponse(b)
	if err != nil || r.kind != kind {
		p.Fatalf("got %+v, %v; want kind %d", r, err, kind)
	}
	return r
}

// saysMessage wants the next frame to be a binary message.
func (p *program) saysMessage(want string) {
	p.Helper()
	if r := p.saysBinary(receivedResponse); string(r.message) != want {
		p.Fatalf("received %q, want %q", r.message, want)
	}
}

// saysNothing wants no frame: what it asks for next is answered next.
func (p *program) saysNothing() {
	p.Helper()
	p.text(`{"type":"nothing more"}`)
	p.saysText(`{"type":"error","message":"malformed request:there is no request of that type"}`)
}

// hears takes the next message that reached the far end.
func (w *world) hears(want string) mixnet.Message {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Hour)
	defer cancel()
	m, err := w.far.Receive(ctx)
	if err != nil || string(m.Body) != want {
		w.Fatalf("the far end hears %q, %v; want %q", m.Body, err, want)
	}
	return m
}

// tell has the far end send us something.
func (w *world) tell(s string) {
	w.Helper()
	if err := w.far.Send(w.Context(), w.near.Address(), []byte(s), mixnet.SendOptions{}); err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
}

func quote(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
