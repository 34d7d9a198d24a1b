package sessionserver

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

// Texts that never change.
var (
	sentAnswer      = protocol.EncodeText(protocol.Sent{RemainingBandwidth: freeBandwidth})
	bandwidthAnswer = protocol.EncodeText(protocol.Bandwidth{AvailableTotal: freeBandwidth})
	protocolAnswer  = protocol.EncodeText(protocol.SupportedProtocol{Version: protocol.Version})
)

// A Session is the gateway's end of one live connection. Its methods may be
// called by any goroutine.
type Session struct {
	srv    *Server
	conn   session.MessageConn
	client keys.Identity
	at     uint64
	end    context.CancelCauseFunc // makes the watchdog close conn
	out    *outbox
	online atomic.Bool

	registered bool // rather than authenticated: offline until the first frame

	// Owned by the reader.
	sealer    *heldSealer
	malformed int
}

// Client says whose session it is.
func (s *Session) Client() keys.Identity { return s.client }

// AuthenticatedAt is the Unix time in seconds that the client signed, or zero
// for a session that a registration or an undated authentication opened: it has
// no time to compare with (nodes.md §1.9).
func (s *Session) AuthenticatedAt() uint64 { return s.at }

// Deliver queues a message or ack for the client and gives its number, counted
// from 1. It never waits: it reports false if the queue is full, the session
// has ended, or is not online yet; the message then belongs in the store.
func (s *Session) Deliver(message []byte) (seq uint64, ok bool) {
	if !s.online.Load() {
		return 0, false
	}
	seq, _, ok = s.out.push(message)
	if ok {
		s.srv.counts.pushed.Add(1)
	}
	return seq, ok
}

// DeliverWait is Deliver for stored mail: it waits while the queue is full. It
// fails with ErrClosed, also before the session is online, or the error of ctx.
func (s *Session) DeliverWait(ctx context.Context, message []byte) (seq uint64, err error) {
	for s.online.Load() {
		seq, room, ok := s.out.push(message)
		if ok {
			s.srv.counts.pushed.Add(1)
			return seq, nil
		}
		if room == nil {
			break
		}
		select {
		case <-room:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return 0, session.ErrClosed
}

// Written is the number of the last message that was handed to the connection.
func (s *Session) Written() uint64 { return s.out.written.Load() }

// Ping waits for the client to show that it is there.
func (s *Session) Ping(ctx context.Context) error { return s.conn.Ping(ctx) }

// OverTLS reports whether our end of the connection is that of TLS, so that a
// Ping which is answered was answered by the client, who had read all that was
// written before it (H20).
func (s *Session) OverTLS() bool {
	c, ok := s.conn.(interface{ overTLS() bool })
	return ok && c.overTLS()
}

// Evict ends the session in favour of a newer one, and says so. It does not wait.
func (s *Session) Evict() {
	s.out.close()
	s.end(closing{session.CloseReplaced, "replaced by a newer connection"})
}

// End ends the session for another reason, in words for the client, which may
// come back. It does not wait.
func (s *Session) End(why string) {
	s.out.close()
	s.end(closing{session.ClosePolicy, why})
}

// run speaks with the client until the session ends, and gives the reason.
func (s *Session) run(ctx context.Context, w *watchdog) error {
	written := make(chan struct{})
	go func() {
		defer close(written)
		if s.out.run(s.conn) != nil {
			s.out.close()
			s.end(closing{session.ClosePolicy, "cannot be written to"})
		}
	}()

	w.goLive(s.srv.cfg.KeepAlive)
	if !s.registered {
		s.goOnline()
	}
	err := s.read(ctx, w)

	s.out.close()
	if !errors.Is(err, session.ErrClosed) { // the client shall still read why
		patience := time.NewTimer(answerPatience)
		defer patience.Stop()
		select {
		case <-written:
		case <-ctx.Done():
		case <-patience.C:
		}
	}
	s.end(closing{session.ClosePolicy, "session ended"})
	<-written
	return err
}

func (s *Session) goOnline() {
	s.online.Store(true)
	s.srv.cfg.Handler.Online(s)
}

func (s *Session) read(ctx context.Context, w *watchdog) error {
	for {
		isText, b, err := s.conn.Read(context.Background())
		if err != nil {
			return err
		}
		w.hear()
		if !s.online.Load() {
			s.goOnline() // nodes.md §1.11: with the first frame after "register"
		}
		if isText {
			err = s.readText(ctx, b)
		} else {
			err = s.readFrame(ctx, b)
		}
		if err != nil {
			return err
		}
	}
}

func (s *Session) readFrame(ctx context.Context, b []byte) error {
	p, err := s.sealer.OpenForward(b)
	if err != nil {
		return s.unreadable(ctx, err)
	}
	s.srv.cfg.Handler.Fresh(s)
	if !s.srv.cfg.Handler.Packet(s, p) {
		return nil
	}
	s.srv.counts.packets.Add(1)
	return s.answer(ctx, sentAnswer)
}

func (s *Session) readText(ctx context.Context, b []byte) error {
	t, err := protocol.ParseClientText(b)
	if err != nil {
		return s.unreadable(ctx, err)
	}
	switch t := t.(type) {
	case protocol.AskProtocol:
		return s.answer(ctx, protocolAnswer)
	case protocol.ClaimBandwidth, protocol.EcashCredential, protocol.UpgradeModeToken:
		return s.answer(ctx, bandwidthAnswer)
	case protocol.EncryptedRequest:
		return s.readSealed(ctx, t)
	}
	return s.unreadable(ctx, protocol.ErrMalformed)
}

func (s *Session) readSealed(ctx context.Context, e protocol.EncryptedRequest) error {
	plaintext, err := s.sealer.OpenText(e.Ciphertext, e.Nonce)
	if err != nil {
		return s.unreadable(ctx, err)
	}
	s.srv.cfg.Handler.Fresh(s)
	legacy, isLegacy := s.sealer.envelope.(*protocol.LegacySealer)
	if isLegacy {
		// The text is guessed easily, and with it the key stream of its IV.
		if _, err := s.srv.cfg.Accounts.Spend(ctx, s.client, e.Nonce); err != nil {
			return s.giveUp(ctx, err)
		}
	}
	r, err := protocol.ParseSealedRequest(plaintext)
	if err != nil || r.UpgradeKey != nil && !isLegacy {
		return s.giveUp(ctx, protocol.Refusal("unsupported sealed request"))
	}
	if r.UpgradeKey != nil {
		return s.upgrade(ctx, legacy, r.UpgradeKey)
	}
	ack := protocol.SealedResponse{RememberMeAck: &struct{}{}}
	if r.ForgetMe != nil {
		ack = protocol.SealedResponse{ForgetMeAck: &struct{}{}}
		if r.ForgetMe.Client {
			s.srv.sealers.forget(s.client)
			if err := s.srv.cfg.Accounts.Forget(ctx, s.client); err != nil {
				return s.giveUp(ctx, err)
			}
		}
	}
	return s.answer(ctx, acknowledge(s.sealer, ack))
}

// upgrade gives the client a current key in place of its legacy one (nodes.md
// §1.6). The acknowledgement is the first thing under the new key, and whatever
// follows it is too.
func (s *Session) upgrade(ctx context.Context, old *protocol.LegacySealer, u *protocol.UpgradeKey) error {
	key, err := old.UpgradedKey(u)
	if err != nil {
		return s.giveUp(ctx, err)
	}
	if err := s.srv.cfg.Accounts.Register(ctx, s.client, key); err != nil {
		return s.giveUp(ctx, err)
	}
	sealer := s.srv.sealers.take(s.client, Account{Key: key})
	s.srv.leave(ctx, s.sealer)
	s.sealer = sealer
	if !s.out.textThen(ctx, acknowledge(sealer, protocol.SealedResponse{KeyUpgradeAck: &struct{}{}}), sealer) {
		return session.ErrClosed
	}
	return nil
}

// acknowledge is the text that carries a receipt.
func acknowledge(sealer envelope, ack protocol.SealedResponse) []byte {
	ciphertext, nonce := sealer.SealText(protocol.EncodeSealed(ack))
	return protocol.EncodeText(protocol.EncryptedResponse{Ciphertext: ciphertext, Nonce: nonce})
}

// unreadable counts a message that could not be read, drops it, and gives the
// client up after a few. There is no error text before that: it would deafen a
// healthy client (nodes.md §1.10).
func (s *Session) unreadable(ctx context.Context, err error) error {
	if errors.Is(err, protocol.ErrReplayed) {
		s.srv.counts.replayed.Add(1)
		return nil
	}
	s.srv.counts.malformed.Add(1)
	if s.malformed++; s.malformed < maxMalformed {
		return nil
	}
	return s.giveUp(ctx, protocol.Refusal("too many malformed messages"))
}

// giveUp ends the session and says so.
func (s *Session) giveUp(ctx context.Context, why error) error {
	s.out.text(ctx, protocol.EncodeText(protocol.ErrorText{Message: toClient(why)}))
	return fmt.Errorf("session: ended: %w", why)
}

func (s *Session) answer(ctx context.Context, b []byte) error {
	if !s.out.text(ctx, b) {
		return session.ErrClosed
	}
	return nil
}
