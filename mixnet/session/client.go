package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/wire"
)

// A Client is the client's end of one live session. Run reads; everything else
// may be called by any goroutine while it does.
//
// A gateway gives up stored mail only when it hears a sealed frame from the
// client after pushing it (H20): a client that is silent gets its mail pushed
// again at every login, and may see it expire. So whoever sends no cover must
// still send something now and then. Doubles are to be expected and dropped above.
type Client struct {
	conn       MessageConn
	sealer     *protocol.Sealer
	negotiated uint8
	receive    func(message []byte)
	remaining  atomic.Int64
	control    chan []byte // texts to write, of controlDepth
	done       chan struct{}
	dropped    atomic.Uint64
	check      chan struct{} // holds a token when the gateway is to be asked
	heard      atomic.Bool   // since it was looked at last
	silent     atomic.Bool   // the gateway did not answer, and the connection was closed

	// Owned by Run.
	claimed  bool   // a claim is not answered yet
	lastSent []byte // the last "send", which seldom changes

	mu      sync.Mutex // guards the following
	waiting chan protocol.SealedResponse
}

// NewClient makes a Client of a connection that [Register] has left live, with
// the version agreed on there. receive is called by Run for each message or
// ack that the gateway pushes, in order; the message is valid during the call,
// which must not wait for long.
func NewClient(conn MessageConn, sealer *protocol.Sealer, negotiated int, receive func(message []byte)) *Client {
	return &Client{
		conn: conn, sealer: sealer, negotiated: uint8(negotiated), receive: receive,
		control: make(chan []byte, controlDepth),
		done:    make(chan struct{}),
		check:   make(chan struct{}, 1),
	}
}

// Version is the protocol version agreed on. From 5 on frames carry the key
// rotation.
func (c *Client) Version() int { return int(c.negotiated) }

// Remaining is the bandwidth in bytes that the gateway last said is left.
func (c *Client) Remaining() int64 { return c.remaining.Load() }

// Dropped counts what the gateway sent and could not be read, or was a replay.
func (c *Client) Dropped() uint64 { return c.dropped.Load() }

// Ping waits for the gateway to show that it is there.
func (c *Client) Ping(ctx context.Context) error { return c.conn.Ping(ctx) }

// AppendFrame seals a packet for the gateway, so that at its time there is
// only a write (H01). A frame may be written once, to any connection of the
// same key and version.
func (c *Client) AppendFrame(b []byte, p wire.MixPacket) ([]byte, error) {
	return c.sealer.AppendForward(b, p, c.negotiated >= protocol.RotationVersion)
}

// WriteFrame writes what AppendFrame made. A ctx that ends meanwhile may end
// the session.
func (c *Client) WriteFrame(ctx context.Context, frame []byte) error {
	return c.conn.Write(ctx, false, frame)
}

// Send seals a packet and writes it.
func (c *Client) Send(ctx context.Context, p wire.MixPacket) error {
	frame, err := c.AppendFrame(make([]byte, 0, protocol.FrameOverhead+32+len(p.Packet)), p)
	if err != nil {
		return err
	}
	return c.WriteFrame(ctx, frame)
}

// Run reads until the session is over, and closes the connection. It claims
// bandwidth whenever the gateway reports too little. It returns nil when ctx
// ends, a *[RefusedError] after an error text, [ErrSilent] if the gateway is
// silent and answers no ping, and [ErrClosed] or why else the connection cannot
// be used. Run must be called once.
func (c *Client) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(ctx)
	var g sync.WaitGroup
	g.Go(func() {
		<-inner.Done()
		c.conn.Close(CloseNormal, "")
	})
	g.Go(func() {
		c.writeControl(inner)
		cancel()
	})

	g.Go(func() { c.watch(inner) })

	if c.Remaining() < claimBelow {
		c.claim()
	}
	err := c.read()
	cancel()
	close(c.done)
	g.Wait()
	switch {
	case ctx.Err() != nil:
		return nil
	case c.silent.Load():
		return ErrSilent
	}
	return err
}

// writeControl writes our texts beside the reader, which must not wait for a
// gateway that itself waits to be read.
func (c *Client) writeControl(ctx context.Context) {
	for {
		select {
		case b := <-c.control:
			if c.conn.Write(context.Background(), true, b) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (c *Client) read() error {
	for {
		isText, b, err := c.conn.Read(context.Background())
		if err != nil {
			return err
		}
		c.heard.Store(true)
		if !isText {
			if !deliver(c.sealer, b, c.receive) {
				c.dropped.Add(1)
			}
			continue
		}
		if err := c.readText(b); err != nil {
			return err
		}
	}
}

// deliver opens a pushed frame, in place, and hands the message over. Replays
// and our own frames coming back are dropped (H21).
func deliver(s *protocol.Sealer, frame []byte, receive func([]byte)) bool {
	message, err := s.OpenPush(frame)
	if err != nil {
		return false
	}
	receive(message)
	return true
}

func (c *Client) readText(b []byte) error {
	if len(b) > 0 && bytes.Equal(b, c.lastSent) {
		return nil // says what the last one said
	}
	t, err := protocol.ParseGatewayText(b)
	if err != nil {
		c.dropped.Add(1)
		return nil
	}
	switch t := t.(type) {
	case protocol.Sent:
		if c.left(t.RemainingBandwidth) {
			c.lastSent = append(c.lastSent[:0], b...)
		}
	case protocol.Bandwidth:
		c.claimed = false
		c.remaining.Store(t.AvailableTotal)
		c.lastSent = c.lastSent[:0]
	case protocol.TypedError:
		if t.Error.OutOfBandwidth != nil {
			c.left(t.Error.OutOfBandwidth.Available)
		}
	case protocol.EncryptedResponse:
		c.readSealed(t)
	case protocol.ErrorText:
		return &RefusedError{t.Message}
	}
	return nil
}

// left notes what is left and claims more if it is too little. It reports
// whether it is enough. A "bandwidth" that is too little is not claimed against
// at once: that would go on for ever.
func (c *Client) left(n int64) bool {
	c.remaining.Store(n)
	c.lastSent = c.lastSent[:0]
	if n >= claimBelow {
		return true
	}
	c.claim()
	return false
}

func (c *Client) claim() {
	if c.claimed {
		return
	}
	select {
	case c.control <- protocol.EncodeText(protocol.ClaimBandwidth{}):
		c.claimed = true
	default:
	}
}

// Forget asks the gateway to remove the registration and all stored messages,
// and waits for its receipt. The key is void then.
func (c *Client) Forget(ctx context.Context) error {
	r, err := c.ask(ctx, protocol.SealedRequest{ForgetMe: &protocol.ForgetMe{Client: true}})
	if err == nil && r.ForgetMeAck == nil {
		err = protocol.ErrMalformed
	}
	if err != nil {
		return fmt.Errorf("session: forget: %w", err)
	}
	return nil
}

// Remember tells the gateway what the session is for, and waits for its receipt.
func (c *Client) Remember(ctx context.Context, t protocol.SessionType) error {
	if !t.Valid() {
		return errors.New("session: remember: unknown session type")
	}
	r, err := c.ask(ctx, protocol.SealedRequest{RememberMe: &protocol.RememberMe{SessionType: t}})
	if err == nil && r.RememberMeAck == nil {
		err = protocol.ErrMalformed
	}
	if err != nil {
		return fmt.Errorf("session: remember: %w", err)
	}
	return nil
}

// ask sends a sealed request and waits for the sealed response. Requests have
// no numbers on the wire, so there is one at a time.
func (c *Client) ask(ctx context.Context, r protocol.SealedRequest) (protocol.SealedResponse, error) {
	answer := make(chan protocol.SealedResponse, 1)
	c.mu.Lock()
	if c.waiting != nil {
		c.mu.Unlock()
		return protocol.SealedResponse{}, errors.New("another request is not answered yet")
	}
	c.waiting = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.waiting = nil
		c.mu.Unlock()
	}()

	ciphertext, nonce := c.sealer.SealText(protocol.EncodeSealed(r))
	select {
	case c.control <- protocol.EncodeText(protocol.EncryptedRequest{Ciphertext: ciphertext, Nonce: nonce}):
	case <-c.done:
		return protocol.SealedResponse{}, ErrClosed
	case <-ctx.Done():
		return protocol.SealedResponse{}, ctx.Err()
	}
	select {
	case a := <-answer:
		return a, nil
	case <-c.done:
		return protocol.SealedResponse{}, ErrClosed
	case <-ctx.Done():
		return protocol.SealedResponse{}, ctx.Err()
	}
}

func (c *Client) readSealed(e protocol.EncryptedResponse) {
	plaintext, err := c.sealer.OpenText(e.Ciphertext, e.Nonce)
	if err != nil {
		c.dropped.Add(1)
		return
	}
	r, err := protocol.ParseSealedResponse(plaintext)
	if err != nil {
		c.dropped.Add(1)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		select {
		case c.waiting <- r:
		default: // an answer too many
		}
	}
}
