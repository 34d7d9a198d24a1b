package vec8

import "math/rand/v2"

// A source draws what tests hash, multiply and encrypt, the same in each run.
type source struct{ *rand.ChaCha8 }

func newSource(name string) source {
	var seed [32]byte
	copy(seed[:], name)
	return source{rand.NewChaCha8(seed)}
}

func (s source) bytes(n int) []byte {
	b := make([]byte, n)
	s.Read(b)
	return b
}

func (s source) intn(n int) int { return int(s.Uint64() % uint64(n)) }

// lanes draws n messages of one length; the other lanes are nil.
func (s source) lanes(n, length int) (m [Lanes][]byte) {
	for i := range n {
		m[i] = s.bytes(length)
	}
	return m
}

// lengths are the lengths that matter to primitives of this block size, and
// those that matter to LIONESS.
func lengths(block int) (l []int) {
	for n := range 3*block + 2 {
		l = append(l, n)
	}
	for _, n := range []int{4, 8, 15, 16, 17, 31, 32, 33} {
		l = append(l, n*block-1, n*block, n*block+1)
	}
	return append(l, 319, 320, 321, 2033, 16*1024, 32*1024-32-348)
}
