package directory

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/keys"
)

// An Invite is a secret of 16 random bytes that lets an identity join a network
// without the operator having seen it (nodes.md §4.11). It never crosses the wire:
// a key is derived from it that signs the announcement, and the directory knows the
// public half of that key only. It must not be compared or printed but to hand it over.
type Invite [16]byte

// inviteContext separates this use of secrets and signatures from all others.
const inviteContext = "nym-socks5 invite v1"

// NewInvite draws a secret.
func NewInvite() (i Invite) {
	rand.Read(i[:]) // never fails
	return i
}

// ParseInvite parses the text form. Its errors wrap [ErrMalformed] and do not
// repeat the text.
func ParseInvite(text string) (i Invite, err error) {
	b, err := base58.Decode(text)
	if err != nil || len(b) != len(i) {
		return i, fmt.Errorf("%w: an invitation is %d bytes in base58", ErrMalformed, len(i))
	}
	return Invite(b), nil
}

// Text gives the text form: base58.
func (i Invite) Text() string { return base58.Encode(i[:]) }

// String hides the secret from logs.
func (i Invite) String() string { return "invitation" }

// Key gives the key pair that stands for the secret: Ed25519, of a seed by
// HKDF-SHA256 with the context as info.
func (i Invite) Key() *keys.IdentityKey {
	seed, err := hkdf.Key(sha256.New, i[:], nil, inviteContext, 32)
	if err != nil {
		panic(err) // not of this length
	}
	return keys.IdentityKeyFromSeed([32]byte(seed))
}

// invited is what the key of an invitation signs: the context, a line feed, and the
// text of the announcement, which has the identity in it.
func invited(text []byte) []byte { return append([]byte(inviteContext+"\n"), text...) }
