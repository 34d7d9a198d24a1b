package protocol

import "hash/maphash"

// A nonceSet remembers the nonces it was shown last: at least nonceWindow of
// them, and at most a quarter more. It keeps 32 bits of a keyed hash of each,
// at a place chosen by other bits, so a fresh nonce is taken for an old one
// about twice in a billion times, and nobody can choose nonces that collide.
//
// It grows with use: from 2 kB for the first 256 nonces to 640 kB.
//
//	tables, oldest first    [256] [1024] [4096] [16384] [16384] …  the last one fills
type nonceSet struct {
	seed   maphash.Seed
	tables []nonceTable
}

// A nonceTable is an open-addressed hash table, never more than half full.
type nonceTable struct {
	slots []uint32 // a power of two; zero is empty
	n     int
}

// add notes a nonce and reports whether it is new.
func (s *nonceSet) add(nonce *[NonceSize]byte) bool {
	if len(s.tables) == 0 {
		s.seed = maphash.MakeSeed()
		s.grow(nonceTableMin)
	}
	h := maphash.Bytes(s.seed, nonce[:])
	if s.find(h) {
		return false
	}
	last := &s.tables[len(s.tables)-1]
	at, _ := last.find(h)
	last.slots[at] = mark(h)
	if last.n++; last.n == len(last.slots)/2 {
		s.grow(min(4*last.n, nonceTableMax))
	}
	return true
}

// has reports whether a nonce is remembered.
func (s *nonceSet) has(nonce *[NonceSize]byte) bool {
	return len(s.tables) > 0 && s.find(maphash.Bytes(s.seed, nonce[:]))
}

func (s *nonceSet) find(h uint64) bool {
	for i := range s.tables {
		if _, found := s.tables[i].find(h); found {
			return true
		}
	}
	return false
}

// grow starts a new table for n nonces, and forgets the oldest ones as long as
// the others have all of the window.
func (s *nonceSet) grow(n int) {
	kept := 0
	for _, t := range s.tables {
		kept += t.n
	}
	for len(s.tables) > 0 && kept-s.tables[0].n >= nonceWindow {
		kept -= s.tables[0].n
		copy(s.tables, s.tables[1:])
		s.tables = s.tables[:len(s.tables)-1]
	}
	s.tables = append(s.tables, nonceTable{slots: make([]uint32, 2*n)})
}

// find gives the place of a hash, or the empty one where it belongs.
func (t *nonceTable) find(h uint64) (at int, found bool) {
	mask := len(t.slots) - 1
	for at = int(uint32(h)) & mask; ; at = (at + 1) & mask {
		switch t.slots[at] {
		case mark(h):
			return at, true
		case 0:
			return at, false
		}
	}
}

// mark is what a table keeps of a hash; it is never zero.
func mark(h uint64) uint32 { return max(uint32(h>>32), 1) }

// memory is how many bytes the set takes.
func (s *nonceSet) memory() int {
	n := 0
	for _, t := range s.tables {
		n += 4 * len(t.slots)
	}
	return n
}
