package protocol

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// What follows is the part of bincode that queries and their answers use:
// big-endian, integers of variable length, nothing behind the end (socks.md §6.4).

// First bytes of integers that do not fit into one.
const (
	intSmall = 0xFA // the largest that does
	int16Tag = 0xFB
	int32Tag = 0xFC
	int64Tag = 0xFD
)

// appendUint writes the shortest form.
func appendUint(b []byte, n uint64) []byte {
	switch {
	case n <= intSmall:
		return append(b, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, int16Tag), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, int32Tag), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, int64Tag), n)
}

func appendString(b []byte, s string) []byte {
	return append(appendUint(b, uint64(len(s))), s...)
}

// A decoder reads values from the front of b.
type decoder struct{ b []byte }

// uint reads an integer in any of its forms, at most max.
func (d *decoder) uint(max uint64) (uint64, error) {
	first, err := d.take(1)
	if err != nil {
		return 0, err
	}
	n := uint64(first[0])
	if n > intSmall {
		size := 1 << (n - intSmall) // 2, 4, 8; 16 is used by no field
		if size > 8 {
			return 0, malformed("integer of kind %#x", n)
		}
		raw, err := d.take(size)
		if err != nil {
			return 0, err
		}
		var wide [8]byte
		copy(wide[8-size:], raw)
		n = binary.BigEndian.Uint64(wide[:])
	}
	if n > max {
		return 0, malformed("value %d above %d", n, max)
	}
	return n, nil
}

// count reads the count of a sequence whose elements take at least size bytes
// each, so that it never exceeds what the bytes left can hold.
func (d *decoder) count(size int) (int, error) {
	n, err := d.uint(math.MaxUint64)
	if err != nil {
		return 0, err
	}
	if n > uint64(len(d.b)/size) {
		return 0, malformed("count of %d in %d bytes", n, len(d.b))
	}
	return int(n), nil
}

func (d *decoder) bool() (bool, error) {
	n, err := d.take(1)
	if err != nil {
		return false, err
	}
	if n[0] > 1 {
		return false, malformed("boolean of %d", n[0])
	}
	return n[0] == 1, nil
}

func (d *decoder) string() (string, error) {
	n, err := d.count(1)
	if err != nil {
		return "", err
	}
	s, err := d.take(n)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(s) {
		return "", malformed("string that is not UTF-8")
	}
	return string(s), nil
}

func (d *decoder) take(n int) ([]byte, error) {
	if len(d.b) < n {
		return nil, malformed("%d bytes left, want %d", len(d.b), n)
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out, nil
}

// end refuses bytes that are left over.
func (d *decoder) end() error {
	if len(d.b) > 0 {
		return malformed("%d bytes too many", len(d.b))
	}
	return nil
}
