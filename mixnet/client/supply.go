package client

import "time"

// A supply says how many reply SURBs the far end of one of our tags should hold
// (socks.md §21.5): the reserve, which it keeps for asking for more, and twice
// what arrives in a round trip. While answers are held up for want of SURBs, this
// doubles with every round trip.
//
// Between bursts the far end keeps what the last ones took, up to a bound and
// less with every minute: pages come in bursts. Before the first answer nothing is
// wanted: a message that nobody answers costs what it carried, and no more.
type supply struct {
	rtt     time.Duration // smoothed, from sending a message to its acknowledgement; zero: unknown
	since   time.Time     // begin of the current round trip
	count   int           // packets arrived in it
	rate    int           // packets in a past round trip, remembered for a while
	burst   int           // SURBs that a burst took lately
	shrunk  time.Time     // when burst was halved last
	heard   time.Time     // when an answer came last; zero: never
	spoken  time.Time     // when we last spoke
	refused bool          // the far end gets none: what it sends is not read
}

// measured notes how long one of our messages took to be acknowledged.
func (s *supply) measured(d time.Duration) {
	d = min(max(d, minRoundTrip), maxRoundTrip)
	if s.rtt == 0 {
		s.rtt = d
	}
	s.rtt += (d - s.rtt) / 8
}

// arrived notes the arrival of a packet.
func (s *supply) arrived(now time.Time) {
	s.turn(now)
	s.count++
	s.heard = now
	s.remember(now, s.demand())
}

// attached notes that a message carries n SURBs: its answers may take so many.
func (s *supply) attached(now time.Time, n int) {
	s.shrink(now)
	s.remember(now, s.burst+n)
}

// demand is what the far end needs to go on as it does.
func (s *supply) demand() int { return reserve + 2*max(s.rate, s.count) }

func (s *supply) remember(now time.Time, n int) {
	s.shrink(now)
	s.burst = max(s.burst, min(n, maxIdleSupply))
}

func (s *supply) shrink(now time.Time) {
	if s.burst == 0 || s.shrunk.IsZero() {
		s.shrunk = now
		return
	}
	n := now.Sub(s.shrunk) / burstHalves
	s.burst >>= min(n, 30)
	s.shrunk = s.shrunk.Add(n * burstHalves)
}

// turn goes to the round trip that now is in; the rate falls by half with each
// that brought less.
func (s *supply) turn(now time.Time) {
	span := max(s.rtt, 2*minRoundTrip)
	if s.since.IsZero() {
		s.since = now
	}
	n := now.Sub(s.since) / span
	if n <= 0 {
		return
	}
	s.rate = max(s.rate>>1, s.count)
	s.rate >>= min(n-1, 30)
	s.count = 0
	s.since = s.since.Add(n * span)
}

// live reports whether the conversation goes on.
func (s *supply) live(now time.Time) bool {
	return !s.refused && now.Sub(later(s.heard, s.spoken)) < conversationIdle
}

// want says how many SURBs the far end should hold.
func (s *supply) want(now time.Time) int {
	if s.heard.IsZero() || !s.live(now) {
		return 0
	}
	s.turn(now)
	s.shrink(now)
	return min(max(s.demand(), s.burst, startSURBs), maxSupply)
}
