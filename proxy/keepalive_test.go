package proxy

import (
	"testing"
	"time"
)

// at is a moment, in seconds.
func at(seconds float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestIdleTimer(t *testing.T) {
	tests := []struct {
		name    string
		do      func(*idleTimer)
		expires float64
	}{
		{"nothing", func(*idleTimer) {}, 300},
		// socks.md §21.4: "MUST reset its idle timer on every message of the
		// connection, keep-alives included, and on activity in either direction"
		{"keep-alive", func(i *idleTimer) { i.message(at(100), true) }, 400},
		{"data", func(i *idleTimer) { i.message(at(100), false) }, 400},
		{"our data acknowledged", func(i *idleTimer) { i.moved(at(100)) }, 400},
		// "mix-fetch and clients older than v1.1.18 send no keep-alives: for peers
		// that never sent one, count TCP activity of the download as life"
		{"our application writes", func(i *idleTimer) { i.written(at(100)) }, 400},
		{"our application writes, peer sends keep-alives", func(i *idleTimer) { i.message(at(50), true); i.written(at(100)) }, 350},
		{"acknowledged for long, peer sent keep-alives", func(i *idleTimer) { i.message(at(50), true); i.moved(at(500)) }, 650},
		{"acknowledged for long, peer never did", func(i *idleTimer) { i.message(at(50), false); i.moved(at(500)) }, 800},
	}
	for _, tt := range tests {
		i := idleTimer{limit: 300 * time.Second}
		i.start(at(0))
		tt.do(&i)
		if i.expired(at(tt.expires-0.1)) || !i.expired(at(tt.expires)) {
			t.Errorf("%s: does not expire at %v", tt.name, tt.expires)
		}
	}
}

// socks.md §21.4: "MUST send keep-alives at most 60 s apart"
func TestH05KeepAliveJitter(t *testing.T) {
	k := keepAlive{longest: time.Minute}
	var least, most time.Duration = time.Hour, 0
	for range 1000 {
		k.sent(at(0))
		d := k.due.Sub(at(0))
		least, most = min(least, d), max(most, d)
	}
	if least < 40*time.Second || most > time.Minute || most-least < 15*time.Second {
		t.Errorf("keep-alives %v to %v apart, want them spread over 40s to 60s", least, most)
	}
}

func TestEnding(t *testing.T) {
	const never = -1
	base := ending{quiet: 20 * time.Second, flushed: true, drained: true}
	tests := []struct {
		name string
		set  func(*ending)
		step endStep
		when float64 // seconds until the step; never: endWait without a time
	}{
		{"open", func(*ending) {}, endWait, never},

		// socks.md §21.4: "Half-close, both ends ours: … keeps the other direction running"
		{"ours, local close", func(e *ending) { e.ours, e.dialing, e.localClosed = true, true, true }, endClose, 0},
		{"ours, local close sent", func(e *ending) { e.ours, e.localClosed, e.closeSent = true, true, true }, endWait, never},
		{"ours, remote close", func(e *ending) { e.ours, e.remoteClosed, e.remoteAt = true, true, at(0) }, endWait, never},
		{"ours, both", func(e *ending) { e.ours, e.closeSent, e.remoteClosed = true, true, true }, endDone, 0},
		{"not flushed", func(e *ending) { e.ours, e.localClosed, e.flushed = true, true, false }, endWait, never},
		{"not acknowledged", func(e *ending) { e.closeSent, e.remoteClosed, e.drained = true, true, false }, endWait, never},

		// "Half-close, upstream NR: on end of file from the app, delay the close
		// while the response still flows: send it when the remote closes, when
		// writing to the app fails, or after 20 s without data"
		{"requester of others, local close", func(e *ending) { e.dialing, e.localClosed, e.localClosedAt = true, true, at(0) }, endClose, 20},
		{"same, response flows", func(e *ending) { e.dialing, e.localClosed, e.localClosedAt, e.lastIn = true, true, at(0), at(70) }, endClose, 90},
		{"same, remote closed", func(e *ending) { e.dialing, e.localClosed, e.localClosedAt, e.remoteClosed = true, true, at(0), true }, endClose, 0},
		{"same, app gone", func(e *ending) { e.dialing, e.localClosed, e.localClosedAt, e.fullClosed = true, true, at(0), true }, endClose, 0},
		// "On close from the NR: deliver, CloseWrite to the app at once, linger ≤ 5 s for app data, end."
		{"requester of others closes", func(e *ending) { e.dialing, e.remoteClosed, e.remoteAt = true, true, at(0) }, endCut, 5},
		{"requester of others never closes", func(e *ending) { e.dialing, e.closeSent, e.closeSentAt = true, true, at(0) }, endDone, 15},

		// "Half-close, upstream client talking to our NR: after the close keep
		// delivering the response for at least 15 s after the last data, at most 60 s."
		{"client of others closes", func(e *ending) { e.remoteClosed, e.remoteAt, e.lastOut = true, at(0), at(-9) }, endCut, 15},
		{"same, response flows", func(e *ending) { e.remoteClosed, e.remoteAt, e.lastOut = true, at(0), at(30) }, endCut, 45},
		{"same, response flows for long", func(e *ending) { e.remoteClosed, e.remoteAt, e.lastOut = true, at(0), at(55) }, endCut, 60},
		{"our close to a client of others", func(e *ending) { e.localClosed, e.localClosedAt = true, at(0) }, endClose, 0},
		{"after it, client still sends", func(e *ending) { e.closeSent, e.closeSentAt, e.lastIn = true, at(0), at(10) }, endDone, 25},
		{"after it, for ever", func(e *ending) { e.closeSent, e.closeSentAt, e.lastIn = true, at(0), at(59) }, endDone, 60},

		{"refused, close waits", func(e *ending) { e.localClosed, e.fullClosed, e.notBefore = true, true, at(1) }, endClose, 1},
		{"abandoned, acknowledged", func(e *ending) { e.ours, e.closeSent, e.fullClosed = true, true, true }, endDone, 0},
	}
	for _, tt := range tests {
		e := base
		tt.set(&e)
		if tt.when == never {
			if got, when := e.next(at(1000)); got != endWait || !when.IsZero() {
				t.Errorf("%s: got step %d at %v, want to wait", tt.name, got, when)
			}
			continue
		}
		if got, _ := e.next(at(tt.when)); got != tt.step {
			t.Errorf("%s: got step %d at %v, want %d", tt.name, got, tt.when, tt.step)
		}
		if tt.when > 0 {
			if got, when := e.next(at(tt.when - 0.5)); got != endWait || !when.Equal(at(tt.when)) {
				t.Errorf("%s: got step %d, to ask again at %v, want to wait until %v", tt.name, got, when, at(tt.when))
			}
		}
	}
}

// socks.md §21.3: "MUST emit exactly one close per connection, as its last
// sequence number, and nothing after it (… only towards a client known to be
// ours keep-alives may follow)"
func TestEndingKeepAlives(t *testing.T) {
	for _, tt := range []struct{ closeSent, ours, want bool }{{false, false, true}, {true, false, false}, {true, true, true}} {
		e := ending{closeSent: tt.closeSent, ours: tt.ours}
		if got := e.keepsAlive(); got != tt.want {
			t.Errorf("close sent %v, ours %v: keep-alives %v, want %v", tt.closeSent, tt.ours, got, tt.want)
		}
	}
}

// TestOutcome holds the table of socks.md §9.3.
func TestOutcome(t *testing.T) {
	type msg struct {
		seq                       uint64
		closed, unnumbered, empty bool
	}
	data := func(m msg, mayExplain bool) func(*outcome) {
		return func(o *outcome) { o.data(at(0), m.seq, m.closed, m.unnumbered, m.empty, mayExplain) }
	}
	failure := func(r Reason) func(*outcome) { return func(o *outcome) { o.failure(r) } }
	tick := func(s float64) func(*outcome) { return func(o *outcome) { o.tick(at(s)) } }
	tests := []struct {
		name   string
		do     []func(*outcome)
		phase  phase
		reason Reason
	}{
		{"nothing yet", []func(*outcome){tick(17.9)}, phaseAsked, 0},
		{"nothing within a timeout", []func(*outcome){tick(18)}, phaseFailed, ReasonNoAnswer},
		{"open, seq 0", []func(*outcome){data(msg{empty: true}, true)}, phaseOpen, 0},
		{"open, seq 5 first", []func(*outcome){data(msg{seq: 5}, true)}, phaseOpen, 0},
		{"closed, seq 3 first", []func(*outcome){data(msg{seq: 3, closed: true, empty: true}, true)}, phaseOpen, 0},
		{"closed, seq 0, with data", []func(*outcome){data(msg{closed: true}, true)}, phaseOpen, 0},
		{"closed, seq 0, empty, of others", []func(*outcome){data(msg{closed: true, empty: true}, false)}, phaseFailed, ReasonUnknown},
		{"closed without number", []func(*outcome){data(msg{closed: true, unnumbered: true, empty: true}, true)}, phaseFailed, ReasonUnknown},
		{"failure", []func(*outcome){failure(ReasonDNS)}, phaseFailed, ReasonDNS},
		{"failure, then close", []func(*outcome){failure(ReasonDNS), data(msg{closed: true, empty: true}, true)}, phaseFailed, ReasonDNS},
		// socks.md §21.3: "a strict client that sees the close first SHOULD wait up to 2 s for the reason"
		{"close, waiting for the reason", []func(*outcome){data(msg{closed: true, empty: true}, true), tick(1.9)}, phaseClosed, 0},
		{"close, then the reason", []func(*outcome){data(msg{closed: true, empty: true}, true), tick(1.9), failure(ReasonRefused)}, phaseFailed, ReasonRefused},
		{"close, no reason", []func(*outcome){data(msg{closed: true, empty: true}, true), tick(2)}, phaseFailed, ReasonUnknown},
		{"open stays open", []func(*outcome){data(msg{empty: true}, true), data(msg{closed: true, empty: true}, true), tick(99)}, phaseOpen, 0},
	}
	for _, tt := range tests {
		o := outcome{until: at(18)}
		for _, do := range tt.do {
			do(&o)
		}
		if o.phase != tt.phase || o.reason != tt.reason {
			t.Errorf("%s: phase %d, reason %v, want %d, %v", tt.name, o.phase, o.reason, tt.phase, tt.reason)
		}
	}
	o := outcome{phase: phaseOpen}
	if o.failure(ReasonDNS) {
		t.Error("a failure of an open stream was expected")
	}
}

func TestReasons(t *testing.T) {
	for r := ReasonDenied; r <= ReasonInternal; r++ {
		if got := reasonOf(r.failureText()); got != r {
			t.Errorf("%v travels as %q and arrives as %v", r, r.failureText(), got)
		}
	}
	tests := []struct {
		text string
		want Reason
	}{
		// socks.md §21.2: "denied by policy / unresolvable (ConnectionError without reason)"
		{`Domain "example.com:443" failed filter check`, ReasonDenied},
		{"something [code=new]", ReasonDenied},
		{"", ReasonDenied},
		{" [code=]", ReasonDenied},
		{"x [code=timeout]", ReasonTimeout},
	}
	for _, tt := range tests {
		if got := reasonOf(tt.text); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.text, got, tt.want)
		}
	}
	if got := ReasonNoAnswer.failureText(); reasonOf(got) != ReasonInternal {
		t.Errorf("a reason of the dialing side travels as %q", got)
	}
}
