package main

// aes makes 24 blocks of the key stream of AES-128-CTR from zero, eight at a
// time in X0 to X7. The round keys lie on the stack, which is cleared.
func aes(w *writer) {
	const rounds = 10
	w.fn("aesStream", "(out *[StreamSize]byte, key *[16]byte)", 16*(rounds+1), 16)
	w.op("MOVQ out+0(FP), DI")
	w.op("MOVQ key+8(FP), SI")
	w.op("VMOVDQU (SI), X0")
	w.op("VMOVDQU X0, %s", at("SP", 0))
	roundKey := func(r int) string { return at("SP", 16*r) }
	for r, constant := range []int{1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36} {
		w.op("VAESKEYGENASSIST $%#x, X0, X1", constant)
		w.op("VPSHUFD $0xff, X1, X1")
		for range 3 { // (1+x)^3 = 1+x+x²+x³: each word is added to those behind it
			w.op("VPSLLDQ $4, X0, X2")
			w.op("VPXOR X2, X0, X0")
		}
		w.op("VPXOR X1, X0, X0")
		w.op("VMOVDQU X0, %s", roundKey(r+1))
	}
	w.op("VPXOR X8, X8, X8") // the counter, big-endian: only its last byte changes
	w.op("VMOVDQU ·aesOne(SB), X9")
	w.op("MOVQ $3, CX")
	w.label("blocks")
	w.op("VMOVDQU %s, X10", roundKey(0))
	for b := range 8 {
		w.op("VPXOR X10, X8, X%d", b)
		w.op("VPADDQ X9, X8, X8")
	}
	for r := 1; r <= rounds; r++ {
		op := "VAESENC"
		if r == rounds {
			op = "VAESENCLAST"
		}
		w.op("VMOVDQU %s, X10", roundKey(r))
		for b := range 8 {
			w.op("%s X10, X%d, X%d", op, b, b)
		}
	}
	for b := range 8 {
		w.op("VMOVDQU X%d, %d(DI)", b, 16*b)
	}
	w.op("ADDQ $128, DI")
	w.op("DECQ CX")
	w.op("JNZ blocks")
	w.op("VPXOR X0, X0, X0")
	for r := range rounds + 1 {
		w.op("VMOVDQU X0, %s", roundKey(r))
	}
	w.ret()
	w.words64("aesOne", 0, 1<<56)
}
