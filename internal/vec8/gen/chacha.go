package main

// chacha makes sixteen blocks of one key stream at a time: word i of block l is
// in lane l of Zi.
func chacha(w *writer) {
	w.fn("chachaRuns", "(data *byte, key *[32]byte, block uint64, runs int)", 32)
	w.op("MOVQ data+0(FP), DI")
	w.op("MOVQ key+8(FP), SI")
	w.op("MOVQ block+16(FP), DX")
	w.op("MOVQ runs+24(FP), CX")
	w.label("run")
	// Counters of 64 bits: the low words of the sixteen blocks do not wrap, since a
	// run begins at a multiple of 16.
	w.op("VPBROADCASTD DX, Z12")
	w.op("VPADDD ·chachaSteps(SB), Z12, Z12")
	w.op("MOVQ DX, AX")
	w.op("SHRQ $32, AX")
	w.op("VPBROADCASTD AX, Z13")
	w.op("VPXORD Z14, Z14, Z14")
	w.op("VPXORD Z15, Z15, Z15")
	for i := range 4 {
		w.op("VPBROADCASTD ·chachaSigma+%d(SB), Z%d", 4*i, i)
	}
	for i := range 8 {
		w.op("VPBROADCASTD %d(SI), Z%d", 4*i, 4+i)
	}
	for i := range 14 {
		w.op("VMOVDQA32 Z%d, Z%d", i, 16+i)
	}
	w.op("MOVQ $10, R8")
	w.label("round")
	for odd := range 2 {
		q := func(i int) (a, b, c, d int) {
			return i, 4 + (i+odd)%4, 8 + (i+2*odd)%4, 12 + (i+3*odd)%4
		}
		for _, step := range []struct {
			to, by, rotated, left int // which of a, b, c, d; then which is rotated and how far
		}{{0, 1, 3, 16}, {2, 3, 1, 12}, {0, 1, 3, 8}, {2, 3, 1, 7}} {
			each := func(f func(r [4]int)) {
				for i := range 4 {
					a, b, c, d := q(i)
					f([4]int{a, b, c, d})
				}
			}
			each(func(r [4]int) { w.op("VPADDD Z%d, Z%d, Z%d", r[step.by], r[step.to], r[step.to]) })
			each(func(r [4]int) { w.op("VPXORD Z%d, Z%d, Z%d", r[step.to], r[step.rotated], r[step.rotated]) })
			each(func(r [4]int) { w.op("VPROLD $%d, Z%d, Z%d", step.left, r[step.rotated], r[step.rotated]) })
		}
	}
	w.op("DECQ R8")
	w.op("JNZ round")
	for i := range 14 {
		w.op("VPADDD Z%d, Z%d, Z%d", 16+i, i, i)
	}
	w.transpose32()
	for i := range 16 {
		w.op("VPXORD %d(DI), Z%d, Z%d", 64*i, i, i)
		w.op("VMOVDQU32 Z%d, %d(DI)", i, 64*i)
	}
	w.op("ADDQ $1024, DI")
	w.op("ADDQ $16, DX")
	w.op("DECQ CX")
	w.op("JNZ run")
	w.ret512()
	w.words32("chachaSigma", 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)
	var steps [16]uint32
	for i := range steps {
		steps[i] = uint32(i)
	}
	w.words32("chachaSteps", steps[:]...)
}

// transpose32 leaves the columns of the 16 by 16 words in Z0 to Z15 there as
// rows. It uses Z16 to Z31.
func (w *writer) transpose32() {
	for i := 0; i < 16; i += 2 { // pairs of words
		w.op("VPUNPCKLDQ Z%d, Z%d, Z%d", i+1, i, 16+i)
		w.op("VPUNPCKHDQ Z%d, Z%d, Z%d", i+1, i, 17+i)
	}
	for i := 0; i < 16; i += 4 { // quarters: register i+k has word k of each block's quarter
		for half := range 2 {
			w.op("VPUNPCKLQDQ Z%d, Z%d, Z%d", 18+i+half, 16+i+half, i+2*half)
			w.op("VPUNPCKHQDQ Z%d, Z%d, Z%d", 18+i+half, 16+i+half, i+2*half+1)
		}
	}
	// Now quarter q of Z(4j+k) is words 4j to 4j+3 of block 4q+k.
	for k := range 4 {
		w.op("VSHUFI32X4 $0x88, Z%d, Z%d, Z%d", 4+k, k, 16+k)    // blocks k, 8+k: words 0 to 7
		w.op("VSHUFI32X4 $0xdd, Z%d, Z%d, Z%d", 4+k, k, 20+k)    // 4+k, 12+k
		w.op("VSHUFI32X4 $0x88, Z%d, Z%d, Z%d", 12+k, 8+k, 24+k) // the same: words 8 to 15
		w.op("VSHUFI32X4 $0xdd, Z%d, Z%d, Z%d", 12+k, 8+k, 28+k)
	}
	for k := range 4 {
		w.op("VSHUFI32X4 $0x88, Z%d, Z%d, Z%d", 24+k, 16+k, k)
		w.op("VSHUFI32X4 $0xdd, Z%d, Z%d, Z%d", 24+k, 16+k, 8+k)
		w.op("VSHUFI32X4 $0x88, Z%d, Z%d, Z%d", 28+k, 20+k, 4+k)
		w.op("VSHUFI32X4 $0xdd, Z%d, Z%d, Z%d", 28+k, 20+k, 12+k)
	}
}
