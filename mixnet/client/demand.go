package client

import "time"

// A demand says how often the main stream sends where its pace follows what is to be
// sent (H33): a requester answers many at a time, and its packets would wait for slots.
//
//	slowest ──something is said, or a stream opens──▶ 4 × ──no slot was free──▶ 16 × ──▶ 64 ×
//	   ▲                                                      for a while          │
//	   └────────── ten minutes in which a slower pace would have sufficed ◀────────┘
//
// There are few steps, each for many minutes, so that whoever sees the pace
// learns little more than that somebody is served. Within a step intervals are
// exponential, whether there are data or cover (H02).
type demand struct {
	slowest time.Duration // mean interval; zero: the pace does not follow
	step    int
	full    time.Time // since when no slot was free; zero: the last was
	slower  [paceSteps - 1]slowerPace
}

// A slowerPace is what would have become of the data at a pace that is slower.
type slowerPace struct {
	waiting float64   // packets
	at      time.Time // of that
	short   time.Time // when it last did not suffice; zero: never
}

// every is the mean interval now.
func (d *demand) every() time.Duration { return d.slowest >> (2 * d.step) }

// opened notes that somebody begins a conversation. It reports whether the pace changes.
func (d *demand) opened(now time.Time) bool {
	if d.slowest == 0 {
		return false
	}
	d.slower[0].short = now
	return d.climb(now, 1)
}

// data notes that a slot was used, and free that it was not needed. They report
// whether the pace changes.
func (d *demand) data(now time.Time) (changed bool) {
	if d.slowest == 0 {
		return false
	}
	d.slower[0].short = now
	for i := 1; i < len(d.slower); i++ {
		d.slower[i].add(now, d.slowest>>(2*i))
	}
	if d.full.IsZero() {
		d.full = now
	}
	if d.step > 0 && d.step < paceSteps-1 && now.Sub(d.full) >= paceFull {
		d.slower[d.step].short = now
		return d.climb(now, d.step+1)
	}
	return d.climb(now, 1)
}

func (d *demand) free() { d.full = time.Time{} }

func (d *demand) climb(now time.Time, step int) (changed bool) {
	if step <= d.step {
		return false
	}
	d.step, d.full = step, now
	return true
}

// add adds a packet to those that wait for slots of an interval.
func (s *slowerPace) add(now time.Time, every time.Duration) {
	s.waiting = max(0, s.waiting-float64(now.Sub(s.at))/float64(every)) + 1
	s.at = now
	if most := float64(paceFull) / float64(every); s.waiting >= most {
		s.waiting, s.short = most, now
	}
}

// turn lets time pass, and reports whether the pace changes: down to the one that has
// sufficed for long.
func (d *demand) turn(now time.Time) (changed bool) {
	for d.step > 0 {
		if now.Sub(d.slower[d.step-1].short) < paceQuiet {
			break
		}
		d.step--
		changed = true
	}
	return changed
}
