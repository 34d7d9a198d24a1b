package vec8

import (
	"fmt"
	"testing"
)

func BenchmarkX25519(b *testing.B) {
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var u Unit
			var k, p, out [Lanes][32]byte
			newSource("benchmark").Read(k[0][:])
			for l := range p {
				p[l] = [32]byte{9}
			}
			b.ReportAllocs()
			for b.Loop() {
				u.X25519(n, &out, &k, &p)
			}
			perLane(b, n)
		})
	}
}

func perLane(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/lane")
}

func BenchmarkBLAKE2b(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var u Unit
			var key [Lanes][blakeKey]byte
			var out [Lanes][32]byte
			msg := newSource("benchmark").lanes(n, 2033)
			b.ReportAllocs()
			for b.Loop() {
				u.BLAKE2b(n, &out, &key, &msg)
			}
			perLane(b, n)
		})
	}
}

func BenchmarkChaCha20(b *testing.B) {
	for _, size := range []int{6, 128, 256, 320, 512, 1024, 2033} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var u Unit
			var key [Lanes][32]byte
			msg := newSource("benchmark").lanes(8, size)
			for b.Loop() {
				u.ChaCha20(8, &key, &msg)
			}
			perLane(b, 8)
		})
	}
}

func BenchmarkHKDF(b *testing.B) {
	h := NewHKDF("", string(make([]byte, 97)), 288)
	for _, n := range []int{1, 2, 3, 4, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var u Unit
			secret, out := newSource("benchmark").lanes(n, 32), newSource("benchmark").lanes(n, 288)
			b.ReportAllocs()
			for b.Loop() {
				u.HKDF(h, n, &out, &secret)
			}
			perLane(b, n)
		})
	}
}

func BenchmarkHMAC(b *testing.B) {
	for _, n := range []int{1, 2, 3, 4, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var u Unit
			var key [Lanes][16]byte
			var out [Lanes][32]byte
			msg := newSource("benchmark").lanes(n, 300)
			b.ReportAllocs()
			for b.Loop() {
				u.HMAC(n, &out, &key, &msg)
			}
			perLane(b, n)
		})
	}
}

func BenchmarkAESStream(b *testing.B) {
	var u Unit
	var key [Lanes][16]byte
	var out [Lanes][StreamSize]byte
	b.ReportAllocs()
	for b.Loop() {
		u.AESStream(1, &out, &key)
	}
}
