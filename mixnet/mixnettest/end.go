package mixnettest

import (
	"context"
	"slices"
	"time"

	"nym-socks5/mixnet"
)

var _ mixnet.Messenger = (*End)(nil)

// An End is one of the two Messengers of a Pair. All fields are guarded by the
// lock of the Pair.
type End struct {
	pair  *Pair
	far   *End
	addr  mixnet.Recipient
	moves uint64

	closed  bool
	holding bool          // acknowledgements for us
	held    []func()      // of them, those that came meanwhile
	changed chan struct{} // closed and replaced whenever a waiting Send or Receive should look again
	inbox   []mixnet.Message
	lanes   map[mixnet.Lane]*lane
	free    time.Time // when the pacer has sent everything so far
	last    time.Time // when the last message arrives, if they keep their order

	mine  map[mixnet.SenderTag]*grant // tags we speak under
	pools map[mixnet.SenderTag]*pool  // tags of strangers
}

// A lane holds messages that are queued or not yet acknowledged.
type lane struct {
	used   int // packets
	closed bool
	flying map[*flight]struct{}
}

// A flight is one accepted message until its Done was called.
type flight struct {
	lane    *lane
	packets int
	left    int // packets that wait for a reply SURB
	done    func(error)
	gone    bool // has left: closing the lane no longer stops it
	dropped bool
	send    func() // makes it leave
}

func newEnd(p *Pair, n uint64) *End {
	return &End{
		pair:    p,
		addr:    address(n),
		changed: make(chan struct{}),
		lanes:   make(map[mixnet.Lane]*lane),
		mine:    make(map[mixnet.SenderTag]*grant),
		pools:   make(map[mixnet.SenderTag]*pool),
	}
}

// Address implements [mixnet.Messenger].
func (e *End) Address() mixnet.Recipient {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	return e.addr
}

// Move gives the end another address, as that of a client that has gone to
// another gateway.
func (e *End) Move() {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	e.moves++
	next := address(1000 + e.moves)
	next.Encryption = e.addr.Encryption
	e.addr = next
}

// Send implements [mixnet.Messenger]. What is sent to a stranger to the Pair
// is never acknowledged.
func (e *End) Send(ctx context.Context, to mixnet.Recipient, body []byte, o mixnet.SendOptions) error {
	body = slices.Clone(body)
	surbs, overhead := max(o.SURBs, 0), anonymousOverhead
	if o.As.IsZero() {
		surbs, overhead = 0, plainOverhead
	}
	n := e.pair.packets(len(body) + overhead + surbs*surbSize)
	f, err := e.admit(ctx, body, n, o)
	if err != nil {
		return err
	}
	p := e.pair
	p.mu.Lock()
	if !o.As.IsZero() {
		e.grantOf(o.As).out += surbs
	}
	known := to == e.far.addr
	p.mu.Unlock()
	f.send = func() {
		if known {
			e.fly(f, mixnet.Message{Body: body, From: o.As}, surbs)
		}
	}
	e.depart(f)
	return nil
}

// Reply implements [mixnet.Messenger].
func (e *End) Reply(ctx context.Context, tag mixnet.SenderTag, body []byte, o mixnet.SendOptions) error {
	p := e.pair
	p.mu.Lock()
	pl := e.pools[tag]
	p.mu.Unlock()
	if pl == nil || len(body) == 0 {
		return mixnet.ErrUnknownTag
	}
	body = slices.Clone(body)
	n := p.packets(len(body) + replyOverhead)
	f, err := e.admit(ctx, body, n, o)
	if err != nil {
		return err
	}
	f.send = func() { e.fly(f, mixnet.Message{Body: body, To: tag}, 0) }
	if !p.o.CountSURBs {
		e.depart(f)
		return nil
	}
	p.mu.Lock()
	f.left = n
	pl.waiting = append(pl.waiting, f)
	ready, spent := pl.serve()
	p.mu.Unlock()
	e.spend(tag, spent)
	e.depart(ready...)
	return nil
}

// admit waits until the lane has room and books the message on it.
func (e *End) admit(ctx context.Context, body []byte, n int, o mixnet.SendOptions) (*flight, error) {
	if len(body) > mixnet.MaxMessage {
		return nil, mixnet.ErrTooLong
	}
	p := e.pair
	for {
		p.mu.Lock()
		l := e.lane(o.Lane)
		switch {
		case e.closed:
			p.mu.Unlock()
			return nil, mixnet.ErrClosed
		case l.closed:
			p.mu.Unlock()
			return nil, mixnet.ErrLaneClosed
		case l.used == 0 || l.used+n <= p.o.LaneSize:
			f := &flight{lane: l, packets: n, done: o.Done}
			l.used += n
			l.flying[f] = struct{}{}
			p.mu.Unlock()
			return f, nil
		}
		changed := e.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// depart lets messages leave, as fast as the pacer allows.
func (e *End) depart(flights ...*flight) {
	p := e.pair
	for _, f := range flights {
		p.mu.Lock()
		var wait time.Duration
		if p.o.Rate > 0 {
			now := time.Now()
			if e.free.Before(now) {
				e.free = now
			}
			e.free = e.free.Add(time.Duration(f.packets) * time.Second / time.Duration(p.o.Rate))
			wait = e.free.Sub(now)
		}
		p.mu.Unlock()
		after(wait, func() {
			p.mu.Lock()
			f.gone = !f.dropped
			gone := f.gone
			p.mu.Unlock()
			if gone {
				f.send()
			}
		})
	}
}

// fly carries a message that has left to the other end, and the
// acknowledgement back.
func (e *End) fly(f *flight, m mixnet.Message, surbs int) {
	p := e.pair
	p.mu.Lock()
	there := e.far.inOrder(p.travel(f.packets))
	back := p.travel(1)
	vanish := p.chance(p.o.Vanish)
	again := time.Duration(-1)
	if p.chance(p.o.Duplicate) {
		again = there + p.travel(1)
	}
	p.mu.Unlock()
	if vanish {
		after(p.o.GiveUp, func() { e.finish(f, mixnet.ErrGivenUp) })
		return
	}
	after(there, func() {
		e.far.arrive(m, surbs)
		after(back, func() { e.acknowledge(f) })
	})
	if again >= 0 {
		after(again, func() { e.far.arrive(m, 0) })
	}
}

// inOrder keeps messages that take equally long from overtaking each other:
// where nothing goes wrong, tests may rely on the order.
func (e *End) inOrder(there time.Duration) time.Duration {
	if o := e.pair.o; o.Latency == 0 || o.Jitter > 0 || o.Loss > 0 {
		return there
	}
	at := time.Now().Add(there)
	if !at.After(e.last) {
		at = e.last.Add(1)
	}
	e.last = at
	return time.Until(at)
}

// arrive takes a message in, its SURBs first.
func (e *End) arrive(m mixnet.Message, surbs int) {
	p := e.pair
	p.mu.Lock()
	if e.closed {
		p.mu.Unlock()
		return
	}
	var ready []*flight
	var spent int
	if !m.From.IsZero() {
		ready, spent = e.stockUp(m.From, surbs)
	}
	m.Body = slices.Clone(m.Body)
	e.inbox = append(e.inbox, m)
	e.wake()
	p.mu.Unlock()
	e.spend(m.From, spent)
	e.depart(ready...)
}

// acknowledge ends a flight well, unless acknowledgements are held back.
func (e *End) acknowledge(f *flight) {
	p := e.pair
	p.mu.Lock()
	holding := e.holding
	if holding {
		e.held = append(e.held, func() { e.finish(f, nil) })
	}
	p.mu.Unlock()
	if !holding {
		e.finish(f, nil)
	}
}

// HoldAcks holds back the acknowledgements of what this end sends, or lets
// those that were held back through.
func (e *End) HoldAcks(hold bool) {
	p := e.pair
	p.mu.Lock()
	e.holding = hold
	held := e.held
	if hold {
		held = nil
	} else {
		e.held = nil
	}
	p.mu.Unlock()
	for _, finish := range held {
		finish()
	}
}

// Waiting counts the messages that have arrived and were not received.
func (e *End) Waiting() int {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	return len(e.inbox)
}

// finish ends a flight once.
func (e *End) finish(f *flight, err error) {
	p := e.pair
	p.mu.Lock()
	_, flying := f.lane.flying[f]
	if flying {
		delete(f.lane.flying, f)
		f.lane.used -= f.packets
		e.wake()
	}
	p.mu.Unlock()
	if flying && f.done != nil {
		f.done(err)
	}
}

// Receive implements [mixnet.Messenger].
func (e *End) Receive(ctx context.Context) (mixnet.Message, error) {
	p := e.pair
	for {
		p.mu.Lock()
		if len(e.inbox) > 0 {
			m := e.inbox[0]
			e.inbox[0] = mixnet.Message{}
			e.inbox = e.inbox[1:]
			p.mu.Unlock()
			return m, nil
		}
		if e.closed {
			p.mu.Unlock()
			return mixnet.Message{}, mixnet.ErrClosed
		}
		changed := e.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return mixnet.Message{}, ctx.Err()
		}
	}
}

// CloseLane implements [mixnet.Messenger].
func (e *End) CloseLane(n mixnet.Lane) {
	p := e.pair
	p.mu.Lock()
	l := e.lane(n)
	l.closed = true
	flights := make([]*flight, 0, len(l.flying))
	for f := range l.flying {
		f.dropped = !f.gone
		flights = append(flights, f)
	}
	p.mu.Unlock()
	for _, f := range flights {
		e.finish(f, mixnet.ErrLaneClosed)
	}
}

// LaneLen implements [mixnet.Messenger].
func (e *End) LaneLen(n mixnet.Lane) int {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	if l := e.lanes[n]; l != nil {
		return l.used
	}
	return 0
}

// Tags lists the tags under which this end has sent.
func (e *End) Tags() []mixnet.SenderTag {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	tags := make([]mixnet.SenderTag, 0, len(e.mine))
	for t := range e.mine {
		tags = append(tags, t)
	}
	return tags
}

// Lanes counts the lanes that were used and not closed.
func (e *End) Lanes() (n int) {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	for _, l := range e.lanes {
		if !l.closed {
			n++
		}
	}
	return n
}

// Close ends this end: from now on everything fails with [mixnet.ErrClosed].
func (e *End) Close() {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	e.closed = true
	e.wake()
}

func (e *End) wake() {
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *End) lane(n mixnet.Lane) *lane {
	l := e.lanes[n]
	if l == nil {
		l = &lane{flying: make(map[*flight]struct{})}
		e.lanes[n] = l
	}
	return l
}
