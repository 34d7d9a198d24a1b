package protocol

import (
	"crypto/subtle"
	"encoding/binary"
	"time"

	"nym-socks5/mixnet/keys"
)

// NewAuthenticate makes the request of a client: its identity, sealed under
// the session key, dated and signed (nodes.md §1.5).
func NewAuthenticate(proposed uint8, id *keys.IdentityKey, s *Sealer, nonce []byte, now time.Time) Authenticate {
	client := id.Public()
	a := Authenticate{
		ProtocolVersion:      proposed,
		ClientIdentity:       client[:],
		AddressCiphertext:    s.Proof(client, nonce),
		Nonce:                nonce,
		RequestUnixTimestamp: uint64(max(now.Unix(), 0)),
	}
	sig := id.Sign(a.signed())
	a.RequestSignature = sig[:]
	return a
}

// signed are the 101 bytes under the signature.
func (a *Authenticate) signed() []byte {
	b := make([]byte, 0, 1+keys.Size+addressSize+NonceSize+8)
	b = append(b, a.ProtocolVersion)
	b = append(b, a.ClientIdentity...)
	b = append(b, a.AddressCiphertext...)
	b = append(b, a.Nonce...)
	return binary.BigEndian.AppendUint64(b, a.RequestUnixTimestamp)
}

// Legacy reports whether the identity is sealed in the legacy envelope, as it is
// by a client that comes to exchange its legacy key (nodes.md §1.6).
func (a *Authenticate) Legacy() bool {
	return len(a.AddressCiphertext) == macSize+keys.Size && len(a.Nonce) == ivSize
}

// Check makes the checks that need nothing but the request and the time, in
// the order of nodes.md §1.5. Its errors are Refusals.
func (a *Authenticate) Check(now time.Time) (keys.Identity, error) {
	sealed := len(a.AddressCiphertext) == addressSize && len(a.Nonce) == NonceSize
	if len(a.ClientIdentity) != keys.Size || !sealed && !a.Legacy() {
		return keys.Identity{}, Refusal("malformed authentication request")
	}
	client, err := keys.ParseIdentity(a.ClientIdentity)
	if err != nil {
		return keys.Identity{}, Refusal("malformed authentication request")
	}
	if a.ProtocolVersion < MinVersion || a.ProtocolVersion > Version {
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

// Dated reports whether whoever made a dated request knows the key.
func (s *Sealer) Dated(client keys.Identity, a *Authenticate) bool {
	return len(a.Nonce) == NonceSize && subtle.ConstantTimeCompare(s.Proof(client, a.Nonce), a.AddressCiphertext) == 1
}

// Dated reports whether whoever made a dated request knows the key.
func (s *LegacySealer) Dated(client keys.Identity, a *Authenticate) bool {
	if !a.Legacy() {
		return false
	}
	text := s.proof(client, (*[ivSize]byte)(a.Nonce))
	return subtle.ConstantTimeCompare(append(s.cipher.sum(nil, text), text...), a.AddressCiphertext) == 1
}

func absDiff(a, b uint64) uint64 { return max(a, b) - min(a, b) }
