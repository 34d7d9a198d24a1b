package sphinx

import (
	"filippo.io/edwards25519"

	"nym-socks5/mixnet/keys"
)

// A blinded scalar is the product of a packet's secret and the blinding
// factors of the hops before this one, modulo the group order. Multiplying
// scalars first takes one scalar multiplication for each hop; multiplying the
// point by each factor in turn, as sphinx.md §3.4.1 defines the result, takes
// one more at every hop.
type blinded struct{ s edwards25519.Scalar }

// start sets b to the clamped secret.
func (b *blinded) start(secret *[32]byte) {
	if _, err := b.s.SetBytesWithClamping(secret[:]); err != nil {
		panic("sphinx: " + err.Error()) // only for a wrong length
	}
}

// by multiplies b with one hop's blinding factor.
func (b *blinded) by(factor *[32]byte) {
	var f edwards25519.Scalar
	if _, err := f.SetBytesWithClamping(factor[:]); err != nil {
		panic("sphinx: " + err.Error()) // only for a wrong length
	}
	b.s.Multiply(&b.s, &f)
}

// lift writes a scalar of clamped form (a multiple of 8 with bit 254 set) that
// is plus or minus b modulo the group order ℓ. X25519 with it gives the
// u-coordinate of b times any point of the curve, without having to refrain
// from clamping; the sign does not show in u. Constant time.
func (b *blinded) lift(out *[32]byte) {
	t := b.s.Bytes()
	k := uint16(3 * (t[0] & 7) & 7) // t + kℓ ≡ 0 (mod 8), as ℓ ≡ 5
	var carry uint16
	for i := range out {
		carry += uint16(t[i]) + uint16(order[i])*k
		out[i] = byte(carry)
		carry >>= 8
	}
	// out < 8ℓ, and 8ℓ is 2^255 and a little. If bit 254 is clear, 8ℓ - out has it.
	negate := -(1 - out[31]>>6&1)
	var borrow int16
	for i := range out {
		d := int16(order8[i]) - int16(out[i]) + borrow
		borrow = d >> 8
		out[i] ^= negate & (out[i] ^ byte(d))
	}
}

// order is ℓ = 2^252 + 27742317777372353535851937790883648493, little-endian,
// and order8 its low 255 bits times 8.
var (
	order = [32]byte{
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		31: 0x10,
	}
	order8 = func() (o [32]byte) {
		var carry uint16
		for i := range o {
			carry += uint16(order[i]) << 3
			o[i] = byte(carry)
			carry >>= 8
		}
		return o
	}()
)

// legacyBlind is the blinding of versions 1, 256 and 257: the factor modulo ℓ
// times alpha, not clamped (sphinx.md §3.4.2). Since nothing clears the
// cofactor, an alpha outside the prime-order subgroup would carry a mark from
// hop to hop; it is refused, as is one of the twist (H07).
func legacyBlind(alpha, factor *[32]byte) error {
	p, ok := keys.EdwardsPoint(alpha)
	if !ok {
		return ErrLowOrder
	}
	// (ℓ-1)P + P is the identity just for points of the subgroup.
	q := new(edwards25519.Point).ScalarMult(minusOne, p)
	if q.Add(q, p).Equal(edwards25519.NewIdentityPoint()) != 1 {
		return ErrLowOrder
	}
	var wide [64]byte
	copy(wide[:], factor[:])
	s, err := new(edwards25519.Scalar).SetUniformBytes(wide[:])
	if err != nil {
		panic("sphinx: " + err.Error()) // only for a wrong length
	}
	copy(alpha[:], q.ScalarMult(s, p).BytesMontgomery())
	return nil
}

var minusOne = func() *edwards25519.Scalar {
	one := [32]byte{1}
	s, err := edwards25519.NewScalar().SetCanonicalBytes(one[:])
	if err != nil {
		panic("sphinx: " + err.Error())
	}
	return s.Negate(s)
}()
