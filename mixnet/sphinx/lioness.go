package sphinx

import (
	"crypto/subtle"

	"nym-socks5/internal/vec8"
)

// lioness is the wide-block cipher LIONESS (Anderson, Biham 1996) over
// ChaCha20 and keyed BLAKE2b-256: damage to one bit of a block destroys all
// of it (sphinx.md §3.9). It works on several blocks of one length at a time.
//
//	key = K1 (32) ‖ K2 (64) ‖ K3 (32) ‖ K4 (64)    block = L (32) ‖ R (at least 1)
type lioness struct {
	left, right [BatchSize][]byte
	stream      [BatchSize][32]byte
	hash        [BatchSize][64]byte
	sum         [BatchSize][32]byte
}

type lionessKeys = [BatchSize][FullKeySize]byte

// mix XORs the left parts with the keyed hashes of the right ones. Its key
// begins at an offset.
func (l *lioness) mix(u *vec8.Unit, n int, keys *lionessKeys, at int) {
	for i := range n {
		copy(l.hash[i][:], keys[i][at:])
	}
	u.BLAKE2b(n, &l.sum, &l.hash, &l.right)
	for i := range n {
		subtle.XORBytes(l.left[i], l.left[i], l.sum[i][:])
	}
}

// cover XORs the right parts with the key streams of left XOR key.
func (l *lioness) cover(u *vec8.Unit, n int, keys *lionessKeys, at int) {
	for i := range n {
		subtle.XORBytes(l.stream[i][:], l.left[i], keys[i][at:])
	}
	u.ChaCha20(n, &l.stream, &l.right)
}

// blocks sets what is worked on: n blocks of the same length, which must be
// more than 32 bytes.
func (l *lioness) blocks(n int, block func(i int) []byte) {
	for i := range n {
		b := block(i)
		l.left[i], l.right[i] = b[:leftSize], b[leftSize:]
	}
}

// encrypt puts a layer on the blocks.
func (l *lioness) encrypt(u *vec8.Unit, n int, keys *lionessKeys) {
	l.cover(u, n, keys, 0)
	l.mix(u, n, keys, 32)
	l.cover(u, n, keys, 96)
	l.mix(u, n, keys, 128)
	*l = lioness{}
}

// decrypt takes a layer off the blocks.
func (l *lioness) decrypt(u *vec8.Unit, n int, keys *lionessKeys) {
	l.mix(u, n, keys, 128)
	l.cover(u, n, keys, 96)
	l.mix(u, n, keys, 32)
	l.cover(u, n, keys, 0)
	*l = lioness{}
}
