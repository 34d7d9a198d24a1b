package dirserver

import (
	"slices"
	"time"

	"nym-socks5/mixnet/directory"
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
	usual, quick directory.Cadence

	settled  bool
	routable time.Time       // since when; zero: it is not
	changed  time.Time       // when somebody came or went last
	before   *directory.View // that was looked at last
}

func newPace(usual directory.Cadence) pace {
	quick := usual
	if quick.Period > settlingPeriod {
		quick = directory.Cadence{Period: settlingPeriod, Lead: settlingPeriod / 2}
	}
	return pace{usual: usual, quick: quick}
}

// of gives the cadence of a snapshot of v that is issued now. A network that is whole
// when the directory starts has been there before.
func (p *pace) of(v *directory.View, now time.Time) directory.Cadence {
	before := p.before
	p.before = v
	switch {
	case !v.Routable():
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
func sameParties(a, b *directory.View) bool {
	return slices.EqualFunc(a.Nodes, b.Nodes, func(a, b directory.Node) bool { return a.Identity == b.Identity }) &&
		slices.EqualFunc(a.Requesters, b.Requesters, func(a, b directory.Requester) bool { return a.Identity == b.Identity })
}
