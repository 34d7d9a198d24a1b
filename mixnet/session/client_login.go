package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/protocol"
)

// A RefusedError is a gateway's no, in its own words. They come from a
// stranger: do not show them unescaped.
type RefusedError struct{ Text string }

// Error quotes the gateway.
func (e *RefusedError) Error() string { return fmt.Sprintf("session: gateway refused: %.200q", e.Text) }

// Is reports whether target is [ErrClock] and the refusal looks like one of the
// time in the request. The protocol has no codes for refusals.
func (e *RefusedError) Is(target error) bool {
	if target != ErrClock {
		return false
	}
	text := strings.ToLower(e.Text)
	return strings.Contains(text, "clock") || strings.Contains(text, "timestamp")
}

// ErrClock reports a gateway that found the time in our request wrong.
var ErrClock = errors.New("session: this machine's clock and the gateway's differ by minutes: one of the two is wrong")

// ErrTooOld reports a gateway that speaks no version we would speak. There is
// no way down to the older ones (nodes.md §8).
var ErrTooOld = errors.New("session: gateway's protocol is too old")

// ErrSilent reports a gateway that said nothing and answered no ping.
var ErrSilent = errors.New("session: the gateway does not answer")

// Register makes a new session key with a gateway, over a fresh connection
// (nodes.md §1.4.1), and gives it with the protocol version agreed on. The
// gateway must sign for the identity it is looked up under in the directory,
// or the error is [protocol.ErrImpostor]. An older key of this identity is void then.
//
// The connection is live afterwards: [NewClient] makes a Client of it.
func Register(ctx context.Context, conn MessageConn, identity *keys.IdentityKey, gateway keys.Identity) (*keys.Session, int, error) {
	l := &login{conn: conn}
	key, negotiated, err := l.register(ctx, identity, gateway)
	if err != nil {
		return nil, 0, fmt.Errorf("session: register: %w", err)
	}
	return key, int(negotiated), nil
}

// Authenticate opens a session over a fresh connection, under a key that was
// registered before (nodes.md §1.5). now is the wall clock: a gateway refuses
// what is more than two minutes off, and what is not later, in whole seconds,
// than the last time. What the gateway pushes before its answer is handed to
// receive, as [NewClient] says.
func Authenticate(ctx context.Context, conn MessageConn, identity *keys.IdentityKey, sealer *protocol.Sealer, now time.Time, receive func(message []byte)) (*Client, error) {
	l := &login{conn: conn, sealer: sealer, receive: receive}
	answer, err := l.authenticate(ctx, identity, now)
	if err != nil {
		return nil, fmt.Errorf("session: authenticate: %w", err)
	}
	c := NewClient(conn, sealer, int(answer.ProtocolVersion), receive)
	c.remaining.Store(answer.BandwidthRemaining)
	return c, nil
}

// A login is a client that is not authenticated yet. It never pings: real
// gateways drop who does (nodes.md §1.9).
type login struct {
	conn    MessageConn
	sealer  *protocol.Sealer // nil while registering
	receive func([]byte)
}

func (l *login) register(ctx context.Context, identity *keys.IdentityKey, gateway keys.Identity) (*keys.Session, uint8, error) {
	proposed, err := l.propose(ctx)
	if err != nil {
		return nil, 0, err
	}
	key, negotiated, err := l.shakeHands(ctx, identity, gateway, proposed)
	if err != nil {
		l.write(ctx, protocol.HandshakeError{Message: "registration given up"})
	}
	return key, negotiated, err
}

func (l *login) shakeHands(ctx context.Context, identity *keys.IdentityKey, gateway keys.Identity, proposed uint8) (*keys.Session, uint8, error) {
	r, err := protocol.NewRegistration(identity)
	if err != nil {
		return nil, 0, err
	}
	say := func(data protocol.Octets) error {
		return l.write(ctx, protocol.HandshakePayload{ProtocolVersion: proposed, Data: data})
	}
	if err := say(r.Opening()); err != nil {
		return nil, 0, err
	}
	answer, err := l.handshakeMessage(ctx, proposed)
	if err != nil {
		return nil, 0, err
	}
	proof, key, err := r.Finish(answer, gateway, protocol.NewNonce())
	if err != nil {
		return nil, 0, err
	}
	if err := say(proof); err != nil {
		return nil, 0, err
	}
	verdict, err := l.handshakeMessage(ctx, proposed)
	if err != nil {
		return nil, 0, err
	}
	if len(verdict) != 1 || verdict[0] != 1 {
		return nil, 0, &RefusedError{Text: "handshake failed"}
	}
	t, err := l.read(ctx, isA[protocol.Registered])
	if err != nil {
		return nil, 0, err
	}
	end := t.(protocol.Registered)
	if !end.Status {
		return nil, 0, &RefusedError{Text: "registration failed"}
	}
	return key, end.ProtocolVersion, checkVersion(end.ProtocolVersion, proposed)
}

func (l *login) authenticate(ctx context.Context, identity *keys.IdentityKey, now time.Time) (protocol.Authenticated, error) {
	proposed, err := l.propose(ctx)
	if err != nil {
		return protocol.Authenticated{}, err
	}
	if err := l.write(ctx, protocol.NewAuthenticate(proposed, identity, l.sealer, l.sealer.OwnNonce(), now)); err != nil {
		return protocol.Authenticated{}, err
	}
	t, err := l.read(ctx, isA[protocol.Authenticated])
	if err != nil {
		return protocol.Authenticated{}, err
	}
	answer := t.(protocol.Authenticated)
	if !answer.Status {
		return protocol.Authenticated{}, &RefusedError{Text: "authentication failed"}
	}
	return answer, checkVersion(answer.ProtocolVersion, proposed)
}

// propose asks what the gateway speaks and gives what to propose.
func (l *login) propose(ctx context.Context) (uint8, error) {
	if err := l.write(ctx, protocol.AskProtocol{}); err != nil {
		return 0, err
	}
	t, err := l.read(ctx, isA[protocol.SupportedProtocol])
	if err != nil {
		return 0, err
	}
	announced := t.(protocol.SupportedProtocol).Version
	if announced < protocol.MinVersion {
		return 0, ErrTooOld
	}
	return min(announced, protocol.Version), nil
}

// checkVersion refuses an answer that nobody proposed, and any way down.
func checkVersion(got, proposed uint8) error {
	if got < protocol.MinVersion {
		return ErrTooOld
	}
	if got > proposed {
		return fmt.Errorf("%w: version %d, proposed was %d", protocol.ErrMalformed, got, proposed)
	}
	return nil
}

func (l *login) handshakeMessage(ctx context.Context, proposed uint8) (protocol.Octets, error) {
	t, err := l.read(ctx, isA[protocol.HandshakePayload])
	if err != nil {
		return nil, err
	}
	p := t.(protocol.HandshakePayload)
	return p.Data, checkVersion(p.ProtocolVersion, proposed)
}

func isA[T protocol.Text](t protocol.Text) bool { _, ok := t.(T); return ok }

// read waits for a text of the wanted type. Stored messages that are pushed
// meanwhile are received (nodes.md §7.2, trap 21); what cannot be read is
// skipped; a refusal is an error.
func (l *login) read(ctx context.Context, wanted func(protocol.Text) bool) (protocol.Text, error) {
	// Every message the gateway sends prolongs the wait: how much mail it
	// pushes first is up to what it stored.
	for {
		isText, b, err := l.readMessage(ctx)
		if err != nil {
			return nil, err
		}
		if !isText {
			if l.sealer != nil {
				deliver(l.sealer, b, l.receive)
			}
			continue
		}
		t, err := protocol.ParseGatewayText(b)
		switch {
		case err != nil:
			continue
		case wanted(t):
			return t, nil
		}
		switch t := t.(type) {
		case protocol.ErrorText:
			return nil, &RefusedError{t.Message}
		case protocol.HandshakeError:
			return nil, &RefusedError{t.Message}
		}
	}
}

func (l *login) readMessage(ctx context.Context) (bool, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, loginPatience)
	defer cancel()
	return l.conn.Read(ctx)
}

func (l *login) write(ctx context.Context, t protocol.Text) error {
	ctx, cancel := context.WithTimeout(ctx, loginPatience)
	defer cancel()
	return l.conn.Write(ctx, true, protocol.EncodeText(t))
}
