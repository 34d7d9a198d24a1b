package proxy

import (
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"nym-socks5/proxy/protocol"
)

// newStream is a stream as newConn makes it.
func newStream(dialing bool, k kind) *stream {
	s := &stream{
		dialing: dialing, kind: &peerKind{}, coalesce: 3 * time.Millisecond, quiet: 300 * time.Second,
		out:      outbox{head: 10, chunk: 100},
		idle:     idleTimer{limit: 300 * time.Second},
		beat:     keepAlive{longest: time.Minute},
		end:      ending{dialing: dialing, quiet: 20 * time.Second, lastOut: at(0)},
		outcome:  outcome{until: at(18)},
		limit:    protocol.Window,
		promised: protocol.Window,
	}
	if !dialing {
		s.outcome = outcome{}
	}
	s.kind.set(k)
	s.idle.start(at(0))
	s.beat.sent(at(0))
	return s
}

// The arrows of the picture beside type state, and no others.
func TestStates(t *testing.T) {
	greeting := func(s *stream) effects { return s.receive(at(1), piece{}) }
	closeIt := func(s *stream) effects { return s.close(at(1)) }
	fail := func(s *stream) effects { return s.fail(errHole, true) }
	finish := func(s *stream) effects { return s.finish() }
	tests := []struct {
		name    string
		dialing bool
		do      func(*stream) effects
		from    state
		to      state
		effects effects // that must be among those that follow
		not     effects // that must not be
	}{
		{"opened", true, greeting, stateOpening, stateOpen, showOutcome | countOpen | wakePump, cancelAll},
		{"refused", true, func(s *stream) effects { return s.refused(at(1), ReasonDNS) }, stateOpening, stateFailed, showOutcome | cancelAll | countFailed | wakePump, dropStream},
		{"no answer", true, func(s *stream) effects { return s.age(at(18)) }, stateOpening, stateFailed, showOutcome | cancelAll, dropStream},
		{"closed before it opened", true, closeIt, stateOpening, stateEnding, showOutcome | sayStop, cancelAll},
		{"accepted", false, func(s *stream) effects { s.accept(at(1)); return 0 }, stateOpening, stateOpen, 0, 0},
		{"rejected", false, func(s *stream) effects { s.reject(at(1), ReasonDNS); return 0 }, stateOpening, stateEnding, 0, 0},
		{"too much before it was accepted", false, func(s *stream) effects {
			return s.receive(at(1), piece{data: make([]byte, earlyBytes+1)})
		}, stateOpening, stateFailed, dropStream | sayClosed | cancelAll, 0},
		{"given up before it was accepted", false, func(s *stream) effects {
			return s.noted(at(1), protocol.Note{Op: protocol.NoteReset})
		}, stateOpening, stateFailed, dropStream | cancelAll, sayClosed},

		{"closed", true, closeIt, stateOpen, stateEnding, sayStop | wakeReader | wakeWriter | wakePump, cancelAll},
		{"reset by its socket", true, func(s *stream) effects { return s.reset(at(1)) }, stateOpen, stateEnding, wakePump | wakeReader | wakeWriter, cancelAll | sayStop},
		{"half-closed", true, func(s *stream) effects { return s.closeWrite(at(1)) }, stateOpen, stateOpen, wakePump | wakeWriter, cancelAll},
		{"half-closed by the peer", false, func(s *stream) effects { return s.receive(at(1), piece{closed: true}) }, stateOpen, stateOpen, wakeReader | wakePump, cancelAll},
		{"peer reads no more", false, func(s *stream) effects { return s.noted(at(1), protocol.Note{Op: protocol.NoteStop}) }, stateOpen, stateOpen, wakeWriter, cancelAll},
		{"peer aborted", false, func(s *stream) effects { return s.noted(at(1), protocol.Note{Op: protocol.NoteReset}) }, stateOpen, stateFailed, cancelAll | wakeReader | wakeWriter, dropStream},
		{"peer reset, data are missing", false, func(s *stream) effects {
			return s.noted(at(1), protocol.Note{Op: protocol.NoteReset, Value: 5})
		}, stateOpen, stateOpen, wakeWriter, cancelAll},
		{"idle", false, func(s *stream) effects { return s.age(at(300)) }, stateOpen, stateFailed, cancelAll | countFailed, dropStream},
		{"failed", true, fail, stateOpen, stateFailed, cancelAll | countFailed | wakeReader | wakeWriter | wakePump, dropStream | showOutcome},

		{"failed at the end", true, fail, stateEnding, stateFailed, cancelAll | countFailed, dropStream},
		{"accepted too late", false, func(s *stream) effects { s.accept(at(1)); return 0 }, stateEnding, stateEnding, 0, 0},
		{"closed twice", true, func(s *stream) effects { return s.reset(at(1)) }, stateEnding, stateEnding, 0, cancelAll},
		{"over", true, finish, stateEnding, stateOver, wakeReader | wakeWriter, cancelAll},

		{"failed twice", true, fail, stateFailed, stateFailed, 0, cancelAll | countFailed | dropStream},
		{"closed after it failed", true, closeIt, stateFailed, stateFailed, wakeReader, sayStop},
		{"message after it failed", true, greeting, stateFailed, stateFailed, 0, ^effects(0)},
		{"told", true, finish, stateFailed, stateOver, wakeReader | wakeWriter, 0},

		{"message after the end", true, greeting, stateOver, stateOver, 0, ^effects(0)},
		{"failed after the end", true, fail, stateOver, stateOver, 0, ^effects(0)},
		{"note after the end", true, func(s *stream) effects { return s.noted(at(1), protocol.Note{Op: protocol.NoteReset}) }, stateOver, stateOver, 0, ^effects(0)},
	}
	for _, tt := range tests {
		s := newStream(tt.dialing, kindOurs)
		s.state = tt.from
		if tt.from != stateOpening {
			s.outcome.phase = phaseOpen
		}
		fx := tt.do(s)
		if s.state != tt.to {
			t.Errorf("%s: %v became %v, want %v", tt.name, tt.from, s.state, tt.to)
		}
		if !fx.has(tt.effects) || fx&tt.not != 0 {
			t.Errorf("%s: effects %b, want %b among them and none of %b", tt.name, fx, tt.effects, tt.not)
		}
	}
}

// What the peer sent before its socket broke off is read first, in whatever
// order things arrive.
func TestResetHasItsPlace(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newStream(seed%2 == 0, kindOurs)
		s.state, s.outcome.phase = stateOpen, phaseOpen
		n := 1 + r.IntN(9)
		events := r.Perm(n + 1)
		var got []byte
		read := func() error {
			b := make([]byte, 1)
			for {
				k, err := s.read(b)
				got = append(got, b[:k]...)
				if k == 0 {
					return err
				}
			}
		}
		for _, e := range events {
			if e == n {
				s.noted(at(1), protocol.Note{Op: protocol.NoteReset, Value: uint64(n)})
			} else {
				s.receive(at(1), piece{seq: uint64(e), data: []byte{byte('0' + e)}})
			}
			s.follow()
			if r.IntN(2) == 0 {
				if err := read(); err != nil && len(got) < n {
					t.Fatalf("seed %d: %v after %d of %d bytes", seed, err, len(got), n)
				}
			}
		}
		s.finish()
		if err := read(); !errors.Is(err, ErrReset) || string(got) != "0123456789"[:n] {
			t.Errorf("seed %d: read %q, then %v; want %d digits, then %v", seed, got, err, n, ErrReset)
		}
		if err, _ := s.writeError(); !errors.Is(err, ErrReset) {
			t.Errorf("seed %d: writing gives %v", seed, err)
		}
	}
}

// A reset of our socket is told behind all that was read from it.
func TestResetIsToldBehindTheData(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dialing bool
		kind    kind
		want    []move // after two messages of data
	}{
		{"to a requester of ours", true, kindOurs, []move{moveReset, moveStop}},
		{"to a client of ours", false, kindOurs, []move{moveReset, moveStop}},
		{"to a requester of others", true, kindOther, []move{moveSend, moveStop}},
		{"to a client of others", false, kindOther, []move{moveSend, moveStop}},
		{"to a requester unknown yet", true, kindUnknown, []move{moveReset, moveSend, moveStop}},
	} {
		s := newStream(tt.dialing, tt.kind)
		s.state, s.outcome.phase = stateOpen, phaseOpen
		s.write(at(1), make([]byte, 150))
		if fx := s.reset(at(1)); !fx.has(sayStop) {
			t.Errorf("%s: with something to send, the peer is not told that nobody reads", tt.name)
		}
		for i, size := range []int{110, 60} {
			m, _ := s.next(at(1))
			if m.move != moveSend || len(m.body) != size || m.closed {
				t.Fatalf("%s: step %d is %+v, want a message of %d bytes", tt.name, i, m, size)
			}
			s.acked(at(1), m, nil)
		}
		for _, want := range tt.want {
			m, _ := s.next(at(1))
			if m.move != want || m.move == moveSend && !m.closed || m.move == moveReset && m.seq != 2 {
				t.Fatalf("%s: step %+v, want move %d", tt.name, m, want)
			}
			if m.move != moveStop {
				if wait, _ := s.next(at(1)); m.move == moveReset && wait.move != moveWait {
					t.Errorf("%s: %+v before the note was acknowledged", tt.name, wait)
				}
				s.acked(at(1), m, nil)
			}
		}
		if s.state != stateOver {
			t.Errorf("%s: %v at the end", tt.name, s.state)
		}
	}
}

// Whatever happens to a stream, in whatever order: states only go forward, the
// outcome is shown once, numbers have no gaps, memory is given back, and a
// stream that is over does nothing.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	f.Add([]byte{1, 5, 5, 16, 3, 0, 3, 1, 7, 10, 10, 10, 17, 10})
	f.Add([]byte{2, 3, 0, 3, 3, 4, 2, 8, 11, 10, 10, 12})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 {
			return
		}
		s := newStream(in[0]&1 == 0, kind(in[0]>>1)%3)
		now, shown, counted, sent := at(0), 0, 0, uint64(0)
		arg := func(i int) uint64 {
			if i < len(in) {
				return uint64(in[i])
			}
			return 0
		}
		var steps []step
		for i := 1; i < len(in) && i < 500; i++ {
			before, a := s.state, arg(i+1)
			var fx effects
			switch in[i] % 19 {
			case 0:
				now = now.Add(time.Duration(a) * time.Second)
			case 1:
				fx = s.receive(now, piece{seq: a % 8, data: make([]byte, a)})
			case 2:
				fx = s.receive(now, piece{seq: a % 8, closed: true})
			case 3:
				fx = s.receive(now, piece{seq: a % 4})
			case 4:
				fx = s.receive(now, piece{closed: true, unnumbered: true})
			case 5:
				fx = s.receive(now, piece{seq: a * 100, data: make([]byte, a*100)})
			case 6:
				fx = s.noted(now, protocol.Note{Op: protocol.NoteOp(a % 4), Value: a / 4})
			case 7:
				fx = s.refused(now, Reason(a%8))
			case 8:
				if err, full := s.writeError(); err == nil && !full {
					_, fx = s.write(now, make([]byte, a))
				}
			case 9:
				fx = s.closeWrite(now)
			case 10:
				var m step
				if m, fx = s.next(now); m.move == moveSend {
					if m.seq != sent {
						t.Fatalf("message %d after %d", m.seq, sent)
					}
					sent++
					steps = append(steps, m)
				} else if m.move == moveReset {
					steps = append(steps, m)
				}
			case 11:
				if len(steps) > 0 {
					fx = s.acked(now, steps[0], nil)
					steps = steps[1:]
				}
			case 12:
				fx = s.close(now)
			case 13:
				fx = s.reset(now)
			case 14:
				fx = s.age(now)
			case 15:
				fx = s.fail(errHole, a%2 == 0)
			case 16:
				if !s.dialing && a%2 == 0 {
					s.accept(now)
				} else if !s.dialing {
					s.reject(now, Reason(a%8))
				}
			case 17:
				s.kind.set(kind(a % 3))
			case 18:
				if n, err := s.read(make([]byte, a)); n > 0 && err != nil {
					t.Fatalf("read %d bytes and %v", n, err)
				}
			}
			fx |= s.follow()
			grown, _ := s.measure()
			counted += grown
			if s.state < before {
				t.Fatalf("%v became %v", before, s.state)
			}
			if fx.has(showOutcome) {
				if shown++; shown > 1 || before != stateOpening {
					t.Fatal("the outcome was shown twice, or late")
				}
			}
			if !s.live() && before != stateOver {
				if s.state == stateFailed && !s.out.empty() {
					t.Fatal("a failed stream still has something to send")
				}
				if m, _ := s.next(now); m.move != moveStop {
					t.Fatalf("a stream that is %v takes step %d", s.state, m.move)
				}
			}
			if counted != s.in.size || counted < 0 || s.live() && counted > hardLimit+1<<20 {
				t.Fatalf("%d bytes counted of %d", counted, s.in.size)
			}
		}
		s.fail(errAborted, false)
		s.finish()
		s.close(now)
		if s.in.size != 0 {
			t.Fatalf("%d bytes left at the end", s.in.size)
		}
	})
}

// Two streams over a wire that reorders and doubles, without a clock: one end's
// socket breaks off, and the other end reads all that came before.
func TestTwoStreamsAgree(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		near, far := newStream(true, kindOurs), newStream(false, kindOurs)
		far.accept(at(0))
		now := at(0)
		ends := [2]*stream{near, far}
		type packet struct {
			to int
			m  step
		}
		var wire []packet
		var got, written [2]int
		var ended [2]error
		resets := r.IntN(2)
		size := r.IntN(2000)
		done := false
		for range 20_000 {
			now = now.Add(time.Millisecond)
			for i, s := range ends {
				if m, _ := s.next(now); m.move == moveSend || m.move == moveReset {
					wire = append(wire, packet{1 - i, m})
					if r.IntN(4) == 0 {
						wire = append(wire, packet{1 - i, m})
					}
				}
				if near.state == stateOpening {
					continue
				}
				if written[i] < size {
					n, _ := s.write(now, make([]byte, min(70, size-written[i])))
					written[i] += n
				} else if i == resets && !done {
					s.reset(now)
					done = true
				}
				b := make([]byte, 50)
				if n, err := s.read(b); err == nil {
					got[i] += n
				} else if ended[i] == nil {
					ended[i] = err
				}
				s.follow()
			}
			for range 1 + r.IntN(2) {
				if len(wire) == 0 {
					break
				}
				k := r.IntN(min(len(wire), 20))
				p := wire[k]
				wire = append(wire[:k], wire[k+1:]...)
				s := ends[p.to]
				if p.m.move == moveReset {
					s.noted(now, protocol.Note{Op: protocol.NoteReset, Value: p.m.seq})
				} else {
					data := p.m.body[s.out.head:]
					s.receive(now, piece{seq: p.m.seq, data: append([]byte(nil), data...), closed: p.m.closed})
				}
				s.follow()
				ends[1-p.to].acked(now, p.m, nil)
			}
		}
		other := 1 - resets
		if got[other] != size || !errors.Is(ended[other], ErrReset) {
			t.Errorf("seed %d: of %d bytes %d were read, then %v; states %v, %v", seed, size, got[other], ended[other], near.state, far.state)
		}
		if near.live() || far.live() {
			t.Errorf("seed %d: the streams are %v and %v at the end", seed, near.state, far.state)
		}
		if ended[resets] == io.EOF {
			t.Errorf("seed %d: the end that broke off read to the end", seed)
		}
	}
}

// Memory that nobody reads is given back, even of a stream that is over.
func TestForfeit(t *testing.T) {
	s := newStream(true, kindOurs)
	s.receive(at(0), piece{})
	s.receive(at(0), piece{seq: 1, data: make([]byte, 5000)})
	s.finish()
	if s.in.size == 0 {
		t.Fatal("what was received cannot be read any more")
	}
	s.forfeit()
	if _, err := s.read(make([]byte, 1)); !errors.Is(err, errMemory) || s.in.size != 0 {
		t.Errorf("reading gives %v, %d bytes left", err, s.in.size)
	}
}

// "Connected" to a peer of ours rides with data that are ready soon; others get it
// at once, and empty (socks.md §21.3). What ends at once never looks refused.
func TestGreetingRidesWithData(t *testing.T) {
	ms := func(n int) time.Time { return at(1).Add(time.Duration(n) * time.Millisecond) }
	for _, tt := range []struct {
		name  string
		kind  kind
		early bool // the peer has sent data already
		write int  // when the target speaks, in ms
		ends  bool // the target closes with it
		sent  int  // when the first message leaves
		size  int  // data in it
	}{
		{"to others", kindOther, true, 1, false, 0, 0},
		{"to somebody unknown yet", kindUnknown, true, 1, false, 0, 0},
		{"with the answer", kindOurs, true, 4, false, 4, 8},
		{"before an answer that takes longer", kindOurs, true, 6, false, 5, 0},
		{"with what the target says first", kindOurs, false, 1, false, 1, 8},
		{"before what the target says late", kindOurs, false, 3, false, 2, 0},
		{"with all there is", kindOurs, true, 1, true, 1, 8},
	} {
		s := newStream(false, tt.kind)
		if tt.early {
			s.receive(at(0.5), piece{data: []byte("GET /")})
		}
		if !s.accept(ms(0)) {
			t.Fatal("not accepted")
		}
		for now := 0; ; now++ {
			if now == tt.write {
				s.write(ms(now), []byte("SSH-2.0-"))
				if tt.ends {
					s.closeWrite(ms(now))
				}
			}
			m, _ := s.next(ms(now))
			if m.move == moveWait && now < 10 {
				if now < tt.write && (m.at.IsZero() || m.at.After(ms(5))) {
					t.Errorf("%s: the pump sleeps until %v", tt.name, m.at)
				}
				continue
			}
			if got := len(m.body) - s.out.head; now != tt.sent || got != tt.size || m.seq != 0 || m.closed != tt.ends {
				t.Errorf("%s: the first message leaves after %d ms with %d bytes, closed %v; want %d and %d", tt.name, now, got, m.closed, tt.sent, tt.size)
			}
			break
		}
	}
	s := newStream(false, kindOurs)
	s.accept(at(1))
	s.closeWrite(at(1))
	if m, _ := s.next(at(1)); m.closed || len(m.body) != s.out.head {
		t.Error("a target that closes at once looks as if it had refused")
	}
}

// The close rides with the last data to a peer of ours.
func TestCloseRidesWithTheLastData(t *testing.T) {
	for _, k := range []kind{kindOurs, kindOther} {
		for _, dialing := range []bool{true, false} {
			s := newStream(dialing, k)
			s.state, s.outcome.phase = stateOpen, phaseOpen
			s.write(at(1), make([]byte, s.out.chunk+1))
			s.close(at(1))
			first, _ := s.next(at(1))
			last, _ := s.next(at(1))
			if first.closed || len(last.body) != s.out.head+1 || last.closed != (k == kindOurs) {
				t.Errorf("%v, dialing %v: closed is %v, %v", k, dialing, first.closed, last.closed)
			}
			s.unsent(last)
			if s.end.closeSent {
				t.Errorf("%v, dialing %v: what was not sent counts as sent", k, dialing)
			}
		}
	}
}
