package main

// aesBlocks is how many blocks of key stream aesStream makes.
const aesBlocks = 24

// aes makes the key stream of AES-128-CTR from zero for one lane. The eleven
// round keys stay in X0 to X10: nothing secret is written but to out.
func aes(w *writer) {
	w.fn("aesStream", "(out *[StreamSize]byte, key *[16]byte)", 16)
	w.op("MOVQ out+0(FP), DI")
	w.op("MOVQ key+8(FP), SI")
	w.op("VMOVDQU (SI), X0")
	for k, rcon := range []int{1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36} {
		w.op("VAESKEYGENASSIST $%d, X%d, X11", rcon, k)
		w.op("VPSHUFD $0xff, X11, X11")
		w.op("VPSLLDQ $4, X%d, X12", k)
		w.op("VPXOR X%d, X12, X12", k)
		w.op("VPSLLDQ $8, X12, X13") // the sum of a word and all before it
		w.op("VPXOR X13, X12, X12")
		w.op("VPXOR X11, X12, X%d", k+1)
	}
	const width = 4
	for at := 0; at < aesBlocks; at += width {
		for i := range width {
			w.op("VPXOR ·aesCounters+%d(SB), X0, X%d", 16*(at+i), 11+i)
		}
		for k := 1; k <= 10; k++ {
			op := "VAESENC"
			if k == 10 {
				op = "VAESENCLAST"
			}
			for i := range width {
				w.op("%s X%d, X%d, X%d", op, k, 11+i, 11+i)
			}
		}
		for i := range width {
			w.op("VMOVDQU X%d, %d(DI)", 11+i, 16*(at+i))
		}
	}
	w.ret()
	var counters []uint64 // big endian, as CTR has them
	for i := range uint64(aesBlocks) {
		counters = append(counters, 0, i<<56)
	}
	w.words64("aesCounters", counters...)
}
