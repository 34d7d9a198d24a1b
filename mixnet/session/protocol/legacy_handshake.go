package protocol

import (
	"crypto/ecdh"
	"crypto/subtle"

	"lukechampine.com/blake3"

	"nym-socks5/mixnet/keys"
)

// Sizes in bytes of the legacy registration handshake (nodes.md §1.4.2).
const (
	LegacyOpeningSize = keys.Size + keys.Size // 64
	upgradeSaltSize   = saltSize              // of an UpgradeKey (nodes.md §1.6)
	upgradeDigestSize = 32                    // BLAKE3 of the new key
)

// A LegacyOpening is message 1 of a legacy registration as the gateway reads it.
//
//	1  client ──▶  identity (32) ‖ X (32)                         64
//	2  ◀── gateway Y (32) ‖ CTR(Kenc, 0, sign(gateway, Y ‖ X))    96
//	3  client ──▶  CTR(Kenc, 0, sign(client, X ‖ Y))              64
//	4  ◀── gateway 1                                              1
//
// Kenc ‖ Kmac is HKDF over HMAC-BLAKE3 of X25519(x, Y), with neither salt nor info.
//
// Nothing is authenticated but the signatures, and both are encrypted with one
// key stream, which every later frame uses again: that is the protocol.
type LegacyOpening struct {
	Client    keys.Identity
	ephemeral [keys.Size]byte
}

// ParseLegacyOpening parses 64 bytes; its errors are Refusals.
func ParseLegacyOpening(b Octets) (LegacyOpening, error) {
	if len(b) != LegacyOpeningSize {
		return LegacyOpening{}, Refusal("malformed registration")
	}
	client, err := keys.ParseIdentity(b[:keys.Size])
	if err != nil {
		return LegacyOpening{}, Refusal("malformed registration")
	}
	return LegacyOpening{Client: client, ephemeral: [keys.Size]byte(b[keys.Size:])}, nil
}

// Answer makes message 2 of a gateway's ephemeral key. A point of low order is
// refused with keys.ErrLowOrder.
func (o *LegacyOpening) Answer(identity *keys.IdentityKey, ephemeral *ecdh.PrivateKey) (Octets, *keys.LegacySession, error) {
	key, err := legacyKey(ephemeral, o.ephemeral[:])
	if err != nil {
		return nil, nil, err
	}
	y := ephemeral.PublicKey().Bytes()
	return append(append(Octets(nil), y...), makeLegacyProof(key, identity, y, o.ephemeral[:])...), key, nil
}

// Check reports whether message 3 is the client's.
func (o *LegacyOpening) Check(key *keys.LegacySession, y []byte, proof Octets) bool {
	if len(proof) != signatureSize {
		return false
	}
	var sig [signatureSize]byte
	newLegacyCipher(key).crypt(sig[:], proof, new([ivSize]byte))
	return o.Client.Verify(append(append([]byte(nil), o.ephemeral[:]...), y...), sig[:])
}

// makeLegacyProof encrypts a signature over the own and the other ephemeral key.
func makeLegacyProof(key *keys.LegacySession, id *keys.IdentityKey, own, other []byte) Octets {
	sig := id.Sign(append(append([]byte(nil), own...), other...))
	newLegacyCipher(key).crypt(sig[:], sig[:], new([ivSize]byte))
	return sig[:]
}

// legacyKey is Kenc ‖ Kmac.
func legacyKey(own *ecdh.PrivateKey, theirs []byte) (*keys.LegacySession, error) {
	dh, err := agree(own, theirs)
	if err != nil {
		return nil, err
	}
	k, err := deriveKey(dh, nil)
	if err != nil {
		return nil, err
	}
	return keys.LegacySessionFromBytes(k), nil
}

// UpgradedKey is the current key that takes the place of the sealer's, if the
// digest is that of it (nodes.md §1.6).
func (s *LegacySealer) UpgradedKey(u *UpgradeKey) (*keys.Session, error) {
	k, err := deriveKey(s.key.Bytes()[:], u.Salt)
	if err != nil {
		return nil, err
	}
	digest := blake3.Sum256(k[:])
	if subtle.ConstantTimeCompare(digest[:], u.Digest) != 1 {
		return nil, Refusal("key upgrade with another key")
	}
	return keys.SessionFromBytes(k), nil
}
