//go:build amd64 && !purego

package vec8

// comb multiplies the points of eight tables. It wants the neutral element in el,
// and leaves the numerators and denominators of u-coordinates.
//
//go:noescape
func comb(el *[16]element, tables *[Lanes]*combTable, digits *combDigits)
