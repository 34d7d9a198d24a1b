package gcmsiv

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// Sizes in bytes.
const (
	KeySize   = 32
	NonceSize = 12
	Overhead  = 16 // the tag, behind the ciphertext
)

// maxLength is the longest plaintext, and the longest additional data, in
// bytes (RFC 8452 §6).
const maxLength = 1 << 36

// ErrOpen reports a ciphertext that was not made with this key, nonce and
// additional data.
var ErrOpen = errors.New("gcmsiv: message authentication failed")

// An AEAD is AES-256-GCM-SIV under one key. It is safe for concurrent use.
type AEAD struct {
	hard *hardKey     // set where the CPU does the work
	soft cipher.Block // set elsewhere
}

var _ cipher.AEAD = (*AEAD)(nil)

// New makes an AEAD of a key, which it copies.
func New(key *[KeySize]byte) *AEAD {
	if haveHard {
		return &AEAD{hard: newHardKey(key)}
	}
	return &AEAD{soft: newSoftKey(key)}
}

// NonceSize is 12.
func (a *AEAD) NonceSize() int { return NonceSize }

// Overhead is 16.
func (a *AEAD) Overhead() int { return Overhead }

// Seal appends the ciphertext of plaintext and its tag to dst. To work in
// place use plaintext[:0] as dst; any other overlap is a bug of the caller and
// panics, as do a nonce of another size and more than 64 GiB of input.
func (a *AEAD) Seal(dst, nonce, plaintext, data []byte) []byte {
	checkSizes(nonce, uint64(len(plaintext)), data)
	ret, out := grow(dst, len(plaintext)+Overhead)
	checkOverlap(out, plaintext)

	var k messageKey
	a.derive(&k, nonce)
	tag := k.tag(nonce, plaintext, data)
	counter := tag
	counter[15] |= 0x80
	k.xorKeyStream(out, plaintext, &counter)
	copy(out[len(plaintext):], tag[:])
	return ret
}

// Open appends the plaintext of ciphertext (with its tag) to dst. To work in
// place use ciphertext[:0] as dst. If the tag is wrong it returns [ErrOpen],
// and what it wrote behind dst is zeroed.
func (a *AEAD) Open(dst, nonce, ciphertext, data []byte) ([]byte, error) {
	checkSizes(nonce, uint64(max(len(ciphertext)-Overhead, 0)), data)
	if len(ciphertext) < Overhead {
		return nil, ErrOpen
	}
	n := len(ciphertext) - Overhead
	tag := [Overhead]byte(ciphertext[n:])
	ret, out := grow(dst, n)
	checkOverlap(out, ciphertext)

	var k messageKey
	a.derive(&k, nonce)
	counter := tag
	counter[15] |= 0x80
	k.xorKeyStream(out, ciphertext[:n], &counter)
	want := k.tag(nonce, out, data)
	if subtle.ConstantTimeCompare(tag[:], want[:]) != 1 {
		clear(out)
		return nil, ErrOpen
	}
	return ret, nil
}

func checkSizes(nonce []byte, plaintext uint64, data []byte) {
	if len(nonce) != NonceSize {
		panic("gcmsiv: nonce is not 12 bytes")
	}
	if plaintext > maxLength || uint64(len(data)) > maxLength {
		panic("gcmsiv: input too long")
	}
}

// grow gives dst with room for n bytes more, and those n bytes.
func grow(dst []byte, n int) (whole, tail []byte) {
	if total := len(dst) + n; cap(dst) >= total {
		whole = dst[:total]
	} else {
		whole = make([]byte, total)
		copy(whole, dst)
	}
	return whole, whole[len(dst):]
}

// checkOverlap allows out and in to share memory only if they begin together.
func checkOverlap(out, in []byte) {
	if len(out) == 0 || len(in) == 0 || &out[0] == &in[0] {
		return
	}
	if overlaps(out, in) {
		panic("gcmsiv: buffers overlap inexactly")
	}
}

// derive makes the keys of one nonce (RFC 8452 §4): they are the first halves
// of the blocks that counter mode under the long key gives for counters 0 to 5.
func (a *AEAD) derive(k *messageKey, nonce []byte) {
	var counter [16]byte
	copy(counter[4:], nonce)
	var stream [8 * 16]byte // six blocks are needed; eight go at once
	a.keyStream(&stream, &counter)
	var auth [16]byte
	var enc [KeySize]byte
	for i := range 2 {
		copy(auth[8*i:], stream[16*i:][:8])
	}
	for i := range 4 {
		copy(enc[8*i:], stream[16*(2+i):][:8])
	}
	k.init(&auth, &enc, a.hard != nil)
}

// tag computes the tag of a plaintext (RFC 8452 §4).
func (k *messageKey) tag(nonce, plaintext, data []byte) [16]byte {
	var s [16]byte
	k.polyval(&s, data)
	k.polyval(&s, plaintext)
	var lengths [16]byte
	binary.LittleEndian.PutUint64(lengths[:], uint64(len(data))*8)
	binary.LittleEndian.PutUint64(lengths[8:], uint64(len(plaintext))*8)
	k.polyval(&s, lengths[:])
	subtle.XORBytes(s[:], s[:], nonce)
	s[15] &= 0x7f

	var tag [16]byte
	k.xorKeyStream(tag[:], tag[:], &s) // one block of the stream that starts at s is AES(s)
	return tag
}

// polyval takes p, padded with zeros to whole blocks, into s.
func (k *messageKey) polyval(s *[16]byte, p []byte) {
	whole := len(p) &^ 15
	if whole > 0 {
		k.polyvalBlocks(s, p[:whole])
	}
	if whole < len(p) {
		var last [16]byte
		copy(last[:], p[whole:])
		k.polyvalBlocks(s, last[:])
	}
}

// xorKeyStream encrypts src to dst in counter mode: the first four bytes of
// the block are the counter, little-endian, and wrap around (RFC 8452 §4).
func (k *messageKey) xorKeyStream(dst, src []byte, counter *[16]byte) {
	whole := len(src) &^ 15
	if whole > 0 {
		k.xorBlocks(dst[:whole], src[:whole], counter)
	}
	if whole < len(src) {
		var last [16]byte
		copy(last[:], src[whole:])
		k.xorBlocks(last[:], last[:], counter)
		copy(dst[whole:len(src)], last[:])
	}
}
