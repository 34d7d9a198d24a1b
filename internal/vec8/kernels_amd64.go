//go:build amd64 && !purego

package vec8

import "golang.org/x/sys/cpu"

// What this machine has. AVX-512 stands for all of its parts that the kernels use.
var (
	haveAES    = cpu.X86.HasAES && cpu.X86.HasAVX
	haveAVX2   = cpu.X86.HasAVX2
	haveAVX512 = haveAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512IFMA
)

// ladder does steps of eight Montgomery ladders on the variables in el, with one
// byte of masks each.
//
//go:noescape
func ladder(el *[16]element, masks *[256]byte, steps int)

// ladder4 is ladder for four lanes, in AVX2.
//
//go:noescape
func ladder4(el *[16]element4, masks *[256]byte, steps int)

// feMul sets dst to the products of a and b. They may be the same.
//
//go:noescape
func feMul(dst, a, b *element)

// feSquare sets dst to a squared n times, n at least 1.
//
//go:noescape
func feSquare(dst, a *element, n int)

// blakeLanes compresses blocks of eight messages. Each adds a block to counter;
// mask goes into all of them.
//
//go:noescape
func blakeLanes(h *[8][Lanes]uint64, msg *[Lanes]*byte, blocks int, counter, mask uint64)

// blakeLanes4 is blakeLanes for four messages, in AVX2: h and msg are those of the
// first, of eight. It works in m.
//
//go:noescape
func blakeLanes4(h *uint64, msg **byte, blocks int, counter, mask uint64, m *[18][4]uint64)

// blakeAVX2 is blakeLanes for one message, in AVX2.
//
//go:noescape
func blakeAVX2(h *[8]uint64, msg *byte, blocks int, counter, mask uint64)

// shaLanes compresses blocks of eight messages.
//
//go:noescape
func shaLanes(h *shaState, rows *shaRows, blocks int)

// chachaRuns XORs runs of 1024 bytes with key stream, from a block on.
//
//go:noescape
func chachaRuns(data *byte, key *[32]byte, block uint64, runs int)

// aesStream sets out to the beginning of a key stream.
//
//go:noescape
func aesStream(out *[StreamSize]byte, key *[16]byte)

// aesXOR XORs runs of 64 bytes with key stream, from a block on.
//
//go:noescape
func aesXOR(data *byte, key *[16]byte, block uint64, runs int)
