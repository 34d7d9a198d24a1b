package sessionserver

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/protocol"
)

// A handshake is a registration as the gateway goes through it. There are two
// kinds; the length of the opening tells which (nodes.md §1.4.2).
type handshake interface {
	identity() keys.Identity
	// answer makes message 2 and with it the key; it fails with keys.ErrLowOrder.
	answer(own *keys.IdentityKey, ephemeral *ecdh.PrivateKey) (protocol.Octets, error)
	// check reports whether message 3 is the client's.
	check(proof protocol.Octets) bool
	// store registers the client with the key, and gives the row.
	store(ctx context.Context, a Accounts) (Account, error)
	// version is what is agreed on when the client proposes that.
	version(proposed uint8) uint8
}

// handshakeOf starts the handshake that an opening asks for. Its errors are
// Refusals.
func (s *Server) handshakeOf(data protocol.Octets) (handshake, error) {
	if len(data) == protocol.LegacyOpeningSize && s.cfg.AllowLegacy {
		o, err := protocol.ParseLegacyOpening(data)
		return &legacyHandshake{opening: o}, err
	}
	o, err := protocol.ParseOpening(data)
	return &currentHandshake{opening: o}, err
}

// register runs the handshake (nodes.md §1.4.1, §1.4.2). Every answer carries
// the lower of the two versions, never one above the client's.
func (f *handshaking) register(first protocol.HandshakePayload) (*Session, error) {
	h, err := f.handshakeOf(first.Data)
	if err != nil {
		return nil, f.abort(err)
	}
	negotiated := h.version(first.ProtocolVersion)
	say := func(data protocol.Octets) error {
		return f.write(protocol.HandshakePayload{ProtocolVersion: negotiated, Data: data})
	}
	if err := f.cfg.Handler.Admit(f.ctx, h.identity()); err != nil {
		return nil, f.refuse(err)
	}
	answer, err := f.answer(h)
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
	if !f.checkProof(h, proof) {
		say(protocol.Octets{0})
		return nil, f.abort(protocol.Refusal("invalid signature"))
	}
	row, err := h.store(f.ctx, f.cfg.Accounts)
	if err != nil {
		return nil, f.abort(err)
	}
	f.sealer = f.sealers.take(h.identity(), row)
	if err := say(protocol.Octets{1}); err != nil {
		return nil, err
	}
	s := f.session(h.identity(), 0)
	s.registered = true
	if err := f.cfg.Handler.Claim(f.ctx, s); err != nil {
		return nil, f.refuse(err)
	}
	if err := f.write(protocol.Registered{ProtocolVersion: negotiated, Status: true}); err != nil {
		f.cfg.Handler.Gone(s)
		return nil, err
	}
	f.counts.registered.Add(1)
	if _, ok := h.(*legacyHandshake); ok {
		f.counts.legacy.Add(1)
	}
	return s, nil
}

func (f *handshaking) answer(h handshake) (protocol.Octets, error) {
	if err := f.handshakes.Take(f.ctx); err != nil {
		return nil, err
	}
	defer f.handshakes.Give()
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	answer, err := h.answer(f.cfg.Identity, ephemeral)
	if errors.Is(err, keys.ErrLowOrder) {
		return nil, protocol.Refusal("malformed registration")
	}
	return answer, err
}

func (f *handshaking) checkProof(h handshake, proof protocol.Octets) bool {
	if f.handshakes.Take(f.ctx) != nil {
		return false
	}
	defer f.handshakes.Give()
	return h.check(proof)
}

// handshakeMessage waits for the client's next handshake message. What is no
// text or cannot be read is skipped, but the time is not prolonged.
func (f *handshaking) handshakeMessage() (protocol.Octets, error) {
	f.watchdog.expect(handshakePatience, protocol.EncodeText(protocol.HandshakeError{Message: "handshake timed out"}))
	defer f.watchdog.pause()
	for {
		isText, b, err := f.conn.Read(context.Background())
		if err != nil {
			return nil, err
		}
		if !isText {
			continue
		}
		t, err := protocol.ParseClientText(b)
		if err != nil {
			continue
		}
		switch t := t.(type) {
		case protocol.HandshakePayload:
			if !t.Initial {
				return t.Data, nil
			}
		case protocol.HandshakeError:
			return nil, errors.New("session: register: client gave up")
		}
		return nil, f.abort(protocol.Refusal("unexpected message in the handshake"))
	}
}

// A currentHandshake is the registration of nodes.md §1.4.1.
type currentHandshake struct {
	opening protocol.Opening
	key     *keys.Session
	y       []byte
}

func (h *currentHandshake) identity() keys.Identity { return h.opening.Client }

func (h *currentHandshake) answer(own *keys.IdentityKey, ephemeral *ecdh.PrivateKey) (answer protocol.Octets, err error) {
	h.y = ephemeral.PublicKey().Bytes()
	answer, h.key, err = h.opening.Answer(own, ephemeral, protocol.NewNonce())
	return answer, err
}

func (h *currentHandshake) check(proof protocol.Octets) bool {
	return h.opening.Check(h.key, h.y, proof)
}

func (h *currentHandshake) store(ctx context.Context, a Accounts) (Account, error) {
	return Account{Key: h.key}, a.Register(ctx, h.opening.Client, h.key)
}

func (h *currentHandshake) version(proposed uint8) uint8 { return min(proposed, protocol.Version) }

// A legacyHandshake is the registration of nodes.md §1.4.2.
type legacyHandshake struct {
	opening protocol.LegacyOpening
	key     *keys.LegacySession
	y       []byte
}

func (h *legacyHandshake) identity() keys.Identity { return h.opening.Client }

func (h *legacyHandshake) answer(own *keys.IdentityKey, ephemeral *ecdh.PrivateKey) (answer protocol.Octets, err error) {
	h.y = ephemeral.PublicKey().Bytes()
	answer, h.key, err = h.opening.Answer(own, ephemeral)
	return answer, err
}

func (h *legacyHandshake) check(proof protocol.Octets) bool {
	return h.opening.Check(h.key, h.y, proof)
}

// store fails for a client with a current key. That is told only now, to who
// has shown to be the client.
func (h *legacyHandshake) store(ctx context.Context, a Accounts) (Account, error) {
	return Account{Legacy: h.key}, a.RegisterLegacy(ctx, h.opening.Client, h.key)
}

func (h *legacyHandshake) version(proposed uint8) uint8 { return legacyVersion(proposed) }

// legacyVersion is what is agreed on with a client that may have proposed
// nothing, which stands for the first version.
func legacyVersion(proposed uint8) uint8 { return min(max(proposed, 1), protocol.Version) }
