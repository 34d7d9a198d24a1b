//go:build !race

// The race detector makes the standard library allocate more.

package vec8

import "testing"

func TestNothingIsAllocated(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("allocations")
		var a, b, c [Lanes][32]byte
		var key64 [Lanes][64]byte
		var key16 [Lanes][16]byte
		var stream [Lanes][StreamSize]byte
		h := NewHKDF("salt", "info", 288)
		out, secret := r.lanes(Lanes, 288), r.lanes(Lanes, 32)
		short, payload := r.lanes(Lanes, 300), r.lanes(Lanes, 2033)
		for n := 1; n <= Lanes; n++ {
			for name, f := range map[string]func(){
				"X25519":    func() { u.X25519(n, &a, &b, &c) },
				"BLAKE2b":   func() { u.BLAKE2b(n, &a, &key64, &payload) },
				"ChaCha20":  func() { u.ChaCha20(n, &b, &payload) },
				"HMAC":      func() { u.HMAC(n, &a, &key16, &short) },
				"HKDF":      func() { u.HKDF(h, n, &out, &secret) },
				"AESStream": func() { u.AESStream(n, &stream, &key16) },
			} {
				want := 0.0
				if name == "AESStream" && !haveAES {
					want = 2 * float64(n) // the library's key schedule and counter
				}
				if got := testing.AllocsPerRun(10, f); got > want {
					t.Errorf("%s of %d lanes allocates %v times, want at most %v", name, n, got, want)
				}
			}
		}
	})
}
