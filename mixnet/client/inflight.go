package client

import (
	"container/heap"
	"time"

	"nym-socks5/mixnet/fragment"
)

// inflight remembers fragments sent and not yet acknowledged. The loop owns it.
//
//	sent ──ack──▶ forgotten
//	 │ ▲
//	 │ └─sent again─ due
//	 └──────timer────▲
type inflight struct {
	byID   map[fragment.ID]*flight
	timers timers
}

type flight struct {
	piece
	id    fragment.ID
	at    time.Time // when it is due to be sent again
	index int       // in timers; -1 while it waits to be sent again
	tries int       // how often it was sent
}

func newInflight() *inflight { return &inflight{byID: make(map[fragment.ID]*flight)} }

// ackSlack and ackFactor make the timer of a fragment: 1.5 times what its
// packet and the receipt wait at their hops, and 1.5 seconds (sphinx.md §6.5).
const (
	ackSlack  = 1500 * time.Millisecond
	ackFactor = 1.5
)

// sent notes that a fragment left, and when it is due again if no receipt
// comes: total is the sum of all delays out and home.
func (f *inflight) sent(p piece, now time.Time, total time.Duration) {
	id := p.id()
	fl := f.byID[id]
	if fl == nil {
		fl = &flight{piece: p, id: id, index: -1}
		f.byID[id] = fl
	}
	fl.tries++
	fl.at = now.Add(time.Duration(ackFactor*float64(total)) + ackSlack)
	if fl.index < 0 {
		heap.Push(&f.timers, fl)
	} else {
		heap.Fix(&f.timers, fl.index)
	}
}

// acked takes an acknowledged fragment out; false: unknown or repeated.
func (f *inflight) acked(id fragment.ID) (piece, bool) {
	fl := f.byID[id]
	if fl == nil {
		return piece{}, false
	}
	f.forget(fl)
	return fl.piece, true
}

// known reports whether a fragment still waits for its receipt.
func (f *inflight) known(id fragment.ID) bool { return f.byID[id] != nil }

func (f *inflight) forget(fl *flight) {
	delete(f.byID, fl.id)
	if fl.index >= 0 {
		heap.Remove(&f.timers, fl.index)
	}
}

// due takes a fragment whose timer ended by now. It stays known: its receipt
// may still come.
func (f *inflight) due(now time.Time) (p piece, tries int, ok bool) {
	for len(f.timers) > 0 && !f.timers[0].at.After(now) {
		fl := heap.Pop(&f.timers).(*flight)
		if fl.out.over {
			delete(f.byID, fl.id)
			continue
		}
		return fl.piece, fl.tries, true
	}
	return piece{}, 0, false
}

// next says when to call due.
func (f *inflight) next() (at time.Time, ok bool) {
	if len(f.timers) == 0 {
		return time.Time{}, false
	}
	return f.timers[0].at, true
}

// drop forgets every fragment of messages for which is says yes.
func (f *inflight) drop(is func(*outgoing) bool) {
	for _, fl := range f.byID {
		if is(fl.out) {
			f.forget(fl)
		}
	}
}

// timers is a heap of flights by time.
type timers []*flight

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}
func (t *timers) Push(x any) {
	fl := x.(*flight)
	fl.index = len(*t)
	*t = append(*t, fl)
}
func (t *timers) Pop() any {
	old := *t
	fl := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	fl.index = -1
	return fl
}
