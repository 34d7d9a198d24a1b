package directory

import (
	"slices"
	"time"
)

const (
	// settlingPeriod is the time between snapshots while a network comes together.
	settlingPeriod = 2 * time.Second
	// settledAfter is how long nobody must have come or gone for the network to
	// be there, settledWithin how long that is waited for.
	settledAfter  = 10 * time.Second
	settledWithin = 5 * time.Minute
)

// A pace chooses the cadence of each snapshot. While a network comes together,
// nobody wants to wait a period for each node that joins, and who asks is few;
// later everybody asks once a period. Each snapshot says when the next one comes,
// so that all who follow the directory change their pace with it.
//
//	gathering ──routable──▶ settling ──nobody comes or goes──▶ settled
//	    ▲                        └──────── packets cannot cross ───┤
//	    └──────────────────────────────────────────────────────────┘
type pace struct {
	usual, quick cadence

	settled  bool
	routable time.Time // since when; zero: it is not
	changed  time.Time // when somebody came or went last
	before   *View     // that was looked at last
}

func newPace(usual cadence) pace {
	quick := usual
	if quick.period > settlingPeriod {
		quick = cadence{settlingPeriod, settlingPeriod / 2}
	}
	return pace{usual: usual, quick: quick}
}

// of gives the cadence of a snapshot of v that is issued now. A network that is whole
// when the directory starts has been there before.
func (p *pace) of(v *View, now time.Time) cadence {
	before := p.before
	p.before = v
	switch {
	case !v.routable():
		p.settled, p.routable = false, time.Time{}
	case before == nil:
		p.settled = true
	case p.settled:
	case p.routable.IsZero():
		p.routable, p.changed = now, now
	default:
		if !sameParties(before, v) {
			p.changed = now
		}
		p.settled = now.Sub(p.changed) >= settledAfter || now.Sub(p.routable) >= settledWithin
	}
	if p.settled {
		return p.usual
	}
	return p.quick
}

// sameParties reports whether two views have the same nodes and requesters.
func sameParties(a, b *View) bool {
	return slices.EqualFunc(a.Nodes, b.Nodes, func(a, b Node) bool { return a.Identity == b.Identity }) &&
		slices.EqualFunc(a.Requesters, b.Requesters, func(a, b Requester) bool { return a.Identity == b.Identity })
}
