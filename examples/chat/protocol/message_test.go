package protocol

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"nym-socks5/mixnet"
)

const addressText = "GyGKxMyg1p9SsHfm15MkNUu1u9TN2JtTspcdmrtGUdse.EuHtd9yCn95edmJqLKFeyXeoPw9nPzp1HTwdJEWEw9YL@EdmxWPmx2WH6WgFfTdu9xfkYf3k1g5wD1zccTVySEEh1"

var (
	address, _ = mixnet.ParseRecipientText(addressText)
	alice      = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	bob        = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	bobKey     = Key(bob.Public().(ed25519.PublicKey))
	at         = time.UnixMilli(1_764_590_400_123)
	helloID    = ID(bytes.Repeat([]byte{7}, 16))
	card       = Card{address, "Zoë"}
)

var examples = []struct {
	name string
	body Body
}{
	{"hello", Hello{card}},
	{"accept", Accept{helloID, card}},
	{"card", card},
	{"text", Text("good evening,\n\tBob 🌒")},
	{"received", Received{helloID, ID{15: 1}}},
	{"file", File{70_000, [32]byte{31: 9}, "holiday snaps.tar"}},
	{"chunk", Chunk{helloID, 2, []byte{0, 1, 254, 255}}},
	{"have", Have{helloID, 1, 1<<63 | 5}},
	{"end", End{helloID, Declined}},
}

func target(b Body) Target {
	if b.Kind() == KindHello {
		return ToAddress(address)
	}
	return ToKey(bobKey)
}

func seal(t testing.TB, b Body) []byte {
	t.Helper()
	out, err := Seal(alice, target(b), Message{ID: ID{1, 2, 3}, Time: at, Body: b})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMessages(t *testing.T) {
	for _, e := range examples {
		b := seal(t, e.body)
		m, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", e.name, err)
			continue
		}
		want := Message{Key(alice.Public().(ed25519.PublicKey)), ID{1, 2, 3}, at, e.body}
		if !reflect.DeepEqual(m.Message, want) {
			t.Errorf("%s parses as %+v, want %+v", e.name, m.Message, want)
		}
		if !m.Verify(target(e.body)) {
			t.Errorf("%s: its own signature is not taken", e.name)
		}
		if m.Verify(ToKey(m.From)) {
			t.Errorf("%s: may be passed on to others", e.name)
		}
		for bit := range 8 * len(b) {
			bad := bytes.Clone(b)
			bad[bit/8] ^= 1 << (bit % 8)
			if m, err := Parse(bad); err == nil && m.Verify(target(e.body)) {
				t.Errorf("%s: bit %d can be changed", e.name, bit)
			}
		}
		for n := range b {
			if m, err := Parse(b[:n]); err == nil && m.Verify(target(e.body)) {
				t.Errorf("%s: can be cut to %d bytes", e.name, n)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	sign := func(kind Kind, body []byte) []byte {
		b := seal(t, Text("x"))
		b = append(b[:HeadSize:HeadSize], body...)
		b[4] = byte(kind)
		return append(b, ed25519.Sign(alice, signed(ToKey(bobKey), b))...)
	}
	with := func(at int, v byte) []byte {
		b := seal(t, Text("x"))
		b[at] = v
		return b
	}
	id := make([]byte, 16)
	file := append(append(make([]byte, 6), 1, 0), make([]byte, 32)...)
	for name, b := range map[string][]byte{
		"empty":                  nil,
		"head alone":             seal(t, Text("x"))[:HeadSize],
		"another magic":          with(0, 'N'),
		"version 2":              with(3, 2),
		"after the year 9999":    with(53, 1),
		"kind 0":                 sign(0, []byte("x")),
		"kind 10":                sign(10, []byte("x")),
		"no text":                sign(KindText, nil),
		"long text":              sign(KindText, bytes.Repeat([]byte("x"), MaxText+1)),
		"text with an escape":    sign(KindText, []byte("\x1b[2J")),
		"text with a C1":         sign(KindText, []byte("\u009b2J")),
		"text with a return":     sign(KindText, []byte("a\rb")),
		"text of no UTF-8":       sign(KindText, []byte{0xff}),
		"no receipts":            sign(KindReceived, nil),
		"half a receipt":         sign(KindReceived, make([]byte, 24)),
		"too many receipts":      sign(KindReceived, make([]byte, 16*(MaxReceipts+1))),
		"hello without a name":   sign(KindHello, []byte(addressText)),
		"hello, empty name":      sign(KindHello, []byte(addressText+"\n")),
		"hello, no address":      sign(KindHello, []byte("\nZoë")),
		"hello, name of lines":   sign(KindHello, []byte(addressText+"\na\nb")),
		"hello, name reversed":   sign(KindHello, []byte(addressText+"\nalice\u202egpj")),
		"hello, long name":       sign(KindHello, []byte(addressText+"\n"+strings.Repeat("x", MaxName+1))),
		"hello, blanks":          sign(KindHello, []byte(addressText+"\n Zoë")),
		"accept of nothing":      sign(KindAccept, id[:15]),
		"file, short":            sign(KindFile, file),
		"file of nothing":        sign(KindFile, append(make([]byte, 40), 'a')),
		"file too long":          sign(KindFile, append(append(append(make([]byte, 4), 0x40, 0, 0, 1), make([]byte, 32)...), 'a')),
		"file in a folder":       sign(KindFile, append(file, "../a"...)),
		"file of the folder":     sign(KindFile, append(file, ".."...)),
		"file, Windows' folder":  sign(KindFile, append(file, `a\b`...)),
		"file, name with a zero": sign(KindFile, append(file, "a\x00b"...)),
		"chunk of nothing":       sign(KindChunk, append(id, 0, 0, 0, 1)),
		"chunk too long":         sign(KindChunk, make([]byte, 20+ChunkSize+1)),
		"chunk beyond":           sign(KindChunk, append(id, 0, 0, 0x80, 0, 1)),
		"have, short":            sign(KindHave, make([]byte, 27)),
		"have, long":             sign(KindHave, make([]byte, 29)),
		"have too much":          sign(KindHave, append(append(id, 0, 0, 0x80, 1), make([]byte, 8)...)),
		"end, short":             sign(KindEnd, id),
		"end without a reason":   sign(KindEnd, append(id, 0)),
		"end, another reason":    sign(KindEnd, append(id, 5)),
		"too long":               make([]byte, MaxSize+1),
	} {
		if m, err := Parse(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: parses as %+v, %v, want ErrMalformed", name, m.Message, err)
		}
	}
	if (Sealed{}).Verify(Target{}) {
		t.Error("the zero message verifies")
	}
	for _, b := range []Body{Text(""), Received{}, Card{address, ""}, Card{Name: "x"}, Chunk{}, File{Size: 1}, End{}, Have{Below: 1 << 30}} {
		if _, err := Seal(alice, Target{}, Message{Body: b, Time: at}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%#v is sealed: %v", b, err)
		}
	}
	if _, err := Seal(alice, Target{}, Message{Body: Text("x"), Time: time.UnixMilli(-1)}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a time before 1970 is sealed: %v", err)
	}
}

func TestChunks(t *testing.T) {
	for _, c := range []struct {
		size   uint64
		chunks uint32
		last   int
	}{{1, 1, 1}, {ChunkSize, 1, ChunkSize}, {ChunkSize + 1, 2, 1}, {MaxFile, MaxFile / ChunkSize, ChunkSize}} {
		f := File{Size: c.size}
		if f.Chunks() != c.chunks || f.ChunkLen(c.chunks-1) != c.last || f.ChunkLen(c.chunks) != 0 || c.chunks > 1 && f.ChunkLen(0) != ChunkSize {
			t.Errorf("%d bytes: %d chunks, the last of %d", c.size, f.Chunks(), f.ChunkLen(c.chunks-1))
		}
	}
}

func TestCards(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Card
		err  error
	}{
		{card.String(), card, nil},
		{" " + card.String() + "\n", card, nil},
		{addressText, Card{Address: address}, nil},
		{scheme + addressText, Card{Address: address}, nil},
		{scheme + addressText + "?name=a+b%26c", Card{address, "a b&c"}, nil},
		{scheme + addressText + "?name=a&more=b", Card{address, "a"}, nil}, // of a later version
		{"", Card{}, ErrMalformed},
		{scheme, Card{}, ErrMalformed},
		{"http:" + addressText, Card{}, ErrMalformed},
		{addressText + "?name=a", Card{}, ErrMalformed},
		{scheme + addressText + "?name=%0a", Card{}, ErrMalformed},
		{scheme + addressText + "?name=%e2%80%ae", Card{}, ErrMalformed},
		{scheme + addressText + "?name=%zz", Card{}, ErrMalformed},
		{scheme + addressText + "?name=" + strings.Repeat("x", 65), Card{}, ErrMalformed},
		{scheme + addressText + "?x=" + strings.Repeat("x", 512), Card{}, ErrMalformed},
	} {
		if got, err := ParseCard(c.in); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q parses as %+v, %v, want %+v, %v", c.in, got, err, c.want, c.err)
		}
	}
	id := NewID()
	text, _ := id.MarshalText()
	var again ID
	if err := again.UnmarshalText(text); again != id || err != nil {
		t.Errorf("id %v parses as %v, %v", id, again, err)
	}
	key := new(Key)
	text, _ = bobKey.MarshalText()
	if err := key.UnmarshalText(text); *key != bobKey || err != nil {
		t.Errorf("key %v parses as %v, %v", bobKey, key, err)
	}
	for _, s := range []string{"", "00", strings.Repeat("g", 32), strings.Repeat("0", 34)} {
		if err := again.UnmarshalText([]byte(s)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q is an id: %v", s, err)
		}
	}
}

// A vector is a message as programs in other languages must make it: Ed25519
// signatures are the same each time.
type vector struct {
	Name      string `json:"name"`
	Seed      string `json:"seed"`   // the sender's private key, as RFC 8032 has it
	Target    string `json:"target"` // for whom it is signed
	ID        string `json:"id"`
	Time      int64  `json:"time"`
	Kind      Kind   `json:"kind"`
	Body      string `json:"body"`
	Message   string `json:"message"`
	Recipient string `json:"recipient,omitempty"` // of a Hello: the address that Target is made of
}

var write = flag.Bool("write", false, "write testdata/vectors.json")

func TestVectors(t *testing.T) {
	var all []vector
	for _, e := range examples {
		b, to := seal(t, e.body), target(e.body)
		v := vector{
			e.name, hex.EncodeToString(alice.Seed()), hex.EncodeToString(to[:]), ID{1, 2, 3}.String(), at.UnixMilli(),
			e.body.Kind(), hex.EncodeToString(e.body.append(nil)), hex.EncodeToString(b), "",
		}
		if e.body.Kind() == KindHello {
			v.Recipient = addressText
		}
		all = append(all, v)
	}
	got, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/vectors.json"
	if *write {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Error("messages are not what testdata/vectors.json says: other programs would not read them")
	}
}

func FuzzParse(f *testing.F) {
	for _, e := range examples {
		f.Add(seal(f, e.body))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := Parse(in)
		if err != nil {
			return
		}
		out, err := Seal(alice, Target{}, m.Message)
		if err != nil {
			t.Fatalf("%x parses and cannot be sealed: %v", in, err)
		}
		copy(out[5:], m.From[:])
		if n := len(in) - ed25519.SignatureSize; !bytes.Equal(in[:n], out[:n]) {
			t.Fatalf("%x encodes back as %x", in[:n], out[:n])
		}
	})
}

func FuzzParseCard(f *testing.F) {
	f.Add(card.String())
	f.Add(addressText)
	f.Fuzz(func(t *testing.T, in string) {
		c, err := ParseCard(in)
		if err != nil || c.Name == "" {
			return
		}
		if again, err := ParseCard(c.String()); again != c || err != nil {
			t.Fatalf("%q parses as %+v, which is %q and parses as %+v, %v", in, c, c.String(), again, err)
		}
	})
}
