package session

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"nym-socks5/mixnet/keys"
)

// A fresh is a connection whose client has not said yet who it is. The
// goroutine in Serve owns it.
type fresh struct {
	*Server
	ctx      context.Context
	end      context.CancelCauseFunc
	conn     MessageConn
	watchdog *watchdog
}

// run answers questions until the client registers or authenticates. An error
// has been told to the client already.
func (f *fresh) run() (*Session, error) {
	for range maxPreliminaries {
		f.watchdog.expect(silencePatience, nil)
		isText, b, err := f.conn.Read(context.Background())
		if err != nil {
			return nil, err
		}
		f.watchdog.pause()
		if !isText {
			return nil, f.refuse(Refusal("binary frame before authentication"))
		}
		t, err := parseClientText(b)
		if err != nil {
			f.counts.malformed.Add(1)
			return nil, f.refuse(Refusal("malformed request"))
		}
		switch t := t.(type) {
		case askProtocol:
			if err := f.write(supportedProtocol{Version: version}); err != nil {
				return nil, err
			}
		case handshakePayload:
			return f.register(t)
		case authenticate:
			return f.authenticate(t)
		case legacyRequest:
			return nil, f.refuse(Refusal("legacy request is not supported"))
		default:
			return nil, f.refuse(Refusal("authenticate first"))
		}
	}
	return nil, f.refuse(Refusal("too many messages before authentication"))
}

// register runs the handshake (nodes.md §1.4.1). Every answer carries the lower
// of the two versions, never one above the client's.
func (f *fresh) register(first handshakePayload) (*Session, error) {
	negotiated := min(first.ProtocolVersion, version)
	say := func(data octets) error {
		return f.write(handshakePayload{ProtocolVersion: negotiated, Data: data})
	}
	o, err := parseOpening(first.Data)
	if err != nil {
		return nil, f.abort(err)
	}
	if err := f.cfg.Accounts.Admit(f.ctx, o.client); err != nil {
		return nil, f.refuse(err)
	}

	answer, key, err := f.answer(&o)
	if err != nil {
		return nil, f.abort(err)
	}
	if err := say(answer); err != nil {
		return nil, err
	}
	proof, err := f.handshakeMessage()
	if err != nil {
		return nil, err
	}
	if !f.checkOpening(&o, key, answer[:keys.Size], proof) {
		say(octets{0})
		return nil, f.abort(Refusal("invalid signature"))
	}
	sealer, err := f.cfg.Accounts.Register(f.ctx, o.client, key)
	if err != nil {
		return nil, f.abort(err)
	}
	if err := say(octets{1}); err != nil {
		return nil, err
	}
	s := f.session(o.client, sealer, 0)
	if err := f.cfg.Traffic.Claim(f.ctx, s); err != nil {
		return nil, f.refuse(err)
	}
	if err := f.write(registered{ProtocolVersion: negotiated, Status: true}); err != nil {
		f.cfg.Traffic.Gone(s)
		return nil, err
	}
	f.counts.registered.Add(1)
	return s, nil
}

func (f *fresh) answer(o *opening) (octets, *keys.Session, error) {
	if err := f.takeTurn(); err != nil {
		return nil, nil, err
	}
	defer f.giveTurn()
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	answer, key, err := o.answer(f.cfg.Identity, ephemeral, newNonce())
	if errors.Is(err, keys.ErrLowOrder) {
		return nil, nil, Refusal("malformed registration")
	}
	return answer, key, err
}

func (f *fresh) checkOpening(o *opening, key *keys.Session, y []byte, proof octets) bool {
	if f.takeTurn() != nil {
		return false
	}
	defer f.giveTurn()
	return o.check(key, y, proof)
}

// handshakeMessage waits for the client's next handshake message. What is no
// text or cannot be read is skipped, but the time is not prolonged.
func (f *fresh) handshakeMessage() (octets, error) {
	f.watchdog.expect(handshakePatience, encodeText(handshakeError{Message: "handshake timed out"}))
	defer f.watchdog.pause()
	for {
		isText, b, err := f.conn.Read(context.Background())
		if err != nil {
			return nil, err
		}
		if !isText {
			continue
		}
		t, err := parseClientText(b)
		if err != nil {
			continue
		}
		switch t := t.(type) {
		case handshakePayload:
			if !t.initial {
				return t.Data, nil
			}
		case handshakeError:
			return nil, errors.New("session: register: client gave up")
		}
		return nil, f.abort(Refusal("unexpected message in the handshake"))
	}
}

// authenticate makes the checks of nodes.md §1.5, in its order.
func (f *fresh) authenticate(a authenticate) (*Session, error) {
	client, err := f.checkRequest(&a)
	if err != nil {
		return nil, f.refuse(err)
	}
	acc, err := f.cfg.Accounts.Lookup(f.ctx, client)
	if err != nil {
		return nil, f.refuse(err)
	}
	if err := a.checkAccount(client, acc); err != nil {
		return nil, f.refuse(err)
	}
	s := f.session(client, acc.Sealer, a.RequestUnixTimestamp)
	if err := f.cfg.Traffic.Claim(f.ctx, s); err != nil {
		return nil, f.refuse(err)
	}
	answer := authenticated{ProtocolVersion: a.ProtocolVersion, Status: true, BandwidthRemaining: freeBandwidth}
	if err := f.write(answer); err != nil {
		f.cfg.Traffic.Gone(s)
		return nil, err
	}
	f.counts.authenticated.Add(1)
	return s, nil
}

// session makes the live end of the connection. The version agreed on is the
// client's business: both kinds of frames are read.
func (f *fresh) session(client keys.Identity, sealer *Sealer, at uint64) *Session {
	return &Session{
		srv: f.Server, conn: f.conn, end: f.end,
		client: client, sealer: sealer, at: at,
		out: newOutbox(f.cfg.Queue),
	}
}

func (f *fresh) checkRequest(a *authenticate) (keys.Identity, error) {
	if err := f.takeTurn(); err != nil {
		return keys.Identity{}, err
	}
	defer f.giveTurn()
	return a.check(time.Now())
}

// takeTurn waits until few enough others compute.
func (f *fresh) takeTurn() error {
	select {
	case f.turns <- struct{}{}:
		return nil
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
}

func (f *fresh) giveTurn() { <-f.turns }

// refuse tells the client why with an error text. The caller closes.
func (f *fresh) refuse(why error) error {
	f.write(errorText{Message: toClient(why)})
	return fmt.Errorf("session: refused: %w", why)
}

// abort is refuse in the words of the handshake.
func (f *fresh) abort(why error) error {
	f.write(handshakeError{Message: toClient(why)})
	return fmt.Errorf("session: register: %w", why)
}

// toClient keeps to ourselves what is no Refusal.
func toClient(err error) string {
	var r Refusal
	if errors.As(err, &r) {
		return string(r)
	}
	return "internal error"
}

func (f *fresh) write(t text) error {
	ctx, cancel := context.WithTimeout(f.ctx, answerPatience)
	defer cancel()
	return f.conn.Write(ctx, true, encodeText(t))
}
