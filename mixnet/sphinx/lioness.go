package sphinx

import (
	"crypto/subtle"
	"encoding"
	"encoding/binary"
	"hash"

	"github.com/aead/chacha20/chacha"
	"golang.org/x/crypto/blake2b"
)

// lioness is the wide-block cipher LIONESS (Anderson, Biham 1996) over
// ChaCha20 and keyed BLAKE2b-256: damage to one bit of a block destroys all
// of it (sphinx.md §3.9).
//
//	key = K1 (32) ‖ K2 (64) ‖ K3 (32) ‖ K4 (64)    block = L (32) ‖ R (at least 1)
type lioness struct {
	hash  hash.Hash
	state [blakeState]byte
	key   [32]byte
	sum   [32]byte
}

// A keyed BLAKE2b begins like an unkeyed one whose parameter block names the
// key's length and whose first block is the key. The library makes a new
// object for every key; restoring such a state into one object is the same
// hash without the garbage.
//
//	"b2b" ‖ chain (64) ‖ counter (16) ‖ digest size ‖ block (128) ‖ block fill
const (
	blakeChain = 3
	blakeSize  = blakeChain + 64 + 16
	blakeBlock = blakeSize + 1
	blakeState = blakeBlock + blake2b.BlockSize + 1
)

func (l *lioness) init() {
	h, err := blake2b.New256(nil)
	if err != nil {
		panic("sphinx: " + err.Error()) // only for a key too long
	}
	l.hash = h
	copy(l.state[:], "b2b")
	for i, v := range [8]uint64{
		0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
		0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
	} {
		if i == 0 {
			v ^= 0x01010000 | 64<<8 | 32 // depth 1, fanout 1, key 64, digest 32
		}
		binary.BigEndian.PutUint64(l.state[blakeChain+8*i:], v)
	}
	l.state[blakeSize] = 32
	l.state[blakeState-1] = blake2b.BlockSize
}

// mix XORs the left part with the keyed hash of the right one.
func (l *lioness) mix(left, right, key []byte) {
	copy(l.state[blakeBlock:], key)
	if err := l.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(l.state[:]); err != nil {
		panic("sphinx: " + err.Error()) // the state is our own
	}
	l.hash.Write(right)
	l.hash.Sum(l.sum[:0])
	subtle.XORBytes(left, left, l.sum[:])
}

var zeroNonce [chacha.NonceSize]byte

// stream XORs the right part with the key stream of left XOR key.
func (l *lioness) stream(left, right, key []byte) {
	subtle.XORBytes(l.key[:], left, key)
	chacha.XORKeyStream(right, right, zeroNonce[:], l.key[:], 20)
}

// encrypt puts a layer on block, which must be longer than 32 bytes.
func (l *lioness) encrypt(key *[FullKeySize]byte, block []byte) {
	left, right := block[:leftSize], block[leftSize:]
	l.stream(left, right, key[:32])
	l.mix(left, right, key[32:96])
	l.stream(left, right, key[96:128])
	l.mix(left, right, key[128:])
}

// decrypt takes a layer off block, which must be longer than 32 bytes.
func (l *lioness) decrypt(key *[FullKeySize]byte, block []byte) {
	left, right := block[:leftSize], block[leftSize:]
	l.mix(left, right, key[128:])
	l.stream(left, right, key[96:128])
	l.mix(left, right, key[32:96])
	l.stream(left, right, key[:32])
}
