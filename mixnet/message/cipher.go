package message

import (
	"crypto/subtle"

	"lukechampine.com/blake3"

	"nym-socks5/mixnet/keys"
)

// messageKey is a key of AES-128-CTR that serves for one fragment, so the IV is
// zero.
type messageKey = [keys.SymmetricSize]byte

// blockSize is that of BLAKE3, as HMAC wants it.
const blockSize = 64

// kdf is the scratch space of a derivation: one padded HMAC key, and what is
// hashed behind it.
type kdf [blockSize + keys.Size]byte

// derive is HKDF over HMAC-BLAKE3 without salt and label, for 16 bytes
// (sphinx.md §5.2). Four hashes of flat buffers take a quarter of the time of
// package hkdf, whose hash objects are large.
func (b *kdf) derive(secret *[keys.Size]byte) messageKey {
	var salt, prk, okm [keys.Size]byte
	copy(b[blockSize:], secret[:])
	b.hmac(&prk, &salt, keys.Size)
	b[blockSize] = 1
	b.hmac(&okm, &prk, 1)
	return messageKey(okm[:])
}

// hmac is HMAC-BLAKE3 of the n bytes that are already in place.
func (b *kdf) hmac(out, key *[keys.Size]byte, n int) {
	b.pad(key, 0x36)
	inner := blake3.Sum256(b[:blockSize+n])
	b.pad(key, 0x5c)
	copy(b[blockSize:], inner[:])
	*out = blake3.Sum256(b[:])
}

func (b *kdf) pad(key *[keys.Size]byte, with byte) {
	for i := range b[:blockSize] {
		b[i] = with
	}
	subtle.XORBytes(b[:], b[:keys.Size], key[:])
}
