package session

import (
	"crypto/subtle"
	"encoding/binary"
	"time"

	"nym-socks5/internal/gcmsiv"
	"nym-socks5/mixnet/keys"
)

// maxSkew is how far a client's clock may be from the gateway's.
const maxSkew = 120 * time.Second

const addressSize = keys.Size + gcmsiv.Overhead // 48

// makeAuthenticate makes the request of a client: its identity, sealed under
// the session key, dated and signed (nodes.md §1.5).
func makeAuthenticate(proposed uint8, id *keys.IdentityKey, s *Sealer, nonce []byte, now time.Time) authenticate {
	client := id.Public()
	a := authenticate{
		ProtocolVersion:      proposed,
		ClientIdentity:       client[:],
		AddressCiphertext:    s.proof(client, nonce),
		Nonce:                nonce,
		RequestUnixTimestamp: uint64(max(now.Unix(), 0)),
	}
	sig := id.Sign(a.signed())
	a.RequestSignature = sig[:]
	return a
}

// signed are the 101 bytes under the signature.
func (a *authenticate) signed() []byte {
	b := make([]byte, 0, 1+keys.Size+addressSize+nonceSize+8)
	b = append(b, a.ProtocolVersion)
	b = append(b, a.ClientIdentity...)
	b = append(b, a.AddressCiphertext...)
	b = append(b, a.Nonce...)
	return binary.BigEndian.AppendUint64(b, a.RequestUnixTimestamp)
}

// legacy reports whether the identity is sealed in the legacy envelope, as it is
// by a client that comes to exchange its legacy key (nodes.md §1.6).
func (a *authenticate) legacy() bool {
	return len(a.AddressCiphertext) == macSize+keys.Size && len(a.Nonce) == ivSize
}

// check makes the checks that need nothing but the request and the time, in
// the order of nodes.md §1.5. Its errors are Refusals.
func (a *authenticate) check(now time.Time) (keys.Identity, error) {
	sealed := len(a.AddressCiphertext) == addressSize && len(a.Nonce) == nonceSize
	if len(a.ClientIdentity) != keys.Size || !sealed && !a.legacy() {
		return keys.Identity{}, Refusal("malformed authentication request")
	}
	client, err := keys.ParseIdentity(a.ClientIdentity)
	if err != nil {
		return keys.Identity{}, Refusal("malformed authentication request")
	}
	if a.ProtocolVersion < minVersion || a.ProtocolVersion > version {
		return keys.Identity{}, Refusal("unsupported protocol version")
	}
	if skew := absDiff(a.RequestUnixTimestamp, uint64(max(now.Unix(), 0))); skew > uint64(maxSkew/time.Second) {
		return keys.Identity{}, Refusal("request is dated too far from the gateway's clock")
	}
	if !client.Verify(a.signed(), a.RequestSignature) {
		return keys.Identity{}, Refusal("invalid signature")
	}
	return client, nil
}

// checkAccount makes the checks against what the gateway knows of the client.
func (a *authenticate) checkAccount(client keys.Identity, acc Account) error {
	var shown bool
	switch {
	case acc.Legacy != nil && a.legacy():
		shown = acc.Legacy.sealed(client, a.AddressCiphertext, a.Nonce)
	case acc.Sealer != nil && !a.legacy():
		shown = subtle.ConstantTimeCompare(acc.Sealer.proof(client, a.Nonce), a.AddressCiphertext) == 1
	}
	if !shown {
		return Refusal("invalid address ciphertext")
	}
	if a.RequestUnixTimestamp <= acc.LastSeen {
		return ErrStale
	}
	return nil
}

func absDiff(a, b uint64) uint64 { return max(a, b) - min(a, b) }
