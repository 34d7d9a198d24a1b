package session

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"

	"nym-socks5/mixnet/keys"
)

// A handshake is a registration as the gateway goes through it. There are two
// kinds; the length of the opening tells which (nodes.md §1.4.2).
type handshake interface {
	identity() keys.Identity
	// answer makes message 2 and with it the key; it fails with keys.ErrLowOrder.
	answer(own *keys.IdentityKey, ephemeral *ecdh.PrivateKey) (octets, error)
	// check reports whether message 3 is the client's.
	check(proof octets) bool
	// store registers the client with the key.
	store(ctx context.Context, a Accounts) (envelope, error)
	// version is what is agreed on when the client proposes that.
	version(proposed uint8) uint8
}

// handshakeOf starts the handshake that an opening asks for. Its errors are
// Refusals.
func (s *Server) handshakeOf(data octets) (handshake, error) {
	if len(data) == legacyOpeningSize && s.cfg.AllowLegacy {
		o, err := parseLegacyOpening(data)
		return &legacyHandshake{opening: o}, err
	}
	o, err := parseOpening(data)
	return &currentHandshake{opening: o}, err
}

// register runs the handshake (nodes.md §1.4.1, §1.4.2). Every answer carries
// the lower of the two versions, never one above the client's.
func (f *fresh) register(first handshakePayload) (*Session, error) {
	h, err := f.handshakeOf(first.Data)
	if err != nil {
		return nil, f.abort(err)
	}
	negotiated := h.version(first.ProtocolVersion)
	say := func(data octets) error {
		return f.write(handshakePayload{ProtocolVersion: negotiated, Data: data})
	}
	if err := f.cfg.Accounts.Admit(f.ctx, h.identity()); err != nil {
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
		say(octets{0})
		return nil, f.abort(Refusal("invalid signature"))
	}
	sealer, err := h.store(f.ctx, f.cfg.Accounts)
	if err != nil {
		return nil, f.abort(err)
	}
	if err := say(octets{1}); err != nil {
		return nil, err
	}
	s := f.session(h.identity(), sealer, 0)
	s.registered = true
	if err := f.cfg.Traffic.Claim(f.ctx, s); err != nil {
		return nil, f.refuse(err)
	}
	if err := f.write(registered{ProtocolVersion: negotiated, Status: true}); err != nil {
		f.cfg.Traffic.Gone(s)
		return nil, err
	}
	f.counts.registered.Add(1)
	if _, ok := h.(*legacyHandshake); ok {
		f.counts.legacy.Add(1)
	}
	return s, nil
}

func (f *fresh) answer(h handshake) (octets, error) {
	if err := f.takeTurn(); err != nil {
		return nil, err
	}
	defer f.giveTurn()
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	answer, err := h.answer(f.cfg.Identity, ephemeral)
	if errors.Is(err, keys.ErrLowOrder) {
		return nil, Refusal("malformed registration")
	}
	return answer, err
}

func (f *fresh) checkProof(h handshake, proof octets) bool {
	if f.takeTurn() != nil {
		return false
	}
	defer f.giveTurn()
	return h.check(proof)
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

// A currentHandshake is the registration of nodes.md §1.4.1.
type currentHandshake struct {
	opening opening
	key     *keys.Session
	y       []byte
}

func (h *currentHandshake) identity() keys.Identity { return h.opening.client }

func (h *currentHandshake) answer(own *keys.IdentityKey, ephemeral *ecdh.PrivateKey) (answer octets, err error) {
	h.y = ephemeral.PublicKey().Bytes()
	answer, h.key, err = h.opening.answer(own, ephemeral, newNonce())
	return answer, err
}

func (h *currentHandshake) check(proof octets) bool { return h.opening.check(h.key, h.y, proof) }

func (h *currentHandshake) store(ctx context.Context, a Accounts) (envelope, error) {
	return a.Register(ctx, h.opening.client, h.key)
}

func (h *currentHandshake) version(proposed uint8) uint8 { return min(proposed, version) }

// A legacyHandshake is the registration of nodes.md §1.4.2.
type legacyHandshake struct {
	opening legacyOpening
	key     *keys.LegacySession
	y       []byte
}

func (h *legacyHandshake) identity() keys.Identity { return h.opening.client }

func (h *legacyHandshake) answer(own *keys.IdentityKey, ephemeral *ecdh.PrivateKey) (answer octets, err error) {
	h.y = ephemeral.PublicKey().Bytes()
	answer, h.key, err = h.opening.answer(own, ephemeral)
	return answer, err
}

func (h *legacyHandshake) check(proof octets) bool { return h.opening.check(h.key, h.y, proof) }

// store fails for a client with a current key. That is told only now, to who
// has shown to be the client.
func (h *legacyHandshake) store(ctx context.Context, a Accounts) (envelope, error) {
	return a.RegisterLegacy(ctx, h.opening.client, h.key)
}

func (h *legacyHandshake) version(proposed uint8) uint8 { return legacyVersion(proposed) }

// legacyVersion is what is agreed on with a client that may have proposed
// nothing, which stands for the first version.
func legacyVersion(proposed uint8) uint8 { return min(max(proposed, 1), version) }
