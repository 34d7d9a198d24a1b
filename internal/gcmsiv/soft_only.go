//go:build !amd64 || purego

package gcmsiv

import "crypto/cipher"

const haveHard = false

// A hardKey is a key the CPU works with; there is none here.
type hardKey struct{}

func newHardKey(*[KeySize]byte) *hardKey { return nil }

// A messageKey is what one nonce is worked with.
type messageKey struct {
	h    [16]byte
	soft cipher.Block
}

func (k *messageKey) init(auth *[16]byte, enc *[KeySize]byte, _ bool) {
	k.h, k.soft = *auth, newAES(enc)
}

func (a *AEAD) keyStream(stream *[8 * 16]byte, counter *[16]byte) {
	softCTR(a.soft, stream[:], stream[:], counter)
}

func (k *messageKey) polyvalBlocks(s *[16]byte, blocks []byte) { softPolyval(&k.h, s, blocks) }

func (k *messageKey) xorBlocks(dst, src []byte, counter *[16]byte) {
	softCTR(k.soft, dst, src, counter)
}
