package endpoint

import (
	"context"
	"math/rand/v2"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy"
)

// A standing says what is known of a candidate.
//
//	unknown ──▶ answers ◀──anything heard──┐
//	   └───────────┴──▶ silent ──▶ gone ───┘
//	    no answer in time │          its gateway has had the question for seconds
type standing uint8

const (
	standingUnknown standing = iota
	standingAnswers
	standingSilent
	standingGone
)

func (s standing) String() string {
	return [...]string{"not known yet", "answers", "is silent", "is gone"}[s]
}

// A candidate is a requester as an endpoint knows it. The lock of the pool guards it; it
// reads no clock.
type candidate struct {
	addrs []mixnet.Recipient // where it is reached; streams are dialed by the first
	at    int                // which one is used

	standing standing
	stood    time.Time     // since when
	trip     time.Duration // mean round trip; zero: not measured
	boot     uint64        // its number; zero: not said
	heard    time.Time     // anything, last
	spoken   time.Time     // on a stream: heard, or dialed
	away     time.Time     // when its gateway was known to be away last
	asked    time.Time
	drawn    float64     // how much longer than planned the next question waits (H05)
	open     []*question // that have no answer yet, oldest first

	kept bool // from an earlier start
	why  Why  // it is in use; empty: it is not
	used time.Time

	doubt  context.Context // ends when it stops to answer
	doubts context.CancelFunc
}

// A question is one that was asked of a candidate.
type question struct {
	at     int // of its addresses
	sent   time.Time
	acked  time.Time // when its gateway had it; zero: not known
	void   bool      // our own gateway has changed since: it says nothing
	cancel context.CancelFunc
}

func newCandidate(now time.Time, addrs ...mixnet.Recipient) *candidate {
	c := &candidate{addrs: addrs, stood: now}
	c.doubt, c.doubts = context.WithCancel(context.Background())
	return c
}

// roundTrip is what an answer takes, as far as is known.
func (c *candidate) roundTrip() time.Duration { return max(c.trip, leastTrip) }

// silentAfter is how long an answer may take.
func (c *candidate) silentAfter() time.Duration {
	if c.trip == 0 {
		return silentFirst
	}
	return max(silentTrips*c.roundTrip(), silentLeast)
}

// goneAfter is how long an answer may take from when the gateway had the question.
func (c *candidate) goneAfter(acked time.Time) time.Duration {
	if !c.away.IsZero() && acked.Sub(c.away) < goneReturn {
		return goneReturn
	}
	return max(goneTrips*c.roundTrip(), goneLeast)
}

// lost reports whether it is not worth waiting for. One that never answered a question
// may be somebody else's that answers none, and serves all the same.
func (c *candidate) lost(now time.Time) bool {
	return c.standing == standingGone || c.standing == standingSilent && c.trip > 0 && now.Sub(c.stood) > lostAfter
}

// turn changes the standing.
func (c *candidate) turn(now time.Time, to standing) {
	if c.standing == to {
		return
	}
	if c.standing == standingAnswers {
		c.doubts()
	}
	if to == standingAnswers {
		c.doubt, c.doubts = context.WithCancel(context.Background())
	}
	c.standing, c.stood = to, now
}

// hear notes that something was heard on a stream, at a time; zero: nothing yet.
func (c *candidate) hear(now, at time.Time) {
	if !at.After(c.heard) {
		return
	}
	c.heard = at
	if at.After(c.spoken) {
		c.spoken = at
	}
	// What was on its way when it fell silent does not say that it is back.
	if c.standing != standingAnswers && at.After(c.stood) {
		c.turn(now, standingAnswers)
	}
}

// ask notes a question that is asked now.
func (c *candidate) ask(now time.Time, at int, cancel context.CancelFunc) *question {
	q := &question{at: at, sent: now, cancel: cancel}
	c.asked, c.drawn = now, rand.Float64()/8
	c.open = append(c.open, q)
	for len(c.open) > openMost*len(c.addrs) {
		c.open[0].cancel()
		c.open = c.open[1:]
	}
	return q
}

// answered notes an answer, and says whether everything is sent to the address it
// came for from now on.
func (c *candidate) answered(now time.Time, q *question, g proxy.Greeting) (moved bool) {
	c.close(q)
	if q.sent.After(c.heard) {
		c.heard = q.sent // it lived then
	}
	if q.at == c.at {
		switch t := g.RoundTrip; {
		case c.trip == 0:
			c.trip = max(min(t, silentFirst), time.Millisecond)
		case c.standing == standingAnswers: // else the question may have waited as mail
			c.trip += (min(t, 4*c.roundTrip()) - c.trip) / 4
		}
	} else if c.standing != standingAnswers || c.overdue(now, c.at) {
		c.at, moved = q.at, true
	}
	c.turn(now, standingAnswers)
	c.away = time.Time{}
	return moved
}

// close forgets a question.
func (c *candidate) close(q *question) {
	for i, o := range c.open {
		if o == q {
			c.open = append(c.open[:i], c.open[i+1:]...)
			return
		}
	}
}

// overdue reports whether a question to one of the addresses was not answered in time,
// and nothing else was heard since.
func (c *candidate) overdue(now time.Time, at int) bool {
	for _, q := range c.open {
		if q.at == at && c.counts(q) && now.Sub(q.sent) >= c.silentAfter() {
			return true
		}
	}
	return false
}

// counts reports whether a question says something while it is not answered.
func (c *candidate) counts(q *question) bool { return !q.void && q.sent.After(c.heard) }

// judge lets time pass.
func (c *candidate) judge(now time.Time) (gone bool) {
	for _, q := range c.open {
		if c.counts(q) && q.at == c.at && q.acked.IsZero() && now.Sub(q.sent) >= awayAfter {
			c.away = now
		}
		switch {
		case !c.counts(q):
		case !q.acked.IsZero() && now.Sub(q.acked) >= c.goneAfter(q.acked) && c.standing != standingGone:
			c.turn(now, standingGone)
			gone = true
		case now.Sub(q.sent) >= c.silentAfter() && c.standing < standingSilent:
			c.turn(now, standingSilent)
		}
	}
	return gone
}

// excuse notes that our own gateway has changed: what was asked by the one before may not
// come home.
func (c *candidate) excuse() {
	for _, q := range c.open {
		q.void = true
	}
	c.asked = time.Time{}
}

// due says when to ask next, given whether streams through it are open.
func (c *candidate) due(now time.Time, streams bool) time.Time {
	if c.asked.IsZero() {
		return now
	}
	wait := askIdle
	last := c.asked
	switch {
	case c.standing == standingAnswers && streams:
		quiet := now.Sub(c.spoken)
		most := askStreams
		if quiet > askRecent {
			most = askSeldom
		}
		wait = max(quietTrips*c.roundTrip(), min(quiet/4, most))
		if c.heard.After(last) {
			last = c.heard
		}
	case c.standing != standingAnswers:
		wait = max(askAgain, min(now.Sub(c.stood)/8, askSeldom))
		if c.standing == standingSilent && now.Sub(c.stood) < askAgain {
			wait = silentLeast // its other addresses, at once; and its gateway's word
		}
	}
	return last.Add(wait + time.Duration(c.drawn*float64(wait)))
}

// verdictAt says when judge may have something to say.
func (c *candidate) verdictAt() (at time.Time) {
	consider := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	for _, q := range c.open {
		if !c.counts(q) {
			continue
		}
		if q.acked.IsZero() && q.sent.Add(awayAfter).After(c.away) {
			consider(q.sent.Add(awayAfter))
		}
		if c.standing < standingSilent {
			consider(q.sent.Add(c.silentAfter()))
		}
		if c.standing < standingGone && !q.acked.IsZero() {
			consider(q.acked.Add(c.goneAfter(q.acked)))
		}
	}
	return at
}

// knows reports whether an address is one of the candidate's.
func (c *candidate) knows(a mixnet.Recipient) bool {
	for _, own := range c.addrs {
		if own == a {
			return true
		}
	}
	return false
}

// learn adds addresses that a requester says it has. They have its encryption key:
// nobody can name those of another requester.
func (c *candidate) learn(addrs []mixnet.Recipient) {
	for _, a := range addrs {
		if len(c.addrs) < maxAddresses && a.Encryption == c.addrs[0].Encryption && !c.knows(a) {
			c.addrs = append(c.addrs, a)
		}
	}
}
