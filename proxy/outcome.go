package proxy

import "time"

// A phase is how far the opening of a stream has come.
type phase uint8

const (
	phaseAsked  phase = iota // nothing heard yet
	phaseClosed              // closed at once; perhaps the reason follows
	phaseOpen
	phaseFailed
)

// outcome reads from what a requester sends whether it could connect
// (socks.md §9.3). Its stream's lock guards it.
//
//	          data, or a close behind data
//	asked ─────────────────────────────────▶ open
//	  │ empty close, seq 0      failure message or 2 s
//	  ├──────────────▶ closed ───────────────────────────▶ failed
//	  └───────────────── failure message, no answer ──────────┘
type outcome struct {
	phase  phase
	reason Reason    // if failed
	until  time.Time // when waiting ends: for the answer if asked, for the reason if closed; zero: never
}

// data notes a data message. mayExplain says whether the requester is one that
// might send a reason.
func (o *outcome) data(now time.Time, seq uint64, closed, unnumbered, empty, mayExplain bool) {
	if o.phase != phaseAsked {
		return
	}
	switch {
	case unnumbered:
		o.fail(ReasonUnknown)
	case !closed || seq > 0 || !empty:
		o.phase = phaseOpen
	case mayExplain:
		o.phase, o.until = phaseClosed, now.Add(reasonWait)
	default:
		o.fail(ReasonUnknown)
	}
}

// failure notes a failure message. It reports whether it was to be expected;
// one that arrives on an open stream is not.
func (o *outcome) failure(r Reason) bool {
	if o.phase == phaseOpen {
		return false
	}
	if o.phase != phaseFailed {
		o.fail(r)
	}
	return true
}

// tick lets time pass.
func (o *outcome) tick(now time.Time) {
	if o.until.IsZero() || now.Before(o.until) {
		return
	}
	switch o.phase {
	case phaseAsked:
		o.fail(ReasonNoAnswer)
	case phaseClosed:
		o.fail(ReasonUnknown)
	}
}

// next says when to call tick; zero: never.
func (o *outcome) next() time.Time {
	if o.phase == phaseAsked || o.phase == phaseClosed {
		return o.until
	}
	return time.Time{}
}

func (o *outcome) fail(r Reason) { o.phase, o.reason = phaseFailed, r }
