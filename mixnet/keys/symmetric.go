package keys

import (
	"crypto/rand"
	"crypto/subtle"
)

// SymmetricSize is the size of an [Ack] and of a [Reply] in bytes.
const SymmetricSize = 16

// SessionSize is the size of a [Session] in bytes.
const SessionSize = 32

// An Ack seals the SURB-ACKs that a client addresses to itself (sphinx.md §5.3).
// Nobody else ever sees it.
type Ack struct {
	_ noCompare
	b [SymmetricSize]byte
}

// NewAck draws a fresh key.
func NewAck() *Ack {
	k := new(Ack)
	rand.Read(k.b[:])
	return k
}

// AckFromBytes makes a key of stored bytes.
func AckFromBytes(b [SymmetricSize]byte) *Ack { return &Ack{b: b} }

// Bytes points at the secret bytes.
func (k *Ack) Bytes() *[SymmetricSize]byte { return &k.b }

// Equal compares in constant time.
func (k *Ack) Equal(o *Ack) bool { return subtle.ConstantTimeCompare(k.b[:], o.b[:]) == 1 }

// String hides the key.
func (k *Ack) String() string { return "keys.Ack" }

// GoString hides the key.
func (k *Ack) GoString() string { return k.String() }

// A Reply seals the one fragment that travels with one reply SURB
// (sphinx.md §5.2). It goes to a stranger inside a list of SURBs, so it is an
// array, not a struct that hides itself.
type Reply [SymmetricSize]byte

// NewReply draws a fresh key.
func NewReply() (k Reply) {
	rand.Read(k[:])
	return k
}

// String hides the key.
func (k Reply) String() string { return "keys.Reply" }

// GoString hides the key.
func (k Reply) GoString() string { return k.String() }

// A Session seals frames between one client and its gateway with
// AES-256-GCM-SIV (nodes.md §1.4.1).
type Session struct {
	_ noCompare
	b [SessionSize]byte
}

// SessionFromBytes makes a key of derived or stored bytes.
func SessionFromBytes(b [SessionSize]byte) *Session { return &Session{b: b} }

// Bytes points at the secret bytes.
func (k *Session) Bytes() *[SessionSize]byte { return &k.b }

// Equal compares in constant time.
func (k *Session) Equal(o *Session) bool { return subtle.ConstantTimeCompare(k.b[:], o.b[:]) == 1 }

// String hides the key.
func (k *Session) String() string { return "keys.Session" }

// GoString hides the key.
func (k *Session) GoString() string { return k.String() }
