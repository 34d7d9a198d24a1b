package main

// aesBlocks is how many blocks of key stream aesStream makes.
const aesBlocks = 24

// aes is AES-128-CTR for one lane. The eleven round keys stay in X0 to X10:
// nothing secret is written but what was asked for.
func aes(w *writer) {
	w.aesStream()
	w.aesXOR()
	var counters []uint64 // big endian, as CTR has them
	for i := range uint64(aesBlocks) {
		counters = append(counters, 0, i<<56)
	}
	w.words64("aesCounters", counters...)
}

// aesKeys expands the key at SI.
func (w *writer) aesKeys() {
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
}

// aesWidth is how many blocks are encrypted side by side, in X11 and what follows.
const aesWidth = 4

// aesRounds encrypts blocks to which the first round key was added.
func (w *writer) aesRounds() {
	for k := 1; k <= 10; k++ {
		op := "VAESENC"
		if k == 10 {
			op = "VAESENCLAST"
		}
		for i := range aesWidth {
			w.op("%s X%d, X%d, X%d", op, k, 11+i, 11+i)
		}
	}
}

// aesStream makes the key stream from zero.
func (w *writer) aesStream() {
	w.fn("aesStream", "(out *[StreamSize]byte, key *[16]byte)", 16)
	w.op("MOVQ out+0(FP), DI")
	w.op("MOVQ key+8(FP), SI")
	w.aesKeys()
	for at := 0; at < aesBlocks; at += aesWidth {
		for i := range aesWidth {
			w.op("VPXOR ·aesCounters+%d(SB), X0, X%d", 16*(at+i), 11+i)
		}
		w.aesRounds()
		for i := range aesWidth {
			w.op("VMOVDQU X%d, %d(DI)", 11+i, 16*(at+i))
		}
	}
	w.ret()
}

// aesXOR XORs runs of four blocks with key stream.
func (w *writer) aesXOR() {
	w.fn("aesXOR", "(data *byte, key *[16]byte, block uint64, runs int)", 32)
	w.op("MOVQ data+0(FP), DI")
	w.op("MOVQ key+8(FP), SI")
	w.op("MOVQ block+16(FP), DX")
	w.op("MOVQ runs+24(FP), CX")
	w.aesKeys()
	w.label("run")
	for i := range aesWidth {
		w.op("MOVQ DX, AX")
		w.op("BSWAPQ AX")
		w.op("VPXOR X%d, X%d, X%d", 11+i, 11+i, 11+i)
		w.op("VPINSRQ $1, AX, X%d, X%d", 11+i, 11+i)
		w.op("VPXOR X0, X%d, X%d", 11+i, 11+i)
		w.op("INCQ DX")
	}
	w.aesRounds()
	for i := range aesWidth {
		w.op("VPXOR %d(DI), X%d, X%d", 16*i, 11+i, 11+i)
		w.op("VMOVDQU X%d, %d(DI)", 11+i, 16*i)
	}
	w.op("ADDQ $%d, DI", 16*aesWidth)
	w.op("DECQ CX")
	w.op("JNZ run")
	w.ret()
}
