package vec8

import (
	"bytes"
	"testing"

	"github.com/aead/chacha20/chacha"
	"golang.org/x/crypto/chacha20"
)

func checkChaCha20(t *testing.T, u *Unit, n int, key *[Lanes][32]byte, data *[Lanes][]byte) {
	t.Helper()
	var want [Lanes][]byte
	for i := range n {
		c, err := chacha20.NewUnauthenticatedCipher(key[i][:], make([]byte, 12))
		if err != nil {
			t.Fatal(err)
		}
		want[i] = make([]byte, len(data[i]))
		c.XORKeyStream(want[i], data[i])
	}
	var guard [Lanes][]byte // what is behind the data
	for i := range n {
		d := append(data[i], bytes.Repeat([]byte{0xa5}, 80)...)
		data[i], guard[i] = d[:len(data[i]):len(data[i])], d[len(data[i]):]
	}
	u.ChaCha20(n, key, data)
	for i := range n {
		if !bytes.Equal(data[i], want[i]) {
			t.Fatalf("lane %d of %d, %d bytes: got %x, want %x", i, n, len(want[i]), data[i], want[i])
		}
		if !bytes.Equal(guard[i], bytes.Repeat([]byte{0xa5}, 80)) {
			t.Fatalf("lane %d of %d, %d bytes: wrote beyond them", i, n, len(want[i]))
		}
	}
}

func TestChaCha20(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("chacha20")
		for k, length := range lengths(64) {
			n := 1 + k%Lanes
			var key [Lanes][32]byte
			for i := range n {
				r.Read(key[i][:])
			}
			data := r.lanes(n, length)
			if k%3 == 2 { // lanes of different lengths
				for i := range n {
					data[i] = data[i][:r.intn(length+1)]
				}
			}
			checkChaCha20(t, &u, n, &key, &data)
		}
	})
}

// TestChaCha20Counter compares what is far behind: other kernels end at 2^32
// blocks, and the original ChaCha20 goes on.
func TestChaCha20Counter(t *testing.T) {
	if !haveAVX512 {
		t.Skip("no kernel that takes a counter")
	}
	for _, block := range []uint64{0, 1 << 31, 1<<32 - 16, 1 << 32, 5 << 40} {
		key := newSource("counter").bytes(32)
		got, want := make([]byte, 2*chachaRun), make([]byte, 2*chachaRun)
		c, err := chacha.NewCipher(zeroNonce[:], key, 20)
		if err != nil {
			t.Fatal(err)
		}
		c.SetCounter(block)
		c.XORKeyStream(want, want)
		chachaRuns(&got[0], (*[32]byte)(key), block, 2)
		if !bytes.Equal(got, want) {
			t.Errorf("from block %#x on the key stream differs", block)
		}
	}
}

func FuzzChaCha20(f *testing.F) {
	f.Add([]byte("key"), []byte("data"), uint8(7))
	f.Add([]byte{}, make([]byte, 2033), uint8(1))
	f.Add([]byte{1}, make([]byte, 5000), uint8(2))
	var u Unit
	f.Fuzz(func(t *testing.T, k, d []byte, lanes uint8) {
		n := 1 + int(lanes%Lanes)
		var key [Lanes][32]byte
		var data [Lanes][]byte
		for i := range n {
			copy(key[i][i:], k)
			data[i] = append([]byte(nil), d[i*len(d)/Lanes:]...)
		}
		checkChaCha20(t, &u, n, &key, &data)
	})
}
