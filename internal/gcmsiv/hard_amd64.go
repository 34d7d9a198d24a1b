//go:build !purego

package gcmsiv

import (
	"crypto/cipher"

	"golang.org/x/sys/cpu"
)

// haveHard says whether the CPU has AES-NI and carry-less multiplication.
var haveHard = cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41

// A hardKey is an expanded AES-256 key: 15 round keys.
type hardKey [15 * 16]byte

func newHardKey(key *[KeySize]byte) *hardKey {
	k := new(hardKey)
	expandKey(k, key)
	return k
}

// A messageKey is what one nonce is worked with.
type messageKey struct {
	rounds hardKey
	powers [8][16]byte // h¹ to h⁸

	h    [16]byte
	soft cipher.Block // set where the CPU does not do the work
}

func (k *messageKey) init(auth *[16]byte, enc *[KeySize]byte, hard bool) {
	if !hard {
		k.h, k.soft = *auth, newAES(enc)
		return
	}
	expandKey(&k.rounds, enc)
	polyvalPowers(&k.powers, auth)
}

func (a *AEAD) keyStream(stream *[8 * 16]byte, counter *[16]byte) {
	if a.hard == nil {
		softCTR(a.soft, stream[:], stream[:], counter)
		return
	}
	ctrBlocks(a.hard, counter, &stream[0], &stream[0], 8)
}

func (k *messageKey) polyvalBlocks(s *[16]byte, blocks []byte) {
	if k.soft != nil {
		softPolyval(&k.h, s, blocks)
		return
	}
	polyvalBlocks(s, &k.powers, &blocks[0], len(blocks)/16)
}

func (k *messageKey) xorBlocks(dst, src []byte, counter *[16]byte) {
	if k.soft != nil {
		softCTR(k.soft, dst, src, counter)
		return
	}
	ctrBlocks(&k.rounds, counter, &dst[0], &src[0], len(src)/16)
}

// expandKey is the key schedule of AES-256.
//
//go:noescape
func expandKey(k *hardKey, key *[KeySize]byte)

// ctrBlocks encrypts n blocks in counter mode, eight at a time. dst and src
// may be the same. It leaves counter at the block behind the last one used.
//
//go:noescape
func ctrBlocks(k *hardKey, counter *[16]byte, dst, src *byte, n int)

// polyvalPowers fills powers with h, h², … h⁸.
//
//go:noescape
func polyvalPowers(powers *[8][16]byte, h *[16]byte)

// polyvalBlocks takes n blocks into s, eight at a time with one reduction.
//
//go:noescape
func polyvalBlocks(s *[16]byte, powers *[8][16]byte, blocks *byte, n int)
