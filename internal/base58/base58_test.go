package base58

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// Vectors of draft-msporny-base58-03 §5, and those of Bitcoin Core's
// base58_encode_decode.json.
func TestVectors(t *testing.T) {
	for _, row := range []struct{ bytes, text string }{
		{"", ""},
		{"61", "2g"},
		{"626262", "a3gV"},
		{"636363", "aPEr"},
		{"73696d706c792061206c6f6e6720737472696e67", "2cFupjhnEsSn59qHXstmK2ffpLv2"},
		{"00eb15231dfceb60925886b67d065299925915aeb172c06647", "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"},
		{"516b6fcd0f", "ABnLTmg"},
		{"bf4f89001e670274dd", "3SEo3LWLoPntC"},
		{"572e4794", "3EFU7m"},
		{"ecac89cad93923c02321", "EJDM8drfXA6uyA"},
		{"10c8511e", "Rt5zm"},
		{"00000000000000000000", "1111111111"},
		{hex.EncodeToString([]byte("Hello World!")), "2NEpo7TZRRrLZSi2U"},
		{hex.EncodeToString([]byte("The quick brown fox jumps over the lazy dog.")), "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z"},
		{"0000287fb4cd", "11233QC4"},
	} {
		b, err := hex.DecodeString(row.bytes)
		if err != nil {
			t.Fatal(err)
		}
		if got := Encode(b); got != row.text {
			t.Errorf("%s is %q, want %q", row.bytes, got, row.text)
		}
		if got, err := Decode(row.text); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%q is %x (%v), want %s", row.text, got, err, row.bytes)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{"0", "O", "I", "l", "a b", "a\n", "+", "ä", "\x00", "\xff"} {
		if b, err := Decode(text); err == nil || !strings.Contains(err.Error(), "not a letter") {
			t.Errorf("%q is %x (%v), want an error that names a letter", text, b, err)
		}
	}
}

func TestDecodeRefusesLongTexts(t *testing.T) {
	if _, err := Decode(strings.Repeat("z", MaxText)); err != nil {
		t.Error(err)
	}
	if _, err := Decode(strings.Repeat("z", MaxText+1)); err == nil {
		t.Error("a text that is too long was decoded")
	}
}

// Bytes of every length that keys and signatures have come back.
func TestThereAndBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 8))
	for n := range 100 {
		for range 20 {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			clear(b[:rng.IntN(n+1)])
			if got, err := Decode(Encode(b)); err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%x comes back as %x (%v)", b, got, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("11233QC4")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := Decode(text)
		if err != nil {
			return
		}
		if got := Encode(b); got != text {
			t.Fatalf("%q is %x, which is %q", text, b, got)
		}
	})
}
