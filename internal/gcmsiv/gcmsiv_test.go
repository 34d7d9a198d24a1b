package gcmsiv

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"

	"nym-socks5/internal/vectest"
)

type vector struct{ Key, Nonce, AAD, Plaintext, Result string }

func vectors(tb testing.TB) []vector {
	tb.Helper()
	var file struct{ Vectors []vector }
	vectest.Read(tb, "rfc8452.json", &file)
	if got, want := len(file.Vectors), 26; got != want {
		tb.Fatalf("%d vectors, want %d", got, want)
	}
	return file.Vectors
}

// both gives the AEAD as New makes it and the portable one, which are the same
// thing where there is no assembly.
func both(key *[KeySize]byte) map[string]*AEAD {
	return map[string]*AEAD{"new": New(key), "portable": {soft: newSoftKey(key)}}
}

func TestVectors(t *testing.T) {
	for i, v := range vectors(t) {
		key := [KeySize]byte(vectest.Unhex(t, v.Key))
		nonce, aad := vectest.Unhex(t, v.Nonce), vectest.Unhex(t, v.AAD)
		plaintext, want := vectest.Unhex(t, v.Plaintext), vectest.Unhex(t, v.Result)
		for name, a := range both(&key) {
			if got := a.Seal(nil, nonce, plaintext, aad); !bytes.Equal(got, want) {
				t.Errorf("vector %d, %s: Seal gives %x, want %x", i, name, got, want)
			}
			if got, err := a.Open(nil, nonce, want, aad); err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("vector %d, %s: Open gives %x, %v, want %x", i, name, got, err, plaintext)
			}
		}
	}
}

// RFC 8452 appendix A: the worked example of POLYVAL.
func TestPolyvalExample(t *testing.T) {
	h := [16]byte(vectest.Unhex(t, "25629347589242761d31f826ba4b757b"))
	blocks := vectest.Unhex(t, "4f4f95668c83dfb6401762bb2d01a262"+"d1a24ddd2721d006bbe45f20d3c9f362")
	var s [16]byte
	softPolyval(&h, &s, blocks)
	if got, want := hex.EncodeToString(s[:]), "f7a3b47b846119fae5b7866cf5e5b77e"; got != want {
		t.Errorf("POLYVAL gives %s, want %s", got, want)
	}
}

// Every single bit that is changed in nonce, ciphertext, tag or additional
// data is noticed, and nothing of the plaintext is released.
func TestOpenRefusesEveryFlippedBit(t *testing.T) {
	var key [KeySize]byte
	rand.Read(key[:])
	nonce, aad, plaintext := make([]byte, NonceSize), []byte("abc"), []byte("seventeen letters")
	for name, a := range both(&key) {
		sealed := a.Seal(nil, nonce, plaintext, aad)
		for _, part := range [][]byte{nonce, aad, sealed} {
			for i := range 8 * len(part) {
				part[i/8] ^= 1 << (i % 8)
				out := make([]byte, 0, len(plaintext))
				if _, err := a.Open(out, nonce, sealed, aad); !errors.Is(err, ErrOpen) {
					t.Fatalf("%s: bit %d flipped: error %v, want ErrOpen", name, i, err)
				}
				if left := out[:len(plaintext)]; !bytes.Equal(left, make([]byte, len(plaintext))) {
					t.Fatalf("%s: bit %d flipped: %x was released", name, i, left)
				}
				part[i/8] ^= 1 << (i % 8)
			}
		}
		for n := range len(sealed) {
			if _, err := a.Open(nil, nonce, sealed[:n], aad); !errors.Is(err, ErrOpen) {
				t.Fatalf("%s: %d of %d bytes: error %v, want ErrOpen", name, n, len(sealed), err)
			}
		}
	}
}

func TestInPlaceAndAppend(t *testing.T) {
	var key [KeySize]byte
	rand.Read(key[:])
	nonce := make([]byte, NonceSize)
	for name, a := range both(&key) {
		for n := range 300 {
			plaintext := make([]byte, n, n+Overhead)
			rand.Read(plaintext)
			want := bytes.Clone(plaintext)

			prefix := []byte("prefix")
			appended := a.Seal(prefix, nonce, plaintext, nil)
			sealed := a.Seal(plaintext[:0], nonce, plaintext, nil)
			if !bytes.Equal(appended[len(prefix):], sealed) || !bytes.HasPrefix(appended, prefix) {
				t.Fatalf("%s: %d bytes: in place %x, appended %x", name, n, sealed, appended)
			}
			opened, err := a.Open(prefix, nonce, sealed, nil)
			if err != nil || !bytes.Equal(opened[len(prefix):], want) || !bytes.HasPrefix(opened, prefix) {
				t.Fatalf("%s: %d bytes: opened %x, %v, want %x", name, n, opened, err, want)
			}
			inPlace, err := a.Open(sealed[:0], nonce, sealed, nil)
			if err != nil || !bytes.Equal(inPlace, want) {
				t.Fatalf("%s: %d bytes: opened in place %x, %v, want %x", name, n, inPlace, err, want)
			}
		}
	}
}

func TestMisusePanics(t *testing.T) {
	a := New(new([KeySize]byte))
	buf := make([]byte, 64)
	for name, f := range map[string]func(){
		"short nonce":     func() { a.Seal(nil, buf[:11], nil, nil) },
		"long nonce":      func() { a.Open(nil, buf[:13], buf, nil) },
		"seal overlapped": func() { a.Seal(buf[1:1], buf[:12], buf[:16], nil) },
		"open overlapped": func() { a.Open(buf[:0], buf[:12], buf[1:], nil) },
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

// Every length around the eight blocks that go at once.
func TestTwins(t *testing.T) {
	var key [KeySize]byte
	var nonce [NonceSize]byte
	buf := make([]byte, 700)
	for n := range 400 {
		rand.Read(key[:])
		rand.Read(nonce[:])
		rand.Read(buf)
		plaintext, aad := buf[:n], buf[n:n+n%131]
		twins := both(&key)
		got, want := twins["new"].Seal(nil, nonce[:], plaintext, aad), twins["portable"].Seal(nil, nonce[:], plaintext, aad)
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes with %d: sealed %x, portable %x", n, len(aad), got, want)
		}
		for name, a := range twins {
			if opened, err := a.Open(nil, nonce[:], want, aad); err != nil || !bytes.Equal(opened, plaintext) {
				t.Fatalf("%s: %d bytes with %d: opened %x, %v", name, n, len(aad), opened, err)
			}
		}
	}
}

// The hot path of every session: nothing is allocated where the CPU does the
// work, one key schedule elsewhere.
func TestAllocations(t *testing.T) {
	a := New(new([KeySize]byte))
	buf, nonce := make([]byte, frame, frame+Overhead), make([]byte, NonceSize)
	most := 4.0 // two key schedules, and the pool of blocks may be emptied meanwhile
	if haveHard {
		most = 0
	}
	got := testing.AllocsPerRun(100, func() {
		sealed := a.Seal(buf[:0], nonce, buf, nil)
		if _, err := a.Open(sealed[:0], nonce, sealed, nil); err != nil {
			t.Fatal(err)
		}
	})
	if got > most {
		t.Errorf("%v allocations to seal and open, want at most %v", got, most)
	}
}

// The assembly equals its portable twin on everything; without assembly the
// two are the same and the property is trivial.
func FuzzTwins(f *testing.F) {
	f.Add(make([]byte, KeySize), make([]byte, NonceSize), []byte("plaintext"), []byte("data"))
	f.Add(bytes.Repeat([]byte{0xff}, KeySize), bytes.Repeat([]byte{0xff}, NonceSize), bytes.Repeat([]byte{0xff}, 1000), bytes.Repeat([]byte{0xff}, 300))
	for _, v := range vectors(f) {
		f.Add(vectest.Unhex(f, v.Key), vectest.Unhex(f, v.Nonce), vectest.Unhex(f, v.Plaintext), vectest.Unhex(f, v.AAD))
	}
	f.Fuzz(func(t *testing.T, k, n, plaintext, aad []byte) {
		var key [KeySize]byte
		copy(key[:], k)
		nonce := make([]byte, NonceSize)
		copy(nonce, n)
		twins := both(&key)
		sealed := twins["new"].Seal(nil, nonce, plaintext, aad)
		if want := twins["portable"].Seal(nil, nonce, plaintext, aad); !bytes.Equal(sealed, want) {
			t.Fatalf("sealed %x, portable %x", sealed, want)
		}
		for name, a := range twins {
			if got, err := a.Open(nil, nonce, sealed, aad); err != nil || !bytes.Equal(got, plaintext) {
				t.Fatalf("%s: opened %x, %v, want %x", name, got, err, plaintext)
			}
		}
	})
}

// What opens is what sealing gives: there is one ciphertext per plaintext.
func FuzzOpen(f *testing.F) {
	var key [KeySize]byte
	nonce := make([]byte, NonceSize)
	f.Add(New(&key).Seal(nil, nonce, []byte("plaintext"), nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		a := New(&key)
		plaintext, err := a.Open(nil, nonce, in, nil)
		if err != nil {
			return
		}
		if out := a.Seal(nil, nonce, plaintext, nil); !bytes.Equal(in, out) {
			t.Fatalf("%x opens as %x, which seals as %x", in, plaintext, out)
		}
	})
}

// A session frame with a regular packet for an IPv4 hop has 2422 bytes.
const frame = 2422

func BenchmarkSeal(b *testing.B) {
	key := new([KeySize]byte)
	for name, a := range both(key) {
		b.Run(name, func(b *testing.B) {
			buf, nonce := make([]byte, frame, frame+Overhead), make([]byte, NonceSize)
			b.SetBytes(frame)
			b.ReportAllocs()
			for b.Loop() {
				a.Seal(buf[:0], nonce, buf, nil)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	key := new([KeySize]byte)
	for name, a := range both(key) {
		b.Run(name, func(b *testing.B) {
			nonce := make([]byte, NonceSize)
			sealed := a.Seal(nil, nonce, make([]byte, frame), nil)
			out := make([]byte, 0, frame)
			b.SetBytes(frame)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Open(out, nonce, sealed, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
