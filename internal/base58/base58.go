package base58

import "fmt"

const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// digits has the value of each letter, 0xff for what is none.
var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = 0xff
	}
	for i := range len(alphabet) {
		d[alphabet[i]] = byte(i)
	}
	return d
}()

// MaxText is how long a text may be that Decode takes, in letters: several times
// what a key or a signature needs.
const MaxText = 1024

// Encode gives bytes as text.
func Encode(b []byte) string {
	zeros := leading(b)
	digits := convert(b[zeros:], 256, 4, 58, 5)
	out := make([]byte, zeros+len(digits))
	for i := range zeros {
		out[i] = alphabet[0]
	}
	for i, d := range digits {
		out[zeros+i] = alphabet[d]
	}
	return string(out)
}

// Decode gives the bytes of a text. It refuses what is longer than [MaxText] and
// what has other letters; its error names the letter.
func Decode(text string) ([]byte, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("base58: %d letters, want %d at most", len(text), MaxText)
	}
	b := make([]byte, len(text))
	for i := range len(text) {
		if b[i] = digits[text[i]]; b[i] == 0xff {
			return nil, fmt.Errorf("base58: %q is not a letter of base58", text[i:i+1])
		}
	}
	zeros := leading(b)
	return append(make([]byte, zeros), convert(b[zeros:], 58, 5, 256, 4)...), nil
}

// leading counts zeros in front.
func leading(b []byte) (n int) {
	for n < len(b) && b[n] == 0 {
		n++
	}
	return n
}

// convert gives the digits of a number to another base, the most significant first,
// none of them a zero in front. It takes and makes several digits at a time, which
// must fit into 32 bits.
func convert(in []byte, from, taken, to, made int) []byte {
	base, out := uint64(1), []uint32(nil) // base is to^made; out, the least significant first
	for range made {
		base *= uint64(to)
	}
	for first := (len(in)-1)%taken + 1; len(in) > 0; first = taken {
		carry, scale := uint64(0), uint64(1)
		for _, d := range in[:first] {
			carry, scale = carry*uint64(from)+uint64(d), scale*uint64(from)
		}
		in = in[first:]
		for i, o := range out {
			carry += uint64(o) * scale
			out[i], carry = uint32(carry%base), carry/base
		}
		for ; carry > 0; carry /= base {
			out = append(out, uint32(carry%base))
		}
	}
	b := make([]byte, made*len(out))
	at := len(b)
	for _, o := range out {
		for range made {
			at--
			b[at], o = byte(o%uint32(to)), o/uint32(to)
		}
	}
	return b[leading(b):]
}
