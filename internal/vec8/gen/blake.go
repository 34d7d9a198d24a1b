package main

import "fmt"

var blakeIV = [8]uint64{
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
}

var blakeSigma = [10][16]int{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
}

func blake(w *writer) {
	w.blakeLanes()
	w.blakeLanes4()
	w.blakeAVX2()
	w.words64("blakeIVs", blakeIV[:]...)
	w.words64("blakeCount", 128, 0)
	w.words64("blakeRotate24", 0x0201000706050403, 0x0a09080f0e0d0c0b, 0x0201000706050403, 0x0a09080f0e0d0c0b)
	w.words64("blakeRotate16", 0x0100070605040302, 0x09080f0e0d0c0b0a, 0x0100070605040302, 0x09080f0e0d0c0b0a)
}

// blakeLanes has the sixteen words of the state in Z0 to Z15 and those of the
// block, a message a lane, in Z16 to Z31.
func (w *writer) blakeLanes() {
	w.fn("blakeLanes", "(h *[8][Lanes]uint64, msg *[Lanes]*byte, blocks int, counter, mask uint64)", 40)
	w.op("MOVQ h+0(FP), DI")
	w.op("MOVQ msg+8(FP), SI")
	w.op("MOVQ blocks+16(FP), CX")
	w.op("MOVQ counter+24(FP), DX")
	msg := [8]string{"R8", "R9", "R10", "R11", "R12", "R13", "AX", "BX"}
	for i, r := range msg {
		w.op("MOVQ %d(SI), %s", 8*i, r)
	}
	w.op("XORQ SI, SI")
	w.label("block")
	for half := range 2 {
		for l, r := range msg {
			w.op("VMOVDQU64 %d(%s)(SI*1), Z%d", 64*half, r, l)
		}
		w.transpose64(0, 8, 16+8*half)
	}
	w.op("ADDQ $128, SI")
	w.op("ADDQ $128, DX")
	w.op("MOVQ DX, counter+24(FP)")
	for i := range 8 {
		w.op("VMOVDQU64 %d(DI), Z%d", 64*i, i)
		w.op("VPBROADCASTQ ·blakeIVs+%d(SB), Z%d", 8*i, 8+i)
	}
	w.op("VPXORQ.BCST counter+24(FP), Z12, Z12")
	w.op("VPXORQ.BCST mask+32(FP), Z14, Z14")
	for r := range 12 {
		s := blakeSigma[r%10]
		for half := range 2 {
			var lines [4][]string
			for i := range 4 {
				lines[i] = mixLanes(i, 4+(i+half)%4, 8+(i+2*half)%4, 12+(i+3*half)%4, 16+s[8*half+2*i], 16+s[8*half+2*i+1])
			}
			for k := range lines[0] {
				for i := range lines {
					w.op("%s", lines[i][k])
				}
			}
		}
	}
	for i := range 8 {
		w.op("VPXORQ Z%d, Z%d, Z%d", 8+i, i, i)
		w.op("VPXORQ %d(DI), Z%d, Z%d", 64*i, i, i)
		w.op("VMOVDQU64 Z%d, %d(DI)", i, 64*i)
	}
	w.op("DECQ CX")
	w.op("JNZ block")
	w.ret512()
}

// mixLanes is the function G on registers.
func mixLanes(a, b, c, d, x, y int) []string {
	s := func(format string, v ...any) string { return fmt.Sprintf(format, v...) }
	step := func(m, right1, right2 int) []string {
		return []string{
			s("VPADDQ Z%d, Z%d, Z%d", m, a, a),
			s("VPADDQ Z%d, Z%d, Z%d", b, a, a),
			s("VPXORQ Z%d, Z%d, Z%d", a, d, d),
			s("VPRORQ $%d, Z%d, Z%d", right1, d, d),
			s("VPADDQ Z%d, Z%d, Z%d", d, c, c),
			s("VPXORQ Z%d, Z%d, Z%d", c, b, b),
			s("VPRORQ $%d, Z%d, Z%d", right2, b, b),
		}
	}
	return append(step(x, 32, 24), step(y, 16, 63)...)
}

// transpose64 writes the columns of the 8 by 8 words in rows r to r+7 to
// registers from c on. It uses the rows and eight registers from t on.
func (w *writer) transpose64(r, t, c int) {
	for i := 0; i < 8; i += 2 {
		w.op("VPUNPCKLQDQ Z%d, Z%d, Z%d", r+i+1, r+i, t+i)
		w.op("VPUNPCKHQDQ Z%d, Z%d, Z%d", r+i+1, r+i, t+i+1)
	}
	for odd := range 2 {
		// Quarters 0 and 2, then 1 and 3, of four rows at a time.
		for i, imm := range []int{0x88, 0xdd} {
			w.op("VSHUFI64X2 $%#x, Z%d, Z%d, Z%d", imm, t+odd+2, t+odd, r+i)
			w.op("VSHUFI64X2 $%#x, Z%d, Z%d, Z%d", imm, t+odd+6, t+odd+4, r+2+i)
		}
		for i := range 2 {
			w.op("VSHUFI64X2 $0x88, Z%d, Z%d, Z%d", r+2+i, r+i, c+odd+2*i)
			w.op("VSHUFI64X2 $0xdd, Z%d, Z%d, Z%d", r+2+i, r+i, c+odd+2*i+4)
		}
	}
}

// blakeLanes4 has the sixteen words of the state in Y0 to Y15, and those of the
// block, a message a lane, in memory. Two words of the state go there as well
// while they are not needed, since rotating by 63 takes a register more.
func (w *writer) blakeLanes4() {
	w.fn("blakeLanes4", "(h *uint64, msg **byte, blocks int, counter, mask uint64, m *[18][4]uint64)", 48)
	w.op("MOVQ h+0(FP), DI")
	w.op("MOVQ msg+8(FP), SI")
	w.op("MOVQ blocks+16(FP), CX")
	w.op("MOVQ counter+24(FP), DX")
	w.op("MOVQ m+40(FP), BX")
	msg := [4]string{"R8", "R9", "R10", "R11"}
	for i, r := range msg {
		w.op("MOVQ %d(SI), %s", 8*i, r)
	}
	w.op("XORQ SI, SI")
	w.label("block")
	for quarter := range 4 {
		r := 8 * (quarter % 2)
		for l, p := range msg {
			w.op("VMOVDQU %d(%s)(SI*1), Y%d", 32*quarter, p, r+l)
		}
		for i := range 2 {
			w.op("VPUNPCKLQDQ Y%d, Y%d, Y%d", r+2*i+1, r+2*i, r+4+2*i)
			w.op("VPUNPCKHQDQ Y%d, Y%d, Y%d", r+2*i+1, r+2*i, r+5+2*i)
		}
		for i := range 4 {
			w.op("VPERM2I128 $%#x, Y%d, Y%d, Y%d", 0x20+0x11*(i/2), r+6+i%2, r+4+i%2, r+i)
			w.op("VMOVDQU Y%d, %d(BX)", r+i, 32*(4*quarter+i))
		}
	}
	w.op("ADDQ $128, SI")
	w.op("ADDQ $128, DX")
	w.op("MOVQ DX, counter+24(FP)")
	for i := range 8 {
		w.op("VPBROADCASTQ ·blakeIVs+%d(SB), Y%d", 8*i, 8+i)
	}
	w.op("VPBROADCASTQ counter+24(FP), Y0")
	w.op("VPXOR Y0, Y12, Y12")
	w.op("VPBROADCASTQ mask+32(FP), Y0")
	w.op("VPXOR Y0, Y14, Y14")
	for i := range 8 {
		w.op("VMOVDQU %d(DI), Y%d", 64*i, i)
	}
	for r := range 12 {
		s := blakeSigma[r%10]
		for half := range 2 {
			var lines [4][]string
			c := func(i int) int { return 8 + (i+2*half)%4 }
			for i := range 4 {
				free := c(i ^ 2) // one of those put away
				lines[i] = mixLanes4(i, 4+(i+half)%4, c(i), 12+(i+3*half)%4, s[8*half+2*i], s[8*half+2*i+1], free)
			}
			for pair := range 2 {
				i := 2 * pair
				for k := range 2 {
					w.op("VMOVDQU Y%d, %d(BX)", c(i^2+k), 32*(16+k))
				}
				for k := range lines[i] {
					w.op("%s", lines[i][k])
					w.op("%s", lines[i+1][k])
				}
				for k := range 2 {
					w.op("VMOVDQU %d(BX), Y%d", 32*(16+k), c(i^2+k))
				}
			}
		}
	}
	for i := range 8 {
		w.op("VPXOR Y%d, Y%d, Y%d", 8+i, i, i)
		w.op("VPXOR %d(DI), Y%d, Y%d", 64*i, i, i)
		w.op("VMOVDQU Y%d, %d(DI)", i, 64*i)
	}
	w.op("DECQ CX")
	w.op("JNZ block")
	w.ret()
}

// mixLanes4 is mixLanes with instructions of AVX2. The words x and y are in
// memory, and temp is free.
func mixLanes4(a, b, c, d, x, y, temp int) []string {
	s := func(format string, v ...any) string { return fmt.Sprintf(format, v...) }
	step := func(m int, rotate ...string) []string {
		return append([]string{
			s("VPADDQ %d(BX), Y%d, Y%d", 32*m, a, a),
			s("VPADDQ Y%d, Y%d, Y%d", b, a, a),
			s("VPXOR Y%d, Y%d, Y%d", a, d, d),
			rotate[0],
			s("VPADDQ Y%d, Y%d, Y%d", d, c, c),
			s("VPXOR Y%d, Y%d, Y%d", c, b, b),
		}, rotate[1:]...)
	}
	return append(
		step(x, s("VPSHUFD $0xb1, Y%d, Y%d", d, d), s("VPSHUFB ·blakeRotate24(SB), Y%d, Y%d", b, b)),
		step(y, s("VPSHUFB ·blakeRotate16(SB), Y%d, Y%d", d, d),
			s("VPADDQ Y%d, Y%d, Y%d", b, b, temp),
			s("VPSRLQ $63, Y%d, Y%d", b, b),
			s("VPXOR Y%d, Y%d, Y%d", temp, b, b))...)
}

// blakeAVX2 has a row of the state in each of Y0 to Y3, and the words of the
// block in memory.
func (w *writer) blakeAVX2() {
	w.fn("blakeAVX2", "(h *[8]uint64, msg *byte, blocks int, counter, mask uint64)", 40)
	w.op("MOVQ h+0(FP), DI")
	w.op("MOVQ msg+8(FP), SI")
	w.op("MOVQ blocks+16(FP), CX")
	w.op("MOVQ counter+24(FP), DX")
	w.op("VMOVDQU ·blakeRotate24(SB), Y12")
	w.op("VMOVDQU ·blakeRotate16(SB), Y13")
	w.op("VMOVDQU (DI), Y14")
	w.op("VMOVDQU 32(DI), Y15")
	w.label("block")
	w.op("ADDQ $128, DX")
	w.op("VMOVDQA Y14, Y0")
	w.op("VMOVDQA Y15, Y1")
	w.op("VMOVDQU ·blakeIVs+0(SB), Y2")
	w.op("VMOVQ DX, X3")
	w.op("VMOVQ mask+32(FP), X4")
	w.op("VINSERTI128 $1, X4, Y3, Y3")
	w.op("VPXOR ·blakeIVs+32(SB), Y3, Y3")
	for r := range 12 {
		s := blakeSigma[r%10]
		w.mixRows(s[0], s[2], s[4], s[6], s[1], s[3], s[5], s[7])
		w.op("VPERMQ $0x39, Y1, Y1") // the diagonals become columns
		w.op("VPERMQ $0x4e, Y2, Y2")
		w.op("VPERMQ $0x93, Y3, Y3")
		w.mixRows(s[8], s[10], s[12], s[14], s[9], s[11], s[13], s[15])
		w.op("VPERMQ $0x93, Y1, Y1")
		w.op("VPERMQ $0x4e, Y2, Y2")
		w.op("VPERMQ $0x39, Y3, Y3")
	}
	w.op("VPXOR Y0, Y14, Y14")
	w.op("VPXOR Y2, Y14, Y14")
	w.op("VPXOR Y1, Y15, Y15")
	w.op("VPXOR Y3, Y15, Y15")
	w.op("ADDQ $128, SI")
	w.op("DECQ CX")
	w.op("JNZ block")
	w.op("VMOVDQU Y14, (DI)")
	w.op("VMOVDQU Y15, 32(DI)")
	w.ret()
}

// mixRows is the function G on all four columns; words are those of the block
// that go in first, then those that go in second.
func (w *writer) mixRows(words ...int) {
	gather := func(m []int, to int) {
		w.op("VMOVQ %d(SI), X%d", 8*m[0], to)
		w.op("VPINSRQ $1, %d(SI), X%d, X%d", 8*m[1], to, to)
		w.op("VMOVQ %d(SI), X%d", 8*m[2], to+1)
		w.op("VPINSRQ $1, %d(SI), X%d, X%d", 8*m[3], to+1, to+1)
		w.op("VINSERTI128 $1, X%d, Y%d, Y%d", to+1, to, to)
	}
	gather(words[:4], 4)
	gather(words[4:], 6)
	w.op("VPADDQ Y4, Y0, Y0")
	w.op("VPADDQ Y1, Y0, Y0")
	w.op("VPXOR Y0, Y3, Y3")
	w.op("VPSHUFD $0xb1, Y3, Y3")
	w.op("VPADDQ Y3, Y2, Y2")
	w.op("VPXOR Y2, Y1, Y1")
	w.op("VPSHUFB Y12, Y1, Y1")
	w.op("VPADDQ Y6, Y0, Y0")
	w.op("VPADDQ Y1, Y0, Y0")
	w.op("VPXOR Y0, Y3, Y3")
	w.op("VPSHUFB Y13, Y3, Y3")
	w.op("VPADDQ Y3, Y2, Y2")
	w.op("VPXOR Y2, Y1, Y1")
	w.op("VPADDQ Y1, Y1, Y8")
	w.op("VPSRLQ $63, Y1, Y1")
	w.op("VPXOR Y8, Y1, Y1")
}
