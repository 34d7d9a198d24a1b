package main

// The multiplication of points with tables, in the lanes of AVX-512 registers: a
// comb of signed digits in radix 16. Each lane has a table and digits of its own.
// The formulas are those for extended twisted Edwards coordinates with a = -1
// (Hisil, Wong, Carter, Dawson 2008).
const (
	combTables  = 16              // see comb.go
	combPasses  = 64 / combTables // 4
	combEntry   = 16 * 8
	combEntries = 8
	combRow     = combEntries * combEntry
)

// The variables of comb, in the places that comb.go has for them.
var (
	combX, combY, combZ, combT = place(0), place(1), place(2), place(3)
	combA, combB, combC        = place(4), place(5), place(6)
	combE, combF, combG, combH = place(7), place(8), place(9), place(10)
	entrySum, entryDiff        = place(11), place(12) // y+x and y-x
	entryProduct               = place(13)            // 2dxy
)

func comb(w *writer) {
	w.fn("comb", "(el *[16]element, tables *[Lanes]*combTable, digits *combDigits)", 24)
	w.op("MOVQ el+0(FP), DI")
	w.op("MOVQ tables+8(FP), SI")
	w.op("MOVQ digits+16(FP), DX")
	tables := [8]string{"R8", "R9", "R10", "R11", "R12", "R13", "AX", "BX"}
	for i, r := range tables {
		w.op("MOVQ %d(SI), %s", 8*i, r)
	}
	w.op("MOVQ $%d, CX", combPasses)
	w.label("pass")
	w.op("XORQ SI, SI")
	w.label("digit")
	w.combSelect(tables)
	w.combAdd()
	w.op("ADDQ $%d, DX", combDigit)
	w.op("ADDQ $%d, SI", combRow)
	w.op("CMPQ SI, $%d", combTables*combRow)
	w.op("JNE digit")
	w.op("DECQ CX")
	w.op("JZ done")
	for range 4 {
		w.combDouble()
	}
	w.op("JMP pass")
	w.label("done")
	// The numerator and denominator of u.
	w.constants()
	w.sumAndDifference(combZ, combY, 0, 5, 20)
	w.store(combX, 0)
	w.store(combT, 5)
	w.ret512()

	w.words64("combNeutral", 1, 0, 0, 0, 0, 1, 0, 0)
	w.words64("combOnes", 1, 2, 3, 4, 5, 6, 7, 8)
}

// A digit of eight lanes: their magnitudes, then a byte with their signs.
const combDigit = 8*8 + 8

// combSelect sets the entry of each lane to that of its table for its digit, or
// to the neutral element. All entries are read, whatever the digit.
func (w *writer) combSelect(tables [8]string) {
	for j := range combEntries {
		w.op("VPBROADCASTQ ·combOnes+%d(SB), Z%d", 8*j, 16+j)
	}
	w.op("VMOVDQU64 ·combNeutral(SB), Z27")
	for l, table := range tables {
		w.op("VPBROADCASTQ %d(DX), Z26", 8*l)
		w.op("VMOVDQA64 Z27, Z%d", l)
		w.op("VPXORQ Z%d, Z%d, Z%d", 8+l, 8+l, 8+l)
		for j := range combEntries {
			k := 1 + j%4
			w.op("VPCMPEQQ Z%d, Z26, K%d", 16+j, k)
			w.op("VMOVDQU64 %d(%s)(SI*1), Z24", j*combEntry, table)
			w.op("VMOVDQU64 %d(%s)(SI*1), Z25", j*combEntry+64, table)
			w.op("VMOVDQA64 Z24, K%d, Z%d", k, l)
			w.op("VMOVDQA64 Z25, K%d, Z%d", k, 8+l)
		}
	}
	w.transpose64(0, 16, 24) // words 0 to 7 in Z24 to Z31
	w.transpose64(8, 16, 0)  // words 8 to 15 in Z0 to Z7
	// A negative point has y+x and y-x swapped; its 2dxy is used with the other sign.
	w.op("KMOVB 64(DX), K1")
	for i := range 5 {
		sum, diff := 24+i, 29+i
		if diff > 31 {
			diff -= 32
		}
		w.op("VPBLENDMQ Z%d, Z%d, K1, Z16", diff, sum)
		w.op("VPBLENDMQ Z%d, Z%d, K1, Z17", sum, diff)
		w.op("VMOVDQU64 Z16, %s", entrySum.limb(i))
		w.op("VMOVDQU64 Z17, %s", entryDiff.limb(i))
		w.op("VMOVDQU64 Z%d, %s", 2+i, entryProduct.limb(i))
	}
	w.constants()
}

// combAdd adds the entry to the point. K1 has the lanes in which it is negative.
func (w *writer) combAdd() {
	w.sumAndDifference(combY, combX, 0, 5, 20)
	w.store(combA, 5)
	w.mulRegs(combB, entrySum, loose)
	w.mul(combA, combA, entryDiff, loose)
	w.mul(combC, combT, entryProduct, loose)

	w.sumAndDifference(combB, combA, 0, 5, 20)
	w.store(combH, 0)
	w.store(combE, 5)
	// D = 2Z, G = D+C, F = D-C; where the entry is negative the other way round.
	w.load(combZ, 0)
	for k := range 5 {
		w.op("VPADDQ Z%d, Z%d, Z%d", k, k, k)
	}
	w.store(combZ, 0)
	w.sumAndDifference(combZ, combC, 0, 5, 20)
	for k := range 5 {
		w.op("VPBLENDMQ Z%d, Z%d, K1, Z%d", 5+k, k, 10+k)
		w.op("VPBLENDMQ Z%d, Z%d, K1, Z%d", k, 5+k, 5+k)
		w.op("VMOVDQA64 Z%d, Z%d", 10+k, k)
	}
	w.combProducts()
}

// combProducts makes the point out of E, G, F, H. G is in Z0 to Z4, F in Z5 to
// Z9. X, Y and Z are only added to, until they are doubled; T is multiplied.
func (w *writer) combProducts() {
	w.store(combG, 0)
	w.store(combF, 5)
	w.mulRegs(combY, combH, loose)
	w.mul(combX, combE, combF, loose)
	w.mul(combZ, combF, combG, loose)
	w.mul(combT, combE, combH, tight)
}

// combDouble doubles the point.
func (w *writer) combDouble() {
	for _, f := range []element{combX, combY, combZ} {
		w.load(f, 0)
		w.carry(run(0), run(5))
		w.store(f, 0)
	}
	w.load(combX, 0)
	w.load(combY, 5)
	for k := range 5 {
		w.op("VPADDQ Z%d, Z%d, Z%d", 5+k, k, k)
	}
	w.carry(run(0), run(20))
	w.squareRegs(combE, loose) // (X+Y)²
	w.square(combA, combX, loose)
	w.square(combB, combY, loose)
	w.square(combC, combZ, loose)

	// H = B+A, G = B-A, E = (X+Y)²-H, F = 2C-G.
	w.sumAndDifference(combB, combA, 0, 5, 20)
	w.store(combH, 0)
	w.store(combG, 5)
	w.load(combE, 10)
	w.bias(10)
	for k := range 5 {
		w.op("VPSUBQ Z%d, Z%d, Z%d", k, 10+k, 10+k)
	}
	w.carry(run(10), run(20))
	w.store(combE, 10)
	w.load(combC, 10)
	for k := range 5 {
		w.op("VPADDQ Z%d, Z%d, Z%d", 10+k, 10+k, 10+k)
	}
	w.bias(10)
	for k := range 5 {
		w.op("VPSUBQ Z%d, Z%d, Z%d", 5+k, 10+k, 10+k)
	}
	w.carry(run(10), run(20))
	for k := range 5 {
		w.op("VMOVDQA64 Z%d, Z%d", 5+k, k)
		w.op("VMOVDQA64 Z%d, Z%d", 10+k, 5+k)
	}
	w.combProducts()
}
