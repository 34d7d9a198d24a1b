package proxy

import "time"

// Bounds of what the supply of reply SURBs is reckoned with.
const (
	connectSURBs = 20 // with the Connect of a tag's first stream (socks.md §21.5)
	furtherSURBs = 8  // with the Connect of each further one beside it
	warmSURBs    = 3  // with one soon after the last ended: what one packet holds
	querySURBs   = 15 // with a lone control request (socks.md §5)
	minStock     = 20
	reserveSURBs = 10 // which a requester keeps for asking for more (socks.md §12)

	// warmFor is how long a requester is believed to hold what a stream left there.
	warmFor = time.Minute

	minRoundTrip = 100 * time.Millisecond
	maxRoundTrip = 5 * time.Second
)

// supply decides how many reply SURBs a requester should hold under one tag:
// twice what arrives in a round trip, and the reserve. While replies are held
// up for want of SURBs, this doubles with every round trip.
// Its identity's lock guards it.
type supply struct {
	most  int
	rtt   time.Duration // smoothed; zero: unknown
	since time.Time     // begin of the current round trip
	count int           // packets arrived in it
	rate  int           // packets in a past round trip, remembered for a while
}

// measured notes how long one of our messages took to be acknowledged.
func (s *supply) measured(d time.Duration) {
	d = min(max(d, minRoundTrip), maxRoundTrip)
	if s.rtt == 0 {
		s.rtt = d
	}
	s.rtt += (d - s.rtt) / 8
}

// arrived notes the arrival of packets.
func (s *supply) arrived(now time.Time, packets int) {
	s.turn(now)
	s.count += packets
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

// want says how many SURBs the requester should hold.
func (s *supply) want(now time.Time) int {
	s.turn(now)
	return min(max(reserveSURBs+2*max(s.rate, s.count), minStock), s.most)
}
