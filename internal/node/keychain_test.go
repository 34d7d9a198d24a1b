package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet/directory/announce"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

// A place is where a node keeps keys and logs.
type place struct {
	dir     string
	records *endpoint.MemoryStore
}

func newPlace(t *testing.T) place { return place{t.TempDir(), endpoint.NewMemoryStore()} }

func openKeychain(p place) (*Keychain, error) { return OpenKeychain(p.dir, p.records) }

func ring(rotation uint32) announce.SphinxKey {
	return announce.SphinxKey{Rotation: rotation, Key: keys.NewSphinxKey()}
}

// logs lists the replay logs in a state folder.
func logs(t *testing.T, s place) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.dir, "replay-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKeychainFollowsTheRing(t *testing.T) {
	s := newPlace(t)
	k, err := openKeychain(s)
	if err != nil {
		t.Fatal(err)
	}
	var got []mixnode.Keys
	var refuse error
	attach := func() error {
		return k.Attach(t.Context(), func(first mixnode.Keys) (func(mixnode.Keys) error, error) {
			got = append(got, first)
			return func(next mixnode.Keys) error {
				if refuse == nil {
					got = append(got, next)
				}
				return refuse
			}, nil
		})
	}
	a, b := ring(7), ring(8)
	if err := k.Use(a, announce.SphinxKey{}); err != nil {
		t.Fatal(err)
	}
	if err := attach(); err != nil {
		t.Fatal(err)
	}
	if err := k.Use(a, b); err != nil {
		t.Fatal(err)
	}
	refuse = errors.New("not now") // and then the ring tries again
	if err := k.Use(b, a); !errors.Is(err, refuse) {
		t.Errorf("got %v, want the engine's refusal", err)
	}
	refuse = nil
	if err := k.Use(b, a); err != nil {
		t.Fatal(err)
	}
	if n := len(logs(t, s)); n != 2 {
		t.Errorf("%d replay logs for two keys", n)
	}
	if err := k.Use(b, announce.SphinxKey{}); err != nil {
		t.Fatal(err)
	}
	want := []struct{ primary, secondary announce.SphinxKey }{{primary: a}, {a, b}, {b, a}, {primary: b}}
	if len(got) != len(want) {
		t.Fatalf("the engine got keys %d times, want %d", len(got), len(want))
	}
	for i, w := range want {
		if got[i].Primary.Key != w.primary.Key || got[i].Primary.Rotation != w.primary.Rotation || got[i].Primary.Log == nil ||
			got[i].Secondary.Key != w.secondary.Key || (w.secondary.Key != nil) != (got[i].Secondary.Log != nil) {
			t.Errorf("%d: the engine got %+v, want %+v", i, got[i], w)
		}
	}
	// hardening.md H36: "Retired Sphinx keys are ... removed from disk"
	text, err := endpoint.Text(t.Context(), k.records, ringRecord, recordVersion)
	if err != nil || strings.Count(text, "BEGIN") != 1 || !strings.Contains(text, "Rotation: 8") {
		t.Errorf("on disk: %s, %v", text, err)
	}
	if n := len(logs(t, s)); n != 1 {
		t.Errorf("%d replay logs for one key", n)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}

	// The next life has the key that is left.
	k, err = openKeychain(s)
	if err != nil {
		t.Fatal(err)
	}
	if current, _, err := k.Ring.Keys(); err != nil || !current.Key.Equal(b.Key) || current.Rotation != 8 {
		t.Errorf("after a restart: %+v, %v", current, err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

// hardening.md H18: "After an unclean end that may have lost some, the node takes
// a new Sphinx key and refuses the old."
func TestH18RegisteredNodeDropsKeysWithoutLogs(t *testing.T) {
	s := newPlace(t)
	k, err := openKeychain(s)
	if err != nil {
		t.Fatal(err)
	}
	a, b := ring(7), ring(8)
	if err := errors.Join(k.Use(a, b), k.Close()); err != nil {
		t.Fatal(err)
	}
	for i, path := range logs(t, s) { // one is gone, one is damaged
		if i == 0 {
			err = os.Remove(path)
		} else {
			err = os.Truncate(path, 3)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if k, err = openKeychain(s); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if current, _, err := k.Ring.Keys(); err == nil {
		t.Errorf("the ring still has a key for rotation %d", current.Rotation)
	}
	if left := logs(t, s); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestKeychainWithoutKeysWaits(t *testing.T) {
	k, err := openKeychain(newPlace(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	err = k.Attach(ctx, func(mixnode.Keys) (func(mixnode.Keys) error, error) {
		t.Error("built without keys")
		return nil, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRingFileOfOthers(t *testing.T) {
	s := newPlace(t)
	records := s.records
	good := ringText([]announce.SphinxKey{ring(1), ring(2)})
	if held, err := parseRing(good); err != nil || len(held) != 2 {
		t.Fatalf("got %v, %v", held, err)
	}
	for _, bad := range []string{
		"nonsense", good + "\nmore", strings.Replace(good, "Rotation: 1", "Rotation: x", 1), strings.Replace(good, "Rotation", "Rotatoin", 1),
		strings.ReplaceAll(good, "SPHINX", "NOISE"), good + "\n" + good, strings.Replace(good, "Rotation: 1", "Rotation: 01", 1),
	} {
		if err := records.Save(t.Context(), ringRecord, endpoint.Record{Version: recordVersion, Body: []byte(bad)}); err != nil {
			t.Fatal(err)
		}
		if _, err := openKeychain(s); !errors.Is(err, endpoint.ErrDamaged) {
			t.Errorf("%v for\n%s", err, bad)
		}
	}
}

func FuzzParseRing(f *testing.F) {
	f.Add(ringText([]announce.SphinxKey{ring(1), ring(4294967295)}))
	f.Fuzz(func(t *testing.T, in string) {
		held, err := parseRing(in)
		if err != nil {
			return
		}
		if out := ringText(held); out != in {
			t.Fatalf("%q came back as %q", in, out)
		}
	})
}

// A start with the keys of the record writes nothing: it would wait for a disk.
func TestKeychainWritesWhatChanged(t *testing.T) {
	s := newPlace(t)
	stored := func() string {
		t.Helper()
		text, err := endpoint.Text(t.Context(), s.records, ringRecord, recordVersion)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	a, b := ring(7), ring(8)
	k, err := openKeychain(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Use(a, b), k.Close()); err != nil {
		t.Fatal(err)
	}
	writes := &countedStore{Store: s.records}
	if k, err = OpenKeychain(s.dir, writes); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for range 2 {
		if err := k.Use(a, b); err != nil {
			t.Fatal(err)
		}
	}
	if writes.saved != 0 {
		t.Errorf("%d writes of what the record has", writes.saved)
	}
	if err := k.Use(b, announce.SphinxKey{}); err != nil {
		t.Fatal(err)
	}
	if got := stored(); writes.saved != 1 || got != ringText([]announce.SphinxKey{b}) {
		t.Errorf("%d writes of a change, the record is %q", writes.saved, got)
	}
}

// A countedStore counts what is saved.
type countedStore struct {
	endpoint.Store
	saved int
}

func (c *countedStore) Save(ctx context.Context, name string, r endpoint.Record) error {
	c.saved++
	return c.Store.Save(ctx, name, r)
}
