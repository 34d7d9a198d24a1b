package broadcast

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// bitcoinID gives the id of a transaction: SHA-256 twice over all but the
// witness (BIP 141), the last byte first.
//
//	version (4) | [0 1] | inputs | outputs | [witness of each input] | lock time (4)
//
// Whoever changes the witness changes nothing here, so two forms of one
// transaction have one id.
func bitcoinID(tx []byte) (Hash, error) {
	p := reader{rest: tx}
	version := p.take(4)
	segwit := bytes.HasPrefix(p.rest, []byte{0, 1})
	if segwit {
		p.take(2)
	}
	body := p.rest
	inputs := p.count(41) // the smallest has no script
	if inputs == 0 {
		return Hash{}, malformed("this is no Bitcoin transaction: it has no input")
	}
	for range inputs {
		p.take(36)         // what is spent
		p.take(p.count(1)) // script
		p.take(4)          // sequence
	}
	for range p.count(9) {
		p.take(8) // amount
		p.take(p.count(1))
	}
	body = body[:len(body)-len(p.rest)]
	if segwit {
		for range inputs {
			for range p.count(1) {
				p.take(p.count(1))
			}
		}
	}
	lock := p.take(4)
	if p.bad || len(p.rest) > 0 {
		return Hash{}, malformed("this is no Bitcoin transaction, or not all of one")
	}
	once := sha256.Sum256(slices.Concat(version, body, lock))
	id := Hash(sha256.Sum256(once[:]))
	slices.Reverse(id[:])
	return id, nil
}

// A reader takes a transaction apart. After something is missing all that it gives
// is empty.
type reader struct {
	rest []byte
	bad  bool
}

// take gives the next n bytes.
func (p *reader) take(n int) []byte {
	if p.bad || n > len(p.rest) {
		p.bad = true
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

// count reads how many things follow, each of which takes at least so many bytes.
func (p *reader) count(each int) int {
	n := p.compact()
	if n > uint64(len(p.rest)/each) {
		p.bad = true
		return 0
	}
	return int(n)
}

// compact reads a number as Bitcoin writes it, in its shortest form.
func (p *reader) compact() uint64 {
	first := p.take(1)
	if p.bad {
		return 0
	}
	var n, least uint64
	switch first[0] {
	case 0xfd:
		if b := p.take(2); b != nil {
			n, least = uint64(binary.LittleEndian.Uint16(b)), 0xfd
		}
	case 0xfe:
		if b := p.take(4); b != nil {
			n, least = uint64(binary.LittleEndian.Uint32(b)), 1<<16
		}
	case 0xff:
		if b := p.take(8); b != nil {
			n, least = binary.LittleEndian.Uint64(b), 1<<32
		}
	default:
		n = uint64(first[0])
	}
	if n < least {
		p.bad = true
	}
	return n
}

// varint reads a number as Monero writes it: seven bits a byte, the lowest first,
// in its shortest form.
func (p *reader) varint() uint64 {
	n, size := binary.Uvarint(p.rest)
	if p.bad || size <= 0 || size > 1 && p.rest[size-1] == 0 {
		p.bad = true
		return 0
	}
	p.take(size)
	return n
}

// varcount is count for numbers of that form.
func (p *reader) varcount(each int) int {
	n := p.varint()
	if n > uint64(len(p.rest)/each) {
		p.bad = true
		return 0
	}
	return int(n)
}
