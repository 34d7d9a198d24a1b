package keys

import (
	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// honestPoint reports whether u is the canonical encoding of the u-coordinate
// of a point on Curve25519 (not its twist) whose order is not small.
func honestPoint(u *[Size]byte) bool {
	fe, err := new(field.Element).SetBytes(u[:])
	if err != nil || [Size]byte(fe.Bytes()) != *u { // bit 255 set, or u >= p
		return false
	}
	p, ok := EdwardsPoint(u)
	if !ok {
		return false
	}
	return new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 0
}

// EdwardsPoint maps the u-coordinate of an X25519 public value to a point of
// the birationally equivalent Edwards curve, y = (u-1)/(u+1), with the even x.
// Bit 255 of u is ignored, as X25519 does. It fails for u = -1 and for points
// of the twist. It is for arithmetic that X25519 cannot do: tests of order, and
// the unclamped scalars of old Sphinx headers (sphinx.md §3.4.2).
func EdwardsPoint(u *[Size]byte) (*edwards25519.Point, bool) {
	fe, err := new(field.Element).SetBytes(u[:])
	if err != nil {
		return nil, false
	}
	one := new(field.Element).One()
	den := new(field.Element).Add(fe, one)
	if den.Equal(new(field.Element).Zero()) == 1 {
		return nil, false
	}
	y := new(field.Element).Subtract(fe, one)
	y.Multiply(y, den.Invert(den))
	p, err := new(edwards25519.Point).SetBytes(y.Bytes())
	return p, err == nil
}
