// Package vec8 computes the primitives of up to eight packets at a time.
//
//	var u vec8.Unit
//	ok := u.X25519(n, &out, &scalars, &points) // bit i: out[i] is not zero
//	u.HKDF(schedule, n, &keys, &secrets)
//	u.ChaCha20(n, &keys, &payloads)
//
// A lane is one packet's share of such a call. Where the CPU has AVX-512 with
// IFMA, or AVX2, lanes are lanes of vector registers: ladders and hashes of eight
// packets, or four, run side by side, and ChaCha20 makes sixteen blocks of one
// lane's stream at once. Elsewhere, and with the build tag purego, each lane is
// computed by itself with what the standard library, circl and aead/chacha20
// have. The results are the same bytes.
//
//	              AVX-512 IFMA            AVX2                   elsewhere, purego
//	X25519        8 lanes from 2 on       4 lanes from 3 on      circl
//	SHA-256       8 lanes from 3 on       crypto/sha256          crypto/sha256
//	BLAKE2b       8 lanes, 4 up to 4      4 lanes from 2 on      Go
//	ChaCha20      16 blocks of a lane     aead/chacha20          aead/chacha20
//	AES-128-CTR   1 lane in AES-NI        1 lane in AES-NI       crypto/aes
//
// A point that is multiplied again and again can have a [Table], which takes half
// the time of a ladder, in lanes and alone, here as elsewhere.
//
// To see what a machine without the larger registers does, set the environment
// variable GODEBUG to cpu.avx512f=off or cpu.avx2=off.
//
// The assembly is written by the program in gen; go generate runs it. All code
// takes the same time whatever its secrets are: bits of scalars become masks, and
// nothing is looked up at a place that depends on a secret: of a table, all that
// may be meant is read. Scratch memory
// that held secrets is cleared before a call returns. Nothing is allocated
// after the first call, save by crypto/aes where there is no AES-NI.
package vec8

//go:generate go run ./gen
