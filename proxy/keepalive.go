package proxy

import (
	"math/rand/v2"
	"time"
)

// idleTimer decides when a peer that is not heard of has gone. Its stream's
// lock guards it.
type idleTimer struct {
	limit  time.Duration
	heard  time.Time // last message of the peer
	active time.Time // last activity in either direction
	beats  bool      // the peer sends keep-alives
}

// start begins to count.
func (t *idleTimer) start(now time.Time) { t.heard, t.active = now, now }

// message notes a message of the peer; a keep-alive is one that is empty and open.
func (t *idleTimer) message(now time.Time, keepAlive bool) {
	t.heard, t.active = now, now
	t.beats = t.beats || keepAlive
}

// moved notes that data of ours were acknowledged.
func (t *idleTimer) moved(now time.Time) { t.active = now }

// written notes that our application wrote. For peers that send no keep-alives
// (mix-fetch, clients older than v1.1.18) this counts as life (socks.md §21.4).
func (t *idleTimer) written(now time.Time) {
	if !t.beats {
		t.active = now
	}
}

// expired reports whether the peer is taken for gone: nothing moved for the
// limit, or a peer that used to send keep-alives was silent for twice as long,
// whatever its gateway acknowledged in its place.
func (t *idleTimer) expired(now time.Time) bool {
	return now.Sub(t.active) >= t.limit || t.beats && now.Sub(t.heard) >= 2*t.limit
}

// keepAlive says when the next keep-alive is due. Its stream's lock guards it.
type keepAlive struct {
	longest time.Duration
	due     time.Time
}

// sent starts the wait anew after any message of ours. It lasts between two
// thirds of the longest wait and all of it (H05).
func (k *keepAlive) sent(now time.Time) {
	third := k.longest / 3
	k.due = now.Add(2*third + rand.N(third+1))
}
