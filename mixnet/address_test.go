package mixnet

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet/keys"
)

// The example of sphinx.md §10 E.
const (
	exampleText = "GyGKxMyg1p9SsHfm15MkNUu1u9TN2JtTspcdmrtGUdse.EuHtd9yCn95edmJqLKFeyXeoPw9nPzp1HTwdJEWEw9YL@EdmxWPmx2WH6WgFfTdu9xfkYf3k1g5wD1zccTVySEEh1"
	exampleHex  = "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1" +
		"ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59" +
		"ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c"
)

func TestRecipientOfTheSpec(t *testing.T) {
	seed := func(b byte) (s [32]byte) {
		copy(s[:], bytes.Repeat([]byte{b}, 32))
		return s
	}
	want := Recipient{
		Identity:   keys.IdentityKeyFromSeed(seed(3)).Public(),
		Encryption: keys.EncryptionKeyFromBytes(seed(2)).Public(),
		Gateway:    keys.IdentityKeyFromSeed(seed(4)).Public(),
	}
	if got, err := ParseRecipientText(exampleText); err != nil || got != want {
		t.Errorf("text parses as %v, %v, want %v", got, err, want)
	}
	if got, err := ParseRecipient(vectest.Unhex(t, exampleHex)); err != nil || got != want {
		t.Errorf("bytes parse as %v, %v, want %v", got, err, want)
	}
	if want.String() != exampleText {
		t.Errorf("prints as %v, want %s", want, exampleText)
	}
	if want.IsZero() || !(Recipient{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

// sphinx.md §4.5: "Exactly one `@` and one `.`; each part must decode to 32
// bytes; no surrounding white space."
func TestParseRecipientTextRefuses(t *testing.T) {
	id, rest, _ := strings.Cut(exampleText, ".")
	enc, gw, _ := strings.Cut(rest, "@")
	for _, s := range []string{
		"", "@", ".@", id, id + "." + enc, id + "@" + gw, id + "@" + enc + "." + gw,
		exampleText + "@" + gw, id + "." + exampleText, exampleText + "." + gw,
		" " + exampleText, exampleText + " ", exampleText + "\n", id + " ." + enc + "@" + gw,
		"." + enc + "@" + gw, id + ".@" + gw, id + "." + enc + "@",
		id[2:] + "." + enc + "@" + gw, id + "." + enc[2:] + "@" + gw, id + "." + enc + "@" + gw[:20],
		"1" + exampleText, id + "." + enc + "@1" + gw,
		strings.Replace(exampleText, "G", "0", 1), strings.Replace(exampleText, "G", "l", 1), strings.Replace(exampleText, "G", "é", 1),
		strings.Repeat("1", 1<<20),
	} {
		if r, err := ParseRecipientText(s); !errors.Is(err, ErrMalformed) || !r.IsZero() {
			t.Errorf("%.200q: %v, %v, want ErrMalformed", s, r, err)
		}
	}
}

// sphinx.md §4.5: "Both ed25519 parts must decompress to a curve point ... and
// the x25519 part is not examined"
func TestParseRecipient(t *testing.T) {
	good := vectest.Unhex(t, exampleHex)
	with := func(at int, part []byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], part)
		return b
	}
	noPoint := append([]byte{2}, make([]byte, 31)...) // y = 2 is on no point
	zero := make([]byte, 32)                          // a point of order 4
	beyond := bytes.Repeat([]byte{0xff}, 32)          // y >= p: 2^255-1 is 18
	beyond[0], beyond[31] = 0xee, 0x7f                // y = p + 1, the neutral element
	for _, c := range []struct {
		name string
		in   []byte
		err  error
	}{
		{"good", good, nil},
		{"encryption key of low order", with(32, zero), nil},
		{"encryption key beyond p", with(32, bytes.Repeat([]byte{0xff}, 32)), nil},
		{"identity of small order", with(0, zero), nil},
		{"gateway of small order", with(64, zero), nil},
		{"identity beyond p", with(0, beyond), nil},
		{"identity on no point", with(0, noPoint), ErrMalformed},
		{"gateway on no point", with(64, noPoint), ErrMalformed},
		{"empty", nil, ErrMalformed},
		{"short", good[:95], ErrMalformed},
		{"long", append(bytes.Clone(good), 0), ErrMalformed},
	} {
		r, err := ParseRecipient(c.in)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		if err != nil {
			continue
		}
		if out, _ := r.AppendBinary(nil); !bytes.Equal(out, c.in) {
			t.Errorf("%s: encodes back as %x, want %x", c.name, out, c.in)
		}
		if again, err := ParseRecipientText(r.String()); err != nil || again != r {
			t.Errorf("%s: its text parses as %v, %v", c.name, again, err)
		}
	}
}

func TestSenderTag(t *testing.T) {
	a, b := NewSenderTag(), NewSenderTag()
	if !(SenderTag{}).IsZero() || a.IsZero() || a == b {
		t.Error("tags are not drawn")
	}
	// messages.json: base58 of a tag of the reference
	tag := SenderTag(vectest.Unhex(t, "8e064ebc2b91ad412082ee329175a39f"))
	if got, want := tag.String(), "JYCBmtpSaRR6n6pSRp28u4"; got != want {
		t.Errorf("tag prints as %s, want %s", got, want)
	}
	for _, want := range []SenderTag{tag, {15: 1}, {0: 255, 15: 255}, SenderTag(bytes.Repeat([]byte{255}, 16))} {
		if got, err := ParseSenderTagText(want.String()); err != nil || got != want {
			t.Errorf("%v parses as %v, %v", want, got, err)
		}
	}
	for _, s := range []string{"", "1", "JYCBmtpSaRR6n6pSRp28", "JYCBmtpSaRR6n6pSRp28u4z", "0YCBmtpSaRR6n6pSRp28u4", " JYCBmtpSaRR6n6pSRp28u", strings.Repeat("z", 22), strings.Repeat("1", 1<<20)} {
		if got, err := ParseSenderTagText(s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.40q parses as %v, %v, want ErrMalformed", s, got, err)
		}
	}
}

func FuzzParseRecipient(f *testing.F) {
	f.Add(vectest.Unhex(f, exampleHex))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := ParseRecipient(in)
		if err != nil {
			return
		}
		if out, _ := r.AppendBinary(nil); !bytes.Equal(in, out) {
			t.Fatalf("%x encodes back as %x", in, out)
		}
	})
}

func FuzzParseRecipientText(f *testing.F) {
	f.Add(exampleText)
	f.Fuzz(func(t *testing.T, in string) {
		if r, err := ParseRecipientText(in); err == nil && r.String() != in {
			t.Fatalf("%q prints as %v", in, r)
		}
	})
}

func FuzzParseSenderTagText(f *testing.F) {
	f.Add("JYCBmtpSaRR6n6pSRp28u4")
	f.Fuzz(func(t *testing.T, in string) {
		if tag, err := ParseSenderTagText(in); err == nil && tag.String() != in {
			t.Fatalf("%q prints as %v", in, tag)
		}
	})
}
