package mixnettest

import (
	"context"
	"errors"
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
	pins  map[mixnet.SenderTag]struct{}
}

// A lane holds messages that are queued or not yet acknowledged.
type lane struct {
	used   int // packets
	closed bool
	flying map[*flight]struct{}
}

// errNoRoom means that a lane is full.
var errNoRoom = errors.New("mixnettest: lane full")

// A flight is one accepted message until its Done was called.
type flight struct {
	lane    *lane
	packets int
	left    int // packets that wait for a reply SURB
	done    func(error)
	dropped bool // it does not leave any more
	once    bool
	unwatch func() bool // ends the wait for the end of its life; may be nil
	send    func()      // makes it leave
}

func newEnd(p *Pair, n uint64) *End {
	return &End{
		pair:    p,
		addr:    address(n),
		changed: make(chan struct{}),
		lanes:   make(map[mixnet.Lane]*lane),
		mine:    make(map[mixnet.SenderTag]*grant),
		pools:   make(map[mixnet.SenderTag]*pool),
		pins:    make(map[mixnet.SenderTag]struct{}),
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
// is never acknowledged; one without a gateway cannot be reached.
func (e *End) Send(ctx context.Context, to mixnet.Recipient, body []byte, o mixnet.SendOptions) error {
	p := e.pair
	if to.Gateway.IsZero() && len(body) <= mixnet.MaxMessage {
		return mixnet.ErrUnreachable
	}
	body = slices.Clone(body)
	p.mu.Lock()
	surbs := e.attach(o)
	known := to == e.far.addr
	p.mu.Unlock()
	n := p.packets(len(body) + surbs*surbSize)
	f, err := e.admit(ctx, len(body), n, o)
	if err != nil {
		if surbs > 0 {
			p.mu.Lock()
			e.grantOf(o.As).out -= surbs
			p.mu.Unlock()
		}
		return err
	}
	e.depart(f, func() {
		if known {
			e.fly(f, mixnet.Message{Body: body, From: o.As, Packets: n}, surbs)
		}
	})
	return nil
}

// Room implements [mixnet.Messenger].
func (e *End) Room(o mixnet.SendOptions, packets int) int {
	surbs := 0
	if !o.As.IsZero() {
		surbs = max(0, o.SURBs)
	}
	return max(0, min(packets*packetRoom-surbs*surbSize, mixnet.MaxMessage))
}

// Reply implements [mixnet.Messenger].
func (e *End) Reply(ctx context.Context, tag mixnet.SenderTag, body []byte, o mixnet.SendOptions) error {
	p := e.pair
	if len(body) == 0 {
		return mixnet.ErrEmpty
	}
	p.mu.Lock()
	pl := e.pools[tag]
	p.mu.Unlock()
	if pl == nil && len(body) <= mixnet.MaxMessage {
		return mixnet.ErrUnknownTag
	}
	body = slices.Clone(body)
	n := p.packets(len(body))
	f, err := e.admit(ctx, len(body), n, o)
	if err != nil {
		return err
	}
	fly := func() { e.fly(f, mixnet.Message{Body: body, To: tag, Packets: n}, 0) }
	if !p.o.CountSURBs {
		e.depart(f, fly)
		return nil
	}
	p.mu.Lock()
	f.left, f.send = n, fly
	pl.waiting = append(pl.waiting, f)
	p.mu.Unlock()
	e.serve(tag)
	e.despair(pl, f)
	return nil
}

// admit waits until the lane has room and books the message on it.
func (e *End) admit(ctx context.Context, size, n int, o mixnet.SendOptions) (*flight, error) {
	if size > mixnet.MaxMessage {
		return nil, mixnet.ErrTooLong
	}
	var ended <-chan struct{} // the message's life
	if o.Life != nil {
		ended = o.Life.Done()
	}
	for l := (*lane)(nil); ; {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		f, err := e.book(&l, n, o)
		if err != errNoRoom {
			return f, err
		}
		e.pair.mu.Lock()
		changed := e.changed
		e.pair.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		case <-ended:
		}
	}
}

// book puts a message on a lane that has room: on the one it has waited for, or
// that there is now.
func (e *End) book(waited **lane, n int, o mixnet.SendOptions) (*flight, error) {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	if *waited == nil {
		*waited = e.lane(o.Lane)
	}
	l := *waited
	switch {
	case e.closed:
		return nil, mixnet.ErrClosed
	case o.Life != nil && o.Life.Err() != nil:
		return nil, mixnet.ErrCanceled
	case l.closed:
		return nil, mixnet.ErrLaneClosed
	case l.used > 0 && l.used+n > e.pair.o.LaneSize:
		return nil, errNoRoom
	}
	f := &flight{lane: l, packets: n, done: o.Done, once: o.Once}
	l.used += n
	l.flying[f] = struct{}{}
	if o.Life != nil {
		f.unwatch = context.AfterFunc(o.Life, func() { e.end(f, mixnet.ErrCanceled) })
	}
	return f, nil
}

// end fails a flight, wherever it is.
func (e *End) end(f *flight, err error) {
	e.pair.mu.Lock()
	f.dropped = true
	e.pair.mu.Unlock()
	e.finish(f, err)
}

// depart lets a message leave, as fast as the pacer allows.
func (e *End) depart(f *flight, send func()) {
	p := e.pair
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
		dropped := f.dropped
		p.mu.Unlock()
		if !dropped {
			send()
		}
	})
}

// fly carries a message that has left to the other end, and the
// acknowledgement back.
func (e *End) fly(f *flight, m mixnet.Message, surbs int) {
	p := e.pair
	p.mu.Lock()
	if f.dropped || e.closed {
		p.mu.Unlock()
		return
	}
	if p.cut && !f.once {
		p.mu.Unlock()
		time.AfterFunc(p.o.Retry, func() { e.fly(f, m, surbs) })
		return
	}
	there := e.far.inOrder(p.journey(f.packets, !f.once))
	back := p.travel(1)
	vanish := p.chance(p.o.Vanish)
	lost := f.once && (p.cut || p.lost(f.packets))
	again := time.Duration(-1)
	if p.chance(p.o.Duplicate) {
		again = there + p.travel(1)
	}
	p.mu.Unlock()
	if vanish || lost {
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
	p.mu.Unlock()
	if !m.From.IsZero() {
		e.stockUp(m.From, surbs)
	}
	m.Body = slices.Clone(m.Body)
	p.mu.Lock()
	e.inbox = append(e.inbox, m)
	e.wake()
	p.mu.Unlock()
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
	unwatch := f.unwatch
	p.mu.Unlock()
	if !flying {
		return
	}
	if unwatch != nil {
		unwatch()
	}
	if f.done != nil {
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
	l := e.lanes[n]
	delete(e.lanes, n)
	p.mu.Unlock()
	if l != nil {
		e.clear(l, mixnet.ErrLaneClosed)
	}
}

// clear fails all that is on a lane.
func (e *End) clear(l *lane, err error) {
	p := e.pair
	p.mu.Lock()
	l.closed = true
	flights := make([]*flight, 0, len(l.flying))
	for f := range l.flying {
		flights = append(flights, f)
	}
	e.wake()
	p.mu.Unlock()
	for _, f := range flights {
		e.end(f, err)
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

// Lanes counts the lanes that were used and not closed since.
func (e *End) Lanes() int {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	return len(e.lanes)
}

// Close ends this end: what is not yet acknowledged fails, and from now on
// everything does, with [mixnet.ErrClosed].
func (e *End) Close() {
	e.pair.mu.Lock()
	e.closed = true
	lanes := make([]*lane, 0, len(e.lanes))
	for _, l := range e.lanes {
		lanes = append(lanes, l)
	}
	e.wake()
	e.pair.mu.Unlock()
	for _, l := range lanes {
		e.clear(l, mixnet.ErrClosed)
	}
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
