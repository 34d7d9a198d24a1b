package vec8

import (
	"crypto/subtle"

	"github.com/aead/chacha20/chacha"
)

// chachaRun is how many bytes of key stream the kernel makes at a time, and
// chachaMin from how many on it takes less time than the library.
const (
	chachaRun = 16 * 64
	chachaMin = 320
)

var zeroNonce [chacha.NonceSize]byte

// ChaCha20 XORs the data of each lane with the key stream of its key: 20
// rounds, nonce and counter from zero (sphinx.md §3.9).
func (u *Unit) ChaCha20(n int, key *[Lanes][32]byte, data *[Lanes][]byte) {
	for i := range n {
		if d := data[i]; haveAVX512 && len(d) >= chachaMin {
			u.chacha(d, &key[i])
		} else {
			chacha.XORKeyStream(d, d, zeroNonce[:], key[i][:], 20)
		}
	}
}

func (u *Unit) chacha(data []byte, key *[32]byte) {
	runs := len(data) / chachaRun
	if runs > 0 {
		chachaRuns(&data[0], key, 0, runs)
	}
	if rest := data[runs*chachaRun:]; len(rest) > 0 {
		chachaRuns(&u.stream[0], key, uint64(runs)*16, 1)
		subtle.XORBytes(rest, rest, u.stream[:])
		clear(u.stream[:])
	}
}
