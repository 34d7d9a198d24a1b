package vec8

import "unsafe"

// Lanes is how many packets share a call at most.
const Lanes = 8

// A Unit holds the scratch space of one goroutine. The zero Unit is ready.
//
// Its methods compute the first n lanes, 1 to [Lanes], and do not touch the
// rest.
type Unit struct {
	mac    hmacState    // of crypto/sha256, lane by lane
	blake  blakeScratch // the block being filled
	stream [chachaRun]byte

	// The rest is for lanes in vector registers: see aligned.
	ladder  *ladderScratch
	ladder4 *ladder4Scratch
	comb    *combScratch
	sha     *shaScratch
	wide    *wideScratch
	ptrs    [Lanes]*byte // what the lanes hash; cleared after each call
}

// Vectors says whether lanes are lanes of vector registers on this machine.
func Vectors() bool { return haveAVX512 }

// OwnAES says whether [Unit.AESStream] does without crypto/aes, which allocates.
func OwnAES() bool { return haveAES }

// aligned makes a T, which must not hold pointers, that begins at a multiple of
// 64: vectors that cross no cache line load faster.
func aligned[T any]() *T {
	var t T
	raw := make([]byte, unsafe.Sizeof(t)+63)
	return (*T)(unsafe.Pointer(&raw[-uintptr(unsafe.Pointer(&raw[0]))&63]))
}
