package session

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"errors"
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
	proofSize     = signatureSize + gcmsiv.Overhead + nonceSize // 92: sealed signature, nonce behind it

	openingSize = keys.Size + keys.Size + saltSize // 80
	answerSize  = keys.Size + proofSize            // 124
)

// ErrImpostor reports a gateway that cannot sign for the identity it was
// looked up under.
var ErrImpostor = errors.New("session: gateway does not hold the identity of the directory")

// A registration is a client in the middle of the handshake.
//
//	1  client ──▶  identity (32) ‖ X (32) ‖ salt (16)                       80
//	2  ◀── gateway Y (32) ‖ seal(K, sign(gateway, Y ‖ X)) (80) ‖ nonce (12)  124
//	3  client ──▶  seal(K, sign(client, X ‖ Y)) (80) ‖ nonce (12)            92
//	4  ◀── gateway 1                                                         1
//
// K is HKDF over HMAC-BLAKE3 of X25519(x, Y), with the salt and no info.
type registration struct {
	identity  *keys.IdentityKey
	ephemeral *ecdh.PrivateKey
	salt      [saltSize]byte
}

func newRegistration(identity *keys.IdentityKey) (*registration, error) {
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	r := &registration{identity: identity, ephemeral: ephemeral}
	rand.Read(r.salt[:])
	return r, nil
}

// opening is message 1.
func (r *registration) opening() octets {
	id := r.identity.Public()
	b := append(octets(nil), id[:]...)
	b = append(b, r.ephemeral.PublicKey().Bytes()...)
	return append(b, r.salt[:]...)
}

// finish checks message 2 and makes message 3, whose nonce it is given.
func (r *registration) finish(answer octets, gateway keys.Identity, nonce [nonceSize]byte) (octets, *keys.Session, error) {
	if len(answer) != answerSize {
		return nil, nil, fmt.Errorf("%w: handshake answer of %d bytes, want %d", errMalformed, len(answer), answerSize)
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

// An opening is message 1 as the gateway reads it.
type opening struct {
	client    keys.Identity
	ephemeral [keys.Size]byte
	salt      [saltSize]byte
}

func parseOpening(b octets) (opening, error) {
	switch len(b) {
	case openingSize:
	case legacyOpeningSize:
		return opening{}, Refusal("legacy registration is not supported")
	default:
		return opening{}, Refusal("malformed registration")
	}
	client, err := keys.ParseIdentity(b[:keys.Size])
	if err != nil {
		return opening{}, Refusal("malformed registration")
	}
	return opening{
		client:    client,
		ephemeral: [keys.Size]byte(b[keys.Size : 2*keys.Size]),
		salt:      [saltSize]byte(b[2*keys.Size:]),
	}, nil
}

// answer makes message 2 of a gateway's ephemeral key and a nonce.
func (o *opening) answer(identity *keys.IdentityKey, ephemeral *ecdh.PrivateKey, nonce [nonceSize]byte) (octets, *keys.Session, error) {
	key, err := sharedKey(ephemeral, o.ephemeral[:], o.salt[:])
	if err != nil {
		return nil, nil, err
	}
	y := ephemeral.PublicKey().Bytes()
	return append(append(octets(nil), y...), makeProof(key, identity, y, o.ephemeral[:], nonce)...), key, nil
}

// check reports whether message 3 is the client's.
func (o *opening) check(key *keys.Session, y []byte, proof octets) bool {
	return checkProof(key, o.client, o.ephemeral[:], y, proof)
}

// makeProof seals a signature over the own and the other ephemeral key.
func makeProof(key *keys.Session, id *keys.IdentityKey, own, other []byte, nonce [nonceSize]byte) octets {
	sig := id.Sign(append(append([]byte(nil), own...), other...))
	return append(gcmsiv.New(key.Bytes()).Seal(nil, nonce[:], sig[:], nil), nonce[:]...)
}

// checkProof checks what makeProof made at the far end, whose ephemeral key is first.
func checkProof(key *keys.Session, id keys.Identity, theirs, ours []byte, proof octets) bool {
	if len(proof) != proofSize {
		return false
	}
	sealed, nonce := proof[:proofSize-nonceSize], proof[proofSize-nonceSize:]
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
