package vec8

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"testing"

	"github.com/cloudflare/circl/dh/x25519"

	"nym-socks5/internal/vectest"
)

// product is X25519 by the standard library, which refuses what becomes zero.
func product(scalar, point [32]byte) (out [32]byte) {
	k, err := ecdh.X25519().NewPrivateKey(scalar[:])
	if err != nil {
		panic(err)
	}
	p, err := ecdh.X25519().NewPublicKey(point[:])
	if err != nil {
		panic(err)
	}
	s, err := k.ECDH(p)
	if err == nil {
		copy(out[:], s)
	}
	return out
}

// check compares n lanes with the standard library.
func checkX25519(t *testing.T, u *Unit, n int, scalar, point *[Lanes][32]byte) {
	t.Helper()
	var out [Lanes][32]byte
	for i := n; i < Lanes; i++ {
		out[i][0] = 0xa5
	}
	ok := u.X25519(n, &out, scalar, point)
	for i := range Lanes {
		want := [32]byte{0xa5}
		if i < n {
			want = product(scalar[i], point[i])
		}
		if out[i] != want {
			t.Fatalf("lane %d of %d: %x times %x is %x, want %x", i, n, scalar[i], point[i], out[i], want)
		}
		if got, want := ok>>i&1 == 1, i < n && want != [32]byte{}; got != want {
			t.Fatalf("lane %d of %d: %x times %x: ok is %v, want %v", i, n, scalar[i], point[i], got, want)
		}
	}
}

// le is a little-endian number of 32 bytes: its lowest and its highest byte, and
// what is between.
func le(low, between, high byte) (b [32]byte) {
	for i := range b {
		b[i] = between
	}
	b[0], b[31] = low, high
	return b
}

// oddPoints are zero, points of low order, non-canonical ones, the ends of the
// field and points of the twist.
func oddPoints() (points [][32]byte) {
	for low := range 32 { // around the prime, with and without bit 255
		b := le(byte(0xe0+low), 0xff, 0x7f)
		points = append(points, b)
		b[31] = 0xff
		points = append(points, b)
	}
	for low := range 32 {
		points = append(points, le(byte(low), 0, 0), le(byte(low), 0, 0x80))
	}
	for _, s := range []string{ // of order 8
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	} {
		var b [32]byte
		hex.Decode(b[:], []byte(s))
		points = append(points, b)
		b[31] |= 0x80
		points = append(points, b)
	}
	for limb := range 5 { // one limb full, the others empty
		var b [32]byte
		for bit := 51 * limb; bit < 51*(limb+1); bit++ {
			b[bit/8] |= 1 << (bit % 8)
		}
		points = append(points, b)
	}
	return points
}

func TestH10X25519Vectors(t *testing.T) {
	var file struct {
		Cases []struct {
			ID                      int
			Comment                 string
			Public, Private, Shared vectest.Hex
		}
	}
	vectest.Read(t, "x25519.json", &file)
	if len(file.Cases) < 80 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("vectors")
		for _, c := range file.Cases {
			for lane := range Lanes {
				var scalar, point, out [Lanes][32]byte
				for i := range Lanes {
					r.Read(scalar[i][:])
					r.Read(point[i][:])
				}
				scalar[lane], point[lane] = [32]byte(c.Private), [32]byte(c.Public)
				checkX25519(t, &u, Lanes, &scalar, &point)
				u.X25519(Lanes, &out, &scalar, &point)
				if !bytes.Equal(out[lane][:], c.Shared) {
					t.Errorf("case %d (%s) in lane %d: %x, want %x", c.ID, c.Comment, lane, out[lane], c.Shared)
				}
			}
		}
	})
}

// TestH10OddPoints puts each odd point beside seven honest ones, in every lane.
func TestH10OddPoints(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("odd points")
		for k, p := range oddPoints() {
			for lane := range Lanes {
				var scalar, point [Lanes][32]byte
				for i := range Lanes {
					r.Read(scalar[i][:])
					var s x25519.Key
					r.Read(s[:])
					x25519.KeyGen((*x25519.Key)(&point[i]), &s)
				}
				point[lane] = p
				switch k % 4 { // edges of the scalars too
				case 1:
					scalar[lane] = le(0, 0, 0)
				case 2:
					scalar[lane] = le(0xff, 0xff, 0xff)
				}
				checkX25519(t, &u, Lanes, &scalar, &point)
			}
		}
		for _, p := range oddPoints() { // all lanes odd
			var scalar, point [Lanes][32]byte
			for i := range Lanes {
				r.Read(scalar[i][:])
				point[i] = p
			}
			checkX25519(t, &u, Lanes, &scalar, &point)
		}
	})
}

func TestX25519Lanes(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("lanes")
		for round := range 40 {
			n := 1 + round%Lanes
			var scalar, point [Lanes][32]byte
			for i := range Lanes {
				r.Read(scalar[i][:])
				r.Read(point[i][:])
			}
			s, p := scalar, point
			checkX25519(t, &u, n, &scalar, &point)
			if s != scalar || p != point {
				t.Fatal("operands were changed")
			}
			// The arrays may be the same.
			var out [Lanes][32]byte
			u.X25519(n, &out, &scalar, &point)
			copy(out[n:], point[n:])
			u.X25519(n, &point, &scalar, &point)
			if out != point {
				t.Fatal("in place the product is another one")
			}
		}
	})
}

// RFC 7748, §5.2.
func TestX25519OfTheRFC(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		for n := 1; n <= Lanes; n += 7 {
			var k, p [Lanes][32]byte
			for l := range n {
				k[l], p[l] = [32]byte{9}, [32]byte{9}
			}
			for range 1000 {
				old := k
				u.X25519(n, &k, &k, &p)
				p = old
			}
			for l := range n {
				if got := hex.EncodeToString(k[l][:]); got != "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51" {
					t.Fatalf("lane %d of %d after 1000 rounds: %s", l, n, got)
				}
			}
		}
	})
}

// TestX25519Base compares the products of the base point with those of any other.
func TestX25519Base(t *testing.T) {
	paths(t, func(t *testing.T) {
		var u Unit
		r := newSource("base point")
		for round := range 40 {
			var scalar, out, want [Lanes][32]byte
			for i := range 1 + round%Lanes {
				r.Read(scalar[i][:])
				want[i] = product(scalar[i], [32]byte{9})
			}
			u.X25519Base(1+round%Lanes, &out, &scalar)
			if out != want {
				t.Fatalf("%d lanes: %x, want %x", 1+round%Lanes, out, want)
			}
		}
	})
}

func FuzzX25519(f *testing.F) {
	for _, p := range oddPoints() {
		f.Add(make([]byte, 32), p[:], uint8(0))
		f.Add(bytes.Repeat([]byte{0xff}, 32), p[:], uint8(7))
	}
	var u Unit
	f.Fuzz(func(t *testing.T, k, p []byte, lane uint8) {
		if len(k) < 32 || len(p) < 32 {
			return
		}
		r := newSource(string(k[:32]))
		var scalar, point [Lanes][32]byte
		for i := range Lanes {
			r.Read(scalar[i][:])
			r.Read(point[i][:])
		}
		scalar[lane%Lanes], point[lane%Lanes] = [32]byte(k), [32]byte(p)
		checkX25519(t, &u, Lanes, &scalar, &point)
	})
}
