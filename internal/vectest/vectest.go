package vectest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Read reads the JSON file testdata/name of the package under test into v. The
// test ends where it cannot.
func Read(tb testing.TB, name string, v any) {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		tb.Fatalf("testdata/%s: %v", name, err)
	}
}

// Hex is bytes that a JSON file writes in hexadecimal.
type Hex []byte

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// Unhex gives the bytes that s writes in hexadecimal, with spaces where they help
// the reader. The test ends where s writes none.
func Unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// Unhex32 does so with 32 bytes.
func Unhex32(tb testing.TB, s string) [32]byte {
	tb.Helper()
	b := Unhex(tb, s)
	if len(b) != 32 {
		tb.Fatalf("%s is %d bytes, not 32", s, len(b))
	}
	return [32]byte(b)
}

// Sum gives the SHA-256 of b in hexadecimal, which stands in vectors for bytes
// that would be long.
func Sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
