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
	if got := DefaultSchedule(); got.Rotation(got.First) == 0 {
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
		if s.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := hourly.Check(); err != nil {
		t.Error(err)
	}
}
