package session

import (
	"crypto/subtle"
	"encoding/binary"

	"github.com/mr-tron/base58"

	"nym-socks5/mixnet/keys"
)

// sealedLoginVersion is the version at which a client with a current key, told
// that the gateway knows no authenticateV2, sends authenticate.
const sealedLoginVersion = 3

// errLegacy refuses what is too old to be served, at all or by this gateway.
const errLegacy Refusal = "legacy request is not supported"

// maxLoginText is longer than any base58 form of 48 bytes (66 letters), so that
// a hostile text costs nothing to refuse.
const maxLoginText = 72

// errNoProof refuses an undated authentication, whatever is wrong with it: the
// request is not signed, so anybody could ask with it who is registered here.
const errNoProof Refusal = "invalid authentication request"

// An undated is an authenticate request, decoded (nodes.md §1.5). With a legacy
// key its ciphertext has 32 bytes and its nonce 16, with a current one 48 and 12.
type undated struct {
	client     keys.Identity
	ciphertext []byte
	nonce      []byte
}

// decode checks the form of the request. Its errors are Refusals.
func (a *authenticateV1) decode() (undated, error) {
	client, err := keys.ParseIdentityText(a.Address)
	if err != nil || len(a.EncAddress) > maxLoginText || len(a.IV) > maxLoginText {
		return undated{}, errNoProof
	}
	l := undated{client: client}
	if l.ciphertext, err = base58.Decode(a.EncAddress); err != nil {
		return undated{}, errNoProof
	}
	if l.nonce, err = base58.Decode(a.IV); err != nil {
		return undated{}, errNoProof
	}
	switch {
	case len(l.ciphertext) == keys.Size && len(l.nonce) == ivSize:
	case len(l.ciphertext) == addressSize && len(l.nonce) == nonceSize && a.ProtocolVersion == sealedLoginVersion:
	default:
		return undated{}, errNoProof
	}
	return l, nil
}

// check reports whether who made the request knows the key of the account. It
// does not tell a recording.
func (l *undated) check(acc Account) bool {
	switch {
	case acc.Legacy != nil && len(l.nonce) == ivSize:
		return !frameKeyStream(l.nonce) && acc.Legacy.shows(l.client, l.ciphertext, l.nonce)
	case acc.Sealer != nil && len(l.nonce) == nonceSize:
		return subtle.ConstantTimeCompare(acc.Sealer.proof(l.client, l.nonce), l.ciphertext) == 1
	}
	return false
}

// frameKeyStream reports whether an IV gives key stream that frames use too.
// Whoever sent the client one message knows 1643 bytes of it, and could encrypt
// the identity without the key. An IV that was drawn is never one of these.
func frameKeyStream(iv []byte) bool { return binary.BigEndian.Uint64(iv) == 0 }

// sealed reports whether an envelope has the identity in it.
func (s *LegacySealer) sealed(client keys.Identity, envelope, iv []byte) bool {
	text := s.proof(client, (*[ivSize]byte)(iv))
	return subtle.ConstantTimeCompare(append(s.cipher.sum(nil, text), text...), envelope) == 1
}

// shows reports whether a ciphertext is the identity under the key.
func (s *LegacySealer) shows(client keys.Identity, ciphertext, iv []byte) bool {
	return subtle.ConstantTimeCompare(s.proof(client, (*[ivSize]byte)(iv)), ciphertext) == 1
}
