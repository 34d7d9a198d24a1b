package vec8

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
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

// aesRun is how many bytes the kernel makes at a time.
const aesRun = 4 * aes.BlockSize

// AESCTR XORs data with the key stream of AES-128-CTR from zero.
func (u *Unit) AESCTR(key *[16]byte, data []byte) {
	if !haveAES {
		newCTR(key).XORKeyStream(data, data)
		return
	}
	runs := len(data) / aesRun
	if runs > 0 {
		aesXOR(&data[0], key, 0, runs)
	}
	if rest := data[runs*aesRun:]; len(rest) > 0 {
		aesXOR(&u.stream[0], key, uint64(runs)*4, 1)
		subtle.XORBytes(rest, rest, u.stream[:])
		clear(u.stream[:aesRun])
	}
}

// plainStream is the stream of the standard library. It allocates twice: the
// key schedule and the counter.
func plainStream(out *[StreamSize]byte, key *[16]byte) {
	clear(out[:])
	newCTR(key).XORKeyStream(out[:], out[:])
}

func newCTR(key *[16]byte) cipher.Stream {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic("vec8: " + err.Error()) // only for a wrong length
	}
	return cipher.NewCTR(b, zeroIV[:])
}

var zeroIV [aes.BlockSize]byte
