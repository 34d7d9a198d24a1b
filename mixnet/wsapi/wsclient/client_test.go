package wsclient

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/mixnet/wsapi"
)

// A world is a server over one end of a pair, and a connection to it.
type world struct {
	*testing.T
	*mixnettest.Pair
	conn *Conn
	dial func(token string) (*Conn, error)
}

// inWorld runs a test on virtual time.
func inWorld(t *testing.T, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, Pair: mixnettest.NewPair(mixnettest.Options{})}
		s, err := wsapi.New(wsapi.Config{Messenger: w.A, Token: "sesame"})
		if err != nil {
			t.Fatal(err)
		}
		inside := simnet.New()
		ln, err := inside.Listen("127.0.0.1:1977")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx, ln) }()
		web := &http.Client{Transport: &http.Transport{DialContext: inside.DialContext, DisableKeepAlives: true}}
		w.dial = func(token string) (*Conn, error) {
			return Dial(t.Context(), "ws://127.0.0.1:1977", Options{Token: token, HTTP: web})
		}
		if w.conn, err = w.dial("sesame"); err != nil {
			t.Fatal(err)
		}
		test(w)
		w.conn.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestConversation(t *testing.T) { inWorld(t, conversation) }

func conversation(t *world) {
	c, pair, ctx := t.conn, t.Pair, t.Context()
	if _, err := t.dial(""); err == nil {
		t.Error("let in without the token")
	}
	body := []byte{0, 0xff, 'x'}
	if err := pair.B.Send(ctx, pair.A.Address(), body, mixnet.SendOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Send(ctx, Message{To: pair.B.Address().String(), Body: body, Anonymous: true, SURBs: 20}); err != nil {
		t.Fatal(err)
	}
	asked, err := pair.B.Receive(ctx)
	if err != nil || !bytes.Equal(asked.Body, body) || asked.From.IsZero() {
		t.Fatalf("the far end got %+v, %v", asked, err)
	}
	if err := pair.B.Reply(ctx, asked.From, []byte("answer"), mixnet.SendOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{string(body), "answer"} { // kept until now
		if m, err := c.Receive(ctx); err != nil || string(m.Body) != want || m.From != "" {
			t.Errorf("received %+v, %v; want %q", m, err, want)
		}
	}
	if err := pair.B.Send(ctx, pair.A.Address(), []byte("who?"), mixnet.SendOptions{As: mixnet.SenderTag{9}}); err != nil {
		t.Fatal(err)
	}
	m, err := c.Receive(ctx)
	if err != nil || m.From == "" {
		t.Fatalf("received %+v, %v", m, err)
	}
	if err := c.Send(ctx, Message{Reply: m.From, Body: []byte("me")}); err != nil {
		t.Error(err)
	}
	var status wsapi.Status
	if err := c.Status(ctx, &status); err != nil || status.Programs != 1 || status.Received != 3 {
		t.Errorf("status %+v, %v", status, err)
	}
	var refused *RefusedError
	if err := c.Send(ctx, Message{To: "nobody", Body: body}); !errors.As(err, &refused) {
		t.Errorf("to nobody: %v", err)
	}
	if err := c.Send(ctx, Message{Reply: mixnet.SenderTag{1}.String(), Body: body}); !errors.As(err, &refused) {
		t.Errorf("to an unknown tag: %v", err)
	}
}

// A send that its context ends is taken back, and the connection goes on.
func TestSendIsTakenBack(t *testing.T) { inWorld(t, takenBack) }

func takenBack(t *world) {
	c, pair := t.conn, t.Pair
	pair.Cut(true)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := c.Send(ctx, Message{To: pair.B.Address().String(), Body: []byte("x")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send: %v", err)
	}
	pair.Cut(false)
	if err := c.Send(t.Context(), Message{To: pair.B.Address().String(), Body: []byte("y")}); err != nil {
		t.Error(err)
	}
	if m, err := pair.B.Receive(t.Context()); err != nil || string(m.Body) != "y" {
		t.Errorf("the far end got %q, %v", m.Body, err)
	}
}
