package keys

import "crypto/subtle"

// LegacySessionSize is the size of a [LegacySession] in bytes.
const LegacySessionSize = 32

// A LegacySession is what a client of before 2025 and its gateway share: a key
// of AES-128 and one of HMAC-BLAKE3 (nodes.md §1.4.2). It is as long as a
// [Session] and must never be taken for one.
type LegacySession struct {
	_ noCompare
	b [LegacySessionSize]byte
}

// LegacySessionFromBytes makes a key of derived or stored bytes.
func LegacySessionFromBytes(b [LegacySessionSize]byte) *LegacySession { return &LegacySession{b: b} }

// Bytes points at the secret bytes.
func (k *LegacySession) Bytes() *[LegacySessionSize]byte { return &k.b }

// Cipher is the key of AES-128.
func (k *LegacySession) Cipher() []byte { return k.b[:16] }

// MAC is the key of HMAC-BLAKE3.
func (k *LegacySession) MAC() []byte { return k.b[16:] }

// Equal compares in constant time.
func (k *LegacySession) Equal(o *LegacySession) bool {
	return subtle.ConstantTimeCompare(k.b[:], o.b[:]) == 1
}

// String hides the key.
func (k *LegacySession) String() string { return "keys.LegacySession" }

// GoString hides the key.
func (k *LegacySession) GoString() string { return k.String() }
