package x25519

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

func parse(t *testing.T, text string) *[32]byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return (*[32]byte)(b)
}

// RFC 7748 §5.2; and points of low order.
func TestVectors(t *testing.T) {
	for _, row := range []struct{ scalar, point, want string }{
		{
			"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
			"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
		}, {
			"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
			"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
			"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
		}, {
			"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"0000000000000000000000000000000000000000000000000000000000000000",
			"0000000000000000000000000000000000000000000000000000000000000000",
		}, {
			"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"0100000000000000000000000000000000000000000000000000000000000000",
			"0000000000000000000000000000000000000000000000000000000000000000",
		},
	} {
		for name, f := range map[string]func(out, scalar, point *[32]byte){"multiply": multiply, "ladder": ladder} {
			var got [32]byte
			f(&got, parse(t, row.scalar), parse(t, row.point))
			if got != *parse(t, row.want) {
				t.Errorf("%s: %s times %s is %x, want %s", name, row.scalar, row.point, got, row.want)
			}
		}
	}
}

// RFC 7748 §5.2: "after one thousand iterations".
func TestVectorsIterated(t *testing.T) {
	k, u := [32]byte{9}, [32]byte{9}
	for i := range 1000 {
		if i == 1 && k != *parse(t, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079") {
			t.Fatalf("after one iteration: %x", k)
		}
		var out [32]byte
		ladder(&out, &k, &u)
		k, u = out, k
	}
	if k != *parse(t, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51") {
		t.Fatalf("after a thousand iterations: %x", k)
	}
}

// Points that are not below the prime, of low order, on the twist, or with bit 255:
// both ladders agree, and the arrays may be the same.
func TestLaddersAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		var scalar, point, a, b [32]byte
		for j := range scalar {
			scalar[j], point[j] = byte(rng.Uint32()), byte(rng.Uint32())
		}
		if i%4 == 0 { // around the prime
			for j := range point {
				point[j] = 0xff
			}
			point[0] = byte(i)
			point[31] = byte(0x7f | i<<7)
		}
		multiply(&a, &scalar, &point)
		b = point
		ladder(&b, &scalar, &b)
		if a != b {
			t.Fatalf("%x times %x: %x and %x", scalar, point, a, b)
		}
	}
}

func BenchmarkMultiply(b *testing.B) {
	out, scalar, point := [32]byte{}, [32]byte{1, 2, 3}, [32]byte{9}
	for b.Loop() {
		Multiply(&out, &scalar, &point)
	}
}

func BenchmarkLadder(b *testing.B) {
	out, scalar, point := [32]byte{}, [32]byte{1, 2, 3}, [32]byte{9}
	for b.Loop() {
		ladder(&out, &scalar, &point)
	}
}
