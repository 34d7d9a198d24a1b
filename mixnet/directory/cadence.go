package directory

import (
	"errors"
	"time"
)

// A cadence says when a directory publishes: a snapshot comes into force at
// each multiple of the period, and at each start of an epoch, and is there to
// be fetched the lead before that.
//
//	        issued      valid-after             issued      valid-after
//	──────────┼─────────────┼─────────────────────┼─────────────┼──▶
//	          └──── lead ───┘                     └──── lead ───┘
//	                        └───────────── period ──────────────┘
type cadence struct {
	period, lead time.Duration
}

func (c cadence) check() error {
	switch {
	case c.period < time.Second || c.period > 24*time.Hour:
		return errors.New("directory: the period is between a second and a day")
	case c.lead <= 0 || c.lead >= c.period:
		return errors.New("directory: the lead is shorter than the period")
	}
	return nil
}

// next gives the first moment after t at which a snapshot comes into force.
func (c cadence) next(t time.Time, s Schedule) time.Time {
	at := t.Truncate(c.period).Add(c.period)
	if s.IsZero() || t.Before(s.Start) {
		return at
	}
	if e := s.EpochStart(s.Epoch(t) + 1); e.Before(at) && e.After(t) {
		return e
	}
	return at
}
