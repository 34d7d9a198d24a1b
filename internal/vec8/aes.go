package vec8

import (
	"crypto/aes"
	"crypto/cipher"
)

// StreamSize is how many bytes of key stream [Unit.AESStream] makes.
const StreamSize = 24 * aes.BlockSize

// AESStream sets each out to the beginning of the key stream of AES-128-CTR
// from zero.
func (u *Unit) AESStream(n int, out *[Lanes][StreamSize]byte, key *[Lanes][16]byte) {
	for i := range n {
		if haveAES {
			aesStream(&out[i], &key[i])
		} else {
			plainStream(&out[i], &key[i])
		}
	}
}

// plainStream is the stream of the standard library. It allocates twice: the
// key schedule and the counter.
func plainStream(out *[StreamSize]byte, key *[16]byte) {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic("vec8: " + err.Error()) // only for a wrong length
	}
	clear(out[:])
	cipher.NewCTR(b, zeroIV[:]).XORKeyStream(out[:], out[:])
}

var zeroIV [aes.BlockSize]byte
