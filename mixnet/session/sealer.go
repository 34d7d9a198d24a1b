package session

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"nym-socks5/internal/gcmsiv"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

// Kinds of binary frames (nodes.md §1.7). Which one it is follows from the
// direction too: the numbers overlap.
const (
	kindForward         = 1 // client to gateway, without rotation byte
	kindForwardRotation = 2 // client to gateway, with rotation byte
	kindPush            = 1 // gateway to client
)

const (
	flagSealed = 1
	frameHead  = 2 + nonceSize
	// FrameOverhead is how much longer a frame is than what is sealed in it, in bytes.
	FrameOverhead = frameHead + gcmsiv.Overhead
)

// errReplayed reports a frame whose nonce was seen before (H21).
var errReplayed = errors.New("session: frame seen before")

// A Sealer seals and opens the binary frames and sealed texts of one session
// key, at one end, and refuses what it has opened before: a nonce among the
// last 65 536 of the key is not accepted again (H21). So there must be one
// Sealer per key, kept as long as the key is in use, across connections. It is
// safe for concurrent use.
//
//	+----------+----------+------------+---------------------------+
//	| kind (1) | flag (1) | nonce (12) | ciphertext and tag (n+16) |
//	+----------+----------+------------+---------------------------+
//
// What it remembers is in memory only. After a restart frames of before can be
// replayed once more; the mixnet's replay filters then stop the packets in them.
type Sealer struct {
	aead *gcmsiv.AEAD

	mu     sync.Mutex // guards the following
	opened nonceSet
	sent   nonceSet // a client's own, so that none comes back as a push
}

// An envelope seals and opens what goes over a session, at the gateway's end:
// a [Sealer], or a [LegacySealer] for a client with a legacy key.
type envelope interface {
	// overhead is how much longer a frame is than the message pushed in it.
	overhead() int
	appendPush(b, message []byte) []byte
	openForward(b []byte) (wire.MixPacket, error)
	sealText(plaintext []byte) (ciphertext, nonce octets)
	openText(ciphertext, nonce octets) ([]byte, error)
}

// NewSealer makes the Sealer of a key, which it copies.
func NewSealer(key *keys.Session) *Sealer {
	return &Sealer{aead: gcmsiv.New(key.Bytes())}
}

func (s *Sealer) overhead() int { return FrameOverhead }

// appendPush appends the frame in which a gateway pushes a message.
func (s *Sealer) appendPush(b, message []byte) []byte {
	start := len(b)
	b = appendHead(b, kindPush)
	rand.Read(b[start+2:])
	return s.aead.Seal(b, b[start+2:start+frameHead], message, nil)
}

// appendForward appends the frame in which a client hands over a packet.
func (s *Sealer) appendForward(b []byte, p wire.MixPacket, withRotation bool) ([]byte, error) {
	start := len(b)
	kind := byte(kindForward)
	if withRotation {
		kind = kindForwardRotation
	}
	b = appendHead(b, kind)
	nonce := b[start+2 : start+frameHead]
	rand.Read(nonce)
	body := len(b)
	b, err := p.Append(b, withRotation)
	if err != nil {
		return b[:start], fmt.Errorf("session: %w", err)
	}
	s.mu.Lock()
	s.sent.add((*[nonceSize]byte)(nonce))
	s.mu.Unlock()
	return s.aead.Seal(b[:body], nonce, b[body:], nil), nil
}

// appendHead appends kind, flag and room for a nonce.
func appendHead(b []byte, kind byte) []byte {
	b = append(b, kind, flagSealed)
	return append(b, make([]byte, nonceSize)...)
}

// openForward opens a client's frame, in place. The packet aliases b. It fails
// with errReplayed or an error that wraps errMalformed.
func (s *Sealer) openForward(b []byte) (wire.MixPacket, error) {
	plaintext, err := s.open(b)
	if err != nil {
		return wire.MixPacket{}, err
	}
	if b[0] != kindForward && b[0] != kindForwardRotation {
		return wire.MixPacket{}, fmt.Errorf("%w: frame of kind %d", errMalformed, b[0])
	}
	p, err := wire.ParseMixPacket(plaintext, b[0] == kindForwardRotation)
	if err != nil {
		return wire.MixPacket{}, fmt.Errorf("%w: frame: %w", errMalformed, err)
	}
	return p, nil
}

// openPush opens a gateway's frame, in place. The message aliases b. It fails
// with errReplayed, also for a frame of our own, or an error that wraps errMalformed.
func (s *Sealer) openPush(b []byte) ([]byte, error) {
	message, err := s.open(b)
	if err != nil {
		return nil, err
	}
	if b[0] != kindPush {
		return nil, fmt.Errorf("%w: frame of kind %d", errMalformed, b[0])
	}
	return message, nil
}

// open opens a frame of any kind, in place. Flag 0, an open frame, is refused
// like any other flag that is not 1 (H21).
func (s *Sealer) open(b []byte) ([]byte, error) {
	if len(b) < FrameOverhead {
		return nil, fmt.Errorf("%w: frame of %d bytes", errMalformed, len(b))
	}
	if b[1] != flagSealed {
		return nil, fmt.Errorf("%w: frame with flag %d", errMalformed, b[1])
	}
	nonce, sealed := b[2:frameHead], b[frameHead:]
	plaintext, err := s.aead.Open(sealed[:0], nonce, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: frame: %v", errMalformed, err)
	}
	if !s.fresh((*[nonceSize]byte)(nonce)) {
		return nil, errReplayed
	}
	return plaintext, nil
}

// fresh notes the nonce of something that opened. It reports false for one
// seen before, and for our own.
func (s *Sealer) fresh(nonce *[nonceSize]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.sent.has(nonce) && s.opened.add(nonce)
}

// sealText seals what stands in an encryptedRequest or encryptedResponse.
func (s *Sealer) sealText(plaintext []byte) (ciphertext, nonce octets) {
	nonce = s.ownNonce()
	return s.aead.Seal(nil, nonce, plaintext, nil), nonce
}

// ownNonce draws a nonce and makes sure that nothing with it is accepted back.
func (s *Sealer) ownNonce() []byte {
	nonce := newNonce()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent.add(&nonce)
	return nonce[:]
}

func newNonce() (nonce [nonceSize]byte) {
	rand.Read(nonce[:])
	return nonce
}

// openText opens what stands in an encryptedRequest or encryptedResponse.
func (s *Sealer) openText(ciphertext, nonce octets) ([]byte, error) {
	if len(nonce) != nonceSize {
		return nil, fmt.Errorf("%w: nonce of %d bytes", errMalformed, len(nonce))
	}
	plaintext, err := s.aead.Open(nil, nonce, ciphertext, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: sealed text: %v", errMalformed, err)
	}
	if !s.fresh((*[nonceSize]byte)(nonce)) {
		return nil, errReplayed
	}
	return plaintext, nil
}

// proof is the identity sealed under the key: what authenticateV2 shows.
func (s *Sealer) proof(id keys.Identity, nonce []byte) []byte {
	return s.aead.Seal(nil, nonce, id[:], nil)
}
