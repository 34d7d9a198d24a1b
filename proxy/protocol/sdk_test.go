package protocol

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// The vectors are frames of Nym's SDK, see testdata/README.md.
func TestSDKVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/sdk-streams.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		ID     uint64
		Kind   SDKKind
		Number uint32
		Data   string
		Frame  string
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatal("no vectors")
	}
	for _, row := range rows {
		data, err := hex.DecodeString(row.Data)
		if err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(row.Frame)
		if err != nil {
			t.Fatal(err)
		}
		f := SDKFrame{StreamID(row.ID), row.Kind, row.Number, data}
		if got, err := f.AppendBinary(nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v encodes as %x, %v; want %x", f, got, err, want)
		}
		if got, err := ParseSDKFrame(want); err != nil || got.ID != f.ID || got.Kind != f.Kind || got.Number != f.Number || !bytes.Equal(got.Data, data) {
			t.Errorf("%x parses as %+v, %v; want %+v", want, got, err, f)
		}
	}
}

// sdk-streams.md: "a message of another kind, unknown type or fewer than 16 bytes is dropped".
func TestParseSDKFrame(t *testing.T) {
	const good = "0300" + "0011223344556677" + "01" + "0000002a" + "00" + "aa"
	for name, change := range map[string]struct {
		at   int
		to   byte
		want error
	}{
		"good":                 {16, 0xbb, nil},
		"another kind":         {0, 0, ErrMalformed},
		"registration":         {0, 1, ErrMalformed},
		"kind beyond a byte":   {1, 1, ErrMalformed},
		"an unknown type":      {10, 2, ErrMalformed},
		"a reserved byte used": {15, 1, ErrMalformed},
	} {
		b, err := hex.DecodeString(good)
		if err != nil {
			t.Fatal(err)
		}
		b[change.at] = change.to
		if _, err := ParseSDKFrame(b); !errors.Is(err, change.want) {
			t.Errorf("%s: %v, want %v", name, err, change.want)
		}
	}
	for n := range SDKHeaderSize {
		if _, err := ParseSDKFrame(make([]byte, n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := (SDKFrame{Kind: 2}).AppendBinary(nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("a kind that there is not was encoded: %v", err)
	}
}

func FuzzParseSDKFrame(f *testing.F) {
	for _, frame := range []SDKFrame{{ID: 1}, {ID: 1 << 63, Kind: SDKData, Number: 7, Data: []byte("data")}} {
		b, err := frame.AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		frame, err := ParseSDKFrame(in)
		if err != nil {
			return
		}
		if out, err := frame.AppendBinary(nil); err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%x parses as %+v, which encodes as %x, %v", in, frame, out, err)
		}
	})
}
