package vec8

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"
)

func checkHMAC(t *testing.T, u *Unit, n int, key *[Lanes][16]byte, msg *[Lanes][]byte) {
	t.Helper()
	var out, want [Lanes][32]byte
	for i := range Lanes {
		if i >= n {
			out[i][0], want[i][0] = 0xa5, 0xa5
			continue
		}
		h := hmac.New(sha256.New, key[i][:])
		h.Write(msg[i])
		h.Sum(want[i][:0])
	}
	u.HMAC(n, &out, key, msg)
	if out != want {
		t.Fatalf("%d lanes of %d bytes: got %x, want %x", n, len(msg[0]), out, want)
	}
}

func TestHMAC(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("hmac")
		for length := range maxMessage + 1 {
			n := 1 + length%Lanes
			var key [Lanes][16]byte
			for i := range n {
				r.Read(key[i][:])
			}
			msg := r.lanes(n, length)
			checkHMAC(t, &u, n, &key, &msg)
		}
		for n := range Lanes { // the β of a header
			var key [Lanes][16]byte
			msg := r.lanes(n+1, 300)
			checkHMAC(t, &u, n+1, &key, &msg)
		}
	})
}

func checkHKDF(t *testing.T, u *Unit, h *HKDF, salt, info string, n int, secret *[Lanes][]byte) {
	t.Helper()
	var out [Lanes][]byte
	for i := range n {
		out[i] = make([]byte, h.size)
	}
	u.HKDF(h, n, &out, secret)
	for i := range n {
		want, err := hkdf.Key(sha256.New, secret[i], []byte(salt), info, h.size)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out[i], want) {
			t.Fatalf("lane %d of %d, salt of %d, info of %d: got %x, want %x", i, n, len(salt), len(info), out[i], want)
		}
	}
}

func TestHKDF(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("hkdf")
		for info := range maxInfo + 1 {
			n := 1 + info%Lanes
			salt := strings.Repeat("s", info%65)
			label := strings.Repeat("i", info)
			h := NewHKDF(salt, label, 32*(1+info%12))
			secret := r.lanes(n, info%33)
			checkHKDF(t, &u, h, salt, label, n, &secret)
		}
		h := NewHKDF("salt", "info", 255*32) // every counter
		secret := r.lanes(Lanes, 32)
		checkHKDF(t, &u, h, "salt", "info", Lanes, &secret)
	})
}

func TestHKDFSizes(t *testing.T) {
	for name, f := range map[string]func(){
		"long salt": func() { NewHKDF(strings.Repeat("s", 65), "", 32) },
		"long info": func() { NewHKDF("", strings.Repeat("i", maxInfo+1), 32) },
		"odd size":  func() { NewHKDF("", "", 33) },
		"no size":   func() { NewHKDF("", "", 0) },
		"long size": func() { NewHKDF("", "", 256*32) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func FuzzHMAC(f *testing.F) {
	f.Add([]byte("key"), []byte("message"), uint8(7))
	f.Add([]byte{}, make([]byte, 300), uint8(2))
	var u Unit
	f.Fuzz(func(t *testing.T, k, m []byte, lanes uint8) {
		n := 1 + int(lanes%Lanes)
		m = m[:min(len(m), maxMessage)]
		var key [Lanes][16]byte
		var msg [Lanes][]byte
		for i := range n {
			copy(key[i][i:], k)
			at := i * len(m) / Lanes
			msg[i] = append(append([]byte(nil), m[at:]...), m[:at]...)
		}
		checkHMAC(t, &u, n, &key, &msg)
	})
}

func FuzzHKDF(f *testing.F) {
	f.Add("salt", "info", []byte("secret"), uint8(7), uint8(9))
	f.Add("", "", []byte{}, uint8(0), uint8(1))
	var u Unit
	f.Fuzz(func(t *testing.T, salt, info string, secret []byte, lanes, size uint8) {
		n := 1 + int(lanes%Lanes)
		salt, info, secret = salt[:min(len(salt), 64)], info[:min(len(info), maxInfo)], secret[:min(len(secret), 32)]
		var s [Lanes][]byte
		for i := range n {
			at := i * len(secret) / Lanes
			s[i] = append(append([]byte(nil), secret[at:]...), secret[:at]...)
		}
		checkHKDF(t, &u, NewHKDF(salt, info, 32*(1+int(size%16))), salt, info, n, &s)
	})
}
