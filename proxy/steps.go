package proxy

import (
	"errors"
	"math"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// A move is what the pump does next.
type move uint8

const (
	moveWait   move = iota // until at, or a poke
	moveRefuse             // send the failure message
	moveSend               // send a message of the stream
	moveReset              // send that our socket broke off behind what was sent
	moveStop               // the stream is over
)

// A step is a move with what belongs to it.
type step struct {
	move   move
	at     time.Time // wait; zero: for a poke
	body   []byte    // send
	seq    uint64    // send: its number; reset: how many there were
	data   bool      // send: there are data
	closed bool      // send
}

// next decides what to do.
func (s *stream) next(now time.Time) (step, effects) {
	var fx effects
	if s.dialing && s.live() {
		s.outcome.tick(now)
		fx |= s.settle(now)
	}
	if !s.live() {
		return step{move: moveStop}, fx
	}
	if s.word == wordIfOurs && s.kind.get() == kindOurs {
		s.explain(now)
	}
	if s.word == wordRefused {
		s.word = wordNone
		return step{move: moveRefuse}, fx
	}
	wait := step{at: s.outcome.next()}
	if s.win.full() {
		return wait, fx
	}
	greets := s.word == wordConnected
	if greets {
		if at := s.greetBy(); now.Before(at) {
			wait.at = earlier(wait.at, at)
			return wait, fx
		}
		s.word = wordNone
		if s.kind.get() != kindOurs {
			return s.message(now, nil, false), fx // socks.md §21.3: at once, and empty
		}
	}
	msg, at := s.out.next(now, s.coalesce, s.allowance())
	if msg != nil {
		s.end.lastOut = now
		do, _ := s.ends(now)
		last := do == endClose && s.end.ours // the close rides along
		return s.message(now, msg, last), fx | wakeWriter
	}
	if greets {
		return s.message(now, nil, false), fx
	}
	wait.at = earlier(wait.at, at)

	do, at := s.ends(now)
	wait.at = earlier(wait.at, at)
	switch do {
	case endCut:
		s.gate = gateCut
		fx |= s.closeLocal(now) // which makes us look again
	case endClose:
		return s.message(now, nil, true), fx
	case endReset:
		s.end.resetSent = true
		return step{move: moveReset, seq: s.win.next}, fx
	case endDone:
		fx |= s.outcomeShown()
		s.turn(stateOver)
		return step{move: moveStop}, fx
	}
	if (!s.dialing || s.outcome.phase == phaseOpen) && s.end.keepsAlive() {
		if !now.Before(s.beat.due) {
			return s.message(now, nil, false), fx | s.remind()
		}
		wait.at = earlier(wait.at, s.beat.due)
	}
	return wait, fx
}

// greetBy is until when the "connected" waits for data to ride with it; zero: it does not.
func (s *stream) greetBy() time.Time {
	switch {
	case s.kind.get() != kindOurs, !s.out.empty(), s.end.localClosed:
		return time.Time{}
	case s.arrived == 0:
		return s.acceptedAt.Add(greetingWaitsFirst)
	}
	return s.acceptedAt.Add(greetingWaits)
}

// ends decides about the end of the stream.
func (s *stream) ends(now time.Time) (endStep, time.Time) {
	s.end.ours, s.end.understood = s.kind.get() == kindOurs, s.understood()
	s.end.flushed, s.end.drained = s.out.empty(), s.win.drained()
	if s.end.dialing && s.end.remoteClosed && len(s.in.ready) > 0 {
		s.end.remoteAt = now // the application has not come to the end yet
	}
	return s.end.next(now)
}

// message numbers a message.
func (s *stream) message(now time.Time, msg []byte, closed bool) step {
	m := step{move: moveSend, body: msg, seq: s.win.take(), data: msg != nil, closed: closed}
	if msg == nil {
		m.body = make([]byte, s.out.head)
	}
	if closed {
		s.end.closeSent, s.end.closeSentAt = true, now
	}
	s.beat.sent(now)
	return m
}

// unsent takes back a step that could not be taken.
func (s *stream) unsent(m step) {
	if m.move == moveSend {
		s.win.next-- // the number was not used, so the close can have it
		s.end.closeSent = s.end.closeSent && !m.closed
	}
}

// acked notes that a message of ours was acknowledged, or what went wrong.
func (s *stream) acked(now time.Time, m step, err error) effects {
	switch {
	case err != nil && errors.Is(err, mixnet.ErrLaneClosed):
		return 0
	case err != nil:
		return s.fail(err, false) // the stream has a hole
	case m.move == moveReset:
		s.end.resetAcked = true
	default:
		s.win.ack(m.seq)
		if m.data {
			s.idle.moved(now)
		}
	}
	return wakePump
}

// allowance is how many data bytes may be sent now.
func (s *stream) allowance() uint64 {
	left := uint64(math.MaxUint64)
	if s.kind.get() == kindOurs {
		left = s.limit - min(s.out.sent, s.limit)
	}
	if s.dialing && s.outcome.phase != phaseOpen {
		if s.win.next >= openingMessages {
			return 0
		}
		left = min(left, openingBytes-min(s.out.sent, openingBytes))
	}
	return left
}

// remind repeats, with a keep-alive, what the peer may have missed.
func (s *stream) remind() (fx effects) {
	if s.promised > protocol.Window && !s.granting && !s.in.ended && s.kind.get() == kindOurs {
		s.granting = true
		fx |= raiseLimit
	}
	if !s.out.empty() && s.dialing && s.allowance() < uint64(s.out.chunk) {
		fx |= sayHello
	}
	return fx
}
