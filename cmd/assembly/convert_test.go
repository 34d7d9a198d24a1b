package assembly

import (
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/keys"
)

// oldState makes a state folder of version 1 with these files.
func oldState(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["version"] = "1"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func keyFile(t *testing.T, k *keys.IdentityKey) string {
	t.Helper()
	seed := k.Seed()
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "NYM IDENTITY KEY", Bytes: seed[:]})))
}

// A folder of version 1 is the same instance afterwards, is converted once, and its
// files are gone: some have keys.
func TestStateOfVersion1(t *testing.T) {
	var g []string
	for range 4 {
		g = append(g, keys.NewIdentityKey().Public().String())
	}
	second := keys.NewIdentityKey()
	dir := oldState(t, map[string]string{
		"gateways": `{"version":1,"gateways":[{"gateway":"` + g[0] + `","key":"identity-2.pem"},{"gateway":"` + g[1] + `","key":"identity.pem","missing":"2026-05-01T12:00:00Z"},` +
			`{"gateway":"` + g[2] + `","key":"identity-3.pem"}],"tried":[{"gateway":"` + g[3] + `","at":"2026-04-30T12:00:00Z"}]}`,
		"identity.pem":    keyFile(t, keys.NewIdentityKey()),
		"identity-2.pem":  keyFile(t, second),
		"requester":       "somebody",
		"directory-head":  "{}",
		"announcement":    "17",
		"sphinx-ring.pem": "ring",
		"sphinx-in-use":   "key",
	})
	for round := range 2 {
		s, fresh, err := cli.OpenState(dir, Upgrade)
		if err != nil || fresh {
			t.Fatalf("fresh %v, %v", fresh, err)
		}
		records := Records(s)
		for name, want := range map[string]string{"requester": "somebody", "head": "{}", "announcement": "17", "sphinx-ring": "ring", "sphinx-in-use": "key"} {
			if got, err := endpoint.Text(t.Context(), records, name, 1); got != want || err != nil {
				t.Errorf("record %s is %q, %v; want %q", name, got, err, want)
			}
		}
		entries, err := endpoint.LoadEntries(t.Context(), records)
		if err != nil || len(entries.List) != 3 {
			t.Fatalf("entries %+v, %v", entries, err)
		}
		for i, e := range entries.List {
			if e.Gateway.String() != g[i] {
				t.Errorf("entry %d is %v, want %s", i, e.Gateway, g[i])
			}
		}
		if id := entries.List[0].Identity(); id == nil || id.Public() != second.Public() {
			t.Error("the first gateway would know us by another identity")
		}
		if entries.List[1].Identity() != nil {
			t.Error("the second gateway would know us by another identity than the instance's own")
		}
		for _, o := range old {
			if _, err := os.Stat(s.Path(o.file)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there: %v", o.file, err)
			}
		}
		if _, err := os.Stat(s.Path("identity-2.pem")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a key that stands in a record lies about: %v", err)
		}
		if _, err := os.Stat(s.Path("identity.pem")); err != nil {
			t.Errorf("the instance's own key: %v", err)
		}
		if round == 0 { // cut off before the last files were removed
			if err := s.WriteText("requester", "another"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Programs that stay at one gateway had it in a file of its own.
func TestOneGatewayOfVersion1(t *testing.T) {
	want := keys.NewIdentityKey().Public()
	s, _, err := cli.OpenState(oldState(t, map[string]string{"gateway": want.String()}), Upgrade)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	records := Records(s)
	entries, err := endpoint.LoadEntries(t.Context(), records)
	if err != nil || len(entries.List) != 1 || entries.List[0].Gateway != want || entries.List[0].Identity() != nil {
		t.Errorf("entries %+v, %v", entries, err)
	}
}

// What cannot be converted stays as it is, and is said.
func TestBrokenStateOfVersion1(t *testing.T) {
	id := keys.NewIdentityKey().Public().String()
	for _, text := range []string{
		"{", `{"version":0}`, `{"version":2}`, `{"version":1,"gateways":[{"gateway":"x","key":"identity.pem"}]}`,
		`{"version":1,"gateways":[{"gateway":"` + id + `","key":"../../x"}]}`,
		`{"version":1,"gateways":[{},{},{},{}]}`,
		`{"version":1,"tried":[{"gateway":"x"}]}`,
	} {
		dir := oldState(t, map[string]string{"gateways": text})
		if _, _, err := cli.OpenState(dir, Upgrade); !errors.Is(err, config.ErrInvalid) {
			t.Errorf("%s: got %v, want an error of the settings", text, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "gateways")); err != nil || strings.TrimSpace(string(b)) != text {
			t.Errorf("%s: afterwards the file holds %q, %v", text, b, err)
		}
	}
}
