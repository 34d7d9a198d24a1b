package main

// The field of 2^255-19 in the lanes of AVX-512 registers, with the 52-bit
// multiply-add of AVX-512 IFMA.
//
// An element is five registers of limbs in radix 2^51. The multiplier reads the
// low 52 bits of what it is given, so whatever is multiplied must have limbs
// below 2^52. Two forms go about:
//
//	tight  limbs below 2^51 + 2^15: may be multiplied
//	loose  limbs below 2^59: a product before its carry; may be added and
//	       subtracted, which makes it tight
//
// A product is at most 77·2^52 from low halves and 95·2·2^50·(1+2^-35) from high
// ones, which is below 2^59. A sum or difference of loose ones is below 2^61;
// its carries are below 2^10, and 19 times that is below 2^15.
const (
	zMask  = 28 // 2^51 - 1
	z19    = 29
	zBias0 = 30 // 512 times the prime: limb 0
	zBias  = 31 // and the other limbs
)

const elementSize = 5 * 64

// An element in memory.
type element struct {
	base string
	off  int
}

func (f element) limb(i int) string { return at(f.base, f.off+64*i) }

func place(i int) element { return element{"DI", i * elementSize} }

func (w *writer) constants() {
	w.op("VPBROADCASTQ ·fieldMask(SB), Z%d", zMask)
	w.op("VPBROADCASTQ ·field19(SB), Z%d", z19)
	w.op("VPBROADCASTQ ·fieldBias+0(SB), Z%d", zBias0)
	w.op("VPBROADCASTQ ·fieldBias+8(SB), Z%d", zBias)
}

func (w *writer) load(f element, to int) {
	for i := range 5 {
		w.op("VMOVDQU64 %s, Z%d", f.limb(i), to+i)
	}
}

func (w *writer) store(f element, from int) {
	for i := range 5 {
		w.op("VMOVDQU64 Z%d, %s", from+i, f.limb(i))
	}
}

// carry makes the five limbs in r tight, using the five registers of t.
func (w *writer) carry(r, t [5]int) {
	for k := range 5 {
		w.op("VPSRLQ $51, Z%d, Z%d", r[k], t[k])
		w.op("VPANDQ Z%d, Z%d, Z%d", zMask, r[k], r[k])
	}
	w.op("VPMADD52LUQ Z%d, Z%d, Z%d", z19, t[4], r[0])
	for k := 1; k < 5; k++ {
		w.op("VPADDQ Z%d, Z%d, Z%d", t[k-1], r[k], r[k])
	}
}

func run(from int) (r [5]int) {
	for i := range r {
		r[i] = from + i
	}
	return r
}

// form says in which form a product is stored.
type form bool

const (
	tight form = true
	loose form = false
)

// fold stores the ten columns of a product.
func (w *writer) fold(dst element, z [10]int, as form) {
	var r, t [5]int
	copy(r[:], z[:5])
	copy(t[:], z[5:])
	for k := range 5 {
		w.op("VPMULLQ Z%d, Z%d, Z%d", z19, t[k], t[k])
	}
	for k := range 5 {
		w.op("VPADDQ Z%d, Z%d, Z%d", t[k], r[k], r[k])
	}
	if as == tight {
		w.carry(r, t)
	}
	for k := range 5 {
		w.op("VMOVDQU64 Z%d, %s", r[k], dst.limb(k))
	}
}

func (w *writer) mul(dst, a, b element, as form) {
	w.load(a, 0)
	w.mulRegs(dst, b, as)
}

// mulRegs multiplies the element in Z0 to Z4. High halves count twice, since the
// radix is 2^51, so they are added up first.
func (w *writer) mulRegs(dst, b element, as form) {
	w.load(b, 5)
	z := w.zeros(10)
	products := func(op string, up int) {
		for j := range 5 {
			for i := range 5 {
				w.op("%s Z%d, Z%d, Z%d", op, 5+j, i, z[i+j+up])
			}
		}
	}
	products("VPMADD52HUQ", 1)
	w.double(z[1:])
	products("VPMADD52LUQ", 0)
	w.fold(dst, z, as)
}

// zeros clears the ten columns of a product, from a register on.
func (w *writer) zeros(from int) (z [10]int) {
	for k := range z {
		z[k] = from + k
		w.op("VPXORQ Z%d, Z%d, Z%d", z[k], z[k], z[k])
	}
	return z
}

// double doubles columns.
func (w *writer) double(columns []int) {
	for _, z := range columns {
		w.op("VPADDQ Z%d, Z%d, Z%d", z, z, z)
	}
}

func (w *writer) square(dst, a element, as form) {
	w.load(a, 0)
	w.squareRegs(dst, as)
}

// squareRegs squares the element in Z0 to Z4. Each column has sums that count
// four times, twice and once: high halves of products that occur twice; their low
// halves, and the high halves of squares; low halves of squares.
func (w *writer) squareRegs(dst element, as form) {
	w.fold(dst, w.squareColumns(), as)
}

func (w *writer) squareColumns() (z [10]int) {
	z = w.zeros(5)
	products := func(op string, up int) {
		for apart := 1; apart < 5; apart++ {
			for i := range 5 - apart {
				w.op("%s Z%d, Z%d, Z%d", op, i+apart, i, z[i+i+apart+up])
			}
		}
	}
	squares := func(op string, up int) {
		for i := range 5 {
			w.op("%s Z%d, Z%d, Z%d", op, i, i, z[i+i+up])
		}
	}
	products("VPMADD52HUQ", 1)
	w.double(z[2:9])
	squares("VPMADD52HUQ", 1)
	products("VPMADD52LUQ", 0)
	w.double(z[1:])
	squares("VPMADD52LUQ", 0)
	return z
}

// squareSoon is squareRegs with the result, tight, in Z0 to Z4. It takes more
// instructions and less time from first to last, which is what counts where each
// square waits for the one before it.
func (w *writer) squareSoon() {
	z := w.squareColumns()
	for k := range 5 { // 19 = 16 + 2 + 1
		w.op("VPSLLQ $4, Z%d, Z%d", z[k+5], 20+k)
		w.op("VPADDQ Z%d, Z%d, Z%d", z[k+5], z[k], z[k])
		w.op("VPADDQ Z%d, Z%d, Z%d", z[k+5], z[k+5], z[k+5])
		w.op("VPADDQ Z%d, Z%d, Z%d", z[k+5], z[k], z[k])
		w.op("VPADDQ Z%d, Z%d, Z%d", 20+k, z[k], z[k])
	}
	for k := range 5 {
		w.op("VPSRLQ $51, Z%d, Z%d", z[k], z[k+5])
		w.op("VPANDQ Z%d, Z%d, Z%d", zMask, z[k], k)
	}
	w.op("VPMADD52LUQ Z%d, Z%d, Z0", z19, z[9])
	for k := 1; k < 5; k++ {
		w.op("VPADDQ Z%d, Z%d, Z%d", z[k+4], k, k)
	}
}

// bias adds to the limbs in r what keeps a difference positive.
func (w *writer) bias(r int) {
	for k := range 5 {
		w.op("VPADDQ Z%d, Z%d, Z%d", zBias0+min(k, 1), r+k, r+k)
	}
}

// sumAndDifference leaves x+y and x-y, both tight, in five registers from s and
// from d on.
func (w *writer) sumAndDifference(x, y element, s, d, temp int) {
	w.load(x, s)
	w.load(y, d)
	for k := range 5 {
		w.op("VPADDQ Z%d, Z%d, Z%d", zBias0+min(k, 1), s+k, temp+k)
		w.op("VPADDQ Z%d, Z%d, Z%d", d+k, s+k, s+k)
		w.op("VPSUBQ Z%d, Z%d, Z%d", d+k, temp+k, d+k)
	}
	w.carry(run(s), run(temp))
	w.carry(run(d), run(temp))
}

func field(w *writer) {
	w.fn("feMul", "(dst, a, b *element)", 24)
	w.op("MOVQ dst+0(FP), DI")
	w.op("MOVQ a+8(FP), SI")
	w.op("MOVQ b+16(FP), DX")
	w.constants()
	w.mul(element{"DI", 0}, element{"SI", 0}, element{"DX", 0}, tight)
	w.ret512()

	w.fn("feSquare", "(dst, a *element, n int)", 24)
	w.op("MOVQ dst+0(FP), DI")
	w.op("MOVQ a+8(FP), SI")
	w.op("MOVQ n+16(FP), CX")
	w.constants()
	w.load(element{"SI", 0}, 0)
	w.label("square")
	w.squareSoon()
	w.op("DECQ CX")
	w.op("JNZ square")
	w.store(element{"DI", 0}, 0)
	w.ret512()

	w.ladder()

	w.words64("fieldMask", 1<<51-1)
	w.words64("field19", 19)
	w.words64("fieldBias", 512*(1<<51-19), 512*(1<<51-1))
	w.words64("fieldA24", 121665)
}

// ladder is the Montgomery ladder of RFC 7748, §5. Its names are those of the
// RFC, in the places that x25519.go has for them.
func (w *writer) ladder() {
	w.fn("ladder", "(el *[16]element, masks *[256]byte, steps int)", 24)
	w.op("MOVQ el+0(FP), DI")
	w.op("MOVQ masks+8(FP), SI")
	w.op("MOVQ steps+16(FP), CX")
	w.constants()
	x1, x2, z2, x3, z3 := place(0), place(1), place(2), place(3), place(4)
	A, B, C, D, AA, BB, DA, CB, T, E, V := place(5), place(6), place(7), place(8), place(9), place(10), place(11), place(12), place(13), place(14), place(15)
	w.label("step")
	w.op("KMOVB (SI), K1")
	w.sumAndDifference(x2, z2, 0, 5, 20)
	w.store(A, 0)
	w.store(B, 5)
	w.sumAndDifference(x3, z3, 10, 15, 20)
	w.store(C, 10)
	w.store(D, 15)
	// Lanes in which the points change places double the other one. The sums of
	// D·A and C·B are the same either way.
	for k := range 5 {
		w.op("VPBLENDMQ Z%d, Z%d, K1, Z%d", 10+k, k, k)
		w.op("VPBLENDMQ Z%d, Z%d, K1, Z%d", 15+k, 5+k, 5+k)
	}
	w.store(E, 5)
	w.squareRegs(AA, tight)
	w.square(BB, E, tight)
	w.mul(DA, D, A, loose)
	w.mul(CB, C, B, loose)

	w.load(AA, 0)
	w.bias(0)
	for k := range 5 {
		w.op("VPSUBQ %s, Z%d, Z%d", BB.limb(k), k, k)
	}
	w.carry(run(0), run(5)) // E = AA - BB
	w.load(AA, 5)
	w.op("VPBROADCASTQ ·fieldA24(SB), Z10")
	for k := range 5 {
		w.op("VPXORQ Z%d, Z%d, Z%d", 15+k, 15+k, 15+k)
		w.op("VPMADD52LUQ Z10, Z%d, Z%d", k, 5+k)
		w.op("VPMADD52HUQ Z10, Z%d, Z%d", k, 15+k)
	}
	w.double([]int{15, 16, 17, 18, 19})
	for k := 1; k < 5; k++ {
		w.op("VPADDQ Z%d, Z%d, Z%d", 15+k-1, 5+k, 5+k)
	}
	w.op("VPMADD52LUQ Z%d, Z19, Z5", z19)
	w.carry(run(5), run(20)) // V = AA + a24·E
	w.store(E, 0)
	w.store(V, 5)

	w.sumAndDifference(DA, CB, 0, 5, 20)
	w.store(T, 5)
	w.squareRegs(x3, loose)
	w.square(T, T, tight)
	w.mul(x2, AA, BB, loose)
	w.mul(z2, E, V, loose)
	w.mul(z3, T, x1, loose)
	w.op("INCQ SI")
	w.op("DECQ CX")
	w.op("JNZ step")
	// What comes out is multiplied next: make it tight.
	for _, f := range []element{x2, z2} {
		w.load(f, 0)
		w.carry(run(0), run(5))
		w.store(f, 0)
	}
	w.ret512()
}
