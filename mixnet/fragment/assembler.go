package fragment

import (
	"container/list"
	"errors"
	"fmt"
	"time"
)

// ErrTooLong reports a message beyond the bounds.
var ErrTooLong = errors.New("fragment: message too long")

// An Origin says whose message a fragment belongs to: the sender tag for which
// the reply key was made that it came under. The zero Origin stands for
// fragments that anybody may have sent.
type Origin [16]byte

// key names a set. Sets of different origins never meet (H13).
type key struct {
	origin Origin
	set    uint32
}

// A set is a run of fragments that has begun to arrive.
type set struct {
	key
	parts      [][]byte // by position; nil: still missing
	missing    int
	size       int    // bytes of all parts
	prev, next uint32 // the sets this one is linked to, as far as known
	touched    time.Time
	place      *list.Element // in its class's order of arrival
}

// What a set costs besides the bytes of its fragments.
const (
	setCost  = 256
	partCost = 24
)

func (s *set) cost() int { return setCost + partCost*len(s.parts) + s.size }

// A class is the sets that share one budget. The one that was touched longest
// ago stands in front.
type class struct {
	order  list.List
	memory int
	used   memory
}

// An Assembler puts messages together. The zero Assembler is ready; one
// goroutine owns it.
//
//	nothing ──first fragment──▶ half-open ──last one of the chain──▶ message, set used
//	                               │ Lifetime over, or budget full
//	                               ▼
//	                            forgotten
type Assembler struct {
	sets      map[key]*set
	open      class // of no origin
	solicited class
}

func (a *Assembler) class(o Origin) *class {
	if o == (Origin{}) {
		return &a.open
	}
	return &a.solicited
}

// Insert takes a fragment in and gives the message that it completes, if it
// does. Of fragments with the same origin, set and position the first counts
// (H13); copies, and fragments of messages that were given out before, are
// ignored without an error. Errors wrap [ErrMalformed] or [ErrTooLong].
//
// It does not keep b. The message is the caller's.
func (a *Assembler) Insert(o Origin, now time.Time, b []byte) (msg []byte, complete bool, err error) {
	h, n, err := ParseHeader(b)
	if err != nil {
		return nil, false, err
	}
	k, c, part := key{o, h.Set}, a.class(o), b[n:]
	if c.used.has(k) {
		return nil, false, nil
	}
	s := a.sets[k]
	switch {
	case s == nil:
		s = a.begin(k, h.Total)
	case len(s.parts) != int(h.Total):
		return nil, false, fmt.Errorf("%w: set of %d fragments has one of %d", ErrMalformed, len(s.parts), h.Total)
	case s.parts[h.Pos-1] != nil:
		return nil, false, nil
	}

	s.parts[h.Pos-1] = append(make([]byte, 0, len(part)), part...)
	s.missing--
	s.size += len(part)
	c.memory += len(part)
	if h.Pos == 1 {
		s.prev = h.Prev
	}
	if h.Next != 0 {
		s.next = h.Next
	}

	sets, size, whole := a.chain(s)
	for _, s := range sets {
		s.touched = now
		c.order.MoveToBack(s.place)
	}
	switch {
	case len(sets) > MaxChain || size > MaxMessage+len(part):
		a.finish(sets)
		return nil, false, ErrTooLong
	case !whole:
		a.makeRoom(c)
		return nil, false, nil
	}
	a.finish(sets)
	if msg, err = unpad(join(sets, size)); err != nil {
		return nil, false, err
	}
	if len(msg) > MaxMessage {
		return nil, false, ErrTooLong
	}
	return msg, true, nil
}

func (a *Assembler) begin(k key, total uint8) *set {
	s := &set{key: k, parts: make([][]byte, total), missing: int(total)}
	if a.sets == nil {
		a.sets = make(map[key]*set)
	}
	a.sets[k] = s
	c := a.class(k.origin)
	s.place = c.order.PushBack(s)
	c.memory += s.cost()
	return s
}

// chain lists the known sets of the message that s belongs to, in their order,
// and counts their bytes. They are the whole message if none of them misses a
// fragment and the first and the last one are among them. A link counts only
// if the set at its other end, once complete, confirms it.
func (a *Assembler) chain(s *set) (sets []*set, size int, whole bool) {
	first := s
	for range MaxChain {
		p := a.sets[key{s.origin, first.prev}]
		if first.prev == 0 || p == nil || p == s || p.next != first.set {
			break
		}
		first = p
	}
	whole = first.prev == 0
	for s := first; ; {
		sets = append(sets, s)
		size += s.size
		whole = whole && s.missing == 0
		if s.next == 0 || len(sets) > MaxChain {
			return sets, size, whole
		}
		n := a.sets[key{s.origin, s.next}]
		if n == nil || n == first || n.prev != s.set {
			return sets, size, false
		}
		s = n
	}
}

// finish forgets the sets and remembers that they are over.
func (a *Assembler) finish(sets []*set) {
	for _, s := range sets {
		a.drop(s)
		a.class(s.origin).used.add(s.key)
	}
}

// drop forgets s.
func (a *Assembler) drop(s *set) {
	c := a.class(s.origin)
	c.order.Remove(s.place)
	c.memory -= s.cost()
	delete(a.sets, s.key)
}

// makeRoom forgets sets of the class that was grown until the budgets hold
// again: those first that were touched longest ago.
func (a *Assembler) makeRoom(c *class) {
	for a.open.memory > MaxUnsolicited || a.open.memory+a.solicited.memory > MaxHalfOpen {
		a.drop(c.order.Front().Value.(*set))
	}
}

// Expire forgets the sets that have waited longer than [Lifetime] and counts
// them. Every ten seconds is often enough.
func (a *Assembler) Expire(now time.Time) (dropped int) {
	for _, c := range []*class{&a.open, &a.solicited} {
		for e := c.order.Front(); e != nil; e = c.order.Front() {
			s := e.Value.(*set)
			if now.Sub(s.touched) <= Lifetime {
				break
			}
			a.drop(s)
			dropped++
		}
	}
	return dropped
}

// HalfOpen counts the sets that wait for fragments, and the memory they take.
func (a *Assembler) HalfOpen() (sets, memory int) {
	return len(a.sets), a.open.memory + a.solicited.memory
}

// join puts the parts of complete sets one behind the other.
func join(sets []*set, size int) []byte {
	b := make([]byte, 0, size)
	for _, s := range sets {
		for _, p := range s.parts {
			b = append(b, p...)
		}
	}
	return b
}
