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
	usual  latency
}

type flight struct {
	piece
	id    fragment.ID
	left  time.Time     // when it was last sent
	total time.Duration // what it and its SURB-ACK were to wait then
	at    time.Time     // when it is due to be sent again
	index int           // in timers; -1 while it waits to be sent again
	tries int           // how often it was sent
}

func newInflight() *inflight { return &inflight{byID: make(map[fragment.ID]*flight)} }

func slack(tries int) time.Duration {
	return min(ackSlack<<min(max(0, tries-eagerTries), 8), maxSlack)
}

// A latency is what SURB-ACKs take beyond the delays that were drawn: a mean
// and a mean deviation, as TCP keeps them (RFC 6298).
type latency struct {
	known     bool
	mean, dev time.Duration
}

func (l *latency) measured(d time.Duration) {
	d = max(0, d)
	if !l.known {
		l.known, l.mean, l.dev = true, d, d/2
		return
	}
	l.dev += ((d - l.mean).Abs() - l.dev) / 4
	l.mean += (d - l.mean) / 8
}

// bound is what a SURB-ACK hardly ever exceeds.
func (l *latency) bound() time.Duration { return min(l.mean+4*l.dev, maxSlack) }

// sent notes that a fragment left, and when it is due again if no SURB-ACK
// comes: total is the sum of all delays out and home.
func (f *inflight) sent(p piece, now time.Time, total time.Duration) {
	id := p.id()
	fl := f.byID[id]
	if fl == nil {
		fl = &flight{piece: p, id: id, index: -1}
		f.byID[id] = fl
	}
	fl.tries++
	fl.left, fl.total = now, total
	fl.at = now.Add(time.Duration(ackFactor*float64(total)) + slack(fl.tries) + f.usual.bound())
	if fl.index < 0 {
		heap.Push(&f.timers, fl)
	} else {
		heap.Fix(&f.timers, fl.index)
	}
}

// acked takes an acknowledged fragment out; false: unknown or repeated. Only
// what was sent once tells how long SURB-ACKs take: of a fragment sent again
// nobody knows which packet the SURB-ACK is for (Karn, Partridge 1987).
func (f *inflight) acked(id fragment.ID, now time.Time) (piece, bool) {
	fl := f.byID[id]
	if fl == nil {
		return piece{}, false
	}
	if fl.tries == 1 {
		f.usual.measured(now.Sub(fl.left) - fl.total)
	}
	f.forget(fl)
	return fl.piece, true
}

// known reports whether a fragment still waits for its SURB-ACK.
func (f *inflight) known(id fragment.ID) bool { return f.byID[id] != nil }

func (f *inflight) forget(fl *flight) {
	delete(f.byID, fl.id)
	if fl.index >= 0 {
		heap.Remove(&f.timers, fl.index)
	}
}

// due takes a fragment whose timer ended by now. It stays known: its SURB-ACK
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
