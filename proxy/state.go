package proxy

// A state says how far a stream has come, as this end sees it. Whether one
// direction has ended by itself is not a state: ending knows.
//
//	           opened, accepted        Close, Reset, Reject
//	opening ──────────────────▶ open ──────────────────────▶ ending
//	   │  └──────────────────────┼──────────────────────────▶ │ │
//	   │ refused, no answer      │ reset, lost, idle          │ │ all said, acknowledged
//	   ▼                         ▼                            │ │
//	 failed ◀────────────────────┴────────────────────────────┘ │
//	   └──────────────────── the peer was told ─────────────────┴─▶ over
type state uint8

const (
	stateOpening state = iota // it is not known whether the stream will be
	stateOpen                 // the application uses it
	stateEnding               // the application has left it; what it wrote is still sent
	stateFailed               // nothing more is sent but that it failed
	stateOver                 // nothing moves; what was received may still be read
)

func (s state) String() string {
	switch s {
	case stateOpening:
		return "opening"
	case stateOpen:
		return "open"
	case stateEnding:
		return "ending"
	case stateFailed:
		return "failed"
	case stateOver:
		return "over"
	}
	return "no state"
}

// turn changes the state, along the arrows only, and reports whether it did.
func (s *stream) turn(to state) bool {
	if to <= s.state {
		return false // there is no way back
	}
	s.state = to
	return true
}

// effects are what follows from a change of a stream but is done without its lock.
type effects uint16

const (
	wakePump    effects = 1 << iota // the pump looks again
	wakeReader                      // so does the reader
	wakeWriter                      // and the writer
	showOutcome                     // whoever dialed learns what became of it
	cancelAll                       // the stream's context ends
	dropStream                      // no pump runs that would remove the stream: it is removed
	sayClosed                       // the close is sent aside, since no pump runs
	sayStop                         // a note: we read no more
	sayHello                        // the peer is asked once more who it is
	raiseLimit                      // a note: the peer may send more
	countOpen                       // one more was opened
	countFailed                     // one more has failed
	countDouble                     // a message came twice
	countLost                       // a message came too far ahead
	warnQuiet                       // a requester of others cut a quiet stream
)

// has reports whether fx contains all of want.
func (fx effects) has(want effects) bool { return fx&want == want }
