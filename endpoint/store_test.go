package endpoint_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"nym-socks5/endpoint"
	"nym-socks5/endpoint/storetest"
)

func TestMemoryStore(t *testing.T) {
	storetest.Store(t, func(*testing.T) func() endpoint.Store {
		s := endpoint.NewMemoryStore()
		return func() endpoint.Store { return s }
	})
}

func TestFolder(t *testing.T) {
	storetest.Store(t, func(t *testing.T) func() endpoint.Store {
		dir := t.TempDir()
		return func() endpoint.Store { return endpoint.NewFolder(filepath.Join(dir, "records")) }
	})
}

// A file that is none of ours, or another record under this name, is refused: the
// endpoint would be somebody else.
func TestFolderRefusesWhatItDidNotWrite(t *testing.T) {
	f := endpoint.NewFolder(t.TempDir())
	write := func(text string, mode os.FileMode) error {
		t.Helper()
		os.Remove(f.Path("keys"))
		if err := os.WriteFile(f.Path("keys"), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		_, err := f.Load(t.Context(), "keys")
		return err
	}
	if err := write("nym-socks5 record keys 1\nbody", 0o600); err != nil {
		t.Errorf("a record: %v", err)
	}
	for _, text := range []string{
		"", "\n", "body", "nym-socks5 record keys 1", "nym-socks5 record keys 0\n", "nym-socks5 record keys -1\n", "nym-socks5 record keys 01\n",
		"nym-socks5 record keys x\n", "nym-socks5 record entries 1\nbody", "nym-socks5 record keys 1 \n", "nym-socks5 record keys 99999999999999999999\n",
	} {
		if err := write(text, 0o600); !errors.Is(err, endpoint.ErrDamaged) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// hardening.md H36: "Key files readable by others are refused"
	if err := write("nym-socks5 record keys 1\nbody", 0o644); err == nil {
		t.Error("a record that others can read was taken")
	}
}
