package session

import (
	"context"
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
		case authenticateV1:
			return f.authenticateV1(t)
		case legacyRequest:
			return nil, f.refuse(errLegacy)
		default:
			return nil, f.refuse(Refusal("authenticate first"))
		}
	}
	return nil, f.refuse(Refusal("too many messages before authentication"))
}

// authenticate makes the checks of nodes.md §1.5, in its order.
func (f *fresh) authenticate(a authenticate) (*Session, error) {
	if a.legacy() && !f.cfg.AllowLegacy {
		return nil, f.refuse(Refusal("malformed authentication request"))
	}
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
	s := f.session(client, acc.envelope(), a.RequestUnixTimestamp)
	if err := f.admit(s, a.ProtocolVersion); err != nil {
		return nil, err
	}
	if a.legacy() {
		f.counts.legacy.Add(1)
	}
	return s, nil
}

// authenticateV1 takes a request without date and signature (nodes.md §1.5). It
// is accepted once, and the nonce is stored before that; one that a network
// holds back can be delivered at any time, for want of a date (H22).
func (f *fresh) authenticateV1(a authenticateV1) (*Session, error) {
	if !f.cfg.AllowLegacy {
		return nil, f.refuse(errLegacy)
	}
	l, err := a.decode()
	if err != nil {
		return nil, f.refuse(err)
	}
	acc, err := f.cfg.Accounts.Lookup(f.ctx, l.client)
	switch {
	case errors.Is(err, ErrUnknownClient), err == nil && !l.check(acc):
		return nil, f.refuse(errNoProof)
	case err != nil:
		return nil, f.refuse(err)
	}
	if err := f.cfg.Accounts.Spend(f.ctx, l.client, l.nonce); err != nil {
		return nil, f.refuse(err)
	}
	s := f.session(l.client, acc.envelope(), 0)
	if err := f.admit(s, legacyVersion(a.ProtocolVersion)); err != nil {
		return nil, err
	}
	f.counts.legacy.Add(1)
	return s, nil
}

// admit makes s the live session of its client, and says so.
func (f *fresh) admit(s *Session, negotiated uint8) error {
	if err := f.cfg.Traffic.Claim(f.ctx, s); err != nil {
		return f.refuse(err)
	}
	answer := authenticated{ProtocolVersion: negotiated, Status: true, BandwidthRemaining: freeBandwidth}
	if err := f.write(answer); err != nil {
		f.cfg.Traffic.Gone(s)
		return err
	}
	f.counts.authenticated.Add(1)
	return nil
}

// session makes the live end of the connection. The version agreed on is the
// client's business: both kinds of frames are read.
func (f *fresh) session(client keys.Identity, sealer envelope, at uint64) *Session {
	return &Session{
		srv: f.Server, conn: f.conn, end: f.end,
		client: client, sealer: sealer, at: at,
		out: newOutbox(f.cfg.Queue, sealer),
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
