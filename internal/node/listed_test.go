package node

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

func openListed(p place, k *keys.SphinxKey) (*Listed, error) { return OpenListed(p.dir, p.records, k) }

// see has a key's log remember a packet, and gives those that it had.
func see(t *testing.T, log mixnode.ReplayLog, tags ...mixnode.ReplayTag) (before []mixnode.ReplayTag) {
	t.Helper()
	if err := errors.Join(log.Load(func(tag mixnode.ReplayTag) { before = append(before, tag) }), log.Append(tags)); err != nil {
		t.Fatal(err)
	}
	return before
}

// hardening.md H18: "After an unclean end that may have lost some, the node takes
// a new Sphinx key and refuses the old."
func TestH18KeyWithoutItsReplayLogIsRefused(t *testing.T) {
	s, key, seen := newPlace(t), keys.NewSphinxKey(), mixnode.ReplayTag{1, 2, 3}
	l, err := openListed(s, key)
	if err != nil {
		t.Fatalf("a new key: %v", err)
	}
	see(t, l.Keys().Primary.Log, seen)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = openListed(s, key); err != nil {
		t.Fatalf("the same key again: %v", err)
	}
	if got := see(t, l.Keys().Primary.Log); !slices.Equal(got, []mixnode.ReplayTag{seen}) {
		t.Errorf("remembered %x, want %x", got, seen)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before := logs(t, s)
	if len(before) != 1 {
		t.Fatalf("logs %q, want one", before)
	}
	if err := os.Remove(before[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := openListed(s, key); !errors.Is(err, ErrLogLost) || !strings.Contains(err.Error(), "renew-key sphinx") {
		t.Errorf("a key whose log is gone: %v, want a refusal that says what to do", err)
	}
	// Another key begins anew, and the log of the one before is removed.
	if err := os.WriteFile(before[0], []byte("half a log"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err = openListed(s, keys.NewSphinxKey()); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if after := logs(t, s); len(after) != 1 || after[0] == before[0] {
		t.Errorf("logs %q, want that of the new key only", after)
	}
}

// A key that was renewed is used for a day more, with what was seen under it, and
// then it and its log are gone.
func TestRenewedKeyIsUsedAWhileLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, old, own, seen := newPlace(t), keys.NewSphinxKey(), keys.NewSphinxKey(), mixnode.ReplayTag{7}
		l, err := openListed(s, old)
		if err != nil {
			t.Fatal(err)
		}
		see(t, l.Keys().Primary.Log, seen)
		if err := errors.Join(l.Close(), KeepPrevious(s.records, old, time.Now().Add(PreviousFor))); err != nil {
			t.Fatal(err)
		}
		for range 2 { // two starts with the new key
			if l, err = openListed(s, own); err != nil {
				t.Fatal(err)
			}
			k := l.Keys()
			if !k.Primary.Key.Equal(own) || k.Secondary.Key == nil || !k.Secondary.Key.Equal(old) || k.Secondary.Rotation != mixnode.NoRotation {
				t.Fatalf("the node has %+v", k)
			}
			if got := see(t, k.Secondary.Log); !slices.Equal(got, []mixnode.ReplayTag{seen}) {
				t.Errorf("of the key before %x is remembered, want %x", got, seen)
			}
			see(t, k.Primary.Log)
			if p, err := Previous(s.records); p != old.Public() || err != nil {
				t.Errorf("the key before is %v, %v", p, err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if l, err = openListed(s, own); err != nil {
			t.Fatal(err)
		}
		see(t, l.Keys().Primary.Log)
		see(t, l.Keys().Secondary.Log)
		ctx, stop := context.WithCancel(t.Context())
		var now mixnode.Keys
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx, func(k mixnode.Keys) error { now = k; return nil }) }()
		time.Sleep(PreviousFor + time.Second)
		synctest.Wait()
		if err := <-ended; err != nil || now.Secondary.Key != nil || !now.Primary.Key.Equal(own) {
			t.Errorf("after a day the node has %+v, %v", now, err)
		}
		stop()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if n := len(logs(t, s)); n != 1 {
			t.Errorf("%d logs, want one", n)
		}
		// hardening.md H36: "Retired Sphinx keys are ... removed from disk"
		if r, err := s.records.Load(t.Context(), previousRecord); err != nil || len(r.Body) != 0 {
			t.Errorf("the record still holds %q, %v", r.Body, err)
		}
	})
}

// A key before whose time is over, or whose log is lost, is not used.
func TestH18KeyBeforeWithoutItsLogIsForgotten(t *testing.T) {
	for _, lost := range []bool{false, true} {
		s, old := newPlace(t), keys.NewSphinxKey()
		l, err := openListed(s, old)
		if err != nil {
			t.Fatal(err)
		}
		see(t, l.Keys().Primary.Log, mixnode.ReplayTag{7})
		until := time.Now().Add(-time.Second)
		if lost {
			until = until.Add(PreviousFor)
		}
		if err := errors.Join(l.Close(), KeepPrevious(s.records, old, until)); err != nil {
			t.Fatal(err)
		}
		if lost {
			if err := os.Remove(logs(t, s)[0]); err != nil {
				t.Fatal(err)
			}
		}
		if l, err = openListed(s, keys.NewSphinxKey()); err != nil {
			t.Fatal(err)
		}
		if l.Keys().Secondary.Key != nil {
			t.Errorf("lost %v: the key before is used", lost)
		}
		if err := errors.Join(l.Run(t.Context(), nil), l.Close()); err != nil {
			t.Error(err)
		}
		if n := len(logs(t, s)); n != 1 {
			t.Errorf("lost %v: %d logs, want one", lost, n)
		}
	}
}

func TestRenewedNoiseKeyIsUsedAWhileLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, old := newPlace(t), keys.NewNoiseKey()
		if err := KeepPreviousNoise(s.records, old, time.Now().Add(PreviousFor)); err != nil {
			t.Fatal(err)
		}
		if k, err := PreviousNoise(s.records); err != nil || k == nil || k.Public() != old.Public() {
			t.Errorf("got %v, %v", k, err)
		}
		time.Sleep(PreviousFor + time.Second)
		if k, err := PreviousNoise(s.records); err != nil || k != nil {
			t.Errorf("after its time: %v, %v", k, err)
		}
		if r, err := s.records.Load(t.Context(), noiseRecord); err != nil || len(r.Body) != 0 {
			t.Errorf("the record still holds %q, %v", r.Body, err)
		}
	})
}

func TestBrokenRecords(t *testing.T) {
	for _, name := range []string{sequenceRecord, ringRecord, previousRecord, noiseRecord} {
		s := newPlace(t)
		if err := Check(s.records); err != nil {
			t.Errorf("no records: %v", err)
		}
		if err := save(s.records, name, []byte("nonsense")); err != nil {
			t.Fatal(err)
		}
		if err := Check(s.records); !errors.Is(err, endpoint.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParsePrevious(f *testing.F) {
	s := endpoint.NewMemoryStore()
	if err := KeepPrevious(s, keys.NewSphinxKey(), time.Unix(1_800_000_000, 0)); err != nil {
		f.Fatal(err)
	}
	r, err := s.Load(f.Context(), previousRecord)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.Body)
	f.Fuzz(func(t *testing.T, in []byte) {
		if p, err := parsePrevious(in); err == nil && (p.key == nil || p.until.IsZero()) {
			t.Errorf("%q is read as %+v", bytes.TrimSpace(in), p)
		}
	})
}
