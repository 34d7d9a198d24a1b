package vec8

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20"
)


func fill(b *[Lanes][32]byte) {
	for i := range b {
		rand.Read(b[i][:])
	}
}

// reference is X25519 of the standard library; points of low order give zero.
func reference(scalar, point *[32]byte) (out [32]byte) {
	k, err := ecdh.X25519().NewPrivateKey(scalar[:])
	if err != nil {
		panic(err)
	}
	p, err := ecdh.X25519().NewPublicKey(point[:])
	if err != nil {
		panic(err)
	}
	if s, err := k.ECDH(p); err == nil {
		copy(out[:], s)
	}
	return out
}

func checkX25519(t *testing.T, u *Unit, n int, scalar, point *[Lanes][32]byte) {
	t.Helper()
	var out [Lanes][32]byte
	ok := u.X25519(n, &out, scalar, point)
	for l := range Lanes {
		var want [32]byte
		if l < n {
			want = reference(&scalar[l], &point[l])
		}
		if out[l] != want {
			t.Fatalf("lane %d of %d: %x times %x\n got %x\nwant %x", l, n, scalar[l], point[l], out[l], want)
		}
		if got := ok>>l&1 == 1; got != (want != [32]byte{}) {
			t.Fatalf("lane %d of %d: %x times %x: ok is %v", l, n, scalar[l], point[l], got)
		}
	}
}

// The points on which implementations of X25519 went wrong before: of low order,
// on the twist, not below the prime, with bit 255 set.
var hardPoints = func() (points [][32]byte) {
	for _, s := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0200000000000000000000000000000000000000000000000000000000000000",
		"0300000000000000000000000000000000000000000000000000000000000000",
		"0900000000000000000000000000000000000000000000000000000000000000",
		"feffffffffffff07000000000000f8ffffffffffffff3f000000000000feffff",
		"0000000000000000ffffffffffffffff0000000000000000ffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff3f",
		"0000000000000800000000000040000000000000020000000000100000000040",
		"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
	} {
		b, err := hex.DecodeString(s)
		if err != nil {
			panic(err)
		}
		points = append(points, [32]byte(b))
	}
	return points
}()

// hardening.md H10: "zero mask per lane for the shared secret and the blinded α;
// seven honest lanes beside one zero, low-order, twist or non-canonical point, in
// every lane, equal the scalar results"
func TestH10HardPointsInEveryLane(t *testing.T) {
	var u Unit
	scalars := [][32]byte{{}, {31: 0x40}, {31: 0xff}, {0: 0xff, 31: 0x7f}, [32]byte(bytes.Repeat([]byte{0xff}, 32)), [32]byte(bytes.Repeat([]byte{0x55}, 32))}
	for range 2 {
		var s [32]byte
		rand.Read(s[:])
		scalars = append(scalars, s)
	}
	for _, p := range hardPoints {
		for l := range Lanes {
			var scalar, point [Lanes][32]byte
			fill(&scalar)
			fill(&point)
			point[l], scalar[l] = p, scalars[l]
			checkX25519(t, &u, Lanes, &scalar, &point)
		}
		for _, s := range scalars {
			var scalar, point [Lanes][32]byte
			fill(&scalar)
			for l := range point {
				point[l] = p
			}
			scalar[3] = s
			checkX25519(t, &u, Lanes, &scalar, &point)
		}
	}
}

// RFC 7748, §5.2.
func TestX25519OfTheRFC(t *testing.T) {
	var u Unit
	for n := 1; n <= Lanes; n++ {
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
}

func FuzzX25519(f *testing.F) {
	for i, p := range hardPoints {
		f.Add(uint8(i), uint8(8), p[:], bytes.Repeat([]byte{byte(17 * i)}, 64))
	}
	var u Unit
	f.Fuzz(func(t *testing.T, lane, n uint8, point, scalar []byte) {
		// One pair is the input, the others are hashes of it.
		var k, p [Lanes][32]byte
		for l := range k {
			k[l] = sha256.Sum256(append(scalar, byte(l)))
			p[l] = sha256.Sum256(append(point, byte(l)))
		}
		lane, n = lane%Lanes, n%Lanes+1
		copy(k[lane][:], scalar)
		copy(p[lane][:], point)
		for l := n; l < Lanes; l++ {
			k[l], p[l] = [32]byte{}, [32]byte{}
		}
		checkX25519(t, &u, int(n), &k, &p)
	})
}

// lanes cuts input into n messages of equal length.
func lanes(input []byte, n int) (msg [Lanes][]byte) {
	size := len(input) / n
	for l := range n {
		msg[l] = input[l*size:][:size]
	}
	return msg
}

func FuzzBLAKE2b(f *testing.F) {
	for _, size := range []int{0, 1, 6, 127, 128, 129, 255, 256, 257, 2033} {
		f.Add([]byte("key"), make([]byte, 8*size), uint8(7))
		f.Add([]byte("key"), bytes.Repeat([]byte{0xff}, size), uint8(0))
	}
	var u Unit
	f.Fuzz(func(t *testing.T, seed, input []byte, count uint8) {
		n := int(count)%Lanes + 1
		msg := lanes(input, n)
		var key [Lanes][blakeKey]byte
		for l := range key {
			h := blake2b.Sum512(append(seed, byte(l)))
			key[l] = h
		}
		var out [Lanes][32]byte
		u.BLAKE2b(n, &out, &key, &msg)
		for l := range n {
			h, err := blake2b.New256(key[l][:])
			if err != nil {
				t.Fatal(err)
			}
			h.Write(msg[l])
			if want := h.Sum(nil); !bytes.Equal(out[l][:], want) {
				t.Fatalf("lane %d of %d, %d bytes: %x, want %x", l, n, len(msg[l]), out[l], want)
			}
		}
	})
}

func TestBLAKE2bOfAllLengths(t *testing.T) {
	var u Unit
	var key [Lanes][blakeKey]byte
	for l := range key {
		rand.Read(key[l][:])
	}
	data := make([]byte, 8*400)
	rand.Read(data)
	for n := 1; n <= Lanes; n++ {
		for size := range 400 {
			msg := lanes(data[:n*size], n)
			var out [Lanes][32]byte
			u.BLAKE2b(n, &out, &key, &msg)
			for l := range n {
				h, _ := blake2b.New256(key[l][:])
				h.Write(msg[l])
				if want := h.Sum(nil); !bytes.Equal(out[l][:], want) {
					t.Fatalf("lane %d of %d, %d bytes: %x, want %x", l, n, size, out[l], want)
				}
			}
		}
	}
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

func FuzzChaCha20(f *testing.F) {
	for _, size := range []int{0, 1, 6, 63, 64, 319, 320, 1023, 1024, 1025, 2033, 32753} {
		f.Add([]byte("key"), make([]byte, size))
	}
	var u Unit
	f.Fuzz(func(t *testing.T, seed, input []byte) {
		var key [Lanes][32]byte
		var got [Lanes][]byte
		for l := range key {
			key[l] = sha256.Sum256(append(seed, byte(l)))
			got[l] = bytes.Clone(input[len(input)*l/Lanes:]) // lengths may differ
		}
		u.ChaCha20(Lanes, &key, &got)
		for l := range got {
			c, err := chacha20.NewUnauthenticatedCipher(key[l][:], make([]byte, 12))
			if err != nil {
				t.Fatal(err)
			}
			want := bytes.Clone(input[len(input)*l/Lanes:])
			c.XORKeyStream(want, want)
			if !bytes.Equal(got[l], want) {
				t.Fatalf("lane %d: %d bytes differ", l, len(want))
			}
		}
	})
}

func FuzzHMAC(f *testing.F) {
	for _, size := range []int{0, 1, 3, 4, 54, 55, 56, 63, 64, 300, 320} {
		f.Add([]byte("key"), make([]byte, 8*size), uint8(7))
		f.Add([]byte("key"), bytes.Repeat([]byte{0xa5}, 3*size), uint8(2))
	}
	var u Unit
	f.Fuzz(func(t *testing.T, seed, input []byte, count uint8) {
		n := int(count)%Lanes + 1
		if len(input)/n > 320 {
			return
		}
		msg := lanes(input, n)
		var key [Lanes][16]byte
		for l := range key {
			h := sha256.Sum256(append(seed, byte(l)))
			copy(key[l][:], h[:])
		}
		var out [Lanes][32]byte
		u.HMAC(n, &out, &key, &msg)
		for l := range n {
			h := hmac.New(sha256.New, key[l][:])
			h.Write(msg[l])
			if want := h.Sum(nil); !bytes.Equal(out[l][:], want) {
				t.Fatalf("lane %d of %d, %d bytes: %x, want %x", l, n, len(msg[l]), out[l], want)
			}
		}
	})
}

func TestHKDFEqualsStandardLibrary(t *testing.T) {
	var u Unit
	for _, salt := range []string{"", "salt", "sphinx-payload-key-V01-CS01-HKDF:SHA256-SALT"} {
		for _, info := range []int{0, 1, 2, 3, 21, 22, 44, 53, 54, 55, 86, 87, 97, 118, 119, 149, 150} {
			label := string(bytes.Repeat([]byte{'x'}, info))
			for _, size := range []int{32, 64, 192, 288} {
				h := NewHKDF(salt, label, size)
				for n := 1; n <= Lanes; n++ {
					for _, length := range []int{16, 32} {
						var secret, out [Lanes][]byte
						for l := range n {
							secret[l], out[l] = make([]byte, length), make([]byte, size)
							rand.Read(secret[l])
						}
						u.HKDF(h, n, &out, &secret)
						for l := range n {
							want, _ := hkdf.Key(sha256.New, secret[l], []byte(salt), label, size)
							if !bytes.Equal(out[l], want) {
								t.Fatalf("salt %q, info of %d bytes, %d bytes of output, lane %d of %d: differs", salt, info, size, l, n)
							}
						}
					}
				}
			}
		}
	}
}

func TestAESStream(t *testing.T) {
	var u Unit
	for n := 1; n <= Lanes; n++ {
		var key [Lanes][16]byte
		var out [Lanes][StreamSize]byte
		for l := range n {
			rand.Read(key[l][:])
			rand.Read(out[l][:]) // what was there does not matter
		}
		u.AESStream(n, &out, &key)
		for l := range n {
			b, _ := aes.NewCipher(key[l][:])
			want := make([]byte, StreamSize)
			cipher.NewCTR(b, make([]byte, 16)).XORKeyStream(want, want)
			if !bytes.Equal(out[l][:], want) {
				t.Fatalf("lane %d of %d: differs", l, n)
			}
			plainStream(&out[l], &key[l])
			if !bytes.Equal(out[l][:], want) {
				t.Fatal("the portable stream differs")
			}
		}
	}
}

func BenchmarkX25519(b *testing.B) {
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var u Unit
			var k, p, out [Lanes][32]byte
			fill(&k)
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
			msg := lanes(make([]byte, n*2033), n)
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
			msg := lanes(make([]byte, 8*size), 8)
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
			secret, out := lanes(make([]byte, n*32), n), lanes(make([]byte, n*288), n)
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
			msg := lanes(make([]byte, n*300), n)
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
