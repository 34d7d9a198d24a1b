package protocol

import (
	"crypto/rand"
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
	frameHead  = 2 + NonceSize
)

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

// NewSealer makes the Sealer of a key, which it copies.
func NewSealer(key *keys.Session) *Sealer {
	return &Sealer{aead: gcmsiv.New(key.Bytes())}
}

// Overhead is how much longer a frame is than the message pushed in it, in bytes.
func (s *Sealer) Overhead() int { return FrameOverhead }

// AppendPush appends the frame in which a gateway pushes a message.
func (s *Sealer) AppendPush(b, message []byte) []byte {
	start := len(b)
	b = appendHead(b, kindPush)
	rand.Read(b[start+2:])
	return s.aead.Seal(b, b[start+2:start+frameHead], message, nil)
}

// AppendForward appends the frame in which a client hands over a packet.
func (s *Sealer) AppendForward(b []byte, p wire.MixPacket, withRotation bool) ([]byte, error) {
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
	s.sent.add((*[NonceSize]byte)(nonce))
	s.mu.Unlock()
	return s.aead.Seal(b[:body], nonce, b[body:], nil), nil
}

// appendHead appends kind, flag and room for a nonce.
func appendHead(b []byte, kind byte) []byte {
	b = append(b, kind, flagSealed)
	return append(b, make([]byte, NonceSize)...)
}

// OpenForward opens a client's frame, in place. The packet aliases b. It fails
// with ErrReplayed or an error that wraps ErrMalformed.
func (s *Sealer) OpenForward(b []byte) (wire.MixPacket, error) {
	plaintext, err := s.open(b)
	if err != nil {
		return wire.MixPacket{}, err
	}
	if b[0] != kindForward && b[0] != kindForwardRotation {
		return wire.MixPacket{}, fmt.Errorf("%w: frame of kind %d", ErrMalformed, b[0])
	}
	p, err := wire.ParseMixPacket(plaintext, b[0] == kindForwardRotation)
	if err != nil {
		return wire.MixPacket{}, fmt.Errorf("%w: frame: %w", ErrMalformed, err)
	}
	return p, nil
}

// OpenPush opens a gateway's frame, in place. The message aliases b. It fails
// with ErrReplayed, also for a frame of our own, or an error that wraps ErrMalformed.
func (s *Sealer) OpenPush(b []byte) ([]byte, error) {
	message, err := s.open(b)
	if err != nil {
		return nil, err
	}
	if b[0] != kindPush {
		return nil, fmt.Errorf("%w: frame of kind %d", ErrMalformed, b[0])
	}
	return message, nil
}

// open opens a frame of any kind, in place. Flag 0, an open frame, is refused
// like any other flag that is not 1 (H21).
func (s *Sealer) open(b []byte) ([]byte, error) {
	if len(b) < FrameOverhead {
		return nil, fmt.Errorf("%w: frame of %d bytes", ErrMalformed, len(b))
	}
	if b[1] != flagSealed {
		return nil, fmt.Errorf("%w: frame with flag %d", ErrMalformed, b[1])
	}
	nonce, sealed := b[2:frameHead], b[frameHead:]
	plaintext, err := s.aead.Open(sealed[:0], nonce, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: frame: %v", ErrMalformed, err)
	}
	if !s.fresh((*[NonceSize]byte)(nonce)) {
		return nil, ErrReplayed
	}
	return plaintext, nil
}

// fresh notes the nonce of something that opened. It reports false for one
// seen before, and for our own.
func (s *Sealer) fresh(nonce *[NonceSize]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.sent.has(nonce) && s.opened.add(nonce)
}

// SealText seals what stands in an encryptedRequest or encryptedResponse.
func (s *Sealer) SealText(plaintext []byte) (ciphertext, nonce Octets) {
	nonce = s.OwnNonce()
	return s.aead.Seal(nil, nonce, plaintext, nil), nonce
}

// OwnNonce draws a nonce and makes sure that nothing with it is accepted back.
func (s *Sealer) OwnNonce() []byte {
	nonce := NewNonce()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent.add(&nonce)
	return nonce[:]
}

// NewNonce draws a nonce.
func NewNonce() (nonce [NonceSize]byte) {
	rand.Read(nonce[:])
	return nonce
}

// OpenText opens what stands in an encryptedRequest or encryptedResponse.
func (s *Sealer) OpenText(ciphertext, nonce Octets) ([]byte, error) {
	if len(nonce) != NonceSize {
		return nil, fmt.Errorf("%w: nonce of %d bytes", ErrMalformed, len(nonce))
	}
	plaintext, err := s.aead.Open(nil, nonce, ciphertext, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: sealed text: %v", ErrMalformed, err)
	}
	if !s.fresh((*[NonceSize]byte)(nonce)) {
		return nil, ErrReplayed
	}
	return plaintext, nil
}

// Proof is the identity sealed under the key: what authenticateV2 shows.
func (s *Sealer) Proof(id keys.Identity, nonce []byte) []byte {
	return s.aead.Seal(nil, nonce, id[:], nil)
}

// Memory is about how many bytes it takes, most of them for what it remembers.
func (s *Sealer) Memory() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sealerMemory + s.opened.memory() + s.sent.memory()
}
