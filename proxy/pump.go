package proxy

import (
	"context"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// pump is the goroutine of a stream: it takes the steps that the stream decides.
func (c *Conn) pump() {
	defer c.depart()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var s step
		c.do(func(now time.Time) (fx effects) {
			s, fx = c.s.next(now)
			return fx
		})
		switch {
		case s.move == moveStop, c.ctx.Err() != nil:
			return
		case s.move != moveWait:
			c.take(s)
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

// take takes a step. It waits while the lane is full.
func (c *Conn) take(s step) {
	err := c.transmit(s)
	if err == nil {
		return
	}
	c.do(func(time.Time) effects {
		c.s.unsent(s)
		if c.ctx.Err() != nil {
			return 0
		}
		return c.s.fail(err, false)
	})
}

func (c *Conn) transmit(s step) error {
	switch s.move {
	case moveRefuse:
		body, err := protocol.Response{Versions: c.peer.versions, Body: protocol.Failure{ID: c.key.id, Text: c.s.reason.failureText()}}.AppendBinary(nil)
		if err != nil {
			return err
		}
		return c.peer.send(c.ctx, body, c.lane, noSURBs, nil)
	case moveReset:
		body, err := c.peer.note(protocol.Note{Op: protocol.NoteReset, ID: c.key.id, Value: s.seq})
		if err != nil {
			return err
		}
		return c.peer.send(c.ctx, body, c.notes, noSURBs, c.onDone(s))
	}
	if err := c.peer.putHeader(s.body, c.key.id, s.seq, s.closed); err != nil {
		return err
	}
	surbs := noSURBs
	if len(s.body) <= c.beside {
		surbs = 0 // some ride along, if any are lacking
	}
	return c.peer.send(c.ctx, s.body, c.lane, surbs, c.onDone(s))
}

// onDone makes the callback that hears what became of a message.
func (c *Conn) onDone(s step) func(error) {
	return func(err error) {
		c.do(func(now time.Time) effects { return c.s.acked(now, s, err) })
	}
}

// depart ends the pump and the stream with it.
func (c *Conn) depart() {
	c.mu.Lock()
	tell := c.s.farewell && c.p.base.Err() == nil
	c.mu.Unlock()
	if tell {
		c.note(protocol.NoteReset)
		if c.s.kind.get() != kindOurs {
			c.sayFarewell()
		}
	}
	c.do(func(time.Time) effects { return c.s.finish() })
	c.p.remove(c)
}

// sayFarewell sends the close of a stream that failed, as its last message, and
// gives it some time to arrive.
func (c *Conn) sayFarewell() {
	c.mu.Lock()
	if c.s.end.closeSent || c.s.win.full() {
		c.mu.Unlock()
		return
	}
	s := c.s.message(time.Now(), nil, true)
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
		drained := c.s.win.drained()
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

// grant raises the peer's limit to what has been read.
func (c *Conn) grant() {
	ok := c.p.queue.add(func(ctx context.Context) {
		c.mu.Lock()
		c.s.promised = c.s.in.taken + protocol.Window
		c.s.granting = false
		n := protocol.Note{Op: protocol.NoteLimit, ID: c.key.id, Value: c.s.promised}
		c.mu.Unlock()
		c.p.sendNote(ctx, c.peer, n, c.notes)
	})
	if !ok {
		c.mu.Lock()
		c.s.granting = false
		c.mu.Unlock()
		c.p.count.busy.Add(1)
	}
}

// note tells the peer something about the stream, unless it would not
// understand.
func (c *Conn) note(op protocol.NoteOp) {
	if !c.s.understood() {
		return
	}
	n := protocol.Note{Op: op, ID: c.key.id}
	if !c.p.queue.add(func(ctx context.Context) { c.p.sendNote(ctx, c.peer, n, c.notes) }) {
		c.p.count.busy.Add(1)
	}
}

// sendNote sends one note. If it cannot, the stream's idle limit sets things right.
func (p *Proxy) sendNote(ctx context.Context, to peer, n protocol.Note, lane mixnet.Lane) {
	body, err := to.note(n)
	if err == nil {
		err = to.send(ctx, body, lane, 0, nil)
	}
	if err != nil {
		p.count.busy.Add(1)
	}
}
