package vec8

import (
	"crypto/rand"
	"fmt"
	"testing"
)

func TestTables(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		for range 20 {
			var scalar, point, want, got [Lanes][32]byte
			var tables [Lanes]*Table
			for l := range point {
				rand.Read(scalar[l][:])
				rand.Read(point[l][:])
				for tables[l] = NewTable(&point[l]); tables[l] == nil; tables[l] = NewTable(&point[l]) {
					rand.Read(point[l][:])
				}
			}
			u.X25519(Lanes, &want, &scalar, &point)
			for n := 1; n <= Lanes; n++ {
				got = [Lanes][32]byte{}
				if ok := u.X25519Table(n, &got, &scalar, &tables); ok != 1<<n-1 {
					t.Fatalf("ok is %b", ok)
				}
				for l := range n {
					if got[l] != want[l] {
						t.Fatalf("lane %d of %d: %x times %x\n got %x\nwant %x", l, n, scalar[l], point[l], got[l], want[l])
					}
				}
			}
		}
	})
}

// hardening.md H10: what is special about a point changes nothing beside it, and
// comes out as without a table.
func TestH10TablesOfOddPoints(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		honest := [32]byte{9}
		none := 0
		for _, p := range oddPoints() {
			table := NewTable(&p)
			if table == nil {
				none++
				continue // of the twist, or -1
			}
			for lane := range Lanes {
				var scalar, point, want, got [Lanes][32]byte
				var tables [Lanes]*Table
				for l := range point {
					rand.Read(scalar[l][:])
					point[l], tables[l] = honest, NewTable(&honest)
				}
				point[lane], tables[lane] = p, table
				ok := u.X25519(Lanes, &want, &scalar, &point)
				if got1 := u.X25519Table(Lanes, &got, &scalar, &tables); got1 != ok || got != want {
					t.Errorf("point %x in lane %d: ok %b, want %b", p, lane, got1, ok)
				}
			}
		}
		if none == 0 || none == len(oddPoints()) {
			t.Errorf("%d of %d points have no table", none, len(oddPoints()))
		}
	})
}

// Scalars whose digits are at the ends of their range.
func TestTablesOfOddScalars(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		table := NewTable(&[32]byte{9})
		for _, b := range []byte{0x00, 0x07, 0x08, 0x77, 0x78, 0x80, 0x87, 0x88, 0x89, 0xf0, 0xf7, 0xf8, 0xff} {
			var scalar, point, want, got [Lanes][32]byte
			var tables [Lanes]*Table
			for l := range scalar {
				for i := range scalar[l] {
					scalar[l][i] = b
				}
				scalar[l][4*l] ^= 0x80
				point[l], tables[l] = [32]byte{9}, table
			}
			u.X25519(Lanes, &want, &scalar, &point)
			if u.X25519Table(Lanes, &got, &scalar, &tables); got != want {
				t.Errorf("scalars of %#x: %x, want %x", b, got, want)
			}
		}
	})
}

func FuzzTable(f *testing.F) {
	f.Add(make([]byte, 32), []byte{9}, uint8(0))
	f.Add([]byte{0xff, 0x88}, []byte{0x88, 1}, uint8(7))
	var u Unit
	f.Fuzz(func(t *testing.T, s, p []byte, count uint8) {
		n := int(count)%Lanes + 1
		var scalar, point, want, got [Lanes][32]byte
		var tables [Lanes]*Table
		for l := range n {
			copy(scalar[l][:], s)
			copy(point[l][:], p)
			scalar[l][31-l] ^= byte(l)
			point[l][0] += byte(l)
			for tables[l] = NewTable(&point[l]); tables[l] == nil; tables[l] = NewTable(&point[l]) {
				point[l][1]++
			}
		}
		ok := u.X25519(n, &want, &scalar, &point)
		if got1 := u.X25519Table(n, &got, &scalar, &tables); got1 != ok || got != want {
			t.Fatalf("%x times %x: %x, want %x; ok %b, want %b", scalar, point, got, want, got1, ok)
		}
	})
}

func BenchmarkTable(b *testing.B) {
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var u Unit
			var scalar, got [Lanes][32]byte
			var tables [Lanes]*Table
			for l := range scalar {
				rand.Read(scalar[l][:])
				tables[l] = NewTable(&[32]byte{9})
			}
			b.ReportAllocs()
			for b.Loop() {
				u.X25519Table(n, &got, &scalar, &tables)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/lane")
		})
	}
}

func BenchmarkNewTable(b *testing.B) {
	for b.Loop() {
		NewTable(&[32]byte{9})
	}
}
