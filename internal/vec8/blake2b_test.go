package vec8

import (
	"testing"

	"golang.org/x/crypto/blake2b"
)

func checkBLAKE2b(t *testing.T, u *Unit, n int, key *[Lanes][64]byte, msg *[Lanes][]byte) {
	t.Helper()
	var out, want [Lanes][32]byte
	for i := range Lanes {
		if i >= n {
			out[i][0], want[i][0] = 0xa5, 0xa5
			continue
		}
		h, err := blake2b.New256(key[i][:])
		if err != nil {
			t.Fatal(err)
		}
		h.Write(msg[i])
		h.Sum(want[i][:0])
	}
	u.BLAKE2b(n, &out, key, msg)
	if out != want {
		t.Fatalf("%d lanes of %d bytes: got %x, want %x", n, len(msg[0]), out, want)
	}
}

func TestBLAKE2b(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("blake2b")
		for k, length := range lengths(blakeBlock) {
			n := 1 + k%Lanes
			var key [Lanes][64]byte
			for i := range n {
				r.Read(key[i][:])
			}
			msg := r.lanes(n, length)
			checkBLAKE2b(t, &u, n, &key, &msg)
		}
	})
}

func FuzzBLAKE2b(f *testing.F) {
	f.Add([]byte("key"), []byte("message"), uint8(7))
	f.Add([]byte{}, []byte{}, uint8(0))
	f.Add([]byte{}, make([]byte, 2033), uint8(1))
	var u Unit
	f.Fuzz(func(t *testing.T, k, m []byte, lanes uint8) {
		n := 1 + int(lanes%Lanes)
		var key [Lanes][64]byte
		var msg [Lanes][]byte
		for i := range n { // each lane gets the bytes in another order
			copy(key[i][i:], k)
			at := i * len(m) / Lanes
			msg[i] = append(append([]byte(nil), m[at:]...), m[:at]...)
		}
		checkBLAKE2b(t, &u, n, &key, &msg)
	})
}

// The portable compression is the twin of the kernels.
func FuzzPlainBlake(f *testing.F) {
	f.Add(make([]byte, 64), make([]byte, 128), uint64(0), true)
	f.Fuzz(func(t *testing.T, state, block []byte, counter uint64, last bool) {
		var s blakeScratch
		var b [blakeBlock]byte
		copy(b[:], block)
		for i := range s.h {
			s.h[i] = blakeIV[i]
		}
		for i, c := range state {
			s.h[i%8] = s.h[i%8]<<8 ^ uint64(c)
		}
		mask := more
		if last {
			mask = final
		}
		want := s.h
		plainBlake(&want, &b, counter+blakeBlock, mask)
		s.blocks(b[:], counter, mask)
		if s.h != want {
			t.Fatalf("%x, want %x", s.h, want)
		}
	})
}
