package wsclient

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/coder/websocket"
)

// A Conn is a connection to the port.
type Conn struct {
	ws      *websocket.Conn
	last    int        // id of the latest request
	waiting []Received // came while something else was waited for
	streams []string   // likewise: names of incoming ones
}

// A Message is one to be sent.
type Message struct {
	To    string // an address, or a name that nym-client knows for one
	Reply string // a sender tag to answer, in place of To
	Body  []byte
	// Anonymous lets the recipient answer, by SURBs reply SURBs and more of them,
	// without telling who we are.
	Anonymous bool
	SURBs     int
	// Isolation keeps anonymous messages apart that one recipient gets: those with
	// another text come under another sender tag. Anonymous only.
	Isolation string
}

// A Received is a message that came.
type Received struct {
	Body []byte
	From string // the sender tag by which it can be answered; empty: none
}

// A RefusedError is what the port said to a request.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

// Options say how to connect. The zero Options will do where no token is needed.
type Options struct {
	Token string       // that the port asks for; empty: none
	HTTP  *http.Client // if nil, it is the default one
}

// Dial connects.
func Dial(ctx context.Context, url string, o Options) (*Conn, error) {
	header := make(http.Header)
	if o.Token != "" {
		header.Set("Authorization", "Bearer "+o.Token)
	}
	ws, _, err := websocket.Dial(ctx, strings.TrimSuffix(url, "/")+"/?subscribe=later", &websocket.DialOptions{
		Subprotocols: []string{"nym.base64"}, HTTPHeader: header, HTTPClient: o.HTTP,
	})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(maxFrame)
	return &Conn{ws: ws}, nil
}

// Close ends the connection. What was sent and not yet accepted is sent all the same.
func (c *Conn) Close() error { return c.ws.Close(websocket.StatusNormalClosure, "") }

// An answer is any frame that the port sends.
type answer struct {
	Type      string          `json:"type"`
	ID        *int            `json:"id"`
	Message   string          `json:"message"`
	SenderTag *string         `json:"senderTag"`
	Stream    string          `json:"stream"`
	raw       json.RawMessage // the whole of it
}

// ask sends a request under an id of its own, and gives that.
func (c *Conn) ask(ctx context.Context, request map[string]any) (id int, err error) {
	c.last++
	request["id"], request["encoding"] = c.last, "base64"
	return c.last, c.write(ctx, request)
}

func (c *Conn) write(ctx context.Context, request map[string]any) error {
	b, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return c.ws.Write(ctx, websocket.MessageText, b)
}

// read reads one frame.
func (c *Conn) read(ctx context.Context) (a answer, err error) {
	_, b, err := c.ws.Read(ctx)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("wsclient: answer: %w", err)
	}
	a.raw = b
	return a, nil
}

// keep keeps a message for Receive, and an incoming stream for Incoming.
func (c *Conn) keep(a answer) error {
	switch a.Type {
	case "received":
		m, err := a.received()
		if err != nil {
			return err
		}
		c.waiting = append(c.waiting, m)
	case "incoming":
		c.streams = append(c.streams, a.Stream)
	}
	return nil
}

// await reads until a request is answered by one of these types. Messages and streams
// that come meanwhile wait for Receive and Incoming.
func (c *Conn) await(ctx context.Context, id int, types ...string) (answer, error) {
	for {
		a, err := c.read(ctx)
		switch {
		case err != nil:
			return a, err
		case a.Type == "received" || a.Type == "incoming":
			if err := c.keep(a); err != nil {
				return a, err
			}
		case a.ID == nil || *a.ID != id:
		case a.Type == "error" || a.Type == "failed":
			return a, &RefusedError{a.Message}
		default:
			for _, t := range types {
				if a.Type == t {
					return a, nil
				}
			}
		}
	}
}

func (a *answer) received() (m Received, err error) {
	if a.SenderTag != nil {
		m.From = *a.SenderTag
	}
	if m.Body, err = base64.StdEncoding.DecodeString(a.Message); err != nil {
		return m, fmt.Errorf("wsclient: message: %w", err)
	}
	return m, nil
}

// Send sends a message and waits until it is acknowledged: the gateway of the
// recipient has it. If ctx ends before, it is taken back.
func (c *Conn) Send(ctx context.Context, m Message) error {
	request := map[string]any{"message": base64.StdEncoding.EncodeToString(m.Body), "events": true}
	switch {
	case m.Reply != "":
		request["type"], request["senderTag"] = "reply", m.Reply
	case m.Anonymous:
		request["type"], request["recipient"], request["replySurbs"] = "sendAnonymous", m.To, m.SURBs
		if m.Isolation != "" {
			request["isolation"] = m.Isolation
		}
	default:
		request["type"], request["recipient"] = "send", m.To
	}
	id, err := c.ask(ctx, request)
	if err != nil {
		return err
	}
	// The connection does not outlive a context that ends while it is read.
	done := make(chan error, 1)
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		_, err := c.await(inner, id, "acknowledged")
		done <- err
	}()
	select {
	case err = <-done:
		return err
	case <-ctx.Done():
	}
	if _, err := c.ask(inner, map[string]any{"type": "cancel", "request": id}); err != nil {
		stop()
	}
	if err = <-done; errors.As(err, new(*RefusedError)) {
		return ctx.Err()
	}
	return err
}

// Subscribe has messages come from now on, first those that were kept.
func (c *Conn) Subscribe(ctx context.Context) error {
	id, err := c.ask(ctx, map[string]any{"type": "unsubscribe"}) // from some only: all
	if err == nil {
		_, err = c.await(ctx, id, "ok")
	}
	return err
}

// Receive waits for the next message. If ctx ends meanwhile, so does the connection.
func (c *Conn) Receive(ctx context.Context) (Received, error) {
	for len(c.waiting) == 0 {
		a, err := c.read(ctx)
		if err != nil {
			return Received{}, err
		}
		if err := c.keep(a); err != nil {
			return Received{}, err
		}
	}
	m := c.waiting[0]
	c.waiting = c.waiting[1:]
	return m, nil
}

// Status asks how nym-client fares, and puts the answer into v.
func (c *Conn) Status(ctx context.Context, v any) error {
	id, err := c.ask(ctx, map[string]any{"type": "status"})
	if err != nil {
		return err
	}
	a, err := c.await(ctx, id, "status")
	if err != nil {
		return err
	}
	return json.Unmarshal(a.raw, v)
}
