package x25519

import "filippo.io/edwards25519/field"

// a24 is (486662 - 2) / 4.
const a24 = 121665

// ladder is multiply as RFC 7748 §5 has it, with the names that it has there.
func ladder(out, scalar, point *[32]byte) {
	k := *scalar
	k[0] &= 248
	k[31] = k[31]&127 | 64

	var x1, x2, z2, x3, z3 field.Element
	if _, err := x1.SetBytes(point[:]); err != nil { // it ignores bit 255
		panic("x25519: " + err.Error()) // only for a wrong length
	}
	x2.One()
	x3.Set(&x1)
	z3.One()
	var a, aa, b, bb, e, c, d, da, cb field.Element
	swap := 0
	for t := 254; t >= 0; t-- {
		bit := int(k[t/8]>>(t%8)) & 1
		swap ^= bit
		x2.Swap(&x3, swap)
		z2.Swap(&z3, swap)
		swap = bit

		a.Add(&x2, &z2)
		aa.Square(&a)
		b.Subtract(&x2, &z2)
		bb.Square(&b)
		e.Subtract(&aa, &bb)
		c.Add(&x3, &z3)
		d.Subtract(&x3, &z3)
		da.Multiply(&d, &a)
		cb.Multiply(&c, &b)
		x3.Add(&da, &cb)
		x3.Square(&x3)
		z3.Subtract(&da, &cb)
		z3.Square(&z3)
		z3.Multiply(&x1, &z3)
		x2.Multiply(&aa, &bb)
		z2.Mult32(&e, a24)
		z2.Add(&aa, &z2)
		z2.Multiply(&e, &z2)
	}
	x2.Swap(&x3, swap)
	z2.Swap(&z3, swap)
	z2.Invert(&z2) // of zero, zero
	x2.Multiply(&x2, &z2)
	copy(out[:], x2.Bytes())
	clear(k[:])
}
