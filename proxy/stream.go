package proxy

import (
	"time"

	"nym-socks5/proxy/protocol"
)

// A stream is what one end knows of a stream and decides about it. It has no
// lock, no channel and no clock: times come in, [effects] and steps go out. The
// lock of its Conn guards it.
type stream struct {
	state    state
	dialing  bool
	mute     bool // no note can reach the peer, since it has no tag
	kind     *peerKind
	coalesce time.Duration
	quiet    time.Duration // the idle limit, to tell a requester that has one

	in      inbox
	out     outbox
	win     window
	idle    idleTimer
	beat    keepAlive
	end     ending
	outcome outcome // if dialing

	openedAt time.Time // if dialing: when the requester said that it is open; zero: not yet

	err        error // why the stream failed
	farewell   bool  // having failed, tell the peer
	gate       gate
	word       word      // if not dialing
	acceptedAt time.Time // likewise
	reason     Reason    // of a refusal
	arrived    int       // messages received while opening

	limit    uint64 // data bytes the peer lets us send, if it is ours
	promised uint64 // data bytes we let the peer send
	granting bool   // a new promise is underway
	counted  int    // memory as counted by the Proxy
	stalled  bool   // the application does not read
}

// A gate says whether the application may write.
type gate uint8

const (
	gateOpen    gate = iota
	gateClosed       // no: it said that it wrote everything
	gateCut          // no: the peer, which is not ours, closed
	gateHalted       // no, but it is not told before it has read everything: the peer reads no more
	gateStopped      // no: the same, and it is told
)

// A word is what the side that dialed is told first.
type word uint8

const (
	wordNone      word = iota // nothing, or it was said
	wordConnected             // the stream is open
	wordRefused               // it is not, and why
	wordIfOurs                // the same, should the peer turn out to be ours
)

// A piece is one received message of a stream, whichever end sent it.
type piece struct {
	seq        uint64
	data       []byte
	closed     bool
	unnumbered bool
}

// live reports whether messages still mean something.
func (s *stream) live() bool { return s.state != stateFailed && s.state != stateOver }

// early reports whether the stream was asked for by a stranger and not answered yet.
func (s *stream) early() bool { return s.state == stateOpening && !s.dialing }

// understood reports whether the peer understands notes, as far as we know.
func (s *stream) understood() bool {
	k := s.kind.get()
	return !s.mute && (k == kindOurs || k == kindUnknown && s.dialing)
}

// receive takes in one message.
func (s *stream) receive(now time.Time, m piece) (fx effects) {
	if !s.live() {
		return 0
	}
	s.idle.message(now, len(m.data) == 0 && !m.closed)
	if len(m.data) > 0 {
		s.end.lastIn = now
	}
	if s.dialing {
		before := s.outcome.phase
		s.outcome.data(now, m.seq, m.closed, m.unnumbered, len(m.data) == 0, s.kind.get() != kindOther)
		fx |= s.settle(now)
		if !s.live() {
			return fx
		}
		if s.outcome.phase != before {
			fx |= wakePump // more may be sent now, or the wait for the reason begins
		}
	}
	verdict := accepted
	if m.unnumbered {
		s.in.end()
	} else {
		verdict = s.in.insert(m.seq, m.data, m.closed)
	}
	switch verdict {
	case duplicate:
		fx |= countDouble
	case tooFar:
		fx |= countLost
	}
	s.arrived++
	switch {
	case s.in.broken():
		fx |= s.fail(errHole, true)
	case s.in.size > hardLimit, s.early() && (s.in.size > earlyBytes || s.arrived > earlyMessages):
		fx |= s.fail(errFlood, true)
	case s.in.wasReset():
		fx |= s.fail(ErrReset, false)
	case s.in.ended && !s.end.remoteClosed:
		fx |= s.remoteClosed(now)
	}
	return fx | wakeReader
}

// remoteClosed notes that the peer's direction has ended.
func (s *stream) remoteClosed(now time.Time) effects {
	s.end.remoteClosed, s.end.remoteAt = true, now
	ours := s.kind.get() == kindOurs
	switch {
	case s.early() && !ours && s.in.taken == 0 && len(s.in.ready) == 0:
		return s.fail(errGone, false) // others close both directions at once
	case s.dialing && !ours && !s.end.localClosed && now.Sub(later(s.end.lastIn, s.end.lastOut)) >= s.quiet:
		return wakePump | warnQuiet
	}
	return wakePump
}

// refused takes in a failure message.
func (s *stream) refused(now time.Time, r Reason) effects {
	switch {
	case !s.live():
		return 0
	case !s.outcome.failure(r):
		return s.fail(ErrReset, true)
	}
	return s.settle(now)
}

// settle acts on the outcome once it is known.
func (s *stream) settle(now time.Time) effects {
	switch {
	case s.outcome.phase == phaseFailed:
		return s.fail(&OpenError{s.outcome.reason}, s.outcome.reason == ReasonNoAnswer)
	case s.outcome.phase == phaseOpen && s.turn(stateOpen):
		s.openedAt = now
		s.beat.sent(now)
		return showOutcome | countOpen | wakePump
	}
	return 0
}

// vanished takes in that the requester has forgotten the stream, or is gone.
func (s *stream) vanished() effects {
	if s.state == stateOpening {
		return s.fail(&OpenError{ReasonNoAnswer}, false)
	}
	return s.fail(ErrReset, false)
}

// noted takes in a note.
func (s *stream) noted(now time.Time, n protocol.Note) effects {
	if !s.live() {
		return 0
	}
	switch n.Op {
	case protocol.NoteLimit:
		s.limit = max(s.limit, n.Value)
		return wakePump
	case protocol.NoteReset:
		return s.broken(now, n.Value)
	case protocol.NoteStop:
		if s.early() && len(s.in.ready) == 0 && len(s.in.held) == 0 {
			return s.fail(errGone, false)
		}
		return s.halt(now)
	}
	return 0
}

// broken takes in that the peer's socket broke off behind so many messages.
// They are delivered first; the peer takes no more from now on. Zero means that
// the peer gave up, and nothing is worth delivering.
func (s *stream) broken(now time.Time, behind uint64) effects {
	if behind == 0 || s.early() {
		return s.fail(ErrReset, false)
	}
	s.in.reset(behind)
	if s.in.wasReset() {
		return s.fail(ErrReset, false)
	}
	return s.halt(now)
}

// halt ends writing because the peer reads no more. A dialing application is
// not told before it has read to the end, since relays drop what is unread when
// a write fails.
func (s *stream) halt(now time.Time) effects {
	if s.gate == gateOpen || s.gate == gateCut {
		s.gate = gateStopped
		if s.dialing {
			s.gate = gateHalted
		}
	}
	s.out.drop()
	return s.closeLocal(now)
}

// closeLocal ends writing; what was written is still sent.
func (s *stream) closeLocal(now time.Time) effects {
	if !s.end.localClosed {
		s.end.localClosed, s.end.localClosedAt = true, now
		s.out.hasten = true
	}
	return wakePump | wakeWriter
}

// outcomeShown is showOutcome if the stream is about to leave its first state.
func (s *stream) outcomeShown() effects {
	if s.state == stateOpening {
		return showOutcome
	}
	return 0
}

// accept is our side taking the stream in. The pump starts then.
func (s *stream) accept(now time.Time) bool {
	if !s.turn(stateOpen) {
		return false
	}
	s.word, s.acceptedAt = wordConnected, now
	s.idle.start(now)
	return true
}

// reject is our side refusing the stream. The pump starts then.
func (s *stream) reject(now time.Time, r Reason) bool {
	if s.state != stateOpening {
		return false
	}
	s.leave(now)
	s.idle.start(now)
	s.reason = r
	switch {
	case s.kind.get() == kindOurs || r.policy():
		s.explain(now)
	case s.kind.get() == kindUnknown:
		s.word, s.end.notBefore = wordIfOurs, now.Add(kindPatience)
	}
	return true
}

// explain has the reason of the refusal sent, and the close behind it.
func (s *stream) explain(now time.Time) {
	s.word, s.end.notBefore = wordRefused, now.Add(closeAfterFailure)
}

// fail ends the stream at once. If tell, the peer is told. After a reset that
// has its place in the stream, what came before it may still be read.
func (s *stream) fail(err error, tell bool) effects {
	fx := s.outcomeShown()
	pumped := !s.early()
	if !s.turn(stateFailed) {
		return 0
	}
	s.err = err
	s.out.drop()
	if !s.in.wasReset() {
		s.in.drop()
	}
	s.in.settle()
	fx |= cancelAll | countFailed | wakePump | wakeReader | wakeWriter
	switch {
	case pumped:
		s.farewell = tell
	case tell:
		fx |= dropStream | sayClosed
	default:
		fx |= dropStream
	}
	return fx
}

// forfeit gives up the memory that received data take.
func (s *stream) forfeit() effects {
	if s.state != stateOver {
		return s.fail(errMemory, true)
	}
	s.err = errMemory
	s.in.drop()
	s.in.settle()
	return wakeReader
}

// finish ends the stream when its pump has: nothing moves any more.
func (s *stream) finish() effects {
	fx := s.outcomeShown()
	s.turn(stateOver)
	s.farewell = false
	s.in.settle()
	return fx | wakeReader | wakeWriter
}

// age lets time pass, for what must happen even while the pump waits for the
// Messenger.
func (s *stream) age(now time.Time) effects {
	if !s.live() {
		return 0
	}
	if s.stalled && s.dialing && s.kind.get() != kindOurs {
		s.idle.start(now) // we let the peer have no SURBs to speak with
	}
	if s.idle.expired(now) {
		return s.fail(ErrIdle, true)
	}
	if s.dialing {
		s.outcome.tick(now)
		return s.settle(now)
	}
	return 0
}

// follow adds what follows from any change.
func (s *stream) follow() (fx effects) {
	if s.gate == gateHalted && !s.unread() {
		s.gate = gateStopped
		fx |= wakeWriter
	}
	if s.grantDue(protocol.Window / 4) {
		s.granting = true
		fx |= raiseLimit
	}
	return fx
}

// measure says by how much the memory of received data has grown since it was
// last asked, and whether the application began (1) or ceased (-1) to count as
// not reading.
func (s *stream) measure() (grown, stall int) {
	grown = s.in.size - s.counted
	s.counted = s.in.size
	switch {
	case s.state == stateOver:
	case !s.stalled && s.in.size > stallMark:
		s.stalled, stall = true, 1
	case s.stalled && s.in.size <= stallMark/2:
		s.stalled, stall = false, -1
	}
	return grown, stall
}

// grantDue reports whether the peer should be told that it may send more.
func (s *stream) grantDue(least uint64) bool {
	return !s.granting && s.live() && !s.end.fullClosed && !s.in.ended && !s.in.resets &&
		(s.kind.get() == kindOurs || s.kind.get() == kindUnknown && s.dialing) &&
		s.in.taken+protocol.Window >= s.promised+least
}
