package client

import (
	"container/heap"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
)

// inflight remembers packets sent and not yet acknowledged, our own cover among
// them. The loop owns it.
//
//	made ──departed──▶ under way ──SURB-ACK──▶ forgotten
//	  ▲                   │
//	  └── sent again ◀──overdue
//
// Of a packet and its SURB-ACK we drew every delay ourselves, so we know when the
// SURB-ACK is due; of a reply the owner of the SURB drew half of them, and we know
// how long they hardly ever are. What is left to guess is how much longer the network
// takes, and that is measured with every SURB-ACK that comes.
//
//	left ──drawn──▶ due ──tail──▶ ripe ──what the network takes, and some slack──▶ overdue
type inflight struct {
	byID   map[fragment.ID]*flight
	ends   map[endKey]*farEnd
	timers timers // of the far ends with packets under way
	usual  latency
	serial uint64
}

// A flight is a packet until its SURB-ACK comes.
type flight struct {
	piece // of cover nothing
	id    fragment.ID
	end   *farEnd
	tries int       // how often it was sent
	under bool      // it counts in the window
	trip            // the last time
	prior trip      // the time before
	ripe  time.Time // when its SURB-ACK is due, however long the delays that others drew
	index int       // in the far end's order; -1 while it is not under way
}

// A trip is one way of a packet through the network, with that of its SURB-ACK.
type trip struct {
	left  time.Time     // when the packet left; zero: not yet
	drawn time.Duration // the delays that we drew
	route route
}

// due is when the SURB-ACK is to come, but for delays that others drew.
func (t *trip) due() time.Time { return t.left.Add(t.drawn) }

// An endKey names a far end: the recipient of messages, the tag that replies go
// to, or, if zero, ourselves, to whom cover goes.
type endKey struct {
	to  mixnet.Recipient
	tag mixnet.SenderTag
}

// A farEnd is where packets are under way to, and what is known of the way.
type farEnd struct {
	key   endKey
	usual latency
	window
	later [overtakers]time.Time // when the SURB-ACKs that were due last, of those that came, were due; the first of them first
	order byRipeness            // packets under way
	index int                   // in the timers; -1: nothing is under way
	at    time.Time             // when the first is overdue
	used  time.Time             // last
}

func newInflight() *inflight {
	return &inflight{byID: make(map[fragment.ID]*flight), ends: make(map[endKey]*farEnd)}
}

// A latency is what SURB-ACKs take beyond the delays that we drew: a mean and a
// mean deviation, as TCP keeps them (RFC 6298), and what the slowest of the last
// second or so took.
type latency struct {
	known     bool
	foreign   time.Duration // mean of each of the delays that others drew
	mean, dev time.Duration
	peak      time.Duration
	at        time.Time // of the last measurement
}

func (l *latency) measured(d time.Duration, now time.Time) {
	d = max(0, d)
	if !l.known {
		l.known, l.mean, l.dev, l.peak, l.at = true, d, d/2, d, now
		return
	}
	l.dev += ((d - l.mean).Abs() - l.dev) / 4
	l.mean += (d - l.mean) / 8
	if fade := now.Sub(l.at); fade > 0 {
		l.peak -= time.Duration(float64(l.peak-l.mean) * min(1, float64(fade)/float64(peakFades)))
		l.at = now
	}
	l.peak = max(l.peak, d)
}

// tail is what the delays that others drew hardly ever exceed. A packet that was
// sent before is not waited for as long: so few are that more of them may be sent in vain.
func (l *latency) tail(tries int) time.Duration {
	if tries > 1 {
		return time.Duration(erlangTailAgain * float64(l.foreign))
	}
	return time.Duration(erlangTail * float64(l.foreign))
}

// bound is what a SURB-ACK hardly ever takes beyond its delays.
func (l *latency) bound() time.Duration {
	if !l.known {
		return firstBound
	}
	mean := max(0, l.mean-erlangMean*l.foreign)
	dev := max(0, l.dev-time.Duration(erlangDev*float64(l.foreign)))
	return min(max(mean+4*dev, l.peak-l.tail(1)), maxSlack)
}

// patience is how much longer a packet is waited for that was sent many times.
func patience(tries int) time.Duration {
	if tries <= eagerTries {
		return 0
	}
	return min(ackSlack<<min(tries-eagerTries, 9), maxSlack)
}

// end finds a far end, or begins one. Foreign is the mean of the delays that
// others draw on the way.
func (f *inflight) end(key endKey, foreign time.Duration, now time.Time) *farEnd {
	e := f.ends[key]
	if e == nil {
		e = &farEnd{key: key, index: -1, usual: latency{foreign: foreign}, window: newWindow()}
		f.ends[key] = e
	}
	e.used = now
	return e
}

// made notes that a packet was made. It is under way once it has [inflight.departed].
func (f *inflight) made(p piece, id fragment.ID, key endKey, t trip, foreign time.Duration, now time.Time) {
	fl := f.byID[id]
	if fl == nil {
		f.serial++
		p.serial = f.serial
		fl = &flight{piece: p, id: id, index: -1, end: f.end(key, foreign, now)}
		f.byID[id] = fl
	} else {
		f.land(fl)
		fl.prior = fl.trip
	}
	fl.tries++
	fl.trip = t
	if !fl.under {
		fl.under = true
		fl.end.under++
	}
}

// departed notes when a packet left.
func (f *inflight) departed(id fragment.ID, at time.Time) {
	fl := f.byID[id]
	if fl == nil || fl.index >= 0 {
		return
	}
	e := fl.end
	fl.left = at
	fl.ripe = fl.due().Add(e.usual.tail(fl.tries) + patience(fl.tries))
	heap.Push(&e.order, fl)
	f.schedule(e)
}

// land takes a packet out of those under way.
func (f *inflight) land(fl *flight) {
	if fl.index >= 0 {
		heap.Remove(&fl.end.order, fl.index)
		f.schedule(fl.end)
	}
}

// schedule works out when the next packet to a far end is overdue. One that was
// overtaken by several SURB-ACKs due later gets hardly any slack: they prove that
// the network is no slower than before (compare RFC 9002 §6.1.1).
func (f *inflight) schedule(e *farEnd) {
	if len(e.order) == 0 {
		if e.index >= 0 {
			heap.Remove(&f.timers, e.index)
		}
		return
	}
	usual := &e.usual
	if !usual.known {
		usual = &f.usual
	}
	slack := ackSlack
	if first := e.order[0]; first.ripe.Before(e.later[0]) {
		slack = overtakenSlack
	}
	e.at = e.order[0].ripe.Add(usual.bound() + slack)
	if e.index < 0 {
		heap.Push(&f.timers, e)
	} else {
		heap.Fix(&f.timers, e.index)
	}
}

// acked takes an acknowledged packet out; false: unknown or repeated. Of a packet
// that was sent again, a SURB-ACK that comes before it can is that of the first
// time; of other ones nobody knows (Karn, Partridge 1987), and they tell nothing of
// the network.
func (f *inflight) acked(id fragment.ID, now time.Time) (fl *flight, t *trip, ok bool) {
	fl = f.byID[id]
	if fl == nil {
		return nil, nil, false
	}
	switch {
	case fl.tries == 1:
		t = &fl.trip
	case (fl.left.IsZero() || now.Before(fl.due())) && !now.Before(fl.prior.due()):
		t = &fl.prior
	}
	if t != nil && !t.left.IsZero() {
		e, excess := fl.end, now.Sub(t.due())
		e.usual.measured(excess, now)
		if e.usual.foreign == 0 {
			f.usual.measured(excess, now)
		}
		e.overtake(t.due())
		e.window.acked(t.left, now, max(0, excess), e.usual.foreign)
	}
	f.forget(fl)
	f.schedule(fl.end)
	return fl, t, true
}

// arrive takes a packet out of the window.
func (fl *flight) arrive() {
	if fl.under {
		fl.under = false
		fl.end.under--
	}
}

// overtake notes when a SURB-ACK that came was due.
func (e *farEnd) overtake(due time.Time) {
	if !due.After(e.later[0]) {
		return
	}
	i := 1
	for ; i < len(e.later) && due.After(e.later[i]); i++ {
		e.later[i-1] = e.later[i]
	}
	e.later[i-1] = due
}

// known reports whether a packet still waits for its SURB-ACK.
func (f *inflight) known(id fragment.ID) bool { return f.byID[id] != nil }

func (f *inflight) forget(fl *flight) {
	delete(f.byID, fl.id)
	fl.arrive()
	f.land(fl)
}

// cancel forgets a packet that was made and never left.
func (f *inflight) cancel(id fragment.ID) {
	if fl := f.byID[id]; fl != nil {
		f.forget(fl)
	}
}

// due takes a packet whose SURB-ACK is overdue. It stays known: its SURB-ACK may
// still come.
func (f *inflight) due(now time.Time) (*flight, bool) {
	for len(f.timers) > 0 && !f.timers[0].at.After(now) {
		e := f.timers[0]
		if f.schedule(e); e.at.After(now) {
			continue // the network has become slower meanwhile
		}
		fl := e.order[0]
		f.land(fl)
		fl.arrive()
		e.lost()
		if fl.out != nil && fl.out.over {
			f.forget(fl)
			continue
		}
		return fl, true
	}
	return nil, false
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
		if fl.out != nil && is(fl.out) {
			f.forget(fl)
		}
	}
}

// expire forgets far ends that nothing was sent to for long.
func (f *inflight) expire(now time.Time) {
	inUse := make(map[*farEnd]bool)
	for _, fl := range f.byID {
		inUse[fl.end] = true
	}
	for key, e := range f.ends {
		if !inUse[e] && now.Sub(e.used) > endIdle {
			delete(f.ends, key)
		}
	}
}

// byRipeness is a heap of the packets under way to one far end.
type byRipeness []*flight

func (o byRipeness) Len() int           { return len(o) }
func (o byRipeness) Less(i, j int) bool { return o[i].ripe.Before(o[j].ripe) }
func (o byRipeness) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].index, o[j].index = i, j
}
func (o *byRipeness) Push(x any) {
	fl := x.(*flight)
	fl.index = len(*o)
	*o = append(*o, fl)
}
func (o *byRipeness) Pop() any {
	old := *o
	fl := old[len(old)-1]
	old[len(old)-1] = nil
	*o = old[:len(old)-1]
	fl.index = -1
	return fl
}

// timers is a heap of far ends by the time of their next overdue packet.
type timers []*farEnd

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}
func (t *timers) Push(x any) {
	e := x.(*farEnd)
	e.index = len(*t)
	*t = append(*t, e)
}
func (t *timers) Pop() any {
	old := *t
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	e.index = -1
	return e
}
