package client

import (
	"slices"

	"nym-socks5/mixnet"
)

// lanes holds what waits to be sent. The loop owns it.
//
//	requests        ┐
//	sent again      ┴─ in this order, before
//	grants          ┐
//	lane a  ▒▒▒▒    ┐  every other packet is a grant, if there is one:
//	lane b  ▒       ├─ a download must not keep another stream from beginning
//	lane c  ▒▒▒▒▒▒  ┘  a packet of each lane in turn
//
// A lane has room for a number of packets, queued or not yet acknowledged;
// messages beyond it are kept with their senders, who wait.
type lanes struct {
	room    func(*outgoing) int // packets in the lane of a message
	request queue
	again   queue
	grant   queue
	granted bool // the last packet that was not urgent was a grant
	lanes   map[mixnet.Lane]*lane
	ring    []*lane // those with something queued, in turn
	turn    int
}

type lane struct {
	id     mixnet.Lane
	load   int         // packets queued or not yet acknowledged
	queued []*outgoing // accepted, with fragments never sent
	offers []*outgoing // not accepted
	inRing bool
}

func newLanes(room func(*outgoing) int) *lanes {
	return &lanes{room: room, lanes: make(map[mixnet.Lane]*lane)}
}

func (l *lanes) lane(id mixnet.Lane) *lane {
	ln := l.lanes[id]
	if ln == nil {
		ln = &lane{id: id}
		l.lanes[id] = ln
	}
	return ln
}

// load counts the packets of a lane that are queued or not yet acknowledged.
func (l *lanes) load(id mixnet.Lane) int {
	if ln := l.lanes[id]; ln != nil {
		return ln.load
	}
	return 0
}

// offer puts a message into its lane, now or as soon as there is room.
func (l *lanes) offer(o *outgoing) {
	if o.purpose != purposeData {
		o.state.Store(stateQueued) // there is always room, and nobody waits for it
		l.accept(nil, o)
		return
	}
	ln := l.lane(o.lane)
	ln.offers = append(ln.offers, o)
	l.admit(ln)
}

// admit accepts offers while the lane has room. A message larger than a whole
// lane is accepted when the lane is empty.
func (l *lanes) admit(ln *lane) {
	for len(ln.offers) > 0 && (ln.load == 0 || ln.load+ln.offers[0].frags.Len() <= l.room(ln.offers[0])) {
		o := ln.offers[0]
		ln.offers = ln.offers[1:]
		if o.state.CompareAndSwap(stateOffered, stateQueued) {
			l.accept(ln, o)
			close(o.accepted)
		}
	}
}

func (l *lanes) accept(ln *lane, o *outgoing) {
	o.left = o.frags.Len()
	switch {
	case o.purpose == purposeRequest:
		l.request.pushAll(o)
	case o.purpose == purposeGrant:
		l.grant.pushAll(o)
	default:
		ln.load += o.left
		ln.queued = append(ln.queued, o)
		if !ln.inRing {
			ln.inRing = true
			l.ring = append(l.ring, ln)
		}
	}
}

// sendAgain queues a fragment that is to be sent once more, before those first
// sent after it: what came behind it waits for it at the far end.
func (l *lanes) sendAgain(p piece) {
	p.again = true
	l.again.insert(p)
}

// pop takes the next fragment for which can says yes: replies need a SURB.
func (l *lanes) pop(can func(*outgoing) bool) (piece, bool) {
	if p, ok := l.request.pop(can); ok {
		return p, true
	}
	if p, ok := l.again.pop(can); ok {
		return p, true
	}
	if !l.granted {
		if p, ok := l.grant.pop(can); ok {
			l.granted = true
			return p, true
		}
	}
	l.granted = false
	if p, ok := l.popLane(can); ok {
		return p, true
	}
	return l.grant.pop(can)
}

// popLane takes the next fragment of the lanes.
func (l *lanes) popLane(can func(*outgoing) bool) (piece, bool) {
	for range len(l.ring) {
		if l.turn >= len(l.ring) {
			l.turn = 0
		}
		ln := l.ring[l.turn]
		for len(ln.queued) > 0 && ln.queued[0].over {
			ln.queued = ln.queued[1:]
		}
		if len(ln.queued) == 0 {
			l.leave(ln)
			continue
		}
		l.turn++
		o := ln.queued[0]
		if !can(o) {
			continue
		}
		p := piece{out: o, index: o.next}
		o.next++
		if o.next == o.frags.Len() {
			ln.queued = ln.queued[1:]
		}
		return p, true
	}
	return piece{}, false
}

// leave takes the lane at the turn, which is empty, out of the ring.
func (l *lanes) leave(ln *lane) {
	ln.inRing = false
	l.ring = append(l.ring[:l.turn], l.ring[l.turn+1:]...)
	l.forget(ln)
}

// release frees the room of n packets that were acknowledged or given up.
func (l *lanes) release(o *outgoing, n int) {
	if o.purpose != purposeData || o.over {
		return
	}
	if ln := l.lanes[o.lane]; ln != nil {
		ln.load -= n
		l.admit(ln)
		l.forget(ln)
	}
}

// forget drops the record of a lane without anything in it.
func (l *lanes) forget(ln *lane) {
	if ln.load == 0 && !ln.inRing && len(ln.offers) == 0 {
		delete(l.lanes, ln.id)
	}
}

// waiting counts, over all lanes, the fragments of replies to a tag that wait
// for a SURB.
func (l *lanes) waiting(tag mixnet.SenderTag) (n int) {
	l.eachWaiting(func(o *outgoing, fragments int) {
		if o.tag == tag {
			n += fragments
		}
	})
	return n
}

// allWaiting is waiting for every tag with any.
func (l *lanes) allWaiting() map[mixnet.SenderTag]int {
	all := make(map[mixnet.SenderTag]int)
	l.eachWaiting(func(o *outgoing, fragments int) { all[o.tag] += fragments })
	return all
}

func (l *lanes) eachWaiting(do func(o *outgoing, fragments int)) {
	for _, ln := range l.ring {
		for _, o := range ln.queued {
			if o.reply && !o.over {
				do(o, o.frags.Len()-o.next)
			}
		}
	}
	for _, p := range l.again.items {
		if p.out.reply && !p.out.over {
			do(p.out, 1)
		}
	}
}

// abandon ends every message in the lanes for which is says yes, by end, and frees
// its room. Those of which every fragment was sent are the caller's to find.
func (l *lanes) abandon(is func(*outgoing) bool, end func(*outgoing)) {
	for _, ln := range l.lanes {
		ln.offers = slices.DeleteFunc(ln.offers, func(o *outgoing) bool {
			if is(o) {
				end(o)
				return true
			}
			return false
		})
		ln.queued = slices.DeleteFunc(ln.queued, func(o *outgoing) bool {
			if is(o) && !o.over {
				ln.load -= o.left
				end(o)
			}
			return o.over
		})
		l.admit(ln)
		l.forget(ln)
	}
}

// withdrawn takes out a message that its sender has taken back.
func (l *lanes) withdrawn(o *outgoing) {
	if ln := l.lanes[o.lane]; ln != nil {
		ln.offers = slices.DeleteFunc(ln.offers, func(p *outgoing) bool { return p == o })
		l.admit(ln)
		l.forget(ln)
	}
}

// A queue holds fragments in order; those of messages that are over vanish.
type queue struct{ items []piece }

func (q *queue) push(p piece) { q.items = append(q.items, p) }

// insert puts a fragment in front of those that were first sent later.
func (q *queue) insert(p piece) {
	i := len(q.items)
	for i > 0 && q.items[i-1].serial > p.serial {
		i--
	}
	q.items = slices.Insert(q.items, i, p)
}

func (q *queue) pushAll(o *outgoing) {
	for i := range o.frags.Len() {
		q.push(piece{out: o, index: i})
	}
}

// pop takes the first fragment for which can says yes.
func (q *queue) pop(can func(*outgoing) bool) (piece, bool) {
	kept := 0
	for i, p := range q.items {
		if p.out.over {
			continue
		}
		if can(p.out) {
			rest := q.items[i+1:]
			if kept == 0 {
				q.items = rest
			} else {
				q.items = append(q.items[:kept], rest...)
			}
			return p, true
		}
		q.items[kept] = p
		kept++
	}
	q.items = q.items[:kept]
	return piece{}, false
}
