package vec8

import (
	"filippo.io/edwards25519/field"

	"nym-socks5/internal/x25519"
)

// An element4 holds four elements of the field of 2^255-19: ten limbs, in turn
// of 26 and 25 bits, each a vector of four lanes.
type element4 [10][4]uint64

// set puts b without bit 255 into a lane. It need not be below the prime.
func (f *element4) set(lane int, b *[32]byte) {
	for i, limb := range limbs(b) {
		f[2*i][lane] = limb & (1<<26 - 1)
		f[2*i+1][lane] = limb >> 26
	}
}

// field copies a lane.
func (f *element4) field(lane int, to *field.Element) {
	var r [5]uint64
	for i := range r {
		r[i] = f[2*i][lane] + f[2*i+1][lane]<<26
	}
	setField(to, r)
}

// field copies a lane.
func (f *element) field(lane int, to *field.Element) {
	setField(to, [5]uint64{f[0][lane], f[1][lane], f[2][lane], f[3][lane], f[4][lane]})
}

// setField sets f to what has limbs below 2^52.
func setField(f *field.Element, limbs [5]uint64) {
	var b [32]byte
	putLimbs(&b, limbs)
	if _, err := f.SetBytes(b[:]); err != nil {
		panic("vec8: " + err.Error()) // only for a wrong length
	}
}

// ladder4Scratch is what the kernel works in. The assembly knows the places of
// el; the first five are those of ladderScratch.
type ladder4Scratch struct {
	el    [16]element4
	masks [256]byte
}

// ladder4Min is the number of lanes from which four ladders side by side take less
// time than one after the other.
const ladder4Min = 3

// ladders4 is X25519 in the lanes of vector registers, four at a time.
func (u *Unit) ladders4(n int, out, scalar, point *[Lanes][32]byte) {
	if u.ladder4 == nil {
		u.ladder4 = aligned[ladder4Scratch]()
	}
	s := u.ladder4
	var x, z [Lanes]field.Element
	done := 0
	for ; n-done >= ladder4Min; done += 4 {
		from, lanes := done, min(n-done, 4)
		for i := range lanes {
			s.el[atX1].set(i, &point[from+i])
		}
		one := element4{0: {1, 1, 1, 1}}
		s.el[atX2], s.el[atZ2], s.el[atX3], s.el[atZ3] = one, element4{}, s.el[atX1], one
		ladderMasks(&s.masks, scalar[from:][:lanes])
		ladder4(&s.el, &s.masks, 255)
		for i := range lanes {
			s.el[atX2].field(i, &x[from+i])
			s.el[atZ2].field(i, &z[from+i])
		}
	}
	done = min(done, n)
	quotients(done, out, &x, &z)
	*s = ladder4Scratch{}
	for i := done; i < n; i++ {
		x25519.Multiply(&out[i], &scalar[i], &point[i])
	}
}

// quotients sets each out to x divided by z, or to zero where z is. It inverts
// the product of all z, and changes x and z.
func quotients(n int, out *[Lanes][32]byte, x, z *[Lanes]field.Element) {
	var before [Lanes]field.Element // products of the z before
	var all, zero, one field.Element
	one.One()
	all.One()
	for i := range n {
		none := z[i].Equal(&zero)
		x[i].Select(&zero, &x[i], none)
		z[i].Select(&one, &z[i], none)
		before[i].Set(&all)
		all.Multiply(&all, &z[i])
	}
	all.Invert(&all)
	for i := n - 1; i >= 0; i-- {
		x[i].Multiply(&x[i], before[i].Multiply(&before[i], &all))
		all.Multiply(&all, &z[i])
		copy(out[i][:], x[i].Bytes())
	}
	clear(before[:])
	clear(x[:])
	clear(z[:])
}
