package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet/wire"
)

// An intake passes the packets of all clients on, so many a second. When they
// send more, sessions take turns by bytes, and a session that sends more than its
// turn is not read from. A gateway cannot tell garbage from packets: so nothing is
// dropped here, and no session takes more than its share of the network (H15).
//
//	session ── budget left, nobody waits ──────────────────────┐
//	session ── else: its queue ─┐                              ▼
//	session ────────▶ its queue ┴─ in turn, as the budget ──▶ forward
//	   └ full: the reader waits    fills up
type intake struct {
	rate    float64 // packets a second
	burst   float64 // packets at once
	forward func(wire.MixPacket)
	held    atomic.Uint64 // packets that had to wait

	wake chan struct{} // one token: somebody waits

	mu         sync.Mutex // guards the following, and all queues
	budget     float64    // packets that may go now
	filled     time.Time  // when it was last filled up
	head, tail *clientQueue
	ended      bool // everything goes at once
}

// A clientQueue is what waits of one session.
type clientQueue struct {
	packets []wire.MixPacket // with packets of their own
	bytes   int
	credit  int           // bytes it may still send in this turn
	room    chan struct{} // closed when there is room; nil: the reader does not wait
	listed  bool
	next    *clientQueue // in turn
}

func newIntake(rate int, forward func(wire.MixPacket)) *intake {
	burst := max(1, float64(rate)*budgetSpan.Seconds())
	return &intake{
		rate: float64(rate), burst: burst, forward: forward, wake: make(chan struct{}, 1),
		budget: burst, filled: time.Now(),
	}
}

// fill adds to the budget what time has brought. mu is held.
func (in *intake) fill() {
	now := time.Now()
	in.budget = min(in.burst, in.budget+now.Sub(in.filled).Seconds()*in.rate)
	in.filled = now
}

// pass takes a packet, which it copies if that has to wait. It waits while the
// queue is full: the caller reads nothing more from that client meanwhile. It is
// called by one goroutine for each queue.
func (in *intake) pass(q *clientQueue, p wire.MixPacket) {
	for {
		in.mu.Lock()
		in.fill()
		if in.ended || in.head == nil && in.budget >= 1 {
			in.budget--
			in.mu.Unlock()
			in.forward(p)
			return
		}
		if len(q.packets) == 0 || q.bytes+len(p.Packet) <= clientQueueBytes {
			break
		}
		room := make(chan struct{})
		q.room = room
		in.mu.Unlock()
		<-room
	}
	defer in.mu.Unlock()
	in.held.Add(1)
	p.Packet = append([]byte(nil), p.Packet...)
	q.packets = append(q.packets, p)
	q.bytes += len(p.Packet)
	if !q.listed {
		in.list(q)
	}
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// list puts a queue at the end of the turn. mu is held.
func (in *intake) list(q *clientQueue) {
	q.listed, q.next = true, nil
	if in.head == nil {
		in.head = q
	} else {
		in.tail.next = q
	}
	in.tail = q
}

// run lets go what waits, as the budget allows, until ctx ends; then all of it.
func (in *intake) run(ctx context.Context) {
	for {
		select {
		case <-in.wake:
		case <-ctx.Done():
			in.end()
			return
		}
		for in.turn() {
			select {
			case <-time.After(budgetTick):
			case <-ctx.Done():
				in.end()
				return
			}
		}
	}
}

// turn lets go what the budget allows. It reports whether packets are left.
func (in *intake) turn() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.fill()
	for in.head != nil && (in.budget >= 1 || in.ended) {
		q := in.head
		if q.credit <= 0 {
			q.credit += turnBytes // a queue in debt is passed over
		}
		for q.credit > 0 && len(q.packets) > 0 && (in.budget >= 1 || in.ended) {
			p := q.packets[0]
			q.packets[0] = wire.MixPacket{}
			q.packets = q.packets[1:]
			q.bytes -= len(p.Packet)
			q.credit -= len(p.Packet)
			in.budget--
			in.forward(p)
		}
		if q.room != nil {
			close(q.room)
			q.room = nil
		}
		switch {
		case len(q.packets) == 0:
			in.head, q.listed = q.next, false
			q.credit = min(q.credit, 0) // debts stay
		case q.credit <= 0:
			in.head = q.next
			in.list(q)
		}
	}
	return in.head != nil
}

// end lets everything go, now and from now on.
func (in *intake) end() {
	in.mu.Lock()
	in.ended = true
	in.mu.Unlock()
	in.turn()
}
