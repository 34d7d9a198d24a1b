//go:build !amd64 || purego

package vec8

const (
	haveAES    = false
	haveAVX2   = false
	haveAVX512 = false
)

// Nobody calls these where there are no kernels.

func ladder(el *[16]element, masks *[256]byte, steps int)   { panic(noKernel) }
func ladder4(el *[16]element4, masks *[256]byte, steps int) { panic(noKernel) }
func feMul(dst, a, b *element)                              { panic(noKernel) }
func feSquare(dst, a *element, n int)                       { panic(noKernel) }
func blakeLanes(h *[8][Lanes]uint64, msg *[Lanes]*byte, blocks int, counter, mask uint64) {
	panic(noKernel)
}
func blakeLanes4(h *uint64, msg **byte, blocks int, counter, mask uint64, m *[18][4]uint64) {
	panic(noKernel)
}
func blakeAVX2(h *[8]uint64, msg *byte, blocks int, counter, mask uint64) { panic(noKernel) }
func shaLanes(h *shaState, rows *shaRows, blocks int)                     { panic(noKernel) }
func chachaRuns(data *byte, key *[32]byte, block uint64, runs int)        { panic(noKernel) }
func aesStream(out *[StreamSize]byte, key *[16]byte)                      { panic(noKernel) }
func aesXOR(data *byte, key *[16]byte, block uint64, runs int)            { panic(noKernel) }

const noKernel = "vec8: no kernels on this machine"
