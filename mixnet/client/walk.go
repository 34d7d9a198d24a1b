package client

import (
	"math/rand/v2"
	"time"
)

// A walk decides which entry is tried, and when. The goroutine that connects owns it.
//
//	session lost ──▶ the same entry, for 2 to 3 s ──▶ each of the others, at once
//	                                                        │ all in vain
//	                 one after the other, with pauses ◀─────┘
//
// It is told of sessions and of attempts in vain, and of nothing else (H04). What it
// tries are the entries there are: who cuts a client off from all of them sees which
// they are, and can make it use no other (H26).
type walk struct {
	n        int
	at       int
	began    time.Time     // since when there is no session that lasts
	patience time.Duration // how long the same entry is tried
	tried    uint          // entries tried in vain since, as bits
	failures int
	ended    time.Time // when the last session ended, however short it was
	vain     uint      // entries tried in vain since, as bits
	hasty    bool      // it ended at once
}

func newWalk(n int, now time.Time) *walk {
	w := &walk{n: n}
	w.restart(now)
	return w
}

// restart begins a time without a session.
func (w *walk) restart(now time.Time) {
	w.began, w.tried, w.failures = now, 0, 0
	w.ended, w.vain, w.hasty = now, 0, false
	w.patience = moveAfter*2/3 + rand.N(moveAfter/3)
}

// lost notes that a session has ended.
func (w *walk) lost(s served, now time.Time) {
	w.at = s.at
	lasted := now.Sub(s.began) > lastsAfter
	w.ended, w.vain, w.hasty = now, 0, now.Sub(s.began) < hasty
	if lasted || s.drops {
		w.restart(now)
	}
	if s.drops || s.back && !lasted { // enough of it
		w.patience = 0
	}
}

// failed notes that the entry was tried in vain, or that its session has ended. It
// says whether another one's turn has come, and how long to wait at most before that
// is tried, or the same one again.
func (w *walk) failed(now time.Time) (moved bool, longest time.Duration) {
	w.tried |= 1 << w.at
	w.vain |= 1 << w.at
	w.failures++
	if w.n == 1 {
		return false, longPause * 2
	}
	if left := w.patience - now.Sub(w.began); left > 0 {
		return false, left
	}
	w.at = (w.at + 1) % w.n
	if w.tried != w.every() || w.vain != w.every() && !w.hasty {
		return true, 0
	}
	return true, longPause * 2
}

// every is all entries, as bits.
func (w *walk) every() uint { return 1<<w.n - 1 }

// hopeless says when it is to be told that there is no network, if nothing changes.
func (w *walk) hopeless() (at time.Time, ok bool) {
	return w.ended.Add(moveAfter), w.vain == w.every()
}

// dialTime is how long an attempt may take: little at first, as another entry may
// answer at once, and more where the network is slow.
func (w *walk) dialTime() time.Duration {
	return min(moveAfter<<min(w.failures/w.n, 8), dialTime)
}
