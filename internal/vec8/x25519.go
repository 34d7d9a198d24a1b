package vec8

import (
	"crypto/subtle"
	"encoding/binary"
	"sync"

	"filippo.io/edwards25519"

	"nym-socks5/internal/x25519"
)

// ladderMin is the number of lanes from which eight ladders side by side take
// less time than one after the other.
const ladderMin = 2

// X25519 sets each out to the product of a scalar and a point (RFC 7748: the
// scalar is clamped, bit 255 of the point ignored). Bit i of ok is set if out[i]
// is not zero; it is zero for points of low order. The arrays may be the same.
func (u *Unit) X25519(n int, out, scalar, point *[Lanes][32]byte) (ok uint8) {
	switch {
	case n >= ladderMin && haveAVX512:
		u.ladders(n, out, scalar, point)
	case n >= ladder4Min && haveAVX2:
		u.ladders4(n, out, scalar, point)
	default:
		for i := range n {
			x25519.Multiply(&out[i], &scalar[i], &point[i])
		}
	}
	return nonzero(n, out)
}

// baseMin is the number of lanes from which a table of our own takes less time
// than that of a library, one lane after the other.
const baseMin = 2

// BaseTable gives the table of the base point, which is made when it is first
// needed.
var BaseTable = sync.OnceValue(func() *Table { return NewTable(&[32]byte{9}) })

// X25519Base sets each out to the product of a scalar and the base point: the
// public key of a private one. The arrays may be the same.
func (u *Unit) X25519Base(n int, out, scalar *[Lanes][32]byte) {
	if haveAVX512 && n >= baseMin {
		base := BaseTable()
		u.X25519Table(n, out, scalar, &[Lanes]*Table{base, base, base, base, base, base, base, base})
		return
	}
	for i := range n {
		var s edwards25519.Scalar
		if _, err := s.SetBytesWithClamping(scalar[i][:]); err != nil {
			panic("vec8: " + err.Error()) // only for a wrong length
		}
		copy(out[i][:], new(edwards25519.Point).ScalarBaseMult(&s).BytesMontgomery())
	}
}

// nonzero is the mask of the lanes that are not zero.
func nonzero(n int, out *[Lanes][32]byte) (mask uint8) {
	var zero [32]byte
	for i := range n {
		mask |= uint8(1-subtle.ConstantTimeCompare(out[i][:], zero[:])) << i
	}
	return mask
}

// An element holds eight elements of the field of 2^255-19: five limbs of 51
// bits, each a vector of eight lanes. Kernels read and leave limbs below
// 2^51 + 2^15.
type element [5][Lanes]uint64

const mask51 = 1<<51 - 1

// set puts b without bit 255 into a lane. It need not be below the prime.
func (f *element) set(lane int, b *[32]byte) {
	for i, limb := range limbs(b) {
		f[i][lane] = limb
	}
}

// bytes writes a lane, reduced to below the prime.
func (f *element) bytes(lane int, b *[32]byte) {
	putLimbs(b, [5]uint64{f[0][lane], f[1][lane], f[2][lane], f[3][lane], f[4][lane]})
}

// limbs cuts b without bit 255 into limbs of 51 bits.
func limbs(b *[32]byte) [5]uint64 {
	w0 := binary.LittleEndian.Uint64(b[0:])
	w1 := binary.LittleEndian.Uint64(b[8:])
	w2 := binary.LittleEndian.Uint64(b[16:])
	w3 := binary.LittleEndian.Uint64(b[24:])
	return [5]uint64{
		w0 & mask51,
		(w0>>51 | w1<<13) & mask51,
		(w1>>38 | w2<<26) & mask51,
		(w2>>25 | w3<<39) & mask51,
		(w3 >> 12) & mask51,
	}
}

// putLimbs writes limbs below 2^52, reduced to below the prime.
func putLimbs(b *[32]byte, r [5]uint64) {
	for range 2 { // twice: the first carry may leave limb 0 at 51 bits and a little
		c := r[4] >> 51
		r[4] &= mask51
		r[0] += 19 * c
		for k := range 4 {
			r[k+1] += r[k] >> 51
			r[k] &= mask51
		}
	}
	q := (r[0] + 19) >> 51 // becomes 1 if r is at least the prime
	for k := 1; k < 5; k++ {
		q = (r[k] + q) >> 51
	}
	r[0] += 19 * q
	for k := range 4 {
		r[k+1] += r[k] >> 51
		r[k] &= mask51
	}
	r[4] &= mask51
	binary.LittleEndian.PutUint64(b[0:], r[0]|r[1]<<51)
	binary.LittleEndian.PutUint64(b[8:], r[1]>>13|r[2]<<38)
	binary.LittleEndian.PutUint64(b[16:], r[2]>>26|r[3]<<25)
	binary.LittleEndian.PutUint64(b[24:], r[3]>>39|r[4]<<12)
}

// ladderScratch is what the kernels of the field work in. The assembly knows
// the places of el.
type ladderScratch struct {
	el    [16]element
	masks [256]byte // for each step of the ladder, a bit per lane
}

// The places of the ladder's variables in ladderScratch.
const (
	atX1 = iota // the point
	atX2        // the result is x2/z2
	atZ2
	atX3
	atZ3
	atTemp // and what is behind it
)

// ladders is X25519 in the lanes of vector registers.
func (u *Unit) ladders(n int, out, scalar, point *[Lanes][32]byte) {
	if u.ladder == nil {
		u.ladder = aligned[ladderScratch]()
	}
	s := u.ladder
	for i := range n {
		s.el[atX1].set(i, &point[i])
	}
	one := element{0: {1, 1, 1, 1, 1, 1, 1, 1}}
	s.el[atX2], s.el[atZ3] = one, one
	s.el[atX3] = s.el[atX1]
	ladderMasks(&s.masks, scalar[:n])
	ladder(&s.el, &s.masks, 255)
	// The lowest bit of a clamped scalar is 0, so nothing is left to swap.
	s.invert(atZ2)
	feMul(&s.el[atX2], &s.el[atX2], &s.el[atZ2])
	for i := range n {
		s.el[atX2].bytes(i, &out[i])
	}
	*s = ladderScratch{}
}

// ladderMasks clamps at most eight scalars and transposes them: bit l of masks[i]
// is bit 254-i of scalar l, exclusive or the bit above it. It says whether the
// two points of lane l change places before step i.
func ladderMasks(masks *[256]byte, scalar [][32]byte) {
	var w [Lanes][4]uint64
	for l := range scalar {
		k := &w[l]
		for j := range k {
			k[j] = binary.LittleEndian.Uint64(scalar[l][8*j:])
		}
		k[0] &^= 7
		k[3] = k[3]&(1<<62-1) | 1<<62
		k[0] ^= k[0]>>1 | k[1]<<63
		k[1] ^= k[1]>>1 | k[2]<<63
		k[2] ^= k[2]>>1 | k[3]<<63
		k[3] ^= k[3] >> 1
	}
	for j := range 4 {
		for b := 0; b < 64; b += 8 {
			var x uint64 // row l is byte b/8 of lane l
			for l := range w {
				x |= (w[l][j] >> b & 0xff) << (8 * l)
			}
			t := (x ^ x>>7) & 0x00aa00aa00aa00aa // transpose 8 by 8 bits
			x ^= t ^ t<<7
			t = (x ^ x>>14) & 0x0000cccc0000cccc
			x ^= t ^ t<<14
			t = (x ^ x>>28) & 0x00000000f0f0f0f0
			x ^= t ^ t<<28
			for i := range 8 {
				masks[(254-(64*j+b+i))&255] = byte(x >> (8 * i)) // bit 255 goes to the end, unused
			}
		}
	}
	clear(w[:])
}

// invert replaces the element at place z by its inverse; zero stays zero. It is
// z^(2^255-21), by the usual chain.
func (s *ladderScratch) invert(z int) {
	f := &s.el[z]
	a, b, t, v := &s.el[atTemp], &s.el[atTemp+1], &s.el[atTemp+2], &s.el[atTemp+3]
	feSquare(a, f, 1)   // 2
	feSquare(t, a, 2)   // 8
	feMul(b, t, f)      // 9
	feMul(a, a, b)      // 11
	feSquare(t, a, 1)   // 22
	feMul(b, b, t)      // 2^5 - 1
	feSquare(t, b, 5)   //
	feMul(b, t, b)      // 2^10 - 1
	feSquare(t, b, 10)  //
	feMul(v, t, b)      // 2^20 - 1
	feSquare(t, v, 20)  //
	feMul(t, t, v)      // 2^40 - 1
	feSquare(t, t, 10)  //
	feMul(b, t, b)      // 2^50 - 1
	feSquare(t, b, 50)  //
	feMul(v, t, b)      // 2^100 - 1
	feSquare(t, v, 100) //
	feMul(t, t, v)      // 2^200 - 1
	feSquare(t, t, 50)  //
	feMul(t, t, b)      // 2^250 - 1
	feSquare(t, t, 5)   //
	feMul(f, t, a)      // 2^255 - 21
}
