package keys

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"errors"

	"filippo.io/edwards25519"

	"nym-socks5/internal/x25519"
)

// ErrLowOrder reports a Diffie-Hellman result of zero: the other side's point
// has low order. No honest peer sends one (sphinx.md §2).
var ErrLowOrder = errors.New("keys: point of low order")

// noCompare makes a struct unfit for ==, so that secrets are compared with Equal.
type noCompare [0]func()

// An IdentityKey signs for an [Identity].
type IdentityKey struct {
	_    noCompare
	priv ed25519.PrivateKey
}

// NewIdentityKey draws a fresh key.
func NewIdentityKey() *IdentityKey {
	var seed [ed25519.SeedSize]byte
	rand.Read(seed[:])
	return IdentityKeyFromSeed(seed)
}

// IdentityKeyFromSeed makes the key of an RFC 8032 seed.
func IdentityKeyFromSeed(seed [ed25519.SeedSize]byte) *IdentityKey {
	return &IdentityKey{priv: ed25519.NewKeyFromSeed(seed[:])}
}

// Public gives the public half.
func (k *IdentityKey) Public() Identity { return Identity(k.priv[ed25519.SeedSize:]) }

// Sign signs msg.
func (k *IdentityKey) Sign(msg []byte) [ed25519.SignatureSize]byte {
	return [ed25519.SignatureSize]byte(ed25519.Sign(k.priv, msg))
}

// Seed gives the 32 secret bytes the key is made of, for storing it.
func (k *IdentityKey) Seed() [ed25519.SeedSize]byte {
	return [ed25519.SeedSize]byte(k.priv[:ed25519.SeedSize])
}

// Equal compares in constant time.
func (k *IdentityKey) Equal(o *IdentityKey) bool {
	return subtle.ConstantTimeCompare(k.priv, o.priv) == 1
}

// String hides the key.
func (k *IdentityKey) String() string { return "keys.IdentityKey" }

// GoString hides the key.
func (k *IdentityKey) GoString() string { return k.String() }

// secret is 32 bytes of an X25519 private key, not yet clamped.
type secret struct {
	_   noCompare
	b   [Size]byte
	pub [Size]byte
}

func newSecret() secret {
	var b [Size]byte
	rand.Read(b[:])
	return secretFrom(b)
}

func secretFrom(b [Size]byte) secret { return secret{b: b, pub: basePoint(&b)} }

// basePoint is X25519(b, 9) by the Edwards base-point tables, which is three
// times as fast as the ladder and constant time like it.
func basePoint(b *[Size]byte) [Size]byte {
	s, err := new(edwards25519.Scalar).SetBytesWithClamping(b[:])
	if err != nil {
		panic("keys: " + err.Error()) // only for a wrong length
	}
	return [Size]byte(new(edwards25519.Point).ScalarBaseMult(s).BytesMontgomery())
}

// shared is X25519 (RFC 7748): the secret clamped, bit 255 of pub ignored.
func (s *secret) shared(pub *[Size]byte) (out [Size]byte, err error) {
	x25519.Multiply(&out, &s.b, pub)
	if subtle.ConstantTimeCompare(out[:], make([]byte, Size)) == 1 {
		return [Size]byte{}, ErrLowOrder
	}
	return out, nil
}

func (s *secret) equal(o *secret) bool { return subtle.ConstantTimeCompare(s.b[:], o.b[:]) == 1 }

// An EncryptionKey opens what was sealed under its [Encryption].
type EncryptionKey struct{ s secret }

// NewEncryptionKey draws a fresh key.
func NewEncryptionKey() *EncryptionKey { return &EncryptionKey{newSecret()} }

// EncryptionKeyFromBytes makes the key of 32 secret bytes (clamped when used).
func EncryptionKeyFromBytes(b [Size]byte) *EncryptionKey { return &EncryptionKey{secretFrom(b)} }

// Public gives the public half.
func (k *EncryptionKey) Public() Encryption { return k.s.pub }

// Shared is X25519 with another party's point. It fails with [ErrLowOrder].
func (k *EncryptionKey) Shared(p Encryption) ([Size]byte, error) {
	return k.s.shared((*[Size]byte)(&p))
}

// Bytes gives the 32 secret bytes, for storing the key.
func (k *EncryptionKey) Bytes() [Size]byte { return k.s.b }

// Equal compares in constant time.
func (k *EncryptionKey) Equal(o *EncryptionKey) bool { return k.s.equal(&o.s) }

// String hides the key.
func (k *EncryptionKey) String() string { return "keys.EncryptionKey" }

// GoString hides the key.
func (k *EncryptionKey) GoString() string { return k.String() }

// A SphinxKey unwraps packets built under its [Sphinx].
type SphinxKey struct{ s secret }

// NewSphinxKey draws a fresh key.
func NewSphinxKey() *SphinxKey { return &SphinxKey{newSecret()} }

// SphinxKeyFromBytes makes the key of 32 secret bytes (clamped when used).
func SphinxKeyFromBytes(b [Size]byte) *SphinxKey { return &SphinxKey{secretFrom(b)} }

// Public gives the public half.
func (k *SphinxKey) Public() Sphinx { return k.s.pub }

// Bytes points at the 32 secret bytes, for the one package that multiplies
// with them eight at a time, and for storing the key.
func (k *SphinxKey) Bytes() *[Size]byte { return &k.s.b }

// Wipe overwrites the secret. The key must not be used again (H36).
func (k *SphinxKey) Wipe() { clear(k.s.b[:]) }

// Equal compares in constant time.
func (k *SphinxKey) Equal(o *SphinxKey) bool { return k.s.equal(&o.s) }

// String hides the key.
func (k *SphinxKey) String() string { return "keys.SphinxKey" }

// GoString hides the key.
func (k *SphinxKey) GoString() string { return k.String() }

// A NoiseKey is the static key of a node's links.
type NoiseKey struct{ s secret }

// NewNoiseKey draws a fresh key.
func NewNoiseKey() *NoiseKey { return &NoiseKey{newSecret()} }

// NoiseKeyFromBytes makes the key of 32 secret bytes (clamped when used).
func NoiseKeyFromBytes(b [Size]byte) *NoiseKey { return &NoiseKey{secretFrom(b)} }

// Public gives the public half.
func (k *NoiseKey) Public() Noise { return k.s.pub }

// Bytes gives the 32 secret bytes, for the handshake and for storing the key.
func (k *NoiseKey) Bytes() [Size]byte { return k.s.b }

// Equal compares in constant time.
func (k *NoiseKey) Equal(o *NoiseKey) bool { return k.s.equal(&o.s) }

// String hides the key.
func (k *NoiseKey) String() string { return "keys.NoiseKey" }

// GoString hides the key.
func (k *NoiseKey) GoString() string { return k.String() }
