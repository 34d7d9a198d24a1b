package directory

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 15, 12, 0, 0, 0, time.UTC)

// hourly has epochs of an hour and rotations of 4 of them: epoch 100, the first
// of rotation 25, begins at noon.
var hourly = Schedule{Start: noon, First: 100, Duration: time.Hour, Validity: 4}

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		after    time.Duration
		epoch    uint32
		rotation uint32
		other    uint32 // 0: none
	}{
		{-time.Hour, 100, 25, 24}, // before the start: the first epoch
		{0, 100, 25, 24},
		{time.Hour - 1, 100, 25, 24},
		{time.Hour, 101, 25, 0},
		{3*time.Hour - 1, 102, 25, 0},
		{3 * time.Hour, 103, 25, 26},
		{4 * time.Hour, 104, 26, 25},
		{5 * time.Hour, 105, 26, 0},
		{1000 * time.Hour, 1100, 275, 274},
	} {
		at := noon.Add(c.after)
		epoch := hourly.Epoch(at)
		if epoch != c.epoch || hourly.Rotation(epoch) != c.rotation {
			t.Errorf("after %v: epoch %d of rotation %d, want %d of %d", c.after, epoch, hourly.Rotation(epoch), c.epoch, c.rotation)
		}
		current, other, ok := hourly.Held(at)
		if current != c.rotation || ok != (c.other != 0) || ok && other != c.other {
			t.Errorf("after %v: keys of %d and %d (%v) are held, want %d and %d", c.after, current, other, ok, c.rotation, c.other)
		}
		if start := hourly.EpochStart(epoch); c.after >= 0 && (start.After(at) || at.Sub(start) >= time.Hour) {
			t.Errorf("after %v: the epoch began at %v", c.after, start)
		}
	}
	if first, last := hourly.rotationEpochs(26); first != 104 || last != 107 {
		t.Errorf("rotation 26 spans %d to %d", first, last)
	}
}

// nodes.md §3.7: "rotation id = (absolute epoch − initial epoch) / validity_epochs (integer division)"
func TestRotationNumber(t *testing.T) {
	s := Schedule{Start: noon, First: 8760, Initial: 10, Duration: time.Hour, Validity: 24}
	if got := s.Rotation(8760); got != 364 {
		t.Errorf("rotation %d, want 364", got)
	}
	if got := defaultSchedule(); got.Rotation(got.First) == 0 {
		t.Error("the default schedule has rotation 0, which packets cannot name")
	}
}

// nodes.md §4.4: "epoch_duration must be > 0", "Avoid gigantic validity_epochs"
func TestScheduleRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Schedule){
		"no start":          func(s *Schedule) { s.Start = time.Time{} },
		"no duration":       func(s *Schedule) { s.Duration = 0 },
		"parts of a second": func(s *Schedule) { s.Duration = 1500 * time.Millisecond },
		"no validity":       func(s *Schedule) { s.Validity = 0 },
		"gigantic validity": func(s *Schedule) { s.Validity = 2_000_000 },
		"initial too late":  func(s *Schedule) { s.Initial = s.First + 1 },
		"endless epoch":     func(s *Schedule) { s.Duration = 1000 * 24 * time.Hour },
	} {
		s := hourly
		spoil(&s)
		if s.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := hourly.check(); err != nil {
		t.Error(err)
	}
}

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
	r := NewKeyring()
	r.Advance(hourly, noon.Add(3*time.Hour))
	before := r.announced()
	if dropped := r.Replace(); len(dropped) != 2 {
		t.Fatalf("dropped %d keys, want both", len(dropped))
	}
	after := r.announced()
	for i := range before {
		if after[i].Rotation != before[i].Rotation || after[i].Key == before[i].Key {
			t.Errorf("rotation %d: %v is announced, was %v", after[i].Rotation, after[i].Key, before[i].Key)
		}
	}
	// And the directory takes another key for a rotation that has one.
	reg, now := newTestRegistry(), noon
	id := newTestNode(reg, RoleMixnode)
	id.announce(t, reg, now)
	old := reg.view(now, now).Nodes[0].Sphinx
	id.said.Sphinx = []RotationKey{{25, after[0].Key}}
	id.announce(t, reg, now.Add(time.Second))
	if got := reg.view(now, now).Nodes[0].Sphinx; got == old || got != after[0].Key {
		t.Errorf("the topology has %v, want %v", got, after[0].Key)
	}
}
