package announce

import (
	"slices"
	"testing"
	"time"

	"nym-socks5/mixnet/directory"
)

var noon = time.Date(2026, 5, 15, 12, 0, 0, 0, time.UTC)

// hourly has epochs of an hour and rotations of 4 of them: epoch 100, the first
// of rotation 25, begins at noon.
var hourly = directory.Schedule{Start: noon, First: 100, Duration: time.Hour, Validity: 4}

// nodes.md §3.7: "at start of epoch E−1 generate and pre-announce key r; at E
// make it the current key and keep the old one; at E+1 destroy the old key"
func TestKeyring(t *testing.T) {
	r := NewKeyring()
	if _, _, err := r.Keys(); err == nil {
		t.Error("an empty ring gives keys")
	}
	at := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
	if changed, _ := r.Advance(hourly, at(0)); !changed {
		t.Fatal("a new ring stays empty")
	}
	first, other, err := r.Keys()
	if err != nil || first.Rotation != 25 || other.Key != nil {
		t.Fatalf("a new node has keys of %d and %v, %v", first.Rotation, other.Key, err)
	}
	if changed, _ := r.Advance(hourly, at(2)); changed {
		t.Error("the ring changes in the middle of a rotation")
	}

	changed, dropped := r.Advance(hourly, at(3))
	current, next, _ := r.Keys()
	if !changed || len(dropped) != 0 || current != first || next.Rotation != 26 || next.Key == nil {
		t.Fatalf("an epoch ahead: changed %v, dropped %d, next of %d", changed, len(dropped), next.Rotation)
	}
	if a := r.announced(); len(a) != 2 || a[1].Key != next.Key.Public() || a[1].Rotation != 26 {
		t.Errorf("announced %v, want both", a)
	}

	changed, dropped = r.Advance(hourly, at(4))
	current, old, _ := r.Keys()
	if !changed || len(dropped) != 0 || current != next || old != first {
		t.Fatalf("at the change: changed %v, dropped %d, current of %d, other of %d", changed, len(dropped), current.Rotation, old.Rotation)
	}
	if a := r.announced(); len(a) != 1 || a[0].Key != next.Key.Public() {
		t.Errorf("announced %v, want the current one only", a)
	}

	changed, dropped = r.Advance(hourly, at(5))
	if _, other, _ = r.Keys(); !changed || len(dropped) != 1 || dropped[0] != first.Key || other.Key != nil {
		t.Fatalf("an epoch later: changed %v, dropped %d", changed, len(dropped))
	}

	// Asleep for a week: one new key, the old one gone.
	changed, dropped = r.Advance(hourly, at(170))
	if current, _, _ = r.Keys(); !changed || len(dropped) != 1 || current.Rotation != 67 {
		t.Fatalf("after a week: changed %v, dropped %d, current of %d", changed, len(dropped), current.Rotation)
	}
}

func TestKeyringStored(t *testing.T) {
	r := NewKeyring()
	r.Advance(hourly, noon.Add(3*time.Hour))
	a, b, _ := r.Keys()
	again := NewKeyring(a, b)
	if changed, dropped := again.Advance(hourly, noon.Add(3*time.Hour)); changed || len(dropped) != 0 {
		t.Error("stored keys of the right rotations are not kept")
	}
	if c, d, _ := again.Keys(); c != a || d != b {
		t.Error("stored keys changed")
	}
}

// hardening.md H18: "After an unclean end that may have lost some, the node
// takes a new Sphinx key and refuses the old."
func TestH18ReplacedKeysAreAnnounced(t *testing.T) {
	first := NewKeyring()
	first.Advance(hourly, noon.Add(3*time.Hour))
	before := first.announced()
	a, b, err := first.Keys()
	if err != nil || b.Key == nil {
		t.Fatalf("keys %+v, %+v, %v", a, b, err)
	}
	for name, kept := range map[string][]SphinxKey{"the current": {b}, "the next": {a}, "both": nil} {
		r := NewKeyring(kept...) // the others' logs were lost
		if changed, dropped := r.Advance(hourly, noon.Add(3*time.Hour)); !changed || len(dropped) != 0 {
			t.Errorf("%s lost: changed %v, dropped %d", name, changed, len(dropped))
		}
		after := r.announced()
		for i := range before {
			same := slices.ContainsFunc(kept, func(k SphinxKey) bool { return k.Rotation == before[i].Rotation })
			if after[i].Rotation != before[i].Rotation || (after[i].Key == before[i].Key) != same {
				t.Errorf("%s lost: rotation %d: %v is announced, was %v", name, after[i].Rotation, after[i].Key, before[i].Key)
			}
		}
	}
}
