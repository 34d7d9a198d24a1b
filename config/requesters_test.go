package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An address alone, as the files before had it, several, and the word auto.
func TestRequesters(t *testing.T) {
	const a = "5MmTrj7Agsu1giCXXfd6Qx6b9TJWnLjoF1tn4qERTnwS.5MmTrj7Agsu1giCXXfd6Qx6b9TJWnLjoF1tn4qERTnwS@5MmTrj7Agsu1giCXXfd6Qx6b9TJWnLjoF1tn4qERTnwS"
	for text, want := range map[string][]string{
		`requester = ""`:                         nil,
		`requester = "auto"`:                     nil,
		`requester = ["auto"]`:                   nil,
		`requester = "` + a + `"`:                {a},
		`requester = ["` + a + `", "` + a + `"]`: {a, a},
	} {
		path := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(path, []byte("version = 1\n[socks]\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := NewSOCKS()
		if err := Load(path, c); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := c.Front.Requester.Named(); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		again := NewSOCKS()
		if err := os.WriteFile(path, Template("nym-socks5", c, NewSOCKS()), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Load(path, again); err != nil || !slices.Equal(again.Front.Requester.Named(), want) {
			t.Errorf("%s: written and read again: %q, %v", text, again.Front.Requester, err)
		}
	}
	for text, want := range map[string]string{
		`requester = 7`:                     "7 is no address",
		`requester = ["` + a + `", "auto"]`: "one or the other",
		`requester = "somebody"`:            "socks.requester",
	} {
		path := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(path, []byte("version = 1\n[socks]\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := NewSOCKS()
		err := Load(path, c)
		if err == nil {
			err = c.Check()
		}
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", text, err, want)
		}
	}
}
