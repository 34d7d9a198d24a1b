package protocol

import (
	"crypto/subtle"
	"encoding/binary"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/keys"
)

// sealedLoginVersion is the version at which a client with a current key, told
// that the gateway knows no authenticateV2, sends authenticate.
const sealedLoginVersion = 3

// An Undated is an authenticate request, decoded (nodes.md §1.5). With a legacy
// key its ciphertext has 32 bytes and its nonce 16, with a current one 48 and 12.
type Undated struct {
	Client     keys.Identity
	ciphertext []byte
	Nonce      []byte
}

// Decode checks the form of the request. Its errors are Refusals.
func (a *AuthenticateV1) Decode() (Undated, error) {
	client, err := keys.ParseIdentityText(a.Address)
	if err != nil || len(a.EncAddress) > maxLoginText || len(a.IV) > maxLoginText {
		return Undated{}, ErrNoProof
	}
	l := Undated{Client: client}
	if l.ciphertext, err = base58.Decode(a.EncAddress); err != nil {
		return Undated{}, ErrNoProof
	}
	if l.Nonce, err = base58.Decode(a.IV); err != nil {
		return Undated{}, ErrNoProof
	}
	switch {
	case len(l.ciphertext) == keys.Size && len(l.Nonce) == ivSize:
	case len(l.ciphertext) == addressSize && len(l.Nonce) == NonceSize && a.ProtocolVersion == sealedLoginVersion:
	default:
		return Undated{}, ErrNoProof
	}
	return l, nil
}

// Undated reports whether whoever made an undated request knows the key. It does
// not tell a recording.
func (s *Sealer) Undated(l *Undated) bool {
	return len(l.Nonce) == NonceSize && subtle.ConstantTimeCompare(s.Proof(l.Client, l.Nonce), l.ciphertext) == 1
}

// Undated reports whether whoever made an undated request knows the key. It does
// not tell a recording.
func (s *LegacySealer) Undated(l *Undated) bool {
	return len(l.Nonce) == ivSize && !frameKeyStream(l.Nonce) &&
		subtle.ConstantTimeCompare(s.proof(l.Client, (*[ivSize]byte)(l.Nonce)), l.ciphertext) == 1
}

// frameKeyStream reports whether an IV gives key stream that frames use too.
// Whoever sent the client one message knows 1643 bytes of it, and could encrypt
// the identity without the key. An IV that was drawn is never one of these.
func frameKeyStream(iv []byte) bool { return binary.BigEndian.Uint64(iv) == 0 }
