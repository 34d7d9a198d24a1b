package sphinx

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"hash"
)

// A schedule is what one hop's shared secret expands to (sphinx.md §3.5).
//
//	+--------+--------+------------------+---------------+-----------------+
//	| ρ (16) | μ (16) | payload key (192)| blinding (32) | replay tag (32) |
//	+--------+--------+------------------+---------------+-----------------+
//	                   seed (16) = its first bytes
type schedule [288]byte

func (s *schedule) rho() []byte           { return s[:16] }
func (s *schedule) mu() []byte            { return s[16:32] }
func (s *schedule) full() *[192]byte      { return (*[192]byte)(s[32:224]) }
func (s *schedule) seed() *[SeedSize]byte { return (*[SeedSize]byte)(s[32:48]) }
func (s *schedule) blinding() *[32]byte   { return (*[32]byte)(s[224:256]) }
func (s *schedule) tag() *[TagSize]byte   { return (*[TagSize]byte)(s[256:288]) }

const (
	scheduleInfo = "Dwste mou enan moxlo arketa makru kai ena upomoxlio gia na ton topothetisw kai tha kinisw thn gh."
	seedSalt     = "sphinx-payload-key-V01-CS01-HKDF:SHA256-SALT"
	seedInfo     = "sphinx-payload-key-V01-CS01-HKDF:SHA256-INFO"
)

// A deriver computes HMAC-SHA-256 and HKDF-SHA-256 (RFC 5869) without
// allocating: the two hash objects are reused, and the state behind each pad
// is kept as bytes and restored, which saves hashing the pads again.
type deriver struct {
	in, out           hash.Hash
	inState, outState []byte
	inSalt, outSalt   []byte // states behind the pads of seedSalt
	pad               [64]byte
	prk, t, block     [32]byte
	msg               [160]byte
}

func (d *deriver) init() {
	d.in, d.out = sha256.New(), sha256.New()
	d.key([]byte(seedSalt))
	d.inSalt = append([]byte(nil), d.inState...)
	d.outSalt = append([]byte(nil), d.outState...)
}

// pads leaves both hashes just behind the pads of key (at most 64 bytes).
func (d *deriver) pads(key []byte) {
	for i := range d.pad {
		d.pad[i] = 0x36
	}
	subtle.XORBytes(d.pad[:], d.pad[:], key)
	d.in.Reset()
	d.in.Write(d.pad[:])
	for i := range d.pad {
		d.pad[i] ^= 0x36 ^ 0x5c
	}
	d.out.Reset()
	d.out.Write(d.pad[:])
}

// key does what pads does and keeps the states for restore.
func (d *deriver) key(key []byte) {
	d.pads(key)
	d.inState, _ = d.in.(encoding.BinaryAppender).AppendBinary(d.inState[:0])
	d.outState, _ = d.out.(encoding.BinaryAppender).AppendBinary(d.outState[:0])
}

func restore(h hash.Hash, state []byte) {
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic("sphinx: " + err.Error()) // the state is our own
	}
}

// finish hashes msg behind the inner pad, and that behind the outer.
func (d *deriver) finish(dst *[32]byte, msg []byte) {
	d.in.Write(msg)
	d.in.Sum(d.t[:0])
	d.out.Write(d.t[:])
	d.out.Sum(dst[:0])
}

// mac is HMAC-SHA-256 of msg.
func (d *deriver) mac(dst *[32]byte, key, msg []byte) {
	d.pads(key)
	d.finish(dst, msg)
}

// expand fills dst with the output of HKDF-Expand under d.prk.
func (d *deriver) expand(dst []byte, info string) {
	d.key(d.prk[:])
	msg := d.msg[:0]
	for i := byte(1); len(dst) > 0; i++ {
		if i > 1 {
			restore(d.in, d.inState)
			restore(d.out, d.outState)
			msg = append(d.msg[:0], d.block[:]...)
		}
		msg = append(append(msg, info...), i)
		d.finish(&d.block, msg)
		dst = dst[copy(dst, d.block[:]):]
	}
}

// schedule expands a shared secret.
func (d *deriver) schedule(dst *schedule, secret *[32]byte) {
	d.mac(&d.prk, nil, secret[:])
	d.expand(dst[:], scheduleInfo)
}

// payloadKey expands the seed of a payload key (sphinx.md §3.6).
func (d *deriver) payloadKey(dst *[FullKeySize]byte, seed *[SeedSize]byte) {
	restore(d.in, d.inSalt)
	restore(d.out, d.outSalt)
	d.finish(&d.prk, seed[:])
	d.expand(dst[:], seedInfo)
}

// keystream XORs dst with the header stream of key: AES-128-CTR from zero.
// Its two allocations, key schedule and counter, are the only ones of a hop.
func keystream(dst []byte, key []byte) {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic("sphinx: " + err.Error()) // only for a wrong key length
	}
	cipher.NewCTR(b, zeroIV[:]).XORKeyStream(dst, dst)
}

var zeroIV [aes.BlockSize]byte
