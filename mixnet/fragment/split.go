package fragment

import (
	"bytes"
	"fmt"
	"slices"
)

// mark follows the message; zeros follow the mark (sphinx.md §5.5).
const mark = 0x01

// A layout is how many bytes of a message each fragment holds, for fragments
// of one size.
type layout struct {
	plain  int // room in a fragment that is not linked
	linked int // room in one that is
}

func layoutOf(size int) layout { return layout{plain: size - HeaderSize, linked: size - LinkedSize} }

// Rooms of whole sets, by the number of their links.
func (l layout) alone() int { return PerSet * l.plain }
func (l layout) end() int   { return l.alone() - (l.plain - l.linked) }
func (l layout) inner() int { return l.alone() - 2*(l.plain-l.linked) }

// sets counts the sets that n bytes take, the mark among them.
func (l layout) sets(n int) int {
	switch {
	case n <= l.alone():
		return 1
	case n <= 2*l.end():
		return 2
	}
	return divUp(n-2*l.end(), l.inner()) + 2
}

// fragments counts the fragments that n bytes take.
func (l layout) fragments(n int) int {
	sets := l.sets(n)
	if sets == 1 {
		return divUp(n, l.plain)
	}
	count := PerSet * (sets - 1)
	rest := n - l.end() - (sets-2)*l.inner()
	if rest <= l.linked {
		return count + 1
	}
	return count + 1 + divUp(rest-l.linked, l.plain)
}

func divUp(a, b int) int { return (a + b - 1) / b }

// Sets counts the sets that a message of length bytes fills when it is cut
// into fragments of size bytes: so many numbers [Split] wants.
func Sets(length, size int) int { return layoutOf(size).sets(length + 1) }

// Capacity is the length of the longest message that fits into count fragments
// of size bytes.
func Capacity(count, size int) int {
	l := layoutOf(size)
	links := max(0, 2*(divUp(count, PerSet)-1)) // where two sets meet, both fragments are linked
	return max(0, count*l.plain-links*(l.plain-l.linked)-1)
}

// Count is how many fragments of size bytes a message of length bytes fills.
func Count(length, size int) int { return layoutOf(size).fragments(length + 1) }

// Fragments is a message, cut. It holds on to the message and makes the
// fragments when asked, as often as one is needed again.
type Fragments struct {
	msg    []byte
	size   int
	layout layout
	sets   []uint32
	count  int
}

// Split cuts msg into fragments of exactly size bytes. It wants as many
// different set numbers as [Sets] says. It keeps msg, which must not change
// while the Fragments are in use.
func Split(msg []byte, size int, sets []uint32) (*Fragments, error) {
	if size <= LinkedSize {
		return nil, fmt.Errorf("fragment: split into pieces of %d bytes, want more than %d", size, LinkedSize)
	}
	f := &Fragments{msg: msg, size: size, layout: layoutOf(size), sets: sets}
	if want := f.layout.sets(len(msg) + 1); len(sets) != want {
		return nil, fmt.Errorf("fragment: split with %d set numbers, want %d", len(sets), want)
	}
	for i, s := range sets {
		if s == 0 || s > MaxSet || slices.Contains(sets[:i], s) {
			return nil, fmt.Errorf("fragment: split with set number %#x", s)
		}
	}
	f.count = f.layout.fragments(len(msg) + 1)
	return f, nil
}

// Len counts the fragments.
func (f *Fragments) Len() int { return f.count }

// Size is the number of bytes of each.
func (f *Fragments) Size() int { return f.size }

// ID names fragment i, counted from 0.
func (f *Fragments) ID(i int) ID { return f.header(i).ID() }

// header describes fragment i.
func (f *Fragments) header(i int) Header {
	set := i / PerSet
	h := Header{Set: f.sets[set], Total: PerSet, Pos: uint8(i%PerSet) + 1}
	if set == len(f.sets)-1 {
		h.Total = uint8(f.count - set*PerSet)
	}
	if h.Pos == 1 && set > 0 {
		h.Prev = f.sets[set-1]
	}
	if h.Pos == PerSet && set < len(f.sets)-1 {
		h.Next = f.sets[set+1]
	}
	return h
}

// offset is where in the padded message the share of fragment i begins.
func (f *Fragments) offset(i int) int {
	links := 0 // linked fragments before i
	if set := i / PerSet; set > 0 {
		links = 2*set - 1
		if i%PerSet > 0 {
			links++
		}
	}
	return i*f.layout.plain - links*(f.layout.plain-f.layout.linked)
}

// Append appends fragment i, counted from 0, to b: header, then its share of
// the message, filled up with the mark and zeros. It panics if there is no
// fragment i.
func (f *Fragments) Append(b []byte, i int) []byte {
	if i < 0 || i >= f.count {
		panic("fragment: no such fragment")
	}
	end := len(b) + f.size
	b, err := f.header(i).AppendBinary(b)
	if err != nil {
		panic(err) // Split checked the numbers
	}
	off := f.offset(i)
	b = append(b, f.msg[off:min(off+end-len(b), len(f.msg))]...)
	if len(b) < end {
		b = append(b, mark)
	}
	zeros := end - len(b)
	b = slices.Grow(b, zeros)[:end]
	clear(b[end-zeros:])
	return b
}

// unpad cuts off the zeros and the mark. Only the last mark counts; the message
// may contain others.
func unpad(b []byte) ([]byte, error) {
	i := bytes.LastIndexByte(b, mark)
	if i < 0 {
		return nil, fmt.Errorf("%w: message without a mark at its end", ErrMalformed)
	}
	return b[:i], nil
}
