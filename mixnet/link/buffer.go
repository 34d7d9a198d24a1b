package link

import "io"

// A buffer reads ahead, so that one read brings many frames. It starts small,
// since most connections of an attacker say little, and grows with use.
type buffer struct {
	r          io.Reader
	buf        []byte
	start, end int  // unread bytes
	filled     bool // the last read left no room
}

// bytes are those read and not yet skipped. They are valid until the next fill.
func (b *buffer) bytes() []byte { return b.buf[b.start:b.end] }

// skip forgets the first n bytes.
func (b *buffer) skip(n int) { b.start += n }

// fill reads once, with room for at least n bytes in all.
func (b *buffer) fill(n int) error {
	have := b.end - b.start
	size := max(len(b.buf), firstBuffer)
	if b.filled && size < readSize {
		size *= 2
	}
	for size < n || size == have {
		size *= 2
	}
	if size != len(b.buf) {
		to := make([]byte, size)
		copy(to, b.bytes())
		b.buf, b.start, b.end = to, 0, have
	} else if b.start > 0 {
		b.start, b.end = 0, copy(b.buf, b.bytes())
	}
	k, err := b.r.Read(b.buf[b.end:])
	b.end += k
	b.filled = b.end == len(b.buf)
	if k > 0 {
		return nil // an error comes again with the next read
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}
