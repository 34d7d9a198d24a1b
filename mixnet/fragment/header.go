package fragment

import (
	"encoding/binary"
	"fmt"
)

// Sizes of an encoded Header in bytes.
const (
	HeaderSize = 7  // not linked to another set
	LinkedSize = 10 // linked
)

// PerSet is the largest number of fragments in a set.
const PerSet = 255

// top marks a set number on the wire.
const top = 1 << 31

// A Header stands in front of every fragment (sphinx.md §5.4).
//
//	+----------------------+-----------+---------+---------------------------+
//	| 1 ‖ set (31 bits)    | total (1) | pos (1) | 0 (1)                     |
//	|                      |           |         | or 1 ‖ other set (31 bits)|
//	+----------------------+-----------+---------+---------------------------+
//
// The first fragment of a set may be linked to the set before, the last of
// 255 to the set behind; no fragment is linked to both.
type Header struct {
	Set   uint32 // 1 to MaxSet
	Total uint8  // fragments in the set, at least 1
	Pos   uint8  // 1 to Total
	Prev  uint32 // only if Pos is 1: the set before, or 0
	Next  uint32 // only if Pos and Total are 255: the set behind, or 0
}

// ID names the fragment.
func (h Header) ID() ID { return ID{Set: h.Set, Pos: h.Pos} }

// check says what is wrong with h.
func (h Header) check() error {
	switch {
	case h.Set == 0 || h.Set > MaxSet:
		return fmt.Errorf("%w: set %#x", ErrMalformed, h.Set)
	case h.Total == 0 || h.Pos == 0 || h.Pos > h.Total:
		return fmt.Errorf("%w: fragment %d of %d", ErrMalformed, h.Pos, h.Total)
	case h.Prev != 0 && (h.Pos != 1 || h.Next != 0):
		return fmt.Errorf("%w: fragment %d of %d linked to the set before", ErrMalformed, h.Pos, h.Total)
	case h.Next != 0 && (h.Pos != PerSet || h.Total != PerSet):
		return fmt.Errorf("%w: fragment %d of %d linked to the set behind", ErrMalformed, h.Pos, h.Total)
	case h.Prev > MaxSet || h.Next > MaxSet || h.Prev == h.Set || h.Next == h.Set:
		return fmt.Errorf("%w: set %#x linked to set %#x", ErrMalformed, h.Set, h.Prev|h.Next)
	}
	return nil
}

// AppendBinary implements [encoding.BinaryAppender]. It fails for a Header
// that could not be parsed.
func (h Header) AppendBinary(b []byte) ([]byte, error) {
	if err := h.check(); err != nil {
		return b, err
	}
	b = binary.BigEndian.AppendUint32(b, top|h.Set)
	b = append(b, h.Total, h.Pos)
	if link := h.Prev | h.Next; link != 0 {
		return binary.BigEndian.AppendUint32(b, top|link), nil
	}
	return append(b, 0), nil
}

// ParseHeader parses the header that b begins with and says how many bytes it
// took; the rest is the fragment's share of the message. Its errors wrap
// [ErrMalformed].
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) < HeaderSize {
		return Header{}, 0, fmt.Errorf("%w: fragment of %d bytes, want at least %d", ErrMalformed, len(b), HeaderSize)
	}
	set := binary.BigEndian.Uint32(b)
	if set&top == 0 {
		return Header{}, 0, fmt.Errorf("%w: set without its top bit", ErrMalformed)
	}
	h = Header{Set: set &^ top, Total: b[4], Pos: b[5]}
	n = HeaderSize
	if b[6] != 0 {
		if n = LinkedSize; len(b) < n {
			return Header{}, 0, fmt.Errorf("%w: linked fragment of %d bytes, want at least %d", ErrMalformed, len(b), n)
		}
		link := binary.BigEndian.Uint32(b[6:])
		switch link ^= top; {
		case link == 0 || link > MaxSet: // also a link without its top bit
			return Header{}, 0, fmt.Errorf("%w: link to set %#x", ErrMalformed, link)
		case h.Pos == 1:
			h.Prev = link
		default:
			h.Next = link
		}
	}
	if err := h.check(); err != nil {
		return Header{}, 0, err
	}
	return h, n, nil
}
