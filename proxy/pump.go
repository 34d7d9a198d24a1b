package proxy

import (
	"context"
	"errors"
	"math"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

const (
	farewellSend = 3 * time.Second  // for the Messenger to take the last close of a failed stream
	farewellWait = 10 * time.Second // for its acknowledgement
)

// A move is what the pump does next.
type move uint8

const (
	moveWait   move = iota // until at, or a poke
	moveRefuse             // send the failure message
	moveSend               // send a message of the stream
	moveStop               // the stream is over
)

// A step is a move with what belongs to it.
type step struct {
	move   move
	at     time.Time // wait; zero: for a poke
	body   []byte    // send, refuse
	seq    uint64    // send
	data   bool      // send: there are data
	closed bool      // send
}

// pump is the goroutine of a stream: it sends all numbered messages.
func (c *Conn) pump() {
	defer c.depart()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s := c.next(time.Now())
		switch s.move {
		case moveStop:
			return
		case moveRefuse, moveSend:
			c.transmit(s)
			continue
		}
		var alarm <-chan time.Time
		if !s.at.IsZero() {
			timer.Reset(time.Until(s.at))
			alarm = timer.C
		}
		select {
		case <-c.wake:
		case <-alarm:
		case <-c.ctx.Done():
		}
	}
}

// next decides what to do.
func (c *Conn) next(now time.Time) step {
	c.mu.Lock()
	defer c.unlock()
	if c.err == nil && c.peer.dialing {
		c.outcome.tick(now)
		c.settle(now)
	}
	if c.err != nil || c.over || c.ctx.Err() != nil {
		return step{move: moveStop}
	}
	if c.reason != ReasonUnknown && c.kind.get() == kindOurs {
		c.refuse(now, c.reason)
	}
	if c.refusal != nil {
		s := step{move: moveRefuse, body: c.refusal}
		c.refusal = nil
		return s
	}
	wait := step{at: c.outcome.next()}
	if c.win.full() {
		return wait
	}
	if c.greet {
		c.greet = false
		return c.message(now, nil, false)
	}
	msg, at := c.out.next(now, c.p.cfg.Coalesce, c.allowance())
	if msg != nil {
		c.end.lastOut = now
		poke(c.writable)
		return c.message(now, msg, false)
	}
	wait.at = earlier(wait.at, at)

	c.end.ours = c.kind.get() == kindOurs
	c.end.flushed, c.end.drained = c.out.empty(), c.win.drained()
	if c.end.dialing && c.end.remoteClosed && len(c.in.ready) > 0 {
		c.end.remoteAt = now // the application has not come to the end yet
	}
	do, at := c.end.next(now)
	wait.at = earlier(wait.at, at)
	switch do {
	case endCut:
		c.cut = true
		c.closeLocal(now) // which makes us look again
	case endClose:
		return c.message(now, nil, true)
	case endDone:
		c.over = true
		return step{move: moveStop}
	}
	if (!c.peer.dialing || c.outcome.phase == phaseOpen) && c.end.keepsAlive() {
		if !now.Before(c.beat.due) {
			c.remind()
			return c.message(now, nil, false)
		}
		wait.at = earlier(wait.at, c.beat.due)
	}
	return wait
}

// message numbers a message. The lock is held.
func (c *Conn) message(now time.Time, msg []byte, closed bool) step {
	s := step{move: moveSend, body: msg, seq: c.win.take(), data: msg != nil, closed: closed}
	if msg == nil {
		s.body = make([]byte, c.out.head)
	}
	if closed {
		c.end.closeSent, c.end.closeSentAt = true, now
	}
	c.beat.sent(now)
	return s
}

// allowance is how many data bytes may be sent now. The lock is held.
func (c *Conn) allowance() uint64 {
	left := uint64(math.MaxUint64)
	if c.kind.get() == kindOurs {
		left = c.limit - min(c.out.sent, c.limit)
	}
	if c.peer.dialing && c.outcome.phase != phaseOpen {
		if c.win.next >= openingMessages {
			return 0
		}
		left = min(left, openingBytes-min(c.out.sent, openingBytes))
	}
	return left
}

// remind repeats, with a keep-alive, what the peer may have missed. The lock
// is held.
func (c *Conn) remind() {
	if c.promised > protocol.Window && !c.granting && !c.in.ended && c.kind.get() == kindOurs {
		c.granting = true
		c.grant()
	}
	if !c.out.empty() && c.peer.dialing && c.allowance() < uint64(c.out.chunk) {
		c.p.sendHello(c.ident)
	}
}

// transmit sends what next decided. It waits while the lane is full.
func (c *Conn) transmit(s step) {
	var done func(error)
	if s.move == moveSend {
		if err := c.peer.putHeader(s.body, c.key.id, s.seq, s.closed); err != nil {
			c.fail(err, false)
			return
		}
		done = c.onDone(s)
	}
	err := c.peer.send(c.ctx, s.body, c.lane, noSURBs, done)
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.unlock()
	if s.move == moveSend {
		c.win.next-- // the number was not used, so the close can have it
		c.end.closeSent = c.end.closeSent && !s.closed
	}
	if c.ctx.Err() == nil {
		c.failLocked(err, false)
	}
}

// onDone makes the callback that hears what became of a message.
func (c *Conn) onDone(s step) func(error) {
	return func(err error) {
		now := time.Now()
		c.mu.Lock()
		if err == nil {
			c.win.ack(s.seq)
			if s.data {
				c.idle.moved(now)
			}
			poke(c.wake)
		} else if !errors.Is(err, mixnet.ErrLaneClosed) {
			c.failLocked(err, false) // the stream has a hole
		}
		c.unlock()
	}
}

// depart ends the pump and the stream with it.
func (c *Conn) depart() {
	c.mu.Lock()
	tell := c.tell && c.p.base.Err() == nil
	c.over = true
	c.tell = false
	c.in.settle()
	if !c.settled {
		c.settled = true
		close(c.opened)
	}
	poke(c.readable)
	poke(c.writable)
	c.unlock()
	if tell {
		c.note(protocol.NoteReset)
		if c.kind.get() != kindOurs {
			c.farewell()
		}
	}
	c.p.remove(c)
}

// farewell sends the close of a stream that failed, as its last message, and
// gives it some time to arrive.
func (c *Conn) farewell() {
	c.mu.Lock()
	if c.end.closeSent || c.win.full() {
		c.mu.Unlock()
		return
	}
	s := c.message(time.Now(), nil, true)
	c.mu.Unlock()
	if c.peer.putHeader(s.body, c.key.id, s.seq, true) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.p.base, farewellSend)
	defer cancel()
	if c.peer.send(ctx, s.body, c.lane, noSURBs, c.onDone(s)) != nil {
		return
	}
	limit := time.NewTimer(farewellWait)
	defer limit.Stop()
	for {
		c.mu.Lock()
		drained := c.win.drained()
		c.mu.Unlock()
		if drained {
			return
		}
		select {
		case <-c.wake:
		case <-limit.C:
			return
		case <-c.p.base.Done():
			return
		}
	}
}
