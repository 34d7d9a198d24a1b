package client

import (
	"crypto/rand"
	"errors"
	"math"
	mrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/surb"
	"nym-socks5/mixnet/topology"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// offered makes a message of n fragments in a lane.
func offered(t *testing.T, lane mixnet.Lane, n int) *outgoing {
	t.Helper()
	size := mixnet.Regular.Fragment()
	body := make([]byte, (size-fragment.HeaderSize)*n-1)
	frags, err := fragment.Split(body, size, fragment.NewSets(fragment.Sets(len(body), size)))
	if err != nil || frags.Len() != n {
		t.Fatalf("%d fragments (%v), want %d", frags.Len(), err, n)
	}
	return &outgoing{lane: lane, frags: frags, accepted: make(chan struct{})}
}

func isAccepted(o *outgoing) bool {
	select {
	case <-o.accepted:
		return true
	default:
		return false
	}
}

func always(*outgoing) bool { return true }

func roomFor(n int) func(*outgoing) int { return func(*outgoing) int { return n } }

// sphinx.md §6.2: "intervals Exp(mean = 20 ms), each deadline counted from the previous deadline"
func TestPacerKeepsItsRate(t *testing.T) {
	p := pacer{mean: 20 * time.Millisecond, rng: mrand.New(mrand.NewPCG(1, 2))}
	p.start(t0)
	const n = 20000
	var gaps []float64
	last := t0
	for range n {
		now := p.next.Add(time.Millisecond) // always served a little late: must not drift
		gaps = append(gaps, p.next.Sub(last).Seconds())
		last = p.next
		if missed := p.tick(now); missed != 0 {
			t.Fatalf("missed %d", missed)
		}
	}
	mean := last.Sub(t0).Seconds() / n
	if math.Abs(mean-0.02) > 8*0.02/math.Sqrt(n) {
		t.Errorf("mean interval %.5f s, want 0.02", mean)
	}
	if d := kolmogorov(gaps, 0.02); d > 2.2/math.Sqrt(n) {
		t.Errorf("intervals are not exponential: distance %.4f", d)
	}
}

// hardening.md H02: "A missed tick is dropped, never caught up by a burst"
func TestH02MissedTicksAreDropped(t *testing.T) {
	p := pacer{mean: 20 * time.Millisecond, rng: mrand.New(mrand.NewPCG(3, 4))}
	p.start(t0)
	now := t0.Add(2 * time.Second) // a stall
	missed := p.tick(now)
	if missed < 50 || missed > 160 { // mean 100, beyond 5σ
		t.Errorf("missed %d ticks in two seconds, want about 100", missed)
	}
	if late := now.Sub(p.next); late > lateness {
		t.Errorf("the next tick is %v ago", late)
	}
}

// kolmogorov is the distance between the sample and Exp(mean).
func kolmogorov(sample []float64, mean float64) (d float64) {
	s := append([]float64(nil), sample...)
	slices.Sort(s)
	for i, x := range s {
		f := 1 - math.Exp(-x/mean)
		d = max(d, math.Abs(f-float64(i)/float64(len(s))), math.Abs(f-float64(i+1)/float64(len(s))))
	}
	return d
}

func TestLanesTakeTurns(t *testing.T) {
	l := newLanes(roomFor(100))
	a, b := offered(t, 1, 3), offered(t, 2, 1)
	l.offer(a)
	l.offer(b)
	var got []mixnet.Lane
	for {
		p, ok := l.pop(always)
		if !ok {
			break
		}
		got = append(got, p.out.lane)
	}
	want := []mixnet.Lane{1, 2, 1, 1}
	if len(got) != len(want) {
		t.Fatalf("lanes %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("lanes %v, want %v", got, want)
		}
	}
	if l.load(1) != 3 || l.load(2) != 1 {
		t.Errorf("loads %d and %d before any acknowledgement, want 3 and 1", l.load(1), l.load(2))
	}
}

func TestLanesOrderOfUrgency(t *testing.T) {
	l := newLanes(roomFor(100))
	data, grant, request := offered(t, 1, 1), offered(t, 0, 1), offered(t, 0, 1)
	grant.purpose, request.purpose = purposeGrant, purposeRequest
	l.offer(data)
	l.offer(grant)
	first, _ := l.pop(always) // the grant
	l.offer(request)
	l.sendAgain(first)
	for i, want := range []*outgoing{request, grant, data} {
		if p, ok := l.pop(always); !ok || p.out != want {
			t.Fatalf("turn %d: wrong message", i)
		}
	}
}

// A download, whose grants never end, must not keep another stream from beginning.
func TestGrantsLeaveRoomForLanes(t *testing.T) {
	l := newLanes(roomFor(100))
	data, grants := offered(t, 1, 5), offered(t, 0, 8)
	grants.purpose = purposeGrant
	l.offer(data)
	l.offer(grants)
	got := ""
	for {
		p, ok := l.pop(always)
		if !ok {
			break
		}
		if p.out == data {
			got += "d"
		} else {
			got += "g"
		}
	}
	if want := "gdgdgdgdgdggg"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}

func TestLaneHasRoom(t *testing.T) {
	l := newLanes(roomFor(4))
	first, second, third := offered(t, 1, 3), offered(t, 1, 2), offered(t, 1, 9)
	for _, o := range []*outgoing{first, second, third} {
		l.offer(o)
	}
	if !isAccepted(first) || isAccepted(second) {
		t.Fatal("a lane for 4 packets must take 3 and then not 2 more")
	}
	other := offered(t, 2, 3)
	if l.offer(other); !isAccepted(other) {
		t.Error("another lane is blocked")
	}
	l.release(first, 1)
	if !isAccepted(second) {
		t.Error("room for 2 more, but not taken")
	}
	l.release(first, 2)
	if isAccepted(third) {
		t.Error("a message larger than a lane got in beside another")
	}
	if l.release(second, 2); !isAccepted(third) {
		t.Error("a message larger than a lane never gets in")
	}
}

func TestWithdrawnOfferIsSkipped(t *testing.T) {
	l := newLanes(roomFor(2))
	first, second, third := offered(t, 1, 2), offered(t, 1, 2), offered(t, 1, 2)
	for _, o := range []*outgoing{first, second, third} {
		l.offer(o)
	}
	second.state.Store(stateWithdrawn)
	l.withdrawn(second)
	l.release(first, 2)
	if isAccepted(second) || !isAccepted(third) {
		t.Error("the withdrawn message is in the way")
	}
	// What waits behind one that is withdrawn waits no more.
	l = newLanes(roomFor(2))
	first, second, third = offered(t, 1, 1), offered(t, 1, 2), offered(t, 1, 1)
	for _, o := range []*outgoing{first, second, third} {
		l.offer(o)
	}
	second.state.Store(stateWithdrawn)
	if l.withdrawn(second); !isAccepted(third) {
		t.Error("there is room, and it waits")
	}
}

func TestCloseLane(t *testing.T) {
	l := newLanes(roomFor(2))
	var fate []error
	queued, waits := offered(t, 1, 2), offered(t, 1, 1)
	queued.done = func(err error) { fate = append(fate, err) }
	l.offer(queued)
	l.offer(waits)
	l.abandon(func(o *outgoing) bool { return o.lane == 1 }, func(o *outgoing) { o.finish(mixnet.ErrLaneClosed) })
	if len(fate) != 1 || !errors.Is(fate[0], mixnet.ErrLaneClosed) {
		t.Errorf("fate of the queued message: %v", fate)
	}
	if !isAccepted(waits) || !errors.Is(waits.err, mixnet.ErrLaneClosed) {
		t.Error("the waiting sender was not told")
	}
	if _, ok := l.pop(always); ok {
		t.Error("a closed lane still sends")
	}
	if l.load(1) != 0 || len(l.lanes) != 0 {
		t.Errorf("load %d, %d lanes remembered", l.load(1), len(l.lanes))
	}
}

// A reply that must wait for SURBs does not hold up others.
func TestBlockedRepliesAreSkipped(t *testing.T) {
	l := newLanes(roomFor(10))
	reply, data := offered(t, 1, 2), offered(t, 2, 1)
	reply.reply, reply.tag = true, mixnet.NewSenderTag()
	l.offer(reply)
	l.offer(data)
	can := func(o *outgoing) bool { return !o.reply }
	if p, ok := l.pop(can); !ok || p.out != data {
		t.Fatal("the message behind a blocked reply does not leave")
	}
	if _, ok := l.pop(can); ok {
		t.Fatal("a blocked reply left")
	}
	if got := l.waiting(reply.tag); got != 2 {
		t.Errorf("%d fragments wait, want 2", got)
	}
	p, _ := l.pop(always)
	l.sendAgain(p)
	if got := l.waiting(reply.tag); got != 2 {
		t.Errorf("%d fragments wait with one to be sent again, want 2", got)
	}
}

// A sentPacket is one fragment that was made and has left.
func sentPacket(f *inflight, o *outgoing, i int, at time.Time, drawn time.Duration) piece {
	p := piece{out: o, index: i}
	key, foreign := endKey{to: o.to}, time.Duration(0)
	if o.reply {
		key, foreign = endKey{tag: o.tag}, 15*time.Millisecond
	}
	f.made(p, p.id(), key, trip{drawn: drawn}, foreign, at)
	f.departed(p.id(), at)
	return p
}

// settle tells an inflight that SURB-ACKs take so long beyond the drawn delays.
func settle(f *inflight, o *outgoing, excess time.Duration) {
	for i := range 50 {
		p := sentPacket(f, o, i, t0, 0)
		at := t0.Add(excess)
		if o.reply { // and what the owner of the SURB drew
			at = at.Add(time.Duration(i%7) * 15 * time.Millisecond)
		}
		f.acked(p.id(), at)
	}
}

// sphinx.md §6.5: "A SURB-ACK is overdue when it is later than the drawn delays, the
// tail of those that others drew, what the network takes, and 100 ms"
func TestInflight(t *testing.T) {
	f := newInflight()
	o := offered(t, 1, 100)
	settle(f, o, 10*time.Millisecond)
	a := sentPacket(f, o, 50, t0.Add(time.Second), 100*time.Millisecond)
	b := sentPacket(f, o, 51, t0.Add(time.Second), 0)
	want := t0.Add(time.Second + 10*time.Millisecond + ackSlack)
	if at, ok := f.next(); !ok || at.Before(want) || at.After(want.Add(10*time.Millisecond)) {
		t.Fatalf("the first is overdue at %v, want %v", at.Sub(t0), want.Sub(t0))
	}
	if _, ok := f.due(want.Add(-time.Millisecond)); ok {
		t.Fatal("due too early")
	}
	fl, ok := f.due(want.Add(10 * time.Millisecond))
	if !ok || fl.index >= 0 || fl.id != b.id() || fl.tries != 1 {
		t.Fatalf("due %v, want the second fragment", ok)
	}
	if !f.known(b.id()) {
		t.Error("a fragment that is to be sent again must still know its SURB-ACK")
	}
	sentPacket(f, o, 51, t0.Add(2*time.Second), 0)
	if got, _, ok := f.acked(a.id(), t0.Add(2*time.Second)); !ok || got.id != a.id() {
		t.Error("the SURB-ACK of the first is not recognised")
	}
	if _, _, ok := f.acked(a.id(), t0.Add(2*time.Second)); ok {
		t.Error("a repeated SURB-ACK counts")
	}
	if fl, ok := f.due(t0.Add(5 * time.Second)); !ok || fl.id != b.id() || fl.tries != 2 {
		t.Errorf("the second is not due for the second time: %v", ok)
	}
	sentPacket(f, o, 51, t0.Add(4*time.Second), 0)
	o.over = true
	if _, ok := f.due(t0.Add(time.Hour)); ok {
		t.Error("a finished message is due")
	}
	if len(f.byID) != 0 || len(f.timers) != 0 {
		t.Errorf("%d packets, %d timers remembered", len(f.byID), len(f.timers))
	}
	if f.expire(t0.Add(time.Hour)); len(f.ends) != 0 {
		t.Errorf("%d far ends are remembered for ever", len(f.ends))
	}
}

// Of a reply the owner of the SURB drew half of the delays.
func TestInflightWaitsForTheTailOfReplies(t *testing.T) {
	f := newInflight()
	o := offered(t, 1, 100)
	o.reply, o.tag = true, mixnet.NewSenderTag()
	settle(f, o, 0)
	sentPacket(f, o, 50, t0.Add(time.Minute), 20*time.Millisecond)
	at, _ := f.next()
	wait := at.Sub(t0.Add(time.Minute))
	if least := 20*time.Millisecond + 11*15*time.Millisecond + ackSlack; wait < least || wait > least+100*time.Millisecond {
		t.Errorf("a reply is waited for %v, want about %v", wait, least)
	}
}

// A reply that was sent again is waited for less long.
func TestInflightAgain(t *testing.T) {
	f := newInflight()
	o := offered(t, 1, 100)
	o.reply, o.tag = true, mixnet.NewSenderTag()
	settle(f, o, 0)
	p := sentPacket(f, o, 50, t0.Add(time.Minute), 20*time.Millisecond)
	at, _ := f.next()
	fl, ok := f.due(at)
	if !ok || fl.id != p.id() {
		t.Fatal("nothing is overdue")
	}
	again := func(p piece) time.Duration {
		f.made(p, p.id(), endKey{tag: o.tag}, trip{drawn: 20 * time.Millisecond}, 15*time.Millisecond, at)
		f.departed(p.id(), at)
		next, _ := f.next()
		return next.Sub(at)
	}
	p.again = true
	wait := again(p)
	if first := at.Sub(t0.Add(time.Minute)); first-wait < 50*time.Millisecond || first-wait > 100*time.Millisecond {
		t.Errorf("a reply that was sent again is waited for %v, and %v the first time, want some 74 ms less", wait, first)
	}
}

// A packet counts as lost as soon as three SURB-ACKs have come that were due later.
func TestInflightOvertaken(t *testing.T) {
	f := newInflight()
	o := offered(t, 1, 100)
	settle(f, o, 10*time.Millisecond)
	lost := sentPacket(f, o, 50, t0.Add(time.Second), 0)
	for i := range 3 {
		sent := t0.Add(time.Second + time.Duration(i+1)*time.Millisecond)
		at := sent.Add(12 * time.Millisecond)
		p := sentPacket(f, o, 51+i, sent, 2*time.Millisecond)
		if _, ok := f.due(at); ok {
			t.Fatalf("lost, overtaken by %d", i)
		}
		f.acked(p.id(), at)
	}
	fl, ok := f.due(t0.Add(time.Second + 20*time.Millisecond))
	if !ok || fl.id != lost.id() {
		t.Error("a packet that three have overtaken is still waited for")
	}
	// What was due later is not lost because others were faster.
	sentPacket(f, o, 60, t0.Add(2*time.Second), time.Second)
	for i := range 20 {
		p := sentPacket(f, o, 61+i, t0.Add(2*time.Second), 0)
		f.acked(p.id(), t0.Add(2*time.Second+10*time.Millisecond))
	}
	if _, ok := f.due(t0.Add(3 * time.Second)); ok {
		t.Error("a packet whose delays were long counts as lost")
	}
}

// A slow network is not loaded with what was not lost; a dead one is not hammered.
func TestInflightAdapts(t *testing.T) {
	f := newInflight()
	o := offered(t, 1, 100)
	settle(f, o, 2*time.Second)
	sentPacket(f, o, 99, t0.Add(3*time.Second), 0)
	at, _ := f.next()
	if wait := at.Sub(t0.Add(3 * time.Second)); wait < 2*time.Second || wait > 2500*time.Millisecond {
		t.Errorf("overdue after %v where SURB-ACKs usually take 2 s", wait)
	}
	// It becomes slower while a packet is under way.
	for i := range 20 {
		p := sentPacket(f, o, i, t0.Add(3*time.Second), 0)
		f.acked(p.id(), t0.Add(3*time.Second+2700*time.Millisecond))
	}
	if _, ok := f.due(at); ok {
		t.Error("a packet is lost by what was known when it left")
	}
	f = newInflight()
	now, waits := t0, []time.Duration{}
	for range 24 {
		sentPacket(f, o, 99, now, 0)
		at, _ := f.next()
		waits = append(waits, at.Sub(now))
		now = at
		f.due(now)
	}
	if waits[0] != firstBound+ackSlack || waits[eagerTries-1] != waits[0] || waits[eagerTries] < waits[0]+ackSlack || waits[23] < maxSlack {
		t.Errorf("waits for a packet that is never acknowledged: %v", waits)
	}
}

// A SURB-ACK that comes before that of the second packet can is that of the
// first, and tells how slow the network is.
func TestInflightKnowsWhichPacketCame(t *testing.T) {
	f := newInflight()
	o := offered(t, 1, 100)
	settle(f, o, 0)
	p := sentPacket(f, o, 50, t0.Add(time.Second), 0)
	if _, ok := f.due(t0.Add(1200 * time.Millisecond)); !ok {
		t.Fatal("not overdue")
	}
	sentPacket(f, o, 50, t0.Add(1200*time.Millisecond), 80*time.Millisecond)
	if _, trip, ok := f.acked(p.id(), t0.Add(1250*time.Millisecond)); !ok || trip == nil || trip.left != t0.Add(time.Second) {
		t.Errorf("the SURB-ACK is taken to be that of %v", trip)
	}
	p = sentPacket(f, o, 51, t0.Add(2*time.Second), 0)
	f.due(t0.Add(3 * time.Second))
	sentPacket(f, o, 51, t0.Add(3*time.Second), 80*time.Millisecond)
	if _, trip, _ := f.acked(p.id(), t0.Add(3100*time.Millisecond)); trip != nil {
		t.Errorf("a SURB-ACK of which nobody knows is taken to be that of %v", trip)
	}
}

// What was sent first is sent again first.
func TestOldestGapFirst(t *testing.T) {
	l := newLanes(roomFor(100))
	o := offered(t, 1, 5)
	for _, i := range []int{3, 1, 4, 2} {
		l.sendAgain(piece{out: o, index: i, serial: uint64(i)})
	}
	for want := 1; want <= 4; want++ {
		if p, ok := l.pop(always); !ok || p.index != want {
			t.Fatalf("fragment %d is sent again, want %d", p.index, want)
		}
	}
}

func someSURBs(n int) []surb.Reply {
	r := make([]surb.Reply, n)
	for i := range r {
		r[i].Key = keys.NewReply()
	}
	return r
}

// sphinx.md §6.6: "k = min(f, available − 10)", the request "consumes one SURB regardless of the minimum"
func TestHeldSURBsKeepTheirReserve(t *testing.T) {
	h := newHeldSURBs()
	tag := mixnet.NewSenderTag()
	if h.known(tag) || h.can(tag, true) || h.ask(tag, 5, t0) != 0 {
		t.Fatal("an unknown tag has SURBs")
	}
	h.add(tag, someSURBs(15), false, t0)
	spent := 0
	for h.can(tag, false) {
		if _, ok := h.take(tag); !ok {
			t.Fatal("nothing to take")
		}
		spent++
	}
	if spent != 5 {
		t.Errorf("%d of 15 SURBs spent on data, want 5", spent)
	}
	if !h.can(tag, true) {
		t.Error("the reserve must serve a request")
	}
	if n := h.ask(tag, 27, t0); n < 27 || n > maxRequest {
		t.Errorf("asks for %d with 27 waiting", n)
	}
	if n := h.ask(tag, 27, t0); n != 0 {
		t.Errorf("asks for %d more at once", n)
	}
	if n := h.ask(tag, 27, t0.Add(askAgainAfter+time.Second)); n < 27 {
		t.Errorf("asks for %d again after silence, want as many as wait", n)
	}
}

// Whoever begins with a few SURBs, since more follow, is answered at once.
func TestFewSURBsBeginAConversation(t *testing.T) {
	h := newHeldSURBs()
	tag := mixnet.NewSenderTag()
	h.add(tag, someSURBs(3), false, t0)
	spend := func() (n int) {
		for ; h.can(tag, false); n++ {
			h.take(tag)
		}
		return n
	}
	if n := spend(); n != 2 || !h.can(tag, true) {
		t.Errorf("%d of 3 SURBs spent on data, want 2, and one for asking for more", n)
	}
	h.add(tag, someSURBs(17), false, t0)
	if n := spend(); n != 8 {
		t.Errorf("%d of 18 spent, want all but %d", n, reserve)
	}
	if h.take(tag); h.can(tag, false) {
		t.Error("the reserve is spent on data once there was one")
	}
}

// sphinx.md §7.2: "parity contradicting the current rotation → drop; Unknown → keep"
func TestHeldSURBsRetireOldRotations(t *testing.T) {
	h := newHeldSURBs()
	tag := mixnet.NewSenderTag()
	add := func(rotation uint32, byte mixnet.Rotation) {
		h.rotation = rotation
		s := someSURBs(1)
		s[0].Rotation = byte
		h.add(tag, s, false, t0)
	}
	add(6, mixnet.RotationEven)    // parity of 8, but too old
	add(7, mixnet.RotationOdd)     // the rotation before
	add(7, mixnet.RotationUnknown) // made by an old client
	add(8, mixnet.RotationEven)
	add(8, mixnet.RotationOdd) // made just before the change
	h.retire(mixnet.RotationEven)
	var left []mixnet.Rotation
	for {
		s, ok := h.take(tag)
		if !ok {
			break
		}
		left = append(left, s.Rotation)
	}
	if want := []mixnet.Rotation{mixnet.RotationEven, mixnet.RotationUnknown}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}

func TestGrantedAfterRotation(t *testing.T) {
	g := newGranted()
	var to mixnet.Recipient
	rand.Read(to.Identity[:])
	paused, silent, busy, unheard := mixnet.NewSenderTag(), mixnet.NewSenderTag(), mixnet.NewSenderTag(), mixnet.NewSenderTag()
	now := t0.Add(time.Hour)
	for _, tag := range []mixnet.SenderTag{paused, silent, busy, unheard} {
		at := now
		if tag == silent {
			at = t0
		}
		g.spoke(tag, to, 40, 0, at)
		g.delivered(tag, 40, true)
		if tag != unheard {
			g.byTag[tag].arrived(at)
		}
	}
	g.pause(paused, true, now)
	short := g.outdated(false, now)
	if len(short) != 2 || short[busy] != 40 || short[unheard] != startSURBs {
		t.Errorf("new SURBs: %v, want 40 for the busy tag and %d for the one that has not answered yet", short, startSURBs)
	}
	g.pause(paused, false, now)
	if got := g.short(paused, now); got != 40 {
		t.Errorf("read again, it is short of %d, want 40", got)
	}
}

// sphinx.md §6.6: "if nothing for > 5 min … drop the tag's waiting data"
func TestHeldSURBsGiveUp(t *testing.T) {
	h := newHeldSURBs()
	tag := mixnet.NewSenderTag()
	h.add(tag, someSURBs(3), false, t0)
	waits := func(mixnet.SenderTag) int { return 1 }
	if gone := h.expire(t0.Add(4*time.Minute), waits); len(gone) != 0 {
		t.Fatal("gave up too early")
	}
	if gone := h.expire(t0.Add(6*time.Minute), waits); len(gone) != 1 || gone[0] != tag {
		t.Fatalf("gave up on %d tags, want 1", len(gone))
	}
	if h.expire(t0.Add(25*time.Hour), func(mixnet.SenderTag) int { return 0 }); h.known(tag) {
		t.Error("a tag unheard of for a day is remembered")
	}
}

// socks.md §21.5: "count SURBs as delivered only when the packets that carried them are acknowledged"
func TestGrantedCountsWhatArrived(t *testing.T) {
	g := newGranted()
	tag := mixnet.NewSenderTag()
	var to mixnet.Recipient
	rand.Read(to.Identity[:])
	g.spoke(tag, to, 0, 0, t0)
	gt := g.byTag[tag]
	wants := func(n int) { gt.burst, gt.shrunk, gt.heard, gt.rate, gt.count = n, t0, t0, 0, 0 }
	wants(50)
	if got := g.short(tag, t0); got != 50 {
		t.Fatalf("short of %d, want 50", got)
	}
	out := someSURBs(20)
	g.remember(tag, out, t0)
	g.sent(tag, len(out))
	if got := g.short(tag, t0); got != 30 {
		t.Errorf("short of %d with 20 under way, want 30", got)
	}
	g.delivered(tag, 20, true)
	for _, r := range out[:15] {
		k, ok := g.use(surb.DigestOf(r.Key), t0)
		if !ok || k.tag != tag || k.key != r.Key {
			t.Fatal("a reply key is not found by its digest")
		}
		if _, again := g.use(surb.DigestOf(r.Key), t0); again {
			t.Fatal("a reply key works twice") // sphinx.md §5.9: "entries are removed on use (single use)"
		}
	}
	wants(50)
	if got := g.short(tag, t0); got != 45 {
		t.Errorf("short of %d with 5 left, want 45", got)
	}
	g.delivered(tag, 0, true)
	g.sent(tag, 30)
	g.delivered(tag, 30, false)
	if got := g.short(tag, t0); got != 45 {
		t.Errorf("SURBs that never arrived count: short of %d, want 45", got)
	}
	// "treat a top-up request as 'stock is at or below the reserve'"
	gt.there = 40
	if n, got := g.requested(tag, 1000); n != maxGrant || got != to {
		t.Errorf("a request for 1000 is honoured with %d", n)
	}
	if got := g.short(tag, t0); got != 40 {
		t.Errorf("short of %d after a request, want 40", got)
	}
	// "decay the estimate with time"
	wants(200)
	gt.there, gt.heard = 50, t0.Add(2*time.Minute)
	if low := g.fade(t0.Add(2 * time.Minute)); len(low) != 1 || gt.there >= 25 {
		t.Errorf("after two minutes %.0f of 50 are believed there", gt.there)
	}
	// "A client whose app does not read SHOULD stop granting SURBs"
	g.pause(tag, true, t0)
	if n, _ := g.requested(tag, 10); n != 0 {
		t.Errorf("grants %d while paused", n)
	}
	if n := g.short(tag, t0); n != 0 {
		t.Errorf("short of %d while paused", n)
	}
	if n, _ := g.requested(mixnet.NewSenderTag(), 10); n != 0 {
		t.Error("grants for a tag that is none of ours")
	}
}

// A message whose sender leaves it to us carries what its packet has room for. What
// begins a conversation follows; later messages bring some, until the far end has half
// as many again. As long as nothing has surely arrived each brings some: it may be the
// first to arrive, and a far end answers nothing under a tag that it does not know.
func TestAttach(t *testing.T) {
	g := newGranted()
	tag := mixnet.NewSenderTag()
	type attached struct{ n, further int }
	attach := func(tag mixnet.SenderTag, room, expected int, now time.Time) (a attached) {
		a.n, a.further = g.attach(tag, room, expected, now)
		g.spoke(tag, mixnet.Recipient{}, a.n, a.n, now)
		return a
	}
	got := make([]attached, 6)
	for i := range got {
		got[i] = attach(tag, spareSURBs, 0, t0)
	}
	if want := []attached{{3, startSURBs - 3}, {3, 0}, {3, 0}, {3, 0}, {3, 0}, {3, 0}}; !slices.Equal(got, want) {
		t.Errorf("messages carry %v, want %v", got, want)
	}
	g.delivered(tag, startSURBs+15, true)
	if a := attach(tag, spareSURBs, 0, t0); a != (attached{}) {
		t.Errorf("once they have arrived it carries %v, want nothing", a)
	}
	g.fade(t0.Add(time.Hour)) // nobody knows what is still there
	if a := attach(tag, spareSURBs, 0, t0.Add(time.Hour)); a != (attached{3, startSURBs - 3}) {
		t.Errorf("after an hour %v, want what begins a conversation", a)
	}
	if a := attach(mixnet.NewSenderTag(), 0, 0, t0); a != (attached{spareSURBs, startSURBs - spareSURBs}) {
		t.Errorf("a full packet begins a conversation with %v: nobody could answer", a)
	}
	if a := attach(mixnet.NewSenderTag(), 70, 0, t0); a != (attached{startSURBs, 0}) {
		t.Errorf("a large packet begins a conversation with %v, want no more than that takes", a)
	}
	// Once the far end answers, it is to hold what the answers take.
	g.byTag[tag].arrived(t0.Add(time.Hour))
	if a := attach(tag, spareSURBs, 60, t0.Add(time.Hour)); a.n != spareSURBs || a.further < 30 || a.further > 60 {
		t.Errorf("where sixty packets more are expected: %v", a)
	}
}

// What is granted fills its packets.
func TestGrantsFillTheirPackets(t *testing.T) {
	for size, want := range map[mixnet.PacketSize][4]int{
		mixnet.Regular:    {3, 6, 10, 24},
		mixnet.Extended32: {70, 70, 70, 70},
	} {
		c := &Client{traffic: Traffic{Size: size}.withDefaults()}
		if got := [4]int{c.wholeGrant(1), c.wholeGrant(4), c.wholeGrant(8), c.wholeGrant(100)}; got != want {
			t.Errorf("packets of %d bytes: %v, want %v", size.Total(), got, want)
		}
		for body := range size.Fragment() {
			n := c.spare(body)
			with, without := c.packets(body, n), c.packets(body, 0)
			if with != without || c.packets(body, n+1) == without {
				t.Fatalf("a body of %d bytes takes %d packets, %d with the %d SURBs that have room", body, without, with, n)
			}
		}
	}
}

// packets is how many packets a message takes.
func (c *Client) packets(body, surbs int) int {
	return fragment.Count(message.Data.Overhead(surbs, topology.Hops, false)+body, c.traffic.Size.Fragment())
}

func TestReplyKeysExpire(t *testing.T) {
	s := newGranted()
	tag := mixnet.NewSenderTag()
	old, young := someSURBs(3), someSURBs(3)
	s.remember(tag, old, t0)
	s.remember(tag, young, t0.Add(20*time.Hour))
	s.use(surb.DigestOf(old[0].Key), t0)
	s.expire(t0.Add(25 * time.Hour))
	if _, ok := s.use(surb.DigestOf(old[1].Key), t0); ok {
		t.Error("a key of yesterday is still good") // sphinx.md §5.9: "or after 24 h"
	}
	if _, ok := s.use(surb.DigestOf(young[0].Key), t0); !ok {
		t.Error("a young key is gone")
	}
	for range 3000 { // used keys must not pile up
		r := someSURBs(1)
		s.remember(tag, r, t0)
		s.use(surb.DigestOf(r[0].Key), t0)
	}
	if len(s.order) > 1100 {
		t.Errorf("%d digests remembered for %d keys", len(s.order), len(s.keys))
	}
}
