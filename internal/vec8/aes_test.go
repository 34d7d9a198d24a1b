package vec8

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"
)

func checkAES(t *testing.T, u *Unit, n int, key *[Lanes][16]byte) {
	t.Helper()
	var out, want [Lanes][StreamSize]byte
	for i := range Lanes {
		if i >= n {
			out[i][0], want[i][0] = 0xa5, 0xa5
			continue
		}
		b, err := aes.NewCipher(key[i][:])
		if err != nil {
			t.Fatal(err)
		}
		cipher.NewCTR(b, make([]byte, aes.BlockSize)).XORKeyStream(want[i][:], want[i][:])
	}
	u.AESStream(n, &out, key)
	if out != want {
		t.Fatalf("%d lanes: got %x, want %x", n, out, want)
	}
}

func TestAESStream(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("aes")
		for round := range 100 {
			var key [Lanes][16]byte
			for i := range key {
				r.Read(key[i][:])
			}
			checkAES(t, &u, 1+round%Lanes, &key)
		}
	})
}

func FuzzAESStream(f *testing.F) {
	f.Add([]byte("key"), uint8(7))
	var u Unit
	f.Fuzz(func(t *testing.T, k []byte, lanes uint8) {
		var key [Lanes][16]byte
		for i := range key {
			copy(key[i][i:], k)
		}
		checkAES(t, &u, 1+int(lanes%Lanes), &key)
	})
}

func FuzzAESCTR(f *testing.F) {
	for _, n := range []int{0, 1, 15, 16, 63, 64, 65, 1611, 4096, 4097, 32331} {
		f.Add([]byte("key"), make([]byte, n))
	}
	var u Unit
	f.Fuzz(func(t *testing.T, k, data []byte) {
		var key [16]byte
		copy(key[:], k)
		b, err := aes.NewCipher(key[:])
		if err != nil {
			t.Fatal(err)
		}
		got, want := bytes.Clone(data), bytes.Clone(data)
		cipher.NewCTR(b, make([]byte, aes.BlockSize)).XORKeyStream(want, want)
		if u.AESCTR(&key, got); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes differ", len(data))
		}
	})
}
