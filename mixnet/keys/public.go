package keys

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"filippo.io/edwards25519"

	"nym-socks5/internal/base58"
)

// Size is the size of every public key in bytes.
const Size = 32

// ErrMalformed reports bytes or text that are no key.
var ErrMalformed = errors.New("keys: malformed")

// An Identity is the Ed25519 public key (RFC 8032) that names a client or node.
// The zero Identity is nobody's.
type Identity [Size]byte

// ParseIdentity parses the 32 bytes of an identity. They must be the encoding
// of a point of the curve; small orders and non-canonical encodings pass, as
// they do in the reference (sphinx.md §4.5).
func ParseIdentity(b []byte) (Identity, error) {
	if len(b) != Size {
		return Identity{}, fmt.Errorf("%w: identity of %d bytes, want %d", ErrMalformed, len(b), Size)
	}
	if _, err := new(edwards25519.Point).SetBytes(b); err != nil {
		return Identity{}, fmt.Errorf("%w: identity is not a point of the curve", ErrMalformed)
	}
	return Identity(b), nil
}

// ParseIdentityText parses the base58 form of an identity.
func ParseIdentityText(s string) (Identity, error) {
	b, err := decode58(s)
	if err != nil {
		return Identity{}, err
	}
	return ParseIdentity(b)
}

// String gives the base58 form.
func (id Identity) String() string { return base58.Encode(id[:]) }

// IsZero reports whether id is the zero Identity.
func (id Identity) IsZero() bool { return id == Identity{} }

// Verify reports whether sig is id's signature of msg.
func (id Identity) Verify(msg, sig []byte) bool {
	return len(sig) == ed25519.SignatureSize && ed25519.Verify(id[:], msg, sig)
}

// An Encryption is the X25519 public key (RFC 7748) under which messages to a
// client are sealed.
type Encryption [Size]byte

// ParseEncryption parses 32 bytes; every value is legal (sphinx.md §4.5).
func ParseEncryption(b []byte) (Encryption, error) {
	if len(b) != Size {
		return Encryption{}, fmt.Errorf("%w: encryption key of %d bytes, want %d", ErrMalformed, len(b), Size)
	}
	return Encryption(b), nil
}

// String gives the base58 form.
func (k Encryption) String() string { return base58.Encode(k[:]) }

// A Sphinx is the X25519 public key under which a node unwraps packets.
type Sphinx [Size]byte

// ParseSphinx parses 32 bytes and refuses what no honest node announces: a
// point of low order, a non-canonical encoding, or a point of the twist (H10).
func ParseSphinx(b []byte) (Sphinx, error) {
	if len(b) != Size {
		return Sphinx{}, fmt.Errorf("%w: Sphinx key of %d bytes, want %d", ErrMalformed, len(b), Size)
	}
	if !honestPoint((*[Size]byte)(b)) {
		return Sphinx{}, fmt.Errorf("%w: Sphinx key is of low order, non-canonical or on the twist", ErrMalformed)
	}
	return Sphinx(b), nil
}

// ParseSphinxText parses the base58 form of a Sphinx key.
func ParseSphinxText(s string) (Sphinx, error) {
	b, err := decode58(s)
	if err != nil {
		return Sphinx{}, err
	}
	return ParseSphinx(b)
}

// String gives the base58 form.
func (k Sphinx) String() string { return base58.Encode(k[:]) }

// A Noise is the static X25519 public key of a node's links. The zero Noise
// means that the node announces none and speaks plain frames.
type Noise [Size]byte

// ParseNoiseText parses the base58 form of a Noise key.
func ParseNoiseText(s string) (Noise, error) {
	b, err := decode58(s)
	if err != nil {
		return Noise{}, err
	}
	if len(b) != Size {
		return Noise{}, fmt.Errorf("%w: Noise key of %d bytes, want %d", ErrMalformed, len(b), Size)
	}
	return Noise(b), nil
}

// String gives the base58 form.
func (k Noise) String() string { return base58.Encode(k[:]) }

// IsZero reports whether k is the zero Noise: none announced.
func (k Noise) IsZero() bool { return k == Noise{} }

// maxText is longer than any base58 form of 32 bytes (44 letters), so that a
// hostile text costs nothing to refuse.
const maxText = 64

func decode58(s string) ([]byte, error) {
	if len(s) == 0 || len(s) > maxText {
		return nil, fmt.Errorf("%w: base58 text of %d letters", ErrMalformed, len(s))
	}
	b, err := base58.Decode(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return b, nil
}
