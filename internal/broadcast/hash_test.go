package broadcast

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

type vector struct {
	Kind           Kind
	Name, Tx, Hash string
	Proofs         int // where they begin, which are not taken apart; zero: there are none
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/transactions.json")
	var file struct{ Transactions []vector }
	if err != nil || json.Unmarshal(b, &file) != nil || len(file.Transactions) < 4 {
		t.Fatalf("the vectors cannot be read: %v", err)
	}
	return file.Transactions
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Transactions of real wallets are called what their chains call them.
func TestHashVectors(t *testing.T) {
	for _, v := range vectors(t) {
		tx := unhex(t, v.Tx)
		h, err := v.Kind.Hash(tx)
		if err != nil || v.Kind.Text(h) != v.Hash {
			t.Errorf("%s, %s: got %s, %v; want %s", v.Kind, v.Name, v.Kind.Text(h), err, v.Hash)
		}
		if back, err := ParseHash(v.Hash); err != nil || back != h {
			t.Errorf("%s is read as %x, %v", v.Hash, back, err)
		}
		for n := range tx { // whoever loses the end of one is told
			if _, err := v.Kind.Hash(tx[:n]); err == nil && (v.Proofs == 0 || n <= v.Proofs) {
				t.Errorf("%s, %s: the first %d bytes of %d are a transaction", v.Kind, v.Name, n, len(tx))
			}
		}
		if _, err := v.Kind.Hash(append(slices.Clone(tx), 0)); err == nil && v.Proofs == 0 {
			t.Errorf("%s, %s: one byte more is a transaction", v.Kind, v.Name)
		}
	}
}

// A witness is no part of a transaction's id, and blobs none of its hash.
func TestHashesLeaveOut(t *testing.T) {
	bare := "01000000" + "01" + strings.Repeat("11", 36) + "00" + "ffffffff" + "01" + "0100000000000000" + "00" + "00000000"
	of := func(witness string) string {
		return bare[:8] + "0001" + bare[8:len(bare)-8] + witness + bare[len(bare)-8:]
	}
	want, err := Bitcoin.Hash(unhex(t, bare))
	if err != nil {
		t.Fatal(err)
	}
	for _, witness := range []string{"00", "0101aa", "02" + "00" + "02bbbb", "01fdfd00" + strings.Repeat("cc", 0xfd)} {
		if got, err := Bitcoin.Hash(unhex(t, of(witness))); err != nil || got != want {
			t.Errorf("witness %.10s: got %x, %v; want %x", witness, got, err, want)
		}
	}
	for _, witness := range []string{"", "01", "0102aa", "01fd0100aa", "fe00000001", "ff0000000000000001"} {
		if got, err := Bitcoin.Hash(unhex(t, of(witness))); !errors.Is(err, ErrMalformed) {
			t.Errorf("witness %q: got %x", witness, got)
		}
	}

	body := "c3010203"
	want, err = Ethereum.Hash(unhex(t, "03"+body))
	if err != nil || want != keccak(unhex(t, "03"+body)) {
		t.Fatalf("got %x, %v", want, err)
	}
	if got, err := Ethereum.Hash(unhex(t, "03"+"c7"+body+"c0c0c0")); err != nil || got != want {
		t.Errorf("with blobs: got %x, %v; want %x", got, err, want)
	}
	if got, err := Ethereum.Hash(unhex(t, "02"+"c7"+body+"c0c0c0")); err != nil || got == want {
		t.Errorf("another type has no blobs: got %x, %v", got, err)
	}
}

func TestHashesRefuse(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		tx   string
	}{
		{Bitcoin, ""}, {Ethereum, ""}, {Monero, ""}, {Post, ""}, {"dogecoin", "00"},
		{Bitcoin, "01000000" + "00" + "00" + "00000000"},          // no input
		{Bitcoin, "01000000" + "ffffffffffffffffff" + "00000000"}, // more inputs than bytes
		{Ethereum, "80"}, {Ethereum, "b8"}, {Ethereum, "00"}, {Ethereum, "01"}, {Ethereum, "0180"},
		{Ethereum, "f800"}, {Ethereum, "f80101"}, {Ethereum, "f9000101"}, {Ethereum, "ffffffffffffffffff"}, {Ethereum, "c100c0"},
		{Monero, "0200"}, {Monero, "030001ff00000000"}, {Monero, "0200" + "01" + "05" + "00000000"},
		{Monero, "0200" + "01ff00" + "01" + "00" + "05" + strings.Repeat("11", 32) + "0000"}, // an unknown output
		{Monero, "0200" + "01ff00" + "00" + "00" + "07"},                                     // an unknown signature
		{Monero, "0200" + "01ff00" + "00" + "00" + "0000"},                                   // none, and more
		{Monero, "0200" + "01ff00" + "00" + "00" + "0600"},                                   // no proofs
		{Monero, "8000" + "00" + "01ff00" + "00" + "00" + "00"},                              // a number that could be shorter
		{Monero, "0200" + "ffffffffffffffffff01"},
	} {
		if h, err := c.kind.Hash(unhex(t, c.tx)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s %s: got %x, %v", c.kind, c.tx, h, err)
		}
	}
	// The reward of a block, with no signature.
	if _, err := Monero.Hash(unhex(t, "023c01ff7901c0843d03"+strings.Repeat("11", 33)+"0200ff"+"00")); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "0x", strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("x", 64), "0X" + strings.Repeat("0", 64)} {
		if _, err := ParseHash(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q is read as a hash", bad)
		}
	}
}

// Whatever comes is a transaction or is not, and one that is has one hash.
func FuzzHash(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(string(v.Kind), unhex(f, v.Tx))
	}
	f.Fuzz(func(t *testing.T, kind string, tx []byte) {
		before := slices.Clone(tx)
		h, err := Kind(kind).Hash(tx)
		if err != nil && (!errors.Is(err, ErrMalformed) || h != Hash{}) {
			t.Fatalf("%s %x: got %x, %v", kind, tx, h, err)
		}
		if !slices.Equal(before, tx) {
			t.Fatalf("%s %x was changed into %x", kind, before, tx)
		}
	})
}
