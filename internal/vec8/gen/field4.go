package main

// The field of 2^255-19 in the four lanes of AVX2 registers, with its multiplier
// of 32 by 32 bits.
//
// An element is ten places in memory of four limbs, in turn of 26 and 25 bits:
// limb i counts 2^⌈25.5·i⌉. Two forms go about:
//
//	tight  limbs below 2^26 and 2^25, or 2^17 above that
//	sum    limbs below 2^27.6 and 2^26.6: the sum of two tight elements, or the
//	       difference and twice the prime
//
// Whatever is multiplied may be a sum, and what comes out is tight. The largest
// column of a product is 4·19·2^55.2 + 5·38·2^53.2 and a little, which is below
// 2^63, and 19 times a limb is below 2^32.
const (
	yMask26 = 14 // while carries go on
	yMask25 = 15
)

const element4Size = 10 * 32

// An element4 in memory.
type element4 struct {
	base string
	off  int
}

func (f element4) limb(i int) string { return at(f.base, f.off+32*i) }

func place4(i int) element4 { return element4{"DI", i * element4Size} }

// times4 is a place for 19 times the limbs of what is multiplied.
var times4 = place4(14)

// carry4 makes the ten columns in Y0 to Y9 tight and stores them.
func (w *writer) carry4(dst element4) {
	w.op("VPBROADCASTQ ·fieldMask26(SB), Y%d", yMask26)
	w.op("VPBROADCASTQ ·fieldMask25(SB), Y%d", yMask25)
	step := func(from, temp int) {
		bits, mask := 26-from%2, yMask26+from%2
		w.op("VPSRLQ $%d, Y%d, Y%d", bits, from, temp)
		w.op("VPAND Y%d, Y%d, Y%d", mask, from, from)
		if from < 9 {
			w.op("VPADDQ Y%d, Y%d, Y%d", temp, from+1, from+1)
			return
		}
		w.op("VPADDQ Y%d, Y0, Y0", temp) // 19 = 1 + 2 + 16
		w.op("VPADDQ Y%d, Y%d, Y%d", temp, temp, temp+1)
		w.op("VPSLLQ $4, Y%d, Y%d", temp, temp)
		w.op("VPADDQ Y%d, Y0, Y0", temp+1)
		w.op("VPADDQ Y%d, Y0, Y0", temp)
	}
	for i := range 4 { // two chains side by side
		step(i, 10)
		step(4+i, 11)
	}
	step(4, 10)
	step(8, 11)
	step(9, 12)
	step(0, 10)
	for i := range 10 {
		w.op("VMOVDQU Y%d, %s", i, dst.limb(i))
	}
}

// products4 adds to the columns products of the register f and places in memory.
// started says which columns hold something.
type products4 struct {
	w       *writer
	started [10]bool
	turn    int
}

func (p *products4) add(f int, m string, column int) {
	if !p.started[column] {
		p.w.op("VPMULUDQ %s, Y%d, Y%d", m, f, column)
		p.started[column] = true
		return
	}
	temp := 13 + p.turn%3
	p.turn++
	p.w.op("VPMULUDQ %s, Y%d, Y%d", m, f, temp)
	p.w.op("VPADDQ Y%d, Y%d, Y%d", temp, column, column)
}

// times19 stores 19 times the limbs of f from a limb on.
func (w *writer) times19(f element4, from int) {
	w.op("VPBROADCASTQ ·field19(SB), Y15")
	for i := from; i < 10; i++ {
		w.op("VPMULUDQ %s, Y15, Y%d", f.limb(i), i)
		w.op("VMOVDQU Y%d, %s", i, times4.limb(i))
	}
}

// mul4 multiplies. Limbs of two odd places count twice.
func (w *writer) mul4(dst, a, b element4) {
	w.times19(b, 1)
	p := products4{w: w}
	for i := range 10 {
		w.op("VMOVDQU %s, Y10", a.limb(i))
		if i%2 == 1 {
			w.op("VPADDQ Y10, Y10, Y11")
		}
		for j := range 10 {
			f, m, k := 10+i%2*(j%2), b.limb(j), i+j
			if k >= 10 {
				m, k = times4.limb(j), k-10
			}
			p.add(f, m, k)
		}
	}
	w.carry4(dst)
}

// square4 squares.
func (w *writer) square4(dst, a element4) {
	w.times19(a, 5)
	p := products4{w: w}
	for i := range 10 {
		w.op("VMOVDQU %s, Y10", a.limb(i))
		w.op("VPADDQ Y10, Y10, Y11")
		if i%2 == 1 {
			w.op("VPADDQ Y11, Y11, Y12")
		}
		for j := i; j < 10; j++ {
			f, m, k := 10, a.limb(j), i+j
			if j > i {
				f++
			}
			f += i % 2 * (j % 2)
			if k >= 10 {
				m, k = times4.limb(j), k-10
			}
			p.add(f, m, k)
		}
	}
	w.carry4(dst)
}

// sumAndDifference4 sets sum to x + y and diff to x - y, which may be x and y.
// One of the two may be missing.
func (w *writer) sumAndDifference4(sum, diff *element4, x, y element4) {
	for i := range 10 {
		s, d := i%4, 4+i%4
		w.op("VMOVDQU %s, Y%d", x.limb(i), s)
		w.op("VMOVDQU %s, Y%d", y.limb(i), 8+i%4)
		if diff != nil {
			bias := min(i, 1+(i+1)%2)
			w.op("VPADDQ Y%d, Y%d, Y%d", 12+bias, s, d)
			w.op("VPSUBQ Y%d, Y%d, Y%d", 8+i%4, d, d)
		}
		if sum != nil {
			w.op("VPADDQ Y%d, Y%d, Y%d", 8+i%4, s, s)
			w.op("VMOVDQU Y%d, %s", s, sum.limb(i))
		}
		if diff != nil {
			w.op("VMOVDQU Y%d, %s", d, diff.limb(i))
		}
	}
}

// bias4 loads what sumAndDifference4 adds to differences: twice the prime.
func (w *writer) bias4() {
	for i := range 3 {
		w.op("VPBROADCASTQ ·fieldBias4+%d(SB), Y%d", 8*i, 12+i)
	}
}

// field4 is the Montgomery ladder of RFC 7748, §5, as in ladder.
func field4(w *writer) {
	w.fn("ladder4", "(el *[16]element4, masks *[256]byte, steps int)", 24)
	w.op("MOVQ el+0(FP), DI")
	w.op("MOVQ masks+8(FP), SI")
	w.op("MOVQ steps+16(FP), CX")
	x1, x2, z2, x3, z3 := place4(0), place4(1), place4(2), place4(3), place4(4)
	A, B, C, D, P, Q, AA, BB, E := place4(5), place4(6), place4(7), place4(8), place4(9), place4(10), place4(11), place4(12), place4(13)
	w.label("step")
	w.bias4()
	w.sumAndDifference4(&A, &B, x2, z2)
	w.sumAndDifference4(&C, &D, x3, z3)
	// Lanes in which the points change places double the other one.
	w.op("MOVBQZX (SI), AX")
	w.op("VMOVQ AX, X0")
	w.op("VPBROADCASTQ X0, Y0")
	w.op("VPAND ·fieldLanes(SB), Y0, Y0")
	w.op("VPCMPEQQ ·fieldLanes(SB), Y0, Y0")
	for i := range 10 {
		for k, pair := range [][3]element4{{A, C, P}, {B, D, Q}} {
			r := 1 + 2*(i%3) + k
			w.op("VMOVDQU %s, Y%d", pair[0].limb(i), r)
			w.op("VPBLENDVB Y0, %s, Y%d, Y%d", pair[1].limb(i), r, r)
			w.op("VMOVDQU Y%d, %s", r, pair[2].limb(i))
		}
	}
	w.mul4(A, A, D) // DA
	w.mul4(B, B, C) // CB
	w.square4(AA, P)
	w.square4(BB, Q)
	w.bias4()
	w.sumAndDifference4(&C, &D, A, B)
	w.sumAndDifference4(nil, &E, AA, BB)
	w.square4(x3, C)
	w.square4(D, D)
	w.mul4(x2, AA, BB)
	w.mul4(z3, D, x1)
	// AA + a24·E
	w.op("VPBROADCASTQ ·fieldA24(SB), Y15")
	for i := range 10 {
		w.op("VPMULUDQ %s, Y15, Y%d", E.limb(i), i)
		w.op("VPADDQ %s, Y%d, Y%d", AA.limb(i), i, i)
	}
	w.carry4(A)
	w.mul4(z2, E, A)
	w.op("INCQ SI")
	w.op("DECQ CX")
	w.op("JNZ step")
	w.ret()

	w.words64("fieldMask26", 1<<26-1)
	w.words64("fieldMask25", 1<<25-1)
	w.words64("fieldBias4", 2*(1<<26-19), 2*(1<<25-1), 2*(1<<26-1))
	w.words64("fieldLanes", 1, 2, 4, 8)
}
