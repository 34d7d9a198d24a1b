package keys

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"nym-socks5/internal/vectest"
	"strings"
	"testing"
)

func filled(v byte) (b [32]byte) {
	copy(b[:], bytes.Repeat([]byte{v}, 32))
	return b
}

// lowOrder are the encodings of the points of Curve25519 and its twist whose
// order divides 8, canonical or not, without bit 255.
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000", // 0
	"0100000000000000000000000000000000000000000000000000000000000000", // 1
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", // order 8
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", // order 8
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p-1
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p+1
}

func TestX25519AgreesWithTheStandardLibrary(t *testing.T) {
	for i := range 30 {
		a, b := NewEncryptionKey(), NewEncryptionKey()
		raw := a.Bytes()
		std, err := ecdh.X25519().NewPrivateKey(raw[:])
		if err != nil {
			t.Fatal(err)
		}
		if pub := a.Public(); !bytes.Equal(pub[:], std.PublicKey().Bytes()) {
			t.Fatalf("public key %d is %x, want %x", i, pub, std.PublicKey().Bytes())
		}
		peer := b.Public()
		stdPeer, err := ecdh.X25519().NewPublicKey(peer[:])
		if err != nil {
			t.Fatal(err)
		}
		want, err := std.ECDH(stdPeer)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Shared(peer)
		back, err2 := b.Shared(a.Public())
		if err != nil || err2 != nil || !bytes.Equal(got[:], want) || got != back {
			t.Fatalf("shared secret %d is %x (%v), %x (%v), want %x", i, got, err, back, err2, want)
		}
		peer[31] |= 0x80 // RFC 7748: bit 255 is masked
		if got, err := a.Shared(peer); err != nil || !bytes.Equal(got[:], want) {
			t.Fatalf("bit 255 of the point counts: %x, %v", got, err)
		}
	}
}

// The first test vector of RFC 7748 §5.2.
func TestX25519OfTheRFC(t *testing.T) {
	k := EncryptionKeyFromBytes(vectest.Unhex32(t, "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"))
	got, err := k.Shared(vectest.Unhex32(t, "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"))
	if want := "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"; err != nil || hex.EncodeToString(got[:]) != want {
		t.Errorf("got %x, %v, want %s", got, err, want)
	}
}

// sphinx.md §2: "Low-order points ... Treat the error as "malformed packet, drop"."
func TestSharedRefusesLowOrder(t *testing.T) {
	k := NewEncryptionKey()
	for _, s := range lowOrder {
		for _, top := range []byte{0, 0x80} {
			p := vectest.Unhex32(t, s)
			p[31] |= top
			if got, err := k.Shared(p); !errors.Is(err, ErrLowOrder) || got != [32]byte{} {
				t.Errorf("%x: got %x, %v, want ErrLowOrder", p, got, err)
			}
		}
	}
}

func TestH10SphinxKeys(t *testing.T) {
	for range 20 {
		want := NewSphinxKey().Public()
		if got, err := ParseSphinx(want[:]); err != nil || got != want {
			t.Fatalf("honest key %v: %v", want, err)
		}
		if got, err := ParseSphinxText(want.String()); err != nil || got != want {
			t.Fatalf("text of honest key %v: %v", want, err)
		}
		if want[31]&0x80 == 0 {
			want[31] |= 0x80
			if _, err := ParseSphinx(want[:]); !errors.Is(err, ErrMalformed) {
				t.Errorf("bit 255 set: %v, want ErrMalformed", err)
			}
		}
	}
	for _, s := range lowOrder {
		b := vectest.Unhex32(t, s)
		if _, err := ParseSphinx(b[:]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s of low order: %v, want ErrMalformed", s, err)
		}
		if _, err := ParseSphinxText(Sphinx(b).String()); !errors.Is(err, ErrMalformed) {
			t.Errorf("text of %s of low order: %v, want ErrMalformed", s, err)
		}
	}
	// u + p, for each u that fits: the same point, encoded otherwise.
	for u := byte(2); u < 19; u++ {
		b := filled(0xff)
		b[0], b[31] = 0xed+u, 0x7f
		if _, err := ParseSphinx(b[:]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d + p: %v, want ErrMalformed", u, err)
		}
	}
	// A small u is on the curve or on the twist; u³ + 486662u² + u is a square
	// modulo p or not (Euler's criterion, computed elsewhere).
	for u, curve := range onCurve {
		b := [32]byte{byte(u + 2)}
		if _, err := ParseSphinx(b[:]); (err == nil) != curve {
			t.Errorf("u = %d: %v, want accepted %v", u+2, err, curve)
		}
	}
}

// onCurve says of u = 2, 3, … whether it is on the curve.
var onCurve = []bool{
	false, false, true, false, true, true, true, true, true, true, false, true, false, true, true, true,
	true, true, false, false, false, true, false, false, false, false, false, false, true, false, true, true,
}

func TestSphinxRefusesLengths(t *testing.T) {
	for _, n := range []int{0, 31, 33} {
		if _, err := ParseSphinx(make([]byte, n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("Sphinx key of %d bytes: %v", n, err)
		}
		if _, err := ParseIdentity(make([]byte, n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("identity of %d bytes: %v", n, err)
		}
		if _, err := ParseEncryption(make([]byte, n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("encryption key of %d bytes: %v", n, err)
		}
	}
}

// sphinx.md §4.5: "Both ed25519 parts must decompress to a curve point; ...
// small-order points and non-canonical encodings (y ≥ p) pass"
func TestParseIdentity(t *testing.T) {
	neutral := [32]byte{1}
	beyond := filled(0xff)
	beyond[0], beyond[31] = 0xee, 0x7f // y = p + 1, the neutral element again
	noPoint := [32]byte{2}
	for _, c := range []struct {
		name string
		in   [32]byte
		err  error
	}{
		{"honest", NewIdentityKey().Public(), nil},
		{"small order", neutral, nil},
		{"zero", [32]byte{}, nil}, // y = 0: a point of order 4
		{"not canonical", beyond, nil},
		{"no point", noPoint, ErrMalformed},
	} {
		if got, err := ParseIdentity(c.in[:]); !errors.Is(err, c.err) || err == nil && got != c.in {
			t.Errorf("%s: got %v, %v, want %v", c.name, got, err, c.err)
		}
		if got, err := ParseIdentityText(Identity(c.in).String()); !errors.Is(err, c.err) || err == nil && got != c.in {
			t.Errorf("text of %s: got %v, %v, want %v", c.name, got, err, c.err)
		}
	}
	if !(Identity{}).IsZero() || (Identity{1}).IsZero() || !(Noise{}).IsZero() || (Noise{1}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestTextRefuses(t *testing.T) {
	const good = "F25s3DdjXdCxYBhh2z8FBusVEMT4b9bGNFVKJi3wFoF4" // so large that another digit makes 33 bytes
	for _, s := range []string{"", "0", good[:30], good + "1", " " + good, good + "\n", good + "é", "O" + good[1:], strings.Repeat("1", 65), strings.Repeat("z", 1<<20)} {
		if _, err := ParseIdentityText(s); !errors.Is(err, ErrMalformed) {
			t.Errorf("identity %.40q: %v, want ErrMalformed", s, err)
		}
		if _, err := ParseSphinxText(s); !errors.Is(err, ErrMalformed) {
			t.Errorf("Sphinx key %.40q: %v, want ErrMalformed", s, err)
		}
		if _, err := ParseNoiseText(s); !errors.Is(err, ErrMalformed) {
			t.Errorf("Noise key %.40q: %v, want ErrMalformed", s, err)
		}
	}
	noise := NewNoiseKey().Public()
	if got, err := ParseNoiseText(noise.String()); err != nil || got != noise {
		t.Errorf("Noise key %v parses as %v, %v", noise, got, err)
	}
	enc := NewEncryptionKey().Public()
	if got, err := ParseEncryption(enc[:]); err != nil || got != enc || got.String() != enc.String() {
		t.Errorf("encryption key %v parses as %v, %v", enc, got, err)
	}
}

func TestSign(t *testing.T) {
	k := IdentityKeyFromSeed(filled(3))
	msg := []byte("who I am")
	sig := k.Sign(msg)
	if want := ed25519.Sign(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32)), msg); !bytes.Equal(sig[:], want) {
		t.Errorf("signature is %x, want %x", sig, want)
	}
	id := k.Public()
	if !id.Verify(msg, sig[:]) {
		t.Error("our signature does not verify")
	}
	if id.Verify([]byte("who I am not"), sig[:]) || id.Verify(msg, sig[:63]) || id.Verify(msg, nil) || NewIdentityKey().Public().Verify(msg, sig[:]) {
		t.Error("a wrong signature verifies")
	}
	sig[0] ^= 1
	if id.Verify(msg, sig[:]) {
		t.Error("a changed signature verifies")
	}
	if k.Seed() != filled(3) {
		t.Error("the seed is another one")
	}
}

// Stored keys come back, fresh keys differ, and Equal sees it.
func TestPrivateKeys(t *testing.T) {
	id, enc, sph, noise, ack := NewIdentityKey(), NewEncryptionKey(), NewSphinxKey(), NewNoiseKey(), NewAck()
	session := SessionFromBytes(filled(9))
	reply, other := NewReply(), NewReply()
	for name, ok := range map[string]bool{
		"identity":   id.Equal(IdentityKeyFromSeed(id.Seed())) && !id.Equal(NewIdentityKey()),
		"encryption": enc.Equal(EncryptionKeyFromBytes(enc.Bytes())) && !enc.Equal(NewEncryptionKey()),
		"Sphinx":     sph.Equal(SphinxKeyFromBytes(*sph.Bytes())) && !sph.Equal(NewSphinxKey()),
		"Noise":      noise.Equal(NoiseKeyFromBytes(noise.Bytes())) && !noise.Equal(NewNoiseKey()),
		"ack":        ack.Equal(AckFromBytes(*ack.Bytes())) && !ack.Equal(NewAck()),
		"session":    session.Equal(SessionFromBytes(filled(9))) && !session.Equal(SessionFromBytes(filled(8))),
		"reply":      reply != other,
	} {
		if !ok {
			t.Errorf("%s: keys compare wrongly", name)
		}
	}
	if *session.Bytes() != filled(9) {
		t.Error("the session key is another one")
	}
}

func TestH36WipedKeys(t *testing.T) {
	k := NewSphinxKey()
	k.Wipe()
	if *k.Bytes() != [32]byte{} {
		t.Error("the secret is still there")
	}
}

// Private keys print as their type's name.
func TestSecretsDoNotPrint(t *testing.T) {
	b := filled(0xa7)
	for name, k := range map[string]any{
		"keys.IdentityKey":   IdentityKeyFromSeed(b),
		"keys.EncryptionKey": EncryptionKeyFromBytes(b),
		"keys.SphinxKey":     SphinxKeyFromBytes(b),
		"keys.NoiseKey":      NoiseKeyFromBytes(b),
		"keys.Ack":           AckFromBytes([16]byte(b[:])),
		"keys.Reply":         Reply(b[:16]),
		"keys.Session":       SessionFromBytes(b),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, k); got != name {
				t.Errorf("%s prints %s, want %s", verb, got, name)
			}
		}
	}
}

func FuzzParseSphinx(f *testing.F) {
	for _, s := range lowOrder {
		b := vectest.Unhex32(f, s)
		f.Add(b[:])
	}
	honest := NewSphinxKey().Public()
	f.Add(honest[:])
	k := EncryptionKeyFromBytes(filled(5))
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := ParseSphinx(in)
		if err != nil {
			return
		}
		if !bytes.Equal(p[:], in) {
			t.Fatalf("%x parses as %x", in, p)
		}
		if _, err := k.Shared(Encryption(p)); err != nil {
			t.Fatalf("%x parses, but %v", in, err)
		}
	})
}

func FuzzParseText(f *testing.F) {
	f.Add(NewIdentityKey().Public().String())
	f.Add(NewSphinxKey().Public().String())
	f.Fuzz(func(t *testing.T, in string) {
		if k, err := ParseIdentityText(in); err == nil && k.String() != in {
			t.Fatalf("%q prints as %v", in, k)
		}
		if k, err := ParseSphinxText(in); err == nil && k.String() != in {
			t.Fatalf("%q prints as %v", in, k)
		}
		if k, err := ParseNoiseText(in); err == nil && k.String() != in {
			t.Fatalf("%q prints as %v", in, k)
		}
	})
}

func BenchmarkShared(b *testing.B) {
	k, p := NewEncryptionKey(), NewEncryptionKey().Public()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Shared(p); err != nil {
			b.Fatal(err)
		}
	}
}
