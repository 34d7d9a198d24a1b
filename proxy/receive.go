package proxy

import (
	"context"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// A piece is one received message of a stream, whichever end sent it.
type piece struct {
	seq        uint64
	data       []byte
	closed     bool
	unnumbered bool
}

// receive takes in one message. The reader calls it; it does not wait.
func (c *Conn) receive(now time.Time, m piece) {
	c.mu.Lock()
	defer c.unlock()
	if c.err != nil || c.over {
		return
	}
	c.idle.message(now, len(m.data) == 0 && !m.closed)
	if len(m.data) > 0 {
		c.end.lastIn = now
	}
	if c.peer.dialing {
		c.outcome.data(now, m.seq, m.closed, m.unnumbered, len(m.data) == 0, c.kind.get() != kindOther)
		c.settle(now)
		if c.err != nil {
			return
		}
		if c.outcome.phase == phaseClosed {
			poke(c.wake) // the wait for the reason begins
		}
	}
	verdict := accepted
	if m.unnumbered {
		c.in.end()
	} else {
		verdict = c.in.insert(m.seq, m.data, m.closed)
	}
	switch verdict {
	case duplicate:
		c.p.count.repeated.Add(1)
	case tooFar:
		c.p.count.overflown.Add(1)
	}
	c.arrived++
	switch {
	case c.in.broken():
		c.failLocked(errHole, true)
	case c.in.size > hardLimit, c.early && (c.in.size > earlyBytes || c.arrived > earlyMessages):
		c.failLocked(errFlood, true)
	case c.in.ended && !c.end.remoteClosed:
		c.remoteClosed(now)
	}
	poke(c.readable)
}

// remoteClosed notes that the peer's direction has ended.
func (c *Conn) remoteClosed(now time.Time) {
	c.end.remoteClosed, c.end.remoteAt = true, now
	poke(c.wake)
	ours := c.kind.get() == kindOurs
	switch {
	case c.early && !ours && c.in.taken == 0 && len(c.in.ready) == 0:
		c.failLocked(errGone, false) // others close both directions at once
	case c.peer.dialing && !ours && !c.end.localClosed && now.Sub(later(c.end.lastIn, c.end.lastOut)) >= c.p.cfg.IdleLimit:
		c.p.cfg.Log.Info().Str("component", "proxy").Msg("requester closed a stream that was quiet for its idle limit")
	}
}

// refused takes in a failure message.
func (c *Conn) refused(r Reason) {
	c.mu.Lock()
	defer c.unlock()
	if c.err != nil || c.over {
		return
	}
	if !c.outcome.failure(r) {
		c.failLocked(ErrReset, true)
		return
	}
	c.settle(time.Now())
}

// settle acts on the outcome once it is known. The lock is held.
func (c *Conn) settle(now time.Time) {
	if c.settled {
		return
	}
	switch c.outcome.phase {
	case phaseOpen:
		c.settled = true
		close(c.opened)
		c.p.count.opened.Add(1)
		c.beat.sent(now)
		poke(c.wake)
	case phaseFailed:
		c.failLocked(&OpenError{c.outcome.reason}, c.outcome.reason == ReasonNoAnswer)
	}
}

// openError says why a dialed stream was not opened; nil if it was.
func (c *Conn) openError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.outcome.phase == phaseOpen:
		return nil
	case c.err == nil:
		return &OpenError{ReasonNoNetwork} // the Proxy has ended
	}
	return c.err
}

// noted takes in a note.
func (c *Conn) noted(n protocol.Note) {
	c.mu.Lock()
	defer c.unlock()
	if c.err != nil || c.over {
		return
	}
	switch n.Op {
	case protocol.NoteLimit:
		c.limit = max(c.limit, n.Value)
		poke(c.wake)
	case protocol.NoteReset:
		c.failLocked(ErrReset, false)
	case protocol.NoteStop:
		if c.early && len(c.in.ready) == 0 && len(c.in.held) == 0 {
			c.failLocked(errGone, false)
			return
		}
		c.halt(time.Now())
	}
}

// age lets time pass, for what must happen even while the pump waits for the
// Messenger.
func (c *Conn) age(now time.Time) {
	c.mu.Lock()
	defer c.unlock()
	if c.err != nil || c.over {
		return
	}
	if c.stalled && c.peer.dialing && c.kind.get() != kindOurs {
		c.idle.start(now) // we let the peer have no SURBs to speak with
	}
	if c.idle.expired(now) {
		c.failLocked(ErrIdle, true)
		return
	}
	if c.peer.dialing {
		c.outcome.tick(now)
		c.settle(now)
	}
}

// fail ends the stream at once. If tell, the peer is told.
func (c *Conn) fail(err error, tell bool) {
	c.mu.Lock()
	defer c.unlock()
	c.failLocked(err, tell)
}

func (c *Conn) failLocked(err error, tell bool) {
	if c.err != nil || c.over {
		return
	}
	c.err, c.tell = err, tell
	c.out.drop()
	c.in.drop()
	c.in.settle()
	if !c.settled {
		c.settled = true
		close(c.opened)
	}
	c.cancel()
	c.p.count.failed.Add(1)
	poke(c.wake)
	poke(c.readable)
	poke(c.writable)
}

// shutdown closes the stream because the Proxy ends.
func (c *Conn) shutdown() {
	c.mu.Lock()
	start := !c.pumping && !c.peer.dialing && c.err == nil
	c.pumping = c.pumping || start
	c.early = false
	c.end.fullClosed, c.end.notBefore = true, time.Time{}
	c.in.drop()
	c.closeLocal(time.Now())
	poke(c.readable)
	c.unlock()
	if start {
		c.p.pumps.Go(c.pump)
	}
}

// held says how much memory received data take.
func (c *Conn) held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.size
}

// unlock releases the lock and does what follows from the change but must not
// be done under it.
func (c *Conn) unlock() {
	grown := c.in.size - c.counted
	c.counted = c.in.size
	stall := 0
	switch {
	case c.left:
	case !c.stalled && c.in.size > stallMark:
		c.stalled, stall = true, 1
	case c.stalled && c.in.size <= stallMark/2:
		c.stalled, stall = false, -1
	}
	if c.halted && c.in.ended && len(c.in.ready) == 0 {
		c.halted, c.stopped = false, true
		poke(c.writable)
	}
	grant := c.grantDue(protocol.Window / 4)
	orphan := c.err != nil && !c.pumping
	tell := orphan && c.tell && !c.peer.dialing
	c.tell = c.tell && !orphan
	c.mu.Unlock()

	if grown != 0 && c.p.count.buffered.Add(int64(grown)) > c.p.cfg.Memory && grown > 0 {
		c.p.resetLargest()
	}
	if stall != 0 {
		c.p.updatePause(c.ident, func() { c.ident.stalled += stall })
	}
	if grant {
		c.grant()
	}
	if tell {
		c.p.answer(c.peer, protocol.Response{Versions: c.peer.versions, Body: protocol.Data{ID: c.key.id, Closed: true}})
	}
	if orphan {
		c.p.remove(c)
	}
}

// leave takes the stream out of its identity.
func (c *Conn) leave() {
	c.mu.Lock()
	stalled := 0
	if c.stalled {
		stalled = 1
	}
	c.left = true
	c.mu.Unlock()
	c.p.updatePause(c.ident, func() {
		c.ident.active--
		c.ident.stalled -= stalled
	})
}

// grantDue reports whether the peer should be told that it may send more, and
// makes it so that it is reported once. The lock is held.
func (c *Conn) grantDue(step uint64) bool {
	k := c.kind.get()
	if c.granting || c.end.fullClosed || c.in.ended || c.err != nil || c.over ||
		k == kindOther || k == kindUnknown && !c.peer.dialing ||
		c.in.taken+protocol.Window < c.promised+step {
		return false
	}
	c.granting = true
	return true
}

// grant raises the peer's limit to what has been read.
func (c *Conn) grant() {
	ok := c.p.queue.add(func(ctx context.Context) {
		c.mu.Lock()
		c.promised = c.in.taken + protocol.Window
		c.granting = false
		n := protocol.Note{Op: protocol.NoteLimit, ID: c.key.id, Value: c.promised}
		c.mu.Unlock()
		c.p.sendNote(ctx, c.peer, n, c.notes)
	})
	if !ok {
		c.mu.Lock()
		c.granting = false
		c.mu.Unlock()
		c.p.count.busy.Add(1)
	}
}

// note tells the peer something about the stream, unless it would not
// understand.
func (c *Conn) note(op protocol.NoteOp) {
	switch c.kind.get() {
	case kindOther:
		return
	case kindUnknown:
		if !c.peer.dialing {
			return
		}
	}
	if c.key.tag.IsZero() {
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
		err = to.send(ctx, body, lane, noSURBs, nil)
	}
	if err != nil {
		p.count.busy.Add(1)
	}
}
