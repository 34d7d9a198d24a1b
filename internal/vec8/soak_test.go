package vec8

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"testing"
	"time"

	"github.com/aead/chacha20/chacha"
	"github.com/cloudflare/circl/dh/x25519"
	"golang.org/x/crypto/blake2b"
)

var soakFlag = flag.Duration("soak", 0, "how long TestSoak compares each primitive with other implementations")

// TestSoak compares lanes with other implementations for a long time, and says
// how many lanes it compared. Inputs are short, and half of the points and
// scalars have runs of zeros and ones, where carries go wrong.
func TestSoak(t *testing.T) {
	if *soakFlag == 0 {
		t.Skip("only with -soak")
	}
	var u Unit
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(time.Now().UnixNano()))
	t.Logf("seed %x", seed)
	r := newSource(string(seed[:]))
	run := func(name string, round func() int) {
		t.Run(name, func(t *testing.T) {
			cases := 0
			for end := time.Now().Add(*soakFlag); time.Now().Before(end); {
				for range 100 {
					cases += round()
				}
			}
			t.Logf("%s: %d lanes", name, cases)
		})
	}
	differ := func(what string, lane int, in ...any) { t.Fatalf("%s: lane %d differs: %x", what, lane, in) }

	var a, b, out [Lanes][32]byte
	draw := func(v *[Lanes][32]byte) {
		for i := range v {
			r.Read(v[i][:])
			if shape := r.Uint64(); shape&1 == 1 {
				for j := range 4 { // words of zeros, of ones, or as drawn
					switch w := v[i][8*j:][:8]; shape >> (8 + 2*j) & 3 {
					case 0:
						clear(w)
					case 1:
						binary.LittleEndian.PutUint64(w, ^uint64(0)<<(shape>>16&63))
					case 2:
						binary.LittleEndian.PutUint64(w, ^uint64(0)>>(shape>>16&63))
					}
				}
			}
		}
	}
	run("X25519", func() int {
		draw(&a)
		draw(&b)
		ok := u.X25519(Lanes, &out, &a, &b)
		for i := range Lanes {
			var want x25519.Key
			p := x25519.Key(b[i])
			good := x25519.Shared(&want, (*x25519.Key)(&a[i]), &p)
			if [32]byte(want) != out[i] || good != (ok>>i&1 == 1) {
				differ("X25519", i, a, b)
			}
		}
		return Lanes
	})
	run("X25519Base", func() int {
		draw(&a)
		u.X25519Base(Lanes, &out, &a)
		for i := range Lanes {
			var want x25519.Key
			x25519.KeyGen(&want, (*x25519.Key)(&a[i]))
			if [32]byte(want) != out[i] {
				differ("X25519Base", i, a)
			}
		}
		return Lanes
	})

	lowOrder := [][32]byte{le(0, 0, 0), le(1, 0, 0), oddPoints()[128], oddPoints()[130]}
	tables := make([]*Table, 64) // some of points of low order
	points := make([][32]byte, len(tables))
	for i := range tables {
		for tables[i] == nil {
			draw(&a)
			points[i] = a[0]
			if i < len(lowOrder) {
				points[i] = lowOrder[i]
			}
			tables[i] = NewTable(&points[i])
		}
	}
	run("X25519Table", func() int {
		draw(&a)
		var ts [Lanes]*Table
		var which [Lanes]int
		for i := range ts {
			which[i] = r.intn(len(tables))
			ts[i] = tables[which[i]]
		}
		u.X25519Table(Lanes, &out, &a, &ts)
		for i := range Lanes {
			var want [32]byte
			p := x25519.Key(points[which[i]])
			if x25519.Shared((*x25519.Key)(&want), (*x25519.Key)(&a[i]), &p); want != out[i] {
				differ("X25519Table", i, a, points[which[i]])
			}
		}
		return Lanes
	})

	var key64 [Lanes][64]byte
	var key16 [Lanes][16]byte
	var buf, msg [Lanes][]byte
	for i := range buf {
		buf[i] = make([]byte, 512)
	}
	cut := func(limit int) {
		n := r.intn(limit + 1)
		for i := range msg {
			r.Read(buf[i][:n])
			r.Read(key64[i][:])
			copy(key16[i][:], key64[i][:])
			copy(a[i][:], key64[i][:])
			msg[i] = buf[i][:n]
		}
	}
	run("BLAKE2b", func() int {
		cut(300)
		u.BLAKE2b(Lanes, &out, &key64, &msg)
		for i := range Lanes {
			h, _ := blake2b.New256(key64[i][:])
			h.Write(msg[i])
			var want [32]byte
			if h.Sum(want[:0]); want != out[i] {
				differ("BLAKE2b", i, key64, msg)
			}
		}
		return Lanes
	})
	run("ChaCha20", func() int {
		cut(512)
		var want [512]byte
		n := len(msg[0])
		var in [Lanes][512]byte
		for i := range msg {
			copy(in[i][:], msg[i])
		}
		u.ChaCha20(Lanes, &a, &msg)
		for i := range Lanes {
			chacha.XORKeyStream(want[:n], in[i][:n], zeroNonce[:], a[i][:], 20)
			if string(want[:n]) != string(msg[i]) {
				differ("ChaCha20", i, a, in)
			}
		}
		return Lanes
	})
	run("HMAC", func() int {
		cut(maxMessage)
		u.HMAC(Lanes, &out, &key16, &msg)
		for i := range Lanes {
			h := hmac.New(sha256.New, key16[i][:])
			h.Write(msg[i])
			var want [32]byte
			if h.Sum(want[:0]); want != out[i] {
				differ("HMAC", i, key16, msg)
			}
		}
		return Lanes
	})
	h := NewHKDF("salt", "a label that does not fit into a block with the piece before it", 96)
	var m hmacState
	run("HKDF", func() int {
		cut(32)
		var got, want [Lanes][96]byte
		var dst [Lanes][]byte
		for i := range dst {
			dst[i] = got[i][:]
		}
		u.HKDF(h, Lanes, &dst, &msg)
		for i := range Lanes {
			if m.hkdf(h, want[i][:], msg[i]); want[i] != got[i] {
				differ("HKDF", i, msg)
			}
		}
		return Lanes
	})
	run("AESStream", func() int {
		cut(16)
		var got [Lanes][StreamSize]byte
		u.AESStream(Lanes, &got, &key16)
		for i := range Lanes {
			c, _ := aes.NewCipher(key16[i][:])
			var want [StreamSize]byte
			if cipher.NewCTR(c, zeroIV[:]).XORKeyStream(want[:], want[:]); want != got[i] {
				differ("AESStream", i, key16)
			}
		}
		return Lanes
	})
}
