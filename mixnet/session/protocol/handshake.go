package protocol

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"fmt"
	"hash"

	"lukechampine.com/blake3"

	"nym-socks5/internal/gcmsiv"
	"nym-socks5/mixnet/keys"
)

// Sizes in bytes of the registration handshake (nodes.md §1.4.1).
const (
	saltSize      = 16
	signatureSize = 64
	proofSize     = signatureSize + gcmsiv.Overhead + NonceSize // 92: sealed signature, nonce behind it

	openingSize = keys.Size + keys.Size + saltSize // 80
	answerSize  = keys.Size + proofSize            // 124
)

// A Registration is a client in the middle of the handshake.
//
//	1  client ──▶  identity (32) ‖ X (32) ‖ salt (16)                       80
//	2  ◀── gateway Y (32) ‖ seal(K, sign(gateway, Y ‖ X)) (80) ‖ nonce (12)  124
//	3  client ──▶  seal(K, sign(client, X ‖ Y)) (80) ‖ nonce (12)            92
//	4  ◀── gateway 1                                                         1
//
// K is HKDF over HMAC-BLAKE3 of X25519(x, Y), with the salt and no info.
type Registration struct {
	identity  *keys.IdentityKey
	ephemeral *ecdh.PrivateKey
	salt      [saltSize]byte
}

// NewRegistration draws the ephemeral key and the salt of a handshake.
func NewRegistration(identity *keys.IdentityKey) (*Registration, error) {
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	r := &Registration{identity: identity, ephemeral: ephemeral}
	rand.Read(r.salt[:])
	return r, nil
}

// Opening is message 1.
func (r *Registration) Opening() Octets {
	id := r.identity.Public()
	b := append(Octets(nil), id[:]...)
	b = append(b, r.ephemeral.PublicKey().Bytes()...)
	return append(b, r.salt[:]...)
}

// Finish checks message 2 and makes message 3, whose nonce it is given.
func (r *Registration) Finish(answer Octets, gateway keys.Identity, nonce [NonceSize]byte) (Octets, *keys.Session, error) {
	if len(answer) != answerSize {
		return nil, nil, fmt.Errorf("%w: handshake answer of %d bytes, want %d", ErrMalformed, len(answer), answerSize)
	}
	x, y := r.ephemeral.PublicKey().Bytes(), answer[:keys.Size]
	key, err := sharedKey(r.ephemeral, y, r.salt[:])
	if err != nil {
		return nil, nil, err
	}
	if !checkProof(key, gateway, y, x, answer[keys.Size:]) {
		return nil, nil, ErrImpostor
	}
	return makeProof(key, r.identity, x, y, nonce), key, nil
}

// An Opening is message 1 as the gateway reads it.
type Opening struct {
	Client    keys.Identity
	ephemeral [keys.Size]byte
	salt      [saltSize]byte
}

// ParseOpening parses the 80 bytes; its errors are Refusals.
func ParseOpening(b Octets) (Opening, error) {
	switch len(b) {
	case openingSize:
	case LegacyOpeningSize:
		return Opening{}, Refusal("legacy registration is not supported")
	default:
		return Opening{}, Refusal("malformed registration")
	}
	client, err := keys.ParseIdentity(b[:keys.Size])
	if err != nil {
		return Opening{}, Refusal("malformed registration")
	}
	return Opening{
		Client:    client,
		ephemeral: [keys.Size]byte(b[keys.Size : 2*keys.Size]),
		salt:      [saltSize]byte(b[2*keys.Size:]),
	}, nil
}

// Answer makes message 2 of a gateway's ephemeral key and a nonce.
func (o *Opening) Answer(identity *keys.IdentityKey, ephemeral *ecdh.PrivateKey, nonce [NonceSize]byte) (Octets, *keys.Session, error) {
	key, err := sharedKey(ephemeral, o.ephemeral[:], o.salt[:])
	if err != nil {
		return nil, nil, err
	}
	y := ephemeral.PublicKey().Bytes()
	return append(append(Octets(nil), y...), makeProof(key, identity, y, o.ephemeral[:], nonce)...), key, nil
}

// Check reports whether message 3 is the client's.
func (o *Opening) Check(key *keys.Session, y []byte, proof Octets) bool {
	return checkProof(key, o.Client, o.ephemeral[:], y, proof)
}

// makeProof seals a signature over the own and the other ephemeral key.
func makeProof(key *keys.Session, id *keys.IdentityKey, own, other []byte, nonce [NonceSize]byte) Octets {
	sig := id.Sign(append(append([]byte(nil), own...), other...))
	return append(gcmsiv.New(key.Bytes()).Seal(nil, nonce[:], sig[:], nil), nonce[:]...)
}

// checkProof checks what makeProof made at the far end, whose ephemeral key is first.
func checkProof(key *keys.Session, id keys.Identity, theirs, ours []byte, proof Octets) bool {
	if len(proof) != proofSize {
		return false
	}
	sealed, nonce := proof[:proofSize-NonceSize], proof[proofSize-NonceSize:]
	sig, err := gcmsiv.New(key.Bytes()).Open(nil, nonce, sealed, nil)
	return err == nil && id.Verify(append(append([]byte(nil), theirs...), ours...), sig)
}

// sharedKey is K. A point of low order is refused.
func sharedKey(own *ecdh.PrivateKey, theirs, salt []byte) (*keys.Session, error) {
	dh, err := agree(own, theirs)
	if err != nil {
		return nil, err
	}
	k, err := deriveKey(dh, salt)
	if err != nil {
		return nil, err
	}
	return keys.SessionFromBytes(k), nil
}

// agree is X25519. A point of low order is refused.
func agree(own *ecdh.PrivateKey, theirs []byte) ([]byte, error) {
	p, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		return nil, err
	}
	dh, err := own.ECDH(p)
	if err != nil {
		return nil, keys.ErrLowOrder
	}
	return dh, nil
}

// deriveKey is HKDF over HMAC-BLAKE3 without info.
func deriveKey(secret, salt []byte) (k [keys.SessionSize]byte, err error) {
	b, err := hkdf.Key(func() hash.Hash { return blake3.New(32, nil) }, secret, salt, "", len(k))
	if err != nil {
		return k, err
	}
	return [keys.SessionSize]byte(b), nil
}
