package sessionserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

// A handshaking is a connection whose client has not said yet who it is. The
// goroutine in Serve owns it.
type handshaking struct {
	*Server
	ctx      context.Context
	end      context.CancelCauseFunc
	conn     session.MessageConn
	watchdog *watchdog
	sealer   *heldSealer // of the client's key, once that is known
}

// run answers questions until the client registers or authenticates. An error
// has been told to the client already.
func (f *handshaking) run() (*Session, error) {
	for range maxPreliminaries {
		f.watchdog.expect(silencePatience, nil)
		isText, b, err := f.conn.Read(context.Background())
		if err != nil {
			return nil, err
		}
		f.watchdog.pause()
		if !isText {
			return nil, f.refuse(protocol.Refusal("binary frame before authentication"))
		}
		t, err := protocol.ParseClientText(b)
		if err != nil {
			f.counts.malformed.Add(1)
			return nil, f.refuse(protocol.Refusal("malformed request"))
		}
		switch t := t.(type) {
		case protocol.AskProtocol:
			if err := f.write(protocol.SupportedProtocol{Version: protocol.Version}); err != nil {
				return nil, err
			}
		case protocol.HandshakePayload:
			return f.register(t)
		case protocol.Authenticate:
			return f.authenticate(t)
		case protocol.AuthenticateV1:
			return f.authenticateV1(t)
		case protocol.LegacyRequest:
			return nil, f.refuse(protocol.ErrLegacy)
		default:
			return nil, f.refuse(protocol.Refusal("authenticate first"))
		}
	}
	return nil, f.refuse(protocol.Refusal("too many messages before authentication"))
}

// authenticate makes the checks of nodes.md §1.5, in its order.
func (f *handshaking) authenticate(a protocol.Authenticate) (*Session, error) {
	if a.Legacy() && !f.cfg.AllowLegacy {
		return nil, f.refuse(protocol.Refusal("malformed authentication request"))
	}
	client, err := f.checkRequest(&a)
	if err != nil {
		return nil, f.refuse(err)
	}
	row, err := f.lookup(client)
	switch {
	case err != nil:
		return nil, f.refuse(err)
	case !f.sealer.Dated(client, &a):
		return nil, f.refuse(protocol.Refusal("invalid address ciphertext"))
	case a.RequestUnixTimestamp <= row.Seen:
		return nil, f.refuse(ErrStale)
	}
	s := f.session(client, a.RequestUnixTimestamp)
	if err := f.admit(s, a.ProtocolVersion); err != nil {
		return nil, err
	}
	if a.Legacy() {
		f.counts.legacy.Add(1)
	}
	return s, nil
}

// authenticateV1 takes a request without date and signature (nodes.md §1.5). It
// is accepted once, and the nonce is stored before that; one that a network
// holds back can be delivered at any time, for want of a date (H22).
func (f *handshaking) authenticateV1(a protocol.AuthenticateV1) (*Session, error) {
	if !f.cfg.AllowLegacy {
		return nil, f.refuse(protocol.ErrLegacy)
	}
	l, err := a.Decode()
	if err != nil {
		return nil, f.refuse(err)
	}
	switch _, err := f.lookup(l.Client); {
	case errors.Is(err, ErrUnknownClient), err == nil && !f.sealer.Undated(&l):
		return nil, f.refuse(protocol.ErrNoProof)
	case err != nil:
		return nil, f.refuse(err)
	}
	switch fresh, err := f.cfg.Accounts.Spend(f.ctx, l.Client, l.Nonce); {
	case err != nil:
		return nil, f.refuse(err)
	case !fresh:
		return nil, f.refuse(ErrStale)
	}
	s := f.session(l.Client, 0)
	if err := f.admit(s, legacyVersion(a.ProtocolVersion)); err != nil {
		return nil, err
	}
	f.counts.legacy.Add(1)
	return s, nil
}

// lookup finds the client, and takes the envelope of its key. A client with a
// legacy key is nobody while those are not allowed.
func (f *handshaking) lookup(client keys.Identity) (Account, error) {
	row, err := f.cfg.Accounts.Lookup(f.ctx, client)
	if err == nil && row.Key == nil && !f.cfg.AllowLegacy {
		err = ErrUnknownClient
	}
	if err != nil {
		return Account{}, err
	}
	f.sealer = f.sealers.take(client, row)
	return row, nil
}

// admit makes s the live session of its client, and says so.
func (f *handshaking) admit(s *Session, negotiated uint8) error {
	if err := f.cfg.Handler.Claim(f.ctx, s); err != nil {
		return f.refuse(err)
	}
	answer := protocol.Authenticated{ProtocolVersion: negotiated, Status: true, BandwidthRemaining: freeBandwidth}
	if err := f.write(answer); err != nil {
		f.cfg.Handler.Gone(s)
		return err
	}
	f.counts.authenticated.Add(1)
	return nil
}

// session makes the live end of the connection. The version agreed on is the
// client's business: both kinds of frames are read.
func (f *handshaking) session(client keys.Identity, at uint64) *Session {
	return &Session{
		srv: f.Server, conn: f.conn, end: f.end,
		client: client, sealer: f.sealer, at: at,
		out: newOutbox(f.cfg.Queue, f.sealer),
	}
}

func (f *handshaking) checkRequest(a *protocol.Authenticate) (keys.Identity, error) {
	if err := f.handshakes.Take(f.ctx); err != nil {
		return keys.Identity{}, err
	}
	defer f.handshakes.Give()
	return a.Check(time.Now())
}

// refuse tells the client why with an error text. The caller closes.
func (f *handshaking) refuse(why error) error {
	f.write(protocol.ErrorText{Message: toClient(why)})
	return fmt.Errorf("session: refused: %w", why)
}

// abort is refuse in the words of the handshake.
func (f *handshaking) abort(why error) error {
	f.write(protocol.HandshakeError{Message: toClient(why)})
	return fmt.Errorf("session: register: %w", why)
}

// toClient keeps to ourselves what is no Refusal.
func toClient(err error) string {
	var r protocol.Refusal
	if errors.As(err, &r) {
		return string(r)
	}
	return "internal error"
}

func (f *handshaking) write(t protocol.Text) error {
	ctx, cancel := context.WithTimeout(f.ctx, answerPatience)
	defer cancel()
	return f.conn.Write(ctx, true, protocol.EncodeText(t))
}
