package vec8

import (
	"fmt"
	"testing"
)

// A cost is a call whose cost matters, on so many lanes.
type cost struct {
	name  string
	lanes int
	run   func()
}

// costs are the calls of a hop, of one packet and of eight, and those that say
// from how many lanes on kernels pay.
func costs() (all []cost) {
	u := new(Unit)
	r := newSource("costs")
	for _, n := range []int{1, 2, 3, 4, 8} {
		add := func(name string, run func()) {
			all = append(all, cost{fmt.Sprintf("%s/%d", name, n), n, run})
		}
		var scalar, point, out [Lanes][32]byte
		var key64 [Lanes][64]byte
		var key16 [Lanes][16]byte
		for i := range n {
			r.Read(scalar[i][:])
			r.Read(point[i][:])
			r.Read(key64[i][:])
			r.Read(key16[i][:])
		}
		add("X25519", func() { u.X25519(n, &out, &scalar, &point) })
		add("X25519Base", func() { u.X25519Base(n, &out, &scalar) })
		var tables [Lanes]*Table
		for i := range tables {
			tables[i] = NewTable(&[32]byte{9})
		}
		add("X25519Table", func() { u.X25519Table(n, &out, &scalar, &tables) })
		for _, size := range []int{6, 128, 320, 2033, 32 * 1024} {
			if size > 2033 && n < Lanes {
				continue
			}
			payload := r.lanes(n, size)
			add(fmt.Sprintf("BLAKE2b-%d", size), func() { u.BLAKE2b(n, &out, &key64, &payload) })
			add(fmt.Sprintf("ChaCha20-%d", size), func() { u.ChaCha20(n, &scalar, &payload) })
		}
		header := r.lanes(n, 300)
		add("HMAC-300", func() { u.HMAC(n, &out, &key16, &header) })
		for _, size := range []int{192, 288} {
			h := NewHKDF("salt", string(make([]byte, size/3)), size)
			secret, keys := r.lanes(n, 32), r.lanes(n, size)
			add(fmt.Sprintf("HKDF-%d", size), func() { u.HKDF(h, n, &keys, &secret) })
		}
		stream := new([Lanes][StreamSize]byte)
		add("AESStream", func() { u.AESStream(n, stream, &key16) })
	}
	return all
}

func Benchmark(b *testing.B) {
	for _, c := range costs() {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.lanes), "ns/lane")
		})
	}
}
