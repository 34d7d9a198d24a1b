// Package x25519 multiplies points of Curve25519 by scalars (RFC 7748), in constant
// time: by circl's ladder, which is the fastest there is for one point, and in
// pages by one of our own.
//
// circl brings math/big and encoding/asn1 into a program, which a page would have to
// load and never run; and a page has none of the instructions that make it fast.
package x25519

// Multiply sets out to the product of a scalar, which is clamped, and a point, of
// which bit 255 is ignored. It is zero for points of low order. The arrays may be
// the same.
func Multiply(out, scalar, point *[32]byte) { multiply(out, scalar, point) }
