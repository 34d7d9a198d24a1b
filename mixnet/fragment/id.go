package fragment

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed reports bytes that no conforming sender produces.
var ErrMalformed = errors.New("fragment: malformed")

// IDSize is the size of an encoded ID in bytes.
const IDSize = 5

// MaxSet is the largest number of a set.
const MaxSet = 1<<31 - 1

// An ID names a fragment: its set and its place there. It is what an
// acknowledgement carries home (sphinx.md §5.3). Those without a place are cover;
// the reference knows only the zero ID of these.
//
//	+-----------------------+---------+
//	|  set (31 bits, BE)    | pos (1) |
//	+-----------------------+---------+
type ID struct {
	Set uint32 // at most MaxSet
	Pos uint8  // counted from 1; 0: no fragment
}

// AppendBinary implements [encoding.BinaryAppender].
func (id ID) AppendBinary(b []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint32(b, id.Set)
	return append(b, id.Pos), nil
}

// ParseID parses exactly one ID. Its errors wrap [ErrMalformed].
func ParseID(b []byte) (ID, error) {
	if len(b) != IDSize {
		return ID{}, fmt.Errorf("%w: id of %d bytes, want %d", ErrMalformed, len(b), IDSize)
	}
	id := ID{Set: binary.BigEndian.Uint32(b), Pos: b[4]}
	if id.Set > MaxSet {
		return ID{}, fmt.Errorf("%w: set %#x has its top bit set", ErrMalformed, id.Set)
	}
	return id, nil
}

// IsCover reports whether id is that of no fragment.
func (id ID) IsCover() bool { return id.Pos == 0 }

// NewSets draws the numbers of n sets, all different and none zero.
func NewSets(n int) []uint32 {
	sets := make([]uint32, 0, n)
	seen := make(map[uint32]bool, n)
	for len(sets) < n {
		var b [4]byte
		rand.Read(b[:])
		set := binary.BigEndian.Uint32(b[:]) & MaxSet
		if set == 0 || seen[set] {
			continue
		}
		seen[set] = true
		sets = append(sets, set)
	}
	return sets
}
