package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"hash"

	"filippo.io/edwards25519"
	"github.com/aead/chacha20/chacha"
	"github.com/cloudflare/circl/dh/x25519"
	"golang.org/x/crypto/blake2b"
)

// yardParts are the fastest single-packet primitives there are without assembly
// of our own, by what they cost on amd64. Multiplying the base point is the one
// exception: the table of edwards25519 takes a few microseconds longer than the
// best library measured, which is no dependency of this module. It is a fiftieth
// of building a packet.
type yardParts struct {
	hmac   yardHMAC
	kdf    yardHMAC
	in     []byte // states of kdf behind its pads
	out    []byte
	salted struct{ in, out []byte } // the same, for the salt of payload keys
	prk    [32]byte
	msg    [192]byte
}

func newYardParts() *yardParts {
	p := &yardParts{
		hmac: yardHMAC{in: sha256.New(), out: sha256.New()},
		kdf:  yardHMAC{in: sha256.New(), out: sha256.New()},
	}
	p.kdf.pads([]byte(yardSeedSalt))
	p.salted.in = state(p.kdf.in, nil)
	p.salted.out = state(p.kdf.out, nil)
	return p
}

// The labels of the key schedule and of payload keys (sphinx.md §3.5, §3.6): as
// long as they are, they decide how many blocks are hashed.
const (
	yardInfo     = "Dwste mou enan moxlo arketa makru kai ena upomoxlio gia na ton topothetisw kai tha kinisw thn gh."
	yardSeedSalt = "sphinx-payload-key-V01-CS01-HKDF:SHA256-SALT"
	yardSeedInfo = "sphinx-payload-key-V01-CS01-HKDF:SHA256-INFO"
)

func (p *yardParts) dh(out, scalar, point *[32]byte) {
	x25519.Shared((*x25519.Key)(out), (*x25519.Key)(scalar), (*x25519.Key)(point))
}

func (p *yardParts) base(out *[32]byte, s *edwards25519.Scalar) {
	copy(out[:], new(edwards25519.Point).ScalarBaseMult(s).BytesMontgomery())
}

func (p *yardParts) mac(out *[32]byte, key, msg []byte) {
	p.hmac.pads(key)
	p.hmac.finish(out, msg)
}

// schedule is HKDF-SHA-256 of a shared secret without a salt.
func (p *yardParts) schedule(dst []byte, secret *[32]byte) {
	p.kdf.pads(nil)
	p.kdf.finish(&p.prk, secret[:])
	p.expand(dst, yardInfo)
}

// payloadKey expands the 16-byte seed of a payload key.
func (p *yardParts) payloadKey(dst *[192]byte, seed []byte) {
	restore(p.kdf.in, p.salted.in)
	restore(p.kdf.out, p.salted.out)
	p.kdf.finish(&p.prk, seed)
	p.expand(dst[:], yardSeedInfo)
}

func (p *yardParts) expand(dst []byte, info string) {
	p.kdf.pads(p.prk[:])
	p.in, p.out = state(p.kdf.in, p.in[:0]), state(p.kdf.out, p.out[:0])
	var t [32]byte
	m := p.msg[:0]
	for i := byte(1); len(dst) > 0; i++ {
		if i > 1 {
			restore(p.kdf.in, p.in)
			restore(p.kdf.out, p.out)
			m = append(p.msg[:0], t[:]...)
		}
		m = append(append(m, info...), i)
		p.kdf.finish(&t, m)
		dst = dst[copy(dst, t[:]):]
	}
}

// stream XORs buf with AES-128-CTR from zero.
func (p *yardParts) stream(key, buf []byte) {
	var zero [16]byte
	b, _ := aes.NewCipher(key) // the length is right
	cipher.NewCTR(b, zero[:]).XORKeyStream(buf, buf)
}

// wideEncrypt and wideDecrypt are LIONESS over ChaCha20 and BLAKE2b.
func (p *yardParts) wideEncrypt(key *[192]byte, b []byte) {
	p.wideStream(key[:32], b)
	p.wideHash(key[32:96], b)
	p.wideStream(key[96:128], b)
	p.wideHash(key[128:], b)
}

func (p *yardParts) wideDecrypt(key *[192]byte, b []byte) {
	p.wideHash(key[128:], b)
	p.wideStream(key[96:128], b)
	p.wideHash(key[32:96], b)
	p.wideStream(key[:32], b)
}

func (p *yardParts) wideStream(key, b []byte) {
	var k [32]byte
	var nonce [8]byte
	subtle.XORBytes(k[:], b[:32], key)
	chacha.XORKeyStream(b[32:], b[32:], nonce[:], k[:], 20)
}

func (p *yardParts) wideHash(key, b []byte) {
	h, _ := blake2b.New256(key) // the length is right
	h.Write(b[32:])
	h.Sum(p.prk[:0])
	subtle.XORBytes(b[:32], b[:32], p.prk[:])
}

// yardHMAC is HMAC-SHA-256 with reused hashes.
type yardHMAC struct {
	in, out hash.Hash
	pad     [64]byte
	sum     [32]byte
}

func (m *yardHMAC) pads(key []byte) {
	for i := range m.pad {
		m.pad[i] = 0x36
	}
	subtle.XORBytes(m.pad[:], m.pad[:], key)
	m.in.Reset()
	m.in.Write(m.pad[:])
	for i := range m.pad {
		m.pad[i] ^= 0x36 ^ 0x5c
	}
	m.out.Reset()
	m.out.Write(m.pad[:])
}

func (m *yardHMAC) finish(out *[32]byte, msg []byte) {
	m.in.Write(msg)
	m.in.Sum(m.sum[:0])
	m.out.Write(m.sum[:])
	m.out.Sum(out[:0])
}

func state(h hash.Hash, b []byte) []byte {
	b, _ = h.(encoding.BinaryAppender).AppendBinary(b) // SHA-256 does not fail
	return b
}

func restore(h hash.Hash, b []byte) {
	h.(encoding.BinaryUnmarshaler).UnmarshalBinary(b) // the state is our own
}
