package fragment

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"nym-socks5/internal/vectest"
)

func TestParseID(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      ID
		err       error
	}{
		{"first of set 12345", "0000303901", ID{12345, 1}, nil},
		{"largest", "7fffffffff", ID{MaxSet, 255}, nil},
		{"cover", "0000000000", ID{}, nil},
		{"position 0", "0000000100", ID{Set: 1}, nil},
		// sphinx.md §5.3: "set id < 0 invalid"
		{"negative set", "8000000001", ID{}, ErrMalformed},
		{"short", "00003039", ID{}, ErrMalformed},
		{"long", "000030390100", ID{}, ErrMalformed},
		{"empty", "", ID{}, ErrMalformed},
	} {
		got, err := ParseID(vectest.Unhex(t, c.hex))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %+v, %v, want %+v, %v", c.name, got, err, c.want, c.err)
		}
		if err == nil {
			if out, _ := got.AppendBinary(nil); hex.EncodeToString(out) != c.hex {
				t.Errorf("%s: encodes as %x, want %s", c.name, out, c.hex)
			}
		}
		if got.IsCover() != (got.Pos == 0) {
			t.Errorf("%s: IsCover is %v", c.name, got.IsCover())
		}
	}
}

func TestParseHeader(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      Header
		n         int
		err       error
	}{
		{"alone", "80003039010100", Header{Set: 12345, Total: 1, Pos: 1}, 7, nil},
		{"alone, with payload", "80003039010100ffff", Header{Set: 12345, Total: 1, Pos: 1}, 7, nil},
		{"last of 255", "80003039ffff00", Header{Set: 12345, Total: 255, Pos: 255}, 7, nil},
		// sphinx.md §10 D
		{"linked forward", "80003039ffff8000d431", Header{Set: 12345, Total: 255, Pos: 255, Next: 54321}, 10, nil},
		{"linked back", "800030390a018000d431", Header{Set: 12345, Total: 10, Pos: 1, Prev: 54321}, 10, nil},
		{"linked back, alone", "8000303901018000d431", Header{Set: 12345, Total: 1, Pos: 1, Prev: 54321}, 10, nil},
		{"linked back, first of 255", "80003039ff018000d431", Header{Set: 12345, Total: 255, Pos: 1, Prev: 54321}, 10, nil},

		// sphinx.md §5.4: "≥ 7 bytes; top bit of byte 0 set; set id > 0; total ≠ 0; current ≠ 0; current ≤ total"
		{"short", "800030390101", Header{}, 0, ErrMalformed},
		{"no top bit", "00003039010100", Header{}, 0, ErrMalformed},
		{"set 0", "80000000010100", Header{}, 0, ErrMalformed},
		{"total 0", "80003039000100", Header{}, 0, ErrMalformed},
		{"position 0", "80003039010000", Header{}, 0, ErrMalformed},
		{"position beyond total", "80003039010200", Header{}, 0, ErrMalformed},
		// "If linked: ≥ 10 bytes, top bit of byte 6 set, linked id > 0 and ≠ set id"
		{"linked, short", "80003039ffff8000d4", Header{}, 0, ErrMalformed},
		{"link without top bit", "80003039ffff0100d431", Header{}, 0, ErrMalformed},
		{"link to set 0", "80003039ffff80000000", Header{}, 0, ErrMalformed},
		{"link to itself", "80003039ffff80003039", Header{}, 0, ErrMalformed},
		// "if current == 1 → previous; else if total == current == 255 → next; else malformed"
		{"link in the middle", "80003039ff028000d431", Header{}, 0, ErrMalformed},
		{"link behind 254 of 254", "80003039fefe8000d431", Header{}, 0, ErrMalformed},
	} {
		got, n, err := ParseHeader(vectest.Unhex(t, c.hex))
		if got != c.want || n != c.n || !errors.Is(err, c.err) {
			t.Errorf("%s: got %+v, %d, %v, want %+v, %d, %v", c.name, got, n, err, c.want, c.n, c.err)
		}
		if err == nil {
			if out, err := got.AppendBinary(nil); err != nil || hex.EncodeToString(out) != c.hex[:2*n] {
				t.Errorf("%s: encodes as %x, %v, want %s", c.name, out, err, c.hex[:2*n])
			}
		}
	}
}

func TestAppendHeaderRefuses(t *testing.T) {
	for _, h := range []Header{
		{},
		{Set: MaxSet + 1, Total: 1, Pos: 1},
		{Set: 1, Total: 1, Pos: 2},
		{Set: 1, Total: 255, Pos: 255, Prev: 2},
		{Set: 1, Total: 254, Pos: 254, Next: 2},
		{Set: 1, Total: 255, Pos: 255, Next: MaxSet + 1},
		{Set: 1, Total: 1, Pos: 1, Prev: 1},
	} {
		if b, err := h.AppendBinary([]byte("x")); !errors.Is(err, ErrMalformed) || string(b) != "x" {
			t.Errorf("%+v encodes as %x, %v, want ErrMalformed", h, b, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		id, err := ParseID(in)
		if err != nil {
			return
		}
		if out, _ := id.AppendBinary(nil); !bytes.Equal(in, out) {
			t.Fatalf("%x parses as %+v, which encodes as %x", in, id, out)
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte{0x80, 0, 0x30, 0x39, 1, 1, 0, 'h', 'i'})
	f.Add([]byte{0x80, 0, 0x30, 0x39, 255, 255, 0x80, 0, 0xd4, 0x31})
	f.Add([]byte{0x80, 0, 0x30, 0x39, 7, 1, 0x80, 0, 0xd4, 0x31, 5})
	f.Fuzz(func(t *testing.T, in []byte) {
		h, n, err := ParseHeader(in)
		if err != nil {
			return
		}
		out, err := h.AppendBinary(nil)
		if err != nil || !bytes.Equal(in[:n], out) {
			t.Fatalf("%x parses as %+v, which encodes as %x, %v", in, h, out, err)
		}
	})
}
