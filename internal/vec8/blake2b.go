package vec8

import (
	"encoding/binary"
	"math/bits"
)

// Sizes of BLAKE2b (RFC 7693) as LIONESS uses it: keyed, with a digest of 32
// bytes.
const (
	blakeBlock = 128
	blakeKey   = 64
)

// blakeLanesMin is the number of lanes from which hashing them side by side takes
// less time than one after the other.
const blakeLanesMin = 2

var blakeIV = [8]uint64{
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
}

// blakeParams is what the first word begins with besides its IV: depth 1,
// fanout 1, a key of 64 bytes, a digest of 32.
const blakeParams = 0x01010000 | blakeKey<<8 | 32

// final is the mask of the last block, and more that of those before it.
const (
	more  uint64 = 0
	final        = ^more
)

type blakeScratch struct {
	h     [8]uint64
	block [blakeBlock]byte
}

// wideScratch is blakeScratch for eight lanes.
type wideScratch struct {
	h     [8][Lanes]uint64
	block [Lanes][blakeBlock]byte
	m     [18][4]uint64 // of blakeLanes4
}

// compress compresses blocks of n messages: the n first of p.
func (s *wideScratch) compress(n int, p *[Lanes]*byte, blocks int, counter, mask uint64) {
	if haveAVX512 && n > 4 {
		blakeLanes(&s.h, p, blocks, counter, mask)
		return
	}
	for from := 0; from < n; from += 4 {
		blakeLanes4(&s.h[0][from], &p[from], blocks, counter, mask, &s.m)
	}
}

// BLAKE2b sets each out to the BLAKE2b-256 hash of a message under a key of 64
// bytes. All messages have the same length.
func (u *Unit) BLAKE2b(n int, out *[Lanes][32]byte, key *[Lanes][blakeKey]byte, msg *[Lanes][]byte) {
	if haveAVX2 && n >= blakeLanesMin {
		u.blakeLanes(n, out, key, msg)
		return
	}
	for i := range n {
		u.blake.sum(&out[i], &key[i], msg[i])
	}
}

// Compression takes the counter before a block and adds a whole block to it. The
// last one is short, so it gets what makes the sum right: key and message.

// split cuts a message into the bytes that are compressed where they lie and
// those that go into the last block. Just an empty message has none of these:
// then the block of the key is the last.
func split(length int) (whole, last int) {
	whole = max(0, (length-1)/blakeBlock)
	return whole, length - whole*blakeBlock
}

func (s *blakeScratch) sum(out *[32]byte, key *[blakeKey]byte, msg []byte) {
	s.h = blakeIV
	s.h[0] ^= blakeParams
	clear(s.block[copy(s.block[:], key[:]):])
	whole, last := split(len(msg))
	if last == 0 {
		s.blocks(s.block[:], 0, final)
	} else {
		s.blocks(s.block[:], 0, more)
		s.blocks(msg[:whole*blakeBlock], blakeBlock, more)
		clear(s.block[copy(s.block[:], msg[whole*blakeBlock:]):])
		s.blocks(s.block[:], uint64(len(msg)), final)
	}
	for i := range 4 {
		binary.LittleEndian.PutUint64(out[8*i:], s.h[i])
	}
	*s = blakeScratch{}
}

// blocks compresses all of b.
func (s *blakeScratch) blocks(b []byte, counter, mask uint64) {
	switch {
	case len(b) == 0:
	case haveAVX2:
		blakeAVX2(&s.h, &b[0], len(b)/blakeBlock, counter, mask)
	default:
		for ; len(b) > 0; b = b[blakeBlock:] {
			counter += blakeBlock
			plainBlake(&s.h, (*[blakeBlock]byte)(b), counter, mask)
		}
	}
}

func (u *Unit) blakeLanes(n int, out *[Lanes][32]byte, key *[Lanes][blakeKey]byte, msg *[Lanes][]byte) {
	if u.wide == nil {
		u.wide = aligned[wideScratch]()
	}
	s, p := u.wide, &u.ptrs
	for i, v := range blakeIV {
		if i == 0 {
			v ^= blakeParams
		}
		s.h[i] = [Lanes]uint64{v, v, v, v, v, v, v, v}
	}
	for l := range p {
		p[l] = &s.block[l][0]
	}
	for l := range n {
		copy(s.block[l][:], key[l][:])
	}
	whole, last := split(len(msg[0]))
	if last == 0 {
		s.compress(n, p, 1, 0, final)
	} else {
		s.compress(n, p, 1, 0, more)
		if whole > 0 {
			for l := range p {
				p[l] = &msg[0][0] // lanes without a message do what lane 0 does
			}
			for l := range n {
				p[l] = &msg[l][:whole*blakeBlock][0]
			}
			s.compress(n, p, whole, blakeBlock, more)
		}
		for l := range p {
			p[l] = &s.block[l][0]
		}
		for l := range n {
			clear(s.block[l][copy(s.block[l][:], msg[l][whole*blakeBlock:][:last]):])
		}
		s.compress(n, p, 1, uint64(len(msg[0])), final)
	}
	for l := range n {
		for i := range 4 {
			binary.LittleEndian.PutUint64(out[l][8*i:], s.h[i][l])
		}
	}
	*s = wideScratch{}
	*p = [Lanes]*byte{}
}

// blakeSigma is the order in which a round takes the words of a block, a row a
// round; the last two rounds are like the first.
var blakeSigma = [12][16]uint8{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
}

// plainBlake compresses one block; t counts the bytes up to its end.
func plainBlake(h *[8]uint64, block *[blakeBlock]byte, t, mask uint64) {
	var m [16]uint64
	for i := range m {
		m[i] = binary.LittleEndian.Uint64(block[8*i:])
	}
	v0, v1, v2, v3, v4, v5, v6, v7 := h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
	v8, v9, v10, v11 := blakeIV[0], blakeIV[1], blakeIV[2], blakeIV[3]
	v12, v13, v14, v15 := blakeIV[4]^t, blakeIV[5], blakeIV[6]^mask, blakeIV[7]
	for r := range blakeSigma {
		s := &blakeSigma[r]
		v0, v4, v8, v12 = mix(v0, v4, v8, v12, m[s[0]], m[s[1]])
		v1, v5, v9, v13 = mix(v1, v5, v9, v13, m[s[2]], m[s[3]])
		v2, v6, v10, v14 = mix(v2, v6, v10, v14, m[s[4]], m[s[5]])
		v3, v7, v11, v15 = mix(v3, v7, v11, v15, m[s[6]], m[s[7]])
		v0, v5, v10, v15 = mix(v0, v5, v10, v15, m[s[8]], m[s[9]])
		v1, v6, v11, v12 = mix(v1, v6, v11, v12, m[s[10]], m[s[11]])
		v2, v7, v8, v13 = mix(v2, v7, v8, v13, m[s[12]], m[s[13]])
		v3, v4, v9, v14 = mix(v3, v4, v9, v14, m[s[14]], m[s[15]])
	}
	h[0] ^= v0 ^ v8
	h[1] ^= v1 ^ v9
	h[2] ^= v2 ^ v10
	h[3] ^= v3 ^ v11
	h[4] ^= v4 ^ v12
	h[5] ^= v5 ^ v13
	h[6] ^= v6 ^ v14
	h[7] ^= v7 ^ v15
}

// mix is the function G.
func mix(a, b, c, d, x, y uint64) (_, _, _, _ uint64) {
	a += b + x
	d = bits.RotateLeft64(d^a, -32)
	c += d
	b = bits.RotateLeft64(b^c, -24)
	a += b + y
	d = bits.RotateLeft64(d^a, -16)
	c += d
	b = bits.RotateLeft64(b^c, -63)
	return a, b, c, d
}
