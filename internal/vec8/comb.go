package vec8

import (
	"encoding/binary"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// A Table makes multiplying one point cheap, again and again. It is a comb: a
// scalar is 64 signed digits in radix 16, of which every fourth shares a pass.
//
//	digits   3 7 11 … 63    2 6 10 … 62    1 5 9 … 61     0 4 8 … 60
//	         │ │  │     │
//	tables   0 1  2 … 15    the same       the same       the same
//	       ──── sum ───▶ ×16 ── sum ──▶ ×16 ─── sum ──▶ ×16 ── sum ──▶ product
//
// Table t has 1 to 8 times 2^(16t) times the point. It takes 16 KiB, and as long
// to make as three or four multiplications without. It never changes, so
// goroutines may share it.
type Table struct {
	lanes *combTable  // where lanes are lanes of vector registers
	plain *plainTable // elsewhere
}

// The generator knows these two.
const (
	combTables  = 16
	combEntries = 8
)

const combPasses = 64 / combTables

// TableSize is about the size of a table in bytes.
const TableSize = combTables * combEntries * 16 * 8

// A combTable has an entry after the other: the points (x, y) as an addition
// wants them, y+x, y-x, 2dxy, each in five limbs of 51 bits.
type combTable [combTables * combEntries][16]uint64

// A plainTable is the same for one multiplication at a time.
type plainTable [combTables * combEntries]plainEntry

type plainEntry struct{ sum, diff, product field.Element }

// combDigits are the digits of eight scalars, in the order in which they are used.
type combDigits [64]struct {
	magnitude [Lanes]uint64
	negative  uint64 // bit l: of lane l
}

// NewTable makes the table of a point, which is public. It gives nil if there is
// no such point on the curve.
func NewTable(point *[32]byte) *Table {
	base, ok := edwardsPoint(point)
	if !ok {
		return nil
	}
	var points [combTables * combEntries]edwards25519.Point
	for t := range combTables {
		row := points[t*combEntries:][:combEntries]
		row[0].Set(base)
		for j := 1; j < combEntries; j++ {
			row[j].Add(&row[j-1], base)
		}
		base = new(edwards25519.Point).Set(&row[combEntries-1]) // 8 times; 2^13 more
		for range 13 {
			base.Add(base, base)
		}
	}
	plain := normalize(&points)
	if !haveAVX512 {
		return &Table{plain: plain}
	}
	lanes := aligned[combTable]()
	for i := range plain {
		for k, f := range []*field.Element{&plain[i].sum, &plain[i].diff, &plain[i].product} {
			var e element
			e.set(0, (*[32]byte)(f.Bytes()))
			for limb := range e {
				lanes[i][5*k+limb] = e[limb][0]
			}
		}
	}
	return &Table{lanes: lanes}
}

// edwardsPoint gives one of the two points (u, v) on the Edwards curve: y is
// (u-1)/(u+1).
func edwardsPoint(u *[32]byte) (*edwards25519.Point, bool) {
	var x, y, one, denominator field.Element
	one.One()
	if _, err := x.SetBytes(u[:]); err != nil {
		return nil, false // only for a wrong length
	}
	denominator.Add(&x, &one)
	y.Subtract(&x, &one)
	y.Multiply(&y, denominator.Invert(&denominator))
	p, err := new(edwards25519.Point).SetBytes(y.Bytes())
	return p, err == nil && denominator.Equal(new(field.Element)) == 0 // not for u = -1
}

// normalize makes entries of points. It inverts all their Z at once.
func normalize(points *[combTables * combEntries]edwards25519.Point) *plainTable {
	table := new(plainTable)
	var before [len(table)]field.Element // products of the Z before
	var all field.Element
	all.One()
	for i := range points {
		before[i].Set(&all)
		_, _, z, _ := points[i].ExtendedCoordinates()
		all.Multiply(&all, z)
	}
	all.Invert(&all)
	for i := len(points) - 1; i >= 0; i-- {
		x, y, z, _ := points[i].ExtendedCoordinates()
		var inverse field.Element
		inverse.Multiply(&all, &before[i])
		all.Multiply(&all, z)
		x.Multiply(x, &inverse)
		y.Multiply(y, &inverse)
		e := &table[i]
		e.sum.Add(y, x)
		e.diff.Subtract(y, x)
		e.product.Multiply(x, y)
		e.product.Multiply(&e.product, twoD)
	}
	return table
}

// twoD is 2d of the Edwards curve, d = -121665/121666.
var twoD = func() *field.Element {
	one := new(field.Element).One()
	numerator := new(field.Element).Mult32(one, 2*121665)
	denominator := new(field.Element).Mult32(one, 121666)
	d := denominator.Invert(denominator)
	d.Multiply(d, numerator)
	return d.Negate(d)
}()

// X25519Table is [Unit.X25519] for the points of tables.
func (u *Unit) X25519Table(n int, out, scalar *[Lanes][32]byte, tables *[Lanes]*Table) (ok uint8) {
	if haveAVX512 {
		u.combs(n, out, scalar, tables)
	} else {
		for i := range n {
			tables[i].plain.multiply(&out[i], &scalar[i])
		}
	}
	return nonzero(n, out)
}

// combScratch is what the kernel works in.
type combScratch struct {
	el     [16]element
	digits combDigits
}

// The places of the kernel's variables in combScratch.
const (
	combY, combZ                   = 1, 2
	combNumerator, combDenominator = 0, 3 // at the end, where X and T were
)

func (u *Unit) combs(n int, out, scalar *[Lanes][32]byte, tables *[Lanes]*Table) {
	if u.comb == nil {
		u.comb = aligned[combScratch]()
	}
	s := u.comb
	var bases [Lanes]*combTable
	for i := range bases {
		bases[i] = tables[0].lanes
	}
	for i := range n {
		bases[i] = tables[i].lanes
		s.digits.set(i, &scalar[i])
	}
	s.el[combY] = element{0: {1, 1, 1, 1, 1, 1, 1, 1}}
	s.el[combZ] = s.el[combY]
	comb(&s.el, &bases, &s.digits)

	var x, z [Lanes]field.Element // u is x/z, or zero if z is
	for i := range n {
		s.el[combNumerator].field(i, &x[i])
		s.el[combDenominator].field(i, &z[i])
	}
	quotients(n, out, &x, &z)
	*s = combScratch{}
}

// set clamps a scalar and cuts it into the digits of a lane: -8 to 7, and at the
// top up to 8.
func (d *combDigits) set(lane int, scalar *[32]byte) {
	var w [4]uint64
	for j := range w {
		w[j] = binary.LittleEndian.Uint64(scalar[8*j:])
	}
	w[0] &^= 7
	w[3] = w[3]&(1<<62-1) | 1<<62
	var carry uint64
	for i := range 64 {
		v := w[i/16]>>(4*(i%16))&15 + carry // 0 to 16
		carry = (v + 8) >> 4
		if i == 63 {
			carry = 0
		}
		v -= carry << 4
		sign := v >> 63
		at := &d[(combPasses-1-i%combPasses)*combTables+i/combPasses]
		at.magnitude[lane] = (v ^ -sign) + sign
		at.negative = at.negative&^(1<<lane) | sign<<lane
	}
	clear(w[:])
}

// multiply is the portable twin of the kernel, for one lane.
func (t *plainTable) multiply(out, scalar *[32]byte) {
	var digits combDigits
	digits.set(0, scalar)
	var x, y, z, tt, a, b, c, e, f, g, h field.Element
	y.One()
	z.One()
	for i := range digits {
		if i > 0 && i%combTables == 0 {
			for range 4 {
				a.Square(&x)
				b.Square(&y)
				c.Square(&z)
				c.Add(&c, &c)
				e.Add(&x, &y)
				e.Square(&e)
				h.Add(&b, &a)
				g.Subtract(&b, &a)
				e.Subtract(&e, &h)
				f.Subtract(&c, &g)
				x.Multiply(&e, &f)
				y.Multiply(&g, &h)
				z.Multiply(&f, &g)
				tt.Multiply(&e, &h)
			}
		}
		p := t.entry(i%combTables, digits[i].magnitude[0])
		negative := int(digits[i].negative & 1)
		p.sum.Swap(&p.diff, negative)
		a.Subtract(&y, &x)
		a.Multiply(&a, &p.diff)
		b.Add(&y, &x)
		b.Multiply(&b, &p.sum)
		c.Multiply(&tt, &p.product)
		e.Subtract(&b, &a)
		h.Add(&b, &a)
		b.Add(&z, &z)
		g.Add(&b, &c)
		f.Subtract(&b, &c)
		g.Swap(&f, negative)
		x.Multiply(&e, &f)
		y.Multiply(&g, &h)
		z.Multiply(&f, &g)
		tt.Multiply(&e, &h)
	}
	a.Add(&z, &y)
	b.Subtract(&z, &y)
	a.Multiply(&a, b.Invert(&b))
	copy(out[:], a.Bytes())
	clear(digits[:])
}

// entry gives a multiple of the point of a row, or the neutral element. It reads
// all of the row.
func (t *plainTable) entry(row int, magnitude uint64) (p plainEntry) {
	p.sum.One()
	p.diff.One()
	for j := range combEntries {
		e := &t[row*combEntries+j]
		differ := magnitude ^ uint64(j+1)
		this := int(1 ^ (differ|-differ)>>63)
		p.sum.Select(&e.sum, &p.sum, this)
		p.diff.Select(&e.diff, &p.diff, this)
		p.product.Select(&e.product, &p.product, this)
	}
	return p
}
