// Package gcmsiv is AES-256-GCM-SIV (RFC 8452) as a [crypto/cipher.AEAD]: the
// cipher between clients and gateways.
//
//	key, nonce ──derive──▶ one POLYVAL key and one AES key per nonce
//
//	plaintext ──POLYVAL──▶ ⊕ nonce ──AES──▶ tag ──counter──▶ AES-CTR ──▶ ciphertext ‖ tag
//
// The tag depends on all of the plaintext, so a nonce used twice tells no more
// than whether the plaintexts were equal.
//
// Where an amd64 CPU has AES-NI and PCLMULQDQ everything runs in assembly,
// eight blocks at a time, and no call allocates. Elsewhere, and with the build
// tag purego, AES comes from crypto/aes and POLYVAL from integer
// multiplications; then each call allocates the key schedule of its nonce. Both
// are constant time as far as crypto/aes is.
//
// The package draws no nonces and remembers none.
package gcmsiv
