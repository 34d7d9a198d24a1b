package directory

import (
	"errors"
	"math"
	"time"
)

// A Schedule numbers the time: epochs of equal length, and rotations of Sphinx
// keys that span a number of epochs each (nodes.md §3.7). It is a pure function
// of the clock, so that all who know it agree.
//
//	        │ epoch First │ First+1 │ First+2 │ …
//	Start ──┘             each Duration long
//	rotation = (epoch - Initial) / Validity
type Schedule struct {
	Start    time.Time     // when epoch First began
	First    uint32        // an epoch's number
	Initial  uint32        // the epoch in which rotation 0 began, at most First
	Duration time.Duration // of an epoch
	Validity uint32        // epochs of a rotation
}

// DefaultSchedule is that of the public network. It never gives rotation 0,
// which packets cannot name.
func DefaultSchedule() Schedule {
	return Schedule{
		Start:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		First:    DefaultValidity,
		Duration: DefaultEpoch,
		Validity: DefaultValidity,
	}
}

// IsZero reports whether s is the zero Schedule: none known.
func (s Schedule) IsZero() bool { return s == Schedule{} }

// Check reports what is wrong with a schedule.
func (s Schedule) Check() error {
	switch {
	case s.Duration < time.Second || s.Duration%time.Second != 0:
		return errors.New("directory: an epoch lasts a whole number of seconds, at least one")
	case s.Duration > maxEpoch:
		return errors.New("directory: an epoch lasts at most a year")
	case s.Validity == 0 || s.Validity > maxValidity:
		return errors.New("directory: a rotation lasts between 1 and 1000000 epochs")
	case s.Initial > s.First:
		return errors.New("directory: rotation 0 begins after the first epoch")
	case s.Start.IsZero():
		return errors.New("directory: the schedule has no start")
	}
	return nil
}

// Epoch gives the number of the epoch that t lies in. Before Start it is First.
func (s Schedule) Epoch(t time.Time) uint32 {
	if !t.After(s.Start) {
		return s.First
	}
	n := uint64(t.Sub(s.Start)/s.Duration) + uint64(s.First)
	return uint32(min(n, math.MaxUint32))
}

// EpochStart gives the time at which an epoch begins. Epochs before First begin
// at Start.
func (s Schedule) EpochStart(epoch uint32) time.Time {
	n := time.Duration(max(epoch, s.First) - s.First)
	if n > math.MaxInt64/s.Duration {
		return s.Start.Add(math.MaxInt64)
	}
	return s.Start.Add(n * s.Duration)
}

// Rotation gives the number of the rotation that an epoch belongs to.
func (s Schedule) Rotation(epoch uint32) uint32 {
	return (max(epoch, s.Initial) - s.Initial) / s.Validity
}

// rotationEpochs gives the first and the last epoch of a rotation.
func (s Schedule) rotationEpochs(rotation uint32) (first, last uint32) {
	f := uint64(s.Initial) + uint64(rotation)*uint64(s.Validity)
	l := f + uint64(s.Validity) - 1
	return uint32(min(f, math.MaxUint32)), uint32(min(l, math.MaxUint32))
}

// Held says which rotations a node has keys for at a time: the current one, and
// beside it the next during the epoch before it begins, or the one before
// during the first epoch after that (nodes.md §3.7). Where a rotation lasts one
// epoch only, the next one is announced and the old one dropped early.
func (s Schedule) Held(t time.Time) (current uint32, other uint32, hasOther bool) {
	epoch := s.Epoch(t)
	current = s.Rotation(epoch)
	first, last := s.rotationEpochs(current)
	switch {
	case epoch == last && current < math.MaxUint32-1:
		return current, current + 1, true
	case epoch == first && current > 0:
		return current, current - 1, true
	}
	return current, 0, false
}
