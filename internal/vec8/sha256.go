package vec8

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"encoding/binary"
	"hash"
	"math/bits"
)

// shaLanesMin is the number of lanes from which hashing eight side by side
// takes less time than one after the other with the CPU's own SHA-256.
const shaLanesMin = 3

const (
	shaBlock  = sha256.BlockSize
	innerPad  = 0x36
	outerPad  = 0x5c
	innerWord = 0x36363636
	outerWord = 0x5c5c5c5c
)

// A shaState is a chaining value of eight lanes: word by word, lane by lane.
type shaState [8][Lanes]uint32

// A shaRows is a block of eight lanes, in the same order.
type shaRows [16][Lanes]uint32

// An HKDF is HKDF-SHA-256 (RFC 5869) with one salt, one info and one length of
// output. It never changes, so goroutines may share it.
type HKDF struct {
	info string
	size int

	// The states behind the two pads of the salt: as crypto/sha256 keeps them, and
	// as chaining values.
	inState, outState []byte
	inner, outer      [8]uint32

	// What is hashed for the first piece of output, and for the others: 32 bytes
	// of the piece before, info, counter, padding. The counter is added to the
	// words of one row.
	first, repeated []shaRows
	block, row      int
	shift           int
}

// maxInfo is the longest info of an HKDF, and maxMessage the longest message of
// an HMAC, in bytes.
const (
	maxInfo    = 150
	maxMessage = 320
)

// NewHKDF makes the HKDF of a salt of at most 64 bytes, an info of at most 150
// and a size that is a multiple of 32.
func NewHKDF(salt, info string, size int) *HKDF {
	if len(salt) > shaBlock || len(info) > maxInfo || size <= 0 || size%sha256.Size != 0 || size > 255*sha256.Size {
		panic("vec8: sizes of an HKDF")
	}
	h := &HKDF{info: info, size: size}
	var m hmacState
	m.key([]byte(salt))
	h.inState, h.outState = m.inState, m.outState
	h.inner, h.outer = padState(salt, innerPad), padState(salt, outerPad)

	h.first = spread(append([]byte(info), 1), shaBlock)
	msg := append(append(make([]byte, sha256.Size), info...), 0)
	h.repeated = spread(msg, shaBlock)
	at := len(msg) - 1
	h.block, h.row, h.shift = at/shaBlock, at%shaBlock/4, 24-8*(at%4)
	return h
}

// padState is the chaining value behind the block of a key.
func padState(key string, pad byte) [8]uint32 {
	var b [shaBlock]byte
	for i := range b {
		b[i] = pad
	}
	subtle.XORBytes(b[:], b[:], []byte(key))
	h := shaIV
	plainSHA(&h, &b)
	return h
}

// spread pads a message that stands behind so many bytes already hashed, and
// gives each lane a copy.
func spread(msg []byte, before int) (rows []shaRows) {
	b := append(append([]byte(nil), msg...), 0x80)
	for len(b)%shaBlock != shaBlock-8 {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(8*(before+len(msg))))
	for ; len(b) > 0; b = b[shaBlock:] {
		var r shaRows
		for i := range r {
			r[i] = same(binary.BigEndian.Uint32(b[4*i:]))
		}
		rows = append(rows, r)
	}
	return rows
}

// same gives every lane the same word.
func same(w uint32) [Lanes]uint32 { return [Lanes]uint32{w, w, w, w, w, w, w, w} }

// HKDF fills each out, which has the size of h, from a secret of at most 32
// bytes. All secrets have the same length.
func (u *Unit) HKDF(h *HKDF, n int, out, secret *[Lanes][]byte) {
	if haveAVX512 && n >= shaLanesMin {
		u.hkdfLanes(h, n, out, secret)
		return
	}
	for i := range n {
		u.mac.hkdf(h, out[i], secret[i])
	}
	u.mac.clear()
}

// HMAC sets each out to the HMAC-SHA-256 of a message of at most 320 bytes under
// a key of 16. All messages have the same length.
func (u *Unit) HMAC(n int, out *[Lanes][32]byte, key *[Lanes][16]byte, msg *[Lanes][]byte) {
	if haveAVX512 && n >= shaLanesMin {
		u.hmacLanes(n, out, key, msg)
		return
	}
	for i := range n {
		u.mac.pads(key[i][:])
		u.mac.finish(&out[i], msg[i])
	}
	u.mac.clear()
}

// shaScratch is what the lanes are hashed in.
type shaScratch struct {
	h, inner, outer shaState
	m               [maxMAC]shaRows
	digest          shaRows // a digest behind a pad: rows 8 to 15 are its padding
}

// maxMAC is the longest message of an HMAC in blocks, with its padding.
const maxMAC = 6

func (u *Unit) shaScratch() *shaScratch {
	if u.sha == nil {
		u.sha = aligned[shaScratch]()
	}
	s := u.sha
	s.digest[8] = same(1 << 31)
	s.digest[15] = same(8 * (shaBlock + sha256.Size))
	return s
}

// start sets a state for all lanes.
func (s *shaState) start(h *[8]uint32) {
	for i, w := range h {
		s[i] = same(w)
	}
}

// load makes the rows of messages of equal length behind a pad, and says how
// many blocks they are.
func (s *shaScratch) load(n int, msg *[Lanes][]byte) (blocks int) {
	length := len(msg[0])
	blocks = (length + 9 + shaBlock - 1) / shaBlock
	rows := s.m[:blocks]
	var tail [8]byte
	for l := range n {
		b := msg[l][:length]
		i := 0
		for ; len(b) >= 4; i, b = i+1, b[4:] {
			rows[i/16][i%16][l] = binary.BigEndian.Uint32(b)
		}
		clear(tail[copy(tail[:], b):])
		tail[len(b)] = 0x80
		rows[i/16][i%16][l] = binary.BigEndian.Uint32(tail[:])
		for i++; i < 16*blocks-1; i++ {
			rows[i/16][i%16][l] = 0
		}
		rows[blocks-1][15][l] = uint32(8 * (shaBlock + length))
	}
	return blocks
}

// end hashes what is in h behind the outer pad, and leaves that in h.
func (s *shaScratch) end() {
	copy(s.digest[:8], s.h[:])
	s.h = s.outer
	shaLanes(&s.h, &s.digest, 1)
}

// key sets the states behind the pads of keys whose words are in h.
func (s *shaScratch) key() {
	pads := &s.m[0]
	for i := range pads {
		if i < len(s.h) {
			for l, w := range s.h[i] {
				pads[i][l] = w ^ innerWord
			}
		} else {
			pads[i] = same(innerWord)
		}
	}
	s.inner.start(&shaIV)
	shaLanes(&s.inner, pads, 1)
	for i := range pads {
		for l := range pads[i] {
			pads[i][l] ^= innerWord ^ outerWord
		}
	}
	s.outer.start(&shaIV)
	shaLanes(&s.outer, pads, 1)
}

// bytes writes one lane of h.
func (s *shaScratch) bytes(lane int, out []byte) {
	for i := range s.h {
		binary.BigEndian.PutUint32(out[4*i:], s.h[i][lane])
	}
}

func (u *Unit) hmacLanes(n int, out *[Lanes][32]byte, key *[Lanes][16]byte, msg *[Lanes][]byte) {
	s := u.shaScratch()
	for i := range 4 {
		for l := range n {
			s.h[i][l] = binary.BigEndian.Uint32(key[l][4*i:])
		}
	}
	clear(s.h[4:])
	s.key()
	blocks := s.load(n, msg)
	s.h = s.inner
	shaLanes(&s.h, &s.m[0], blocks)
	s.end()
	for l := range n {
		s.bytes(l, out[l][:])
	}
	*s = shaScratch{}
}

func (u *Unit) hkdfLanes(h *HKDF, n int, out, secret *[Lanes][]byte) {
	s := u.shaScratch()
	s.h.start(&h.inner)
	s.outer.start(&h.outer)
	shaLanes(&s.h, &s.m[0], s.load(n, secret))
	s.end()
	s.key()

	s.h = s.inner
	shaLanes(&s.h, &h.first[0], len(h.first))
	s.end()
	m := s.m[:copy(s.m[:], h.repeated)]
	for at := 0; ; {
		for l := range n {
			s.bytes(l, out[l][at:])
		}
		if at += sha256.Size; at >= h.size {
			break
		}
		copy(m[0][:8], s.h[:])
		for l := range Lanes {
			m[h.block][h.row][l] += 1 << h.shift
		}
		if at == sha256.Size {
			for l := range Lanes {
				m[h.block][h.row][l] += 1 << h.shift // the first counter was 1
			}
		}
		s.h = s.inner
		shaLanes(&s.h, &m[0], len(m))
		s.end()
	}
	*s = shaScratch{}
}

// hmacState computes HMAC and HKDF one after the other, without allocating: the
// two hash objects are reused, and the state behind each pad is kept as bytes
// and restored, which saves hashing the pads again.
type hmacState struct {
	in, out           hash.Hash
	inState, outState []byte
	pad               [shaBlock]byte
	prk, sum, piece   [32]byte
	msg               [192]byte
}

// pads leaves both hashes just behind the pads of key.
func (m *hmacState) pads(key []byte) {
	if m.in == nil {
		m.in, m.out = sha256.New(), sha256.New()
	}
	for i := range m.pad {
		m.pad[i] = innerPad
	}
	subtle.XORBytes(m.pad[:], m.pad[:], key)
	m.in.Reset()
	m.in.Write(m.pad[:])
	for i := range m.pad {
		m.pad[i] ^= innerPad ^ outerPad
	}
	m.out.Reset()
	m.out.Write(m.pad[:])
}

// key does what pads does and keeps the states for restore.
func (m *hmacState) key(key []byte) {
	m.pads(key)
	m.inState, _ = m.in.(encoding.BinaryAppender).AppendBinary(m.inState[:0])
	m.outState, _ = m.out.(encoding.BinaryAppender).AppendBinary(m.outState[:0])
}

// restore puts both hashes behind the pads of which these are the states.
func (m *hmacState) restore(in, out []byte) {
	if m.in == nil {
		m.in, m.out = sha256.New(), sha256.New()
	}
	err := m.in.(encoding.BinaryUnmarshaler).UnmarshalBinary(in)
	if err == nil {
		err = m.out.(encoding.BinaryUnmarshaler).UnmarshalBinary(out)
	}
	if err != nil {
		panic("vec8: " + err.Error()) // the states are our own
	}
}

// finish hashes msg behind the inner pad, and that behind the outer.
func (m *hmacState) finish(out *[32]byte, msg []byte) {
	m.in.Write(msg)
	m.in.Sum(m.sum[:0])
	m.out.Write(m.sum[:])
	m.out.Sum(out[:0])
}

func (m *hmacState) hkdf(h *HKDF, out, secret []byte) {
	m.restore(h.inState, h.outState)
	m.finish(&m.prk, secret)
	m.key(m.prk[:])
	msg := m.msg[:0]
	for i := byte(1); len(out) > 0; i++ {
		if i > 1 {
			m.restore(m.inState, m.outState)
			msg = append(m.msg[:0], m.piece[:]...)
		}
		msg = append(append(msg, h.info...), i)
		m.finish(&m.piece, msg)
		out = out[copy(out, m.piece[:]):]
	}
}

// clear forgets what depends on secrets.
func (m *hmacState) clear() {
	m.in.Reset()
	m.out.Reset()
	clear(m.inState)
	clear(m.outState)
	clear(m.pad[:])
	clear(m.prk[:])
	clear(m.sum[:])
	clear(m.piece[:])
	clear(m.msg[:])
}

var shaIV = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

var shaK = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

// plainSHA compresses one block. It makes the constants of an HKDF; what is
// secret is hashed by crypto/sha256 or in lanes.
func plainSHA(h *[8]uint32, block *[shaBlock]byte) {
	var w [64]uint32
	for i := range 16 {
		w[i] = binary.BigEndian.Uint32(block[4*i:])
	}
	for i := 16; i < 64; i++ {
		s0 := bits.RotateLeft32(w[i-15], -7) ^ bits.RotateLeft32(w[i-15], -18) ^ w[i-15]>>3
		s1 := bits.RotateLeft32(w[i-2], -17) ^ bits.RotateLeft32(w[i-2], -19) ^ w[i-2]>>10
		w[i] = w[i-16] + s0 + w[i-7] + s1
	}
	v := *h
	for i, k := range shaK {
		a, b, c, e, f, g := v[0], v[1], v[2], v[4], v[5], v[6]
		s1 := bits.RotateLeft32(e, -6) ^ bits.RotateLeft32(e, -11) ^ bits.RotateLeft32(e, -25)
		t1 := v[7] + s1 + (e&f ^ ^e&g) + k + w[i]
		s0 := bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22)
		t2 := s0 + (a&b ^ a&c ^ b&c)
		v = [8]uint32{t1 + t2, a, b, c, v[3] + t1, e, f, g}
	}
	for i := range h {
		h[i] += v[i]
	}
}
