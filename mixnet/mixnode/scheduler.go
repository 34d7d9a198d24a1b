package mixnode

import (
	"sync"

	"nym-socks5/mixnet/sphinx"
)

// A source is what the scheduler serves in turn: a link, or all links of
// strangers together. Its queue is bounded; when full, the reader drops.
type source struct {
	// Guarded by the scheduler.
	head, tail *buffer
	bytes      int
	credit     int  // bytes it may still be served in this turn
	listed     bool // in one of the lists
	last       bool // served only when no other source has anything
	following  *source

	waiting int // bytes in the delay wheel; guarded by that
}

func (s *source) push(b *buffer) {
	if s.head == nil {
		s.head = b
	} else {
		s.tail.link = b
	}
	s.tail = b
	s.bytes += len(b.data)
}

func (s *source) pop() *buffer {
	b := s.head
	s.head, b.link = b.link, nil
	s.bytes -= len(b.data)
	return b
}

// A turn is a list of sources with something in their queues.
type turn struct{ head, tail *source }

func (t *turn) push(s *source) {
	s.following = nil
	if t.head == nil {
		t.head = s
	} else {
		t.tail.following = s
	}
	t.tail = s
}

func (t *turn) pop() {
	s := t.head
	t.head, s.following = s.following, nil
}

// A scheduler stands between the readers of links and the workers. It serves
// the sources round robin by bytes, those that are suspect last (H15). Wrong MACs
// say nothing of the node that sends them: it cannot see inside what its clients
// and the nodes before it send. So only a peer that is no node is ever given up.
//
//	link ─▶ queue ─┐                     ┌▶ worker
//	link ─▶ queue ─┼─▶ round robin ──────┤
//	link ─▶ queue ─┘                     └▶ worker
//	link ─▶ queue ───▶ when nothing else is there
type scheduler struct {
	perSource int // bytes that may queue for one source
	total     int // bytes that may queue in all

	mu     sync.Mutex
	ready  sync.Cond // something is queued, or the end
	turn   turn
	last   turn
	bytes  int
	idle   int // workers that wait
	closed bool
}

func newScheduler(perSource, total int) *scheduler {
	s := &scheduler{perSource: perSource, total: total}
	s.ready.L = &s.mu
	return s
}

// room says how many bytes a source may queue at the moment.
func (s *scheduler) room(src *source) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return min(s.perSource-src.bytes, s.total-s.bytes)
}

// push queues as many packets of one source as there is room for, and says how
// many those were. It never waits.
func (s *scheduler) push(src *source, packets []*buffer) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, b := range packets {
		if src.bytes+len(b.data) > s.perSource || s.bytes+len(b.data) > s.total {
			break
		}
		src.push(b)
		s.bytes += len(b.data)
		n++
	}
	if n > 0 && !src.listed {
		src.listed = true
		s.list(src)
	}
	if n > 0 && s.idle > 0 {
		s.ready.Signal()
	}
	return n
}

func (s *scheduler) list(src *source) {
	if src.last {
		s.last.push(src)
	} else {
		s.turn.push(src)
	}
}

// A batch is what a worker takes at once.
type batch struct {
	n       int
	packets [sphinx.BatchSize]*buffer
	// What the worker found: the link of each packet, and whether its MAC was wrong.
	links [sphinx.BatchSize]*inbound
	bad   [sphinx.BatchSize]bool
}

// take notes what the worker found out about its last batch, then fills b with
// up to 8 packets, waiting until there is one. It reports false when all is
// done. Links to be closed are appended to bad.
func (s *scheduler) take(b *batch, bad []*inbound) (closing []*inbound, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range b.links[:b.n] {
		if s.judge(l, b.bad[i]) {
			bad = append(bad, l)
		}
	}
	b.n = 0
	if len(bad) > 0 {
		return bad, true // they do not wait for the next packet
	}
	for s.turn.head == nil && s.last.head == nil {
		if s.closed {
			return bad, false
		}
		s.idle++
		s.ready.Wait()
		s.idle--
	}
	for b.n < len(b.packets) && s.serve(b) {
	}
	if s.idle > 0 && (s.turn.head != nil || s.last.head != nil) {
		s.ready.Signal()
	}
	return bad, true
}

// serve takes from the source whose turn it is. It reports false if there is none.
func (s *scheduler) serve(b *batch) bool {
	t := &s.turn
	if t.head == nil {
		t = &s.last
	}
	src := t.head
	if src == nil {
		return false
	}
	if src.credit <= 0 {
		src.credit += quantum // a source in debt is passed over
	}
	for src.credit > 0 && src.head != nil && b.n < len(b.packets) {
		p := src.pop()
		s.bytes -= len(p.data)
		src.credit -= len(p.data)
		b.packets[b.n], b.links[b.n], b.bad[b.n] = p, p.from, false
		b.n++
	}
	switch {
	case src.head == nil:
		t.pop()
		src.listed = false
		src.credit = min(src.credit, 0) // debts stay
	case src.credit <= 0:
		t.pop()
		s.list(src)
	}
	return true
}

// judge notes one packet of a link, and reports whether the link must be closed:
// never that of a node of the network.
func (s *scheduler) judge(l *inbound, bad bool) bool {
	if bad {
		l.bad++
	} else {
		l.good++
	}
	if l.good+l.bad > recordSpan {
		l.good, l.bad = l.good/2, l.bad/2
	}
	l.own.last = l.bad >= suspectAfter && l.bad > l.good // says nothing of other strangers
	if l.bad >= closeAfter && l.bad > 9*l.good && !l.closing && !l.proved() {
		l.closing = true
		return true
	}
	return false
}

// close lets the workers finish what is queued, then end.
func (s *scheduler) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.ready.Broadcast()
}
