package gcmsiv

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
	"sync"
)

// newAES cannot fail: the key has 32 bytes.
func newAES(key *[KeySize]byte) cipher.Block {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic("gcmsiv: " + err.Error())
	}
	return b
}

func newSoftKey(key *[KeySize]byte) cipher.Block { return newAES(key) }

// blockBuffers lends the two blocks that pass through the cipher.Block
// interface, which would otherwise be allocated each time.
var blockBuffers = sync.Pool{New: func() any { return new([2][16]byte) }}

// softCTR is counter mode over whole blocks. It leaves counter at the block
// behind the last one used.
func softCTR(b cipher.Block, dst, src []byte, counter *[16]byte) {
	buf := blockBuffers.Get().(*[2][16]byte)
	in, out := &buf[0], &buf[1]
	*in = *counter
	for len(src) >= 16 {
		b.Encrypt(out[:], in[:])
		subtle.XORBytes(dst[:16], src[:16], out[:])
		binary.LittleEndian.PutUint32(in[:], binary.LittleEndian.Uint32(in[:])+1)
		dst, src = dst[16:], src[16:]
	}
	*counter = *in
	*buf = [2][16]byte{}
	blockBuffers.Put(buf)
}

// softPolyval takes whole blocks into s (RFC 8452 §3): s = (s ⊕ block)·h·x⁻¹²⁸
// for each, in GF(2)[x] modulo x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1, where bit i of
// the little-endian integer is the coefficient of xⁱ.
func softPolyval(h, s *[16]byte, blocks []byte) {
	h0, h1 := binary.LittleEndian.Uint64(h[:]), binary.LittleEndian.Uint64(h[8:])
	r0, r1 := bits.Reverse64(h0), bits.Reverse64(h1)
	s0, s1 := binary.LittleEndian.Uint64(s[:]), binary.LittleEndian.Uint64(s[8:])
	for ; len(blocks) >= 16; blocks = blocks[16:] {
		s0 ^= binary.LittleEndian.Uint64(blocks)
		s1 ^= binary.LittleEndian.Uint64(blocks[8:])
		t0, t1 := bits.Reverse64(s0), bits.Reverse64(s1)

		// Karatsuba over halves; the upper word of a product is the lower one
		// of the mirrored factors, mirrored and moved by one bit.
		lo0, lo1 := clmulLow(s0, h0), bits.Reverse64(clmulLow(t0, r0))>>1
		hi0, hi1 := clmulLow(s1, h1), bits.Reverse64(clmulLow(t1, r1))>>1
		mid0 := clmulLow(s0^s1, h0^h1) ^ lo0 ^ hi0
		mid1 := bits.Reverse64(clmulLow(t0^t1, r0^r1))>>1 ^ lo1 ^ hi1
		v0, v1, v2, v3 := lo0, lo1^mid0, hi0^mid1, hi1

		// Add the multiple of the modulus that clears v0, then that for v1.
		v1 ^= v0<<63 ^ v0<<62 ^ v0<<57
		v2 ^= v0 ^ v0>>1 ^ v0>>2 ^ v0>>7
		v2 ^= v1<<63 ^ v1<<62 ^ v1<<57
		v3 ^= v1 ^ v1>>1 ^ v1>>2 ^ v1>>7
		s0, s1 = v2, v3
	}
	binary.LittleEndian.PutUint64(s[:], s0)
	binary.LittleEndian.PutUint64(s[8:], s1)
}

// clmulLow is the lower word of the carry-less product. Each factor is cut
// into four with three zeros between any two bits, so that the carries of an
// ordinary multiplication never reach the next bit of interest.
func clmulLow(x, y uint64) uint64 {
	const (
		m0 = 0x1111111111111111
		m1 = m0 << 1
		m2 = m0 << 2
		m3 = m0 << 3
	)
	x0, x1, x2, x3 := x&m0, x&m1, x&m2, x&m3
	y0, y1, y2, y3 := y&m0, y&m1, y&m2, y&m3
	z0 := x0*y0 ^ x1*y3 ^ x2*y2 ^ x3*y1
	z1 := x0*y1 ^ x1*y0 ^ x2*y3 ^ x3*y2
	z2 := x0*y2 ^ x1*y1 ^ x2*y0 ^ x3*y3
	z3 := x0*y3 ^ x1*y2 ^ x2*y1 ^ x3*y0
	return z0&m0 | z1&m1 | z2&m2 | z3&m3
}
