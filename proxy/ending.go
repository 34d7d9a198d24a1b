package proxy

import "time"

// An endStep is what to do about the end of a stream.
type endStep uint8

const (
	endWait  endStep = iota
	endClose         // send our close
	endReset         // send that our socket broke off
	endCut           // our application may write no more; then close
	endDone          // the stream is over
)

// ending decides how a stream ends. Its stream's lock guards it.
//
//	            app: CloseWrite            close sent, all acked
//	open ───────────────────────▶ closing ──────────────────────▶ half open ──▶ done
//	  │ peer: close                  │ peer: close                    ▲
//	  └────────▶ half closed ────────┴──── (peers of ours may stay) ──┘
//
// Between our own ends each half closes by itself. A requester of others takes
// our close as the end of everything, so it is held back while the response
// flows; a client of others discards the response soon after its own close.
//
// Where our socket broke off, both directions are over: what was read from it
// is sent, then a note that it broke off behind that, to peers of ours, or else
// the close.
type ending struct {
	dialing    bool
	ours       bool          // the peer is one of ours
	understood bool          // it understands notes, as far as we know
	quiet      time.Duration // how long a response must be silent before a close that was held back goes out

	flushed bool // everything written has been sent
	drained bool // everything sent has been acknowledged

	localClosed   bool // the application writes no more
	fullClosed    bool // nor does it read
	closeSent     bool
	reset         bool // our socket broke off
	resetSent     bool
	resetAcked    bool
	remoteClosed  bool
	notBefore     time.Time // our close does not leave earlier
	localClosedAt time.Time
	closeSentAt   time.Time
	remoteAt      time.Time
	lastIn        time.Time // last data received
	lastOut       time.Time // last data sent
}

// next says what to do now, and if that is to wait, when to ask again at the
// latest; zero: only after a change.
func (e *ending) next(now time.Time) (endStep, time.Time) {
	switch {
	case e.reset && e.understood && !e.resetSent && e.flushed:
		return endReset, time.Time{}
	case e.resetSent && !e.resetAcked:
		return endWait, time.Time{}
	case e.resetSent && e.ours:
		return e.afterClose(now)
	case e.closeSent:
		return e.afterClose(now)
	case e.localClosed:
		return e.beforeClose(now)
	case e.remoteClosed && !e.ours:
		at := e.remoteAt.Add(lingerDialer)
		if !e.dialing {
			at = earlier(later(e.remoteAt, e.lastOut).Add(lingerResponse), e.remoteAt.Add(lingerLongest))
		}
		return due(now, at, endCut)
	}
	return endWait, time.Time{}
}

func (e *ending) beforeClose(now time.Time) (endStep, time.Time) {
	switch {
	case !e.flushed:
		return endWait, time.Time{}
	case e.dialing && !e.ours && !e.fullClosed && !e.remoteClosed:
		return due(now, later(e.localClosedAt, e.lastIn).Add(e.quiet), endClose)
	}
	return due(now, e.notBefore, endClose)
}

func (e *ending) afterClose(now time.Time) (endStep, time.Time) {
	switch {
	case !e.drained:
		return endWait, time.Time{}
	case e.remoteClosed || e.fullClosed: // always so after a reset
		return endDone, time.Time{}
	case !e.ours:
		at := earlier(later(e.closeSentAt, e.lastIn).Add(lingerSilent), e.closeSentAt.Add(lingerLongest))
		return due(now, at, endDone)
	}
	return endWait, time.Time{}
}

// keepsAlive reports whether keep-alives may be sent: to peers of others,
// nothing follows our close.
func (e *ending) keepsAlive() bool { return !e.closeSent || e.ours }

// due is step once at has come, and waiting before.
func due(now, at time.Time, step endStep) (endStep, time.Time) {
	if now.Before(at) {
		return endWait, at
	}
	return step, time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earlier is the earlier of two times, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
