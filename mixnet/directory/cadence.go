package directory

import (
	"errors"
	"time"
)

// A Cadence says when a directory publishes: a snapshot comes into force at
// each multiple of the period, and at each start of an epoch, and is there to
// be fetched the lead before that.
//
//	        issued      valid-after             issued      valid-after
//	──────────┼─────────────┼─────────────────────┼─────────────┼──▶
//	          └──── lead ───┘                     └──── lead ───┘
//	                        └───────────── period ──────────────┘
type Cadence struct {
	Period, Lead time.Duration
}

// Check reports what is wrong with a cadence.
func (c Cadence) Check() error {
	switch {
	case c.Period < minPeriod || c.Period > maxPeriod:
		return errors.New("directory: the period is between a second and a day")
	case c.Lead <= 0 || c.Lead >= c.Period:
		return errors.New("directory: the lead is shorter than the period")
	}
	return nil
}

// Next gives the first moment after t at which a snapshot comes into force.
func (c Cadence) Next(t time.Time, s Schedule) time.Time {
	at := t.Truncate(c.Period).Add(c.Period)
	if s.IsZero() || t.Before(s.Start) {
		return at
	}
	if e := s.EpochStart(s.Epoch(t) + 1); e.Before(at) && e.After(t) {
		return e
	}
	return at
}
