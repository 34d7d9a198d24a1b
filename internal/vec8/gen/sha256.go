package main

var shaK = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

// sha256 has the eight words of the state in Y0 to Y7 and sixteen words of the
// message schedule in Y16 to Y31, a message a lane.
func sha256(w *writer) {
	w.fn("shaLanes", "(h *shaState, rows *shaRows, blocks int)", 24)
	w.op("MOVQ h+0(FP), DI")
	w.op("MOVQ rows+8(FP), SI")
	w.op("MOVQ blocks+16(FP), CX")
	for i := range 8 {
		w.op("VMOVDQU32 %d(DI), Y%d", 32*i, i)
	}
	w.label("block")
	for i := range 16 {
		w.op("VMOVDQU32 %d(SI), Y%d", 32*i, 16+i)
	}
	for i := range 64 {
		v := func(k int) int { return (k - i + 64) % 8 } // where a, b, … h are in this round
		a, b, c, d, e, f, g, h := v(0), v(1), v(2), v(3), v(4), v(5), v(6), v(7)
		m := 16 + i%16
		if i >= 16 {
			w.shaSigma(16+(i+1)%16, 8, 7, 18, "VPSRLD $3")
			w.shaSigma(16+(i+14)%16, 10, 17, 19, "VPSRLD $10")
			w.op("VPADDD Y%d, Y%d, Y%d", 16+(i+9)%16, m, m)
			w.op("VPADDD Y8, Y%d, Y%d", m, m)
			w.op("VPADDD Y10, Y%d, Y%d", m, m)
		}
		w.op("VPADDD.BCST ·shaKs+%d(SB), Y%d, Y12", 4*i, m)
		w.shaSigma(e, 8, 6, 11, "VPRORD $25")
		w.op("VMOVDQA32 Y%d, Y13", e)
		w.op("VPTERNLOGD $0xca, Y%d, Y%d, Y13", g, f) // e chooses f or g
		w.op("VPADDD Y12, Y%d, Y%d", h, h)
		w.op("VPADDD Y13, Y%d, Y%d", h, h)
		w.op("VPADDD Y8, Y%d, Y%d", h, h)
		w.op("VPADDD Y%d, Y%d, Y%d", h, d, d)
		w.shaSigma(a, 10, 2, 13, "VPRORD $22")
		w.op("VMOVDQA32 Y%d, Y13", a)
		w.op("VPTERNLOGD $0xe8, Y%d, Y%d, Y13", c, b) // the majority
		w.op("VPADDD Y10, Y%d, Y%d", h, h)
		w.op("VPADDD Y13, Y%d, Y%d", h, h)
	}
	for i := range 8 {
		w.op("VPADDD %d(DI), Y%d, Y%d", 32*i, i, i)
		w.op("VMOVDQU32 Y%d, %d(DI)", i, 32*i)
	}
	w.op("ADDQ $512, SI")
	w.op("DECQ CX")
	w.op("JNZ block")
	w.ret512()
	w.words32("shaKs", shaK[:]...)
}

// shaSigma sets a register to x rotated right by r1, exclusive or x rotated by
// r2, exclusive or what the third instruction makes of x. It uses the next one
// too, and Y14.
func (w *writer) shaSigma(x, to, r1, r2 int, third string) {
	w.op("VPRORD $%d, Y%d, Y%d", r1, x, to)
	w.op("VPRORD $%d, Y%d, Y%d", r2, x, to+1)
	w.op("%s, Y%d, Y14", third, x)
	w.op("VPTERNLOGD $0x96, Y14, Y%d, Y%d", to+1, to)
}
