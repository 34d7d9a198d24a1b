package endpoint

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy"
)

func someAddress() mixnet.Recipient {
	return mixnet.Recipient{Identity: keys.NewIdentityKey().Public(), Encryption: keys.NewEncryptionKey().Public(), Gateway: keys.NewIdentityKey().Public()}
}

// poolOf makes a pool whose candidates answer after times; zero: they do not.
func poolOf(now time.Time, trips ...time.Duration) *requesters {
	r := &requesters{
		proxy: proxy.New(mixnettest.NewPair(mixnettest.Options{}).A, proxy.Config{}), askers: make(map[string]*asker),
		wake: make(chan struct{}, 1), news: make(chan struct{}),
	}
	for _, trip := range trips {
		c := newCandidate(now, someAddress())
		if trip > 0 {
			c.answered(now, c.ask(now, 0, func() {}), proxy.Greeting{RoundTrip: trip})
		}
		r.all = append(r.all, c)
	}
	return r
}

// hardening.md H28: "Requesters are chosen uniformly among those within twice the best",
// and who asks stays with one.
func TestH28DrawnAmongTheNear(t *testing.T) {
	now := time.Now()
	const ms = time.Millisecond
	r := poolOf(now, 300*ms, 250*ms, 499*ms, 501*ms, 2000*ms, 0)
	drawn := make([]int, len(r.all))
	index := func(c *candidate) int {
		for i, o := range r.all {
			if o == c {
				return i
			}
		}
		return -1
	}
	const askers = 900
	for i := range askers {
		who := fmt.Sprint(i)
		c := r.pick(now, who, nil)
		drawn[index(c)]++
		for _, later := range []time.Duration{0, stickFor - time.Second, 2*stickFor - 2*time.Second} {
			if r.pick(now.Add(later), who, nil) != c {
				t.Fatal("who asks does not stay with one requester")
			}
		}
	}
	for i, n := range drawn {
		if near := i < 3; near && (n < askers/3-100 || n > askers/3+100) || !near && n > 0 { // 7σ
			t.Errorf("requester %d was drawn %d times of %d: %v", i, n, askers, drawn)
		}
	}
	moved := 0
	for i := range askers {
		who := fmt.Sprint(i)
		before := r.askers[who].c
		if r.pick(now.Add(4*stickFor), who, nil) != before {
			moved++
		}
	}
	if moved < askers/2 {
		t.Errorf("of %d who had not asked for long, %d went to another", askers, moved)
	}
	r.all[1].turn(now, standingSilent)
	for i := range askers {
		if r.pick(now.Add(4*stickFor), fmt.Sprint(i), nil) == r.all[1] {
			t.Fatal("one that does not answer is used while others do")
		}
	}
}

// Those who ask are remembered within bounds.
func TestAskersAreBounded(t *testing.T) {
	now := time.Now()
	r := poolOf(now, time.Second)
	for i := range 3 * askersMost {
		r.pick(now, fmt.Sprint(i), nil)
	}
	if len(r.askers) > askersMost {
		t.Errorf("%d are remembered", len(r.askers))
	}
}

// What follows from questions, answers and acknowledgements.
func TestStanding(t *testing.T) {
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	fresh := func() *candidate {
		c := newCandidate(start, someAddress(), someAddress())
		c.answered(start, c.ask(start, 0, func() {}), proxy.Greeting{RoundTrip: 200 * time.Millisecond})
		return c
	}
	want := func(what string, c *candidate, when time.Duration, want standing, gone bool) {
		t.Helper()
		if got := c.judge(at(when)); got != gone || c.standing != want {
			t.Errorf("%s, after %v: it %v, gone just now: %v; want that it %v, %v", what, when, c.standing, got, want, gone)
		}
	}
	c := fresh()
	if c.standing != standingAnswers {
		t.Errorf("it %v after an answer", c.standing)
	}
	q := c.ask(at(time.Second), 0, func() {})
	want("asked", c, time.Second+silentLeast-1, standingAnswers, false)
	want("asked", c, time.Second+silentLeast, standingSilent, false)
	select {
	case <-c.doubt.Done():
	default:
		t.Error("dials are not told that it is silent")
	}
	q.acked = at(2 * time.Second)
	want("its gateway has it", c, 2*time.Second+goneLeast-1, standingSilent, false)
	want("its gateway has it", c, 2*time.Second+goneLeast, standingGone, true)
	want("it is gone", c, 3*time.Second+goneLeast, standingGone, false)
	c.hear(at(10*time.Second), at(500*time.Millisecond))
	want("an old word", c, 10*time.Second, standingGone, false)
	c.answered(at(20*time.Second), q, proxy.Greeting{RoundTrip: 19 * time.Second})
	if c.standing != standingAnswers || c.trip != 200*time.Millisecond {
		t.Errorf("after an answer by mail it %v, in %v", c.standing, c.trip)
	}

	c = fresh() // its gateway is away, and then it does not come back to that at once
	c.ask(at(time.Second), 0, func() {})
	want("no word of its gateway", c, 31*time.Second, standingSilent, false)
	q = c.ask(at(31*time.Second), 0, func() {})
	q.acked = at(32 * time.Second)
	want("its gateway is back", c, 32*time.Second+goneReturn-1, standingSilent, false)
	want("its gateway is back", c, 32*time.Second+goneReturn, standingGone, true)

	c = fresh() // our own gateway has changed
	q = c.ask(at(time.Second), 0, func() {})
	q.acked = at(time.Second)
	c.excuse()
	want("excused", c, time.Hour, standingAnswers, false)
	if due := c.due(at(2*time.Second), false); due.After(at(2 * time.Second)) {
		t.Errorf("it is asked again after %v", due.Sub(at(2*time.Second)))
	}

	c = fresh() // it answers at its other address
	c.ask(at(time.Second), 0, func() {})
	want("asked", c, 2*time.Second, standingSilent, false)
	other := c.ask(at(2*time.Second), 1, func() {})
	if !c.answered(at(2*time.Second), other, proxy.Greeting{}) || c.at != 1 {
		t.Error("it answers at its other address, and is not sent to there")
	}
	c = fresh()
	other = c.ask(at(2*time.Second), 1, func() {})
	if c.answered(at(2*time.Second), other, proxy.Greeting{}) || c.at != 0 {
		t.Error("it is left at an address where it answers")
	}
	for range 100 {
		c.ask(start, 0, func() {})
	}
	if len(c.open) > 2*openMost {
		t.Errorf("%d questions are open", len(c.open))
	}
	mine, foreign := c.addrs[0], someAddress()
	mine.Gateway = foreign.Gateway
	c.addrs = c.addrs[:1]
	c.learn([]mixnet.Recipient{foreign, mine, mine})
	if len(c.addrs) != 2 || c.addrs[1] != mine {
		t.Errorf("of another's address and one of its own it has %d", len(c.addrs)-1)
	}
}

// Questions come at four round trips after the last word, and more seldom the longer
// nothing was said.
func TestQuestionsAreDue(t *testing.T) {
	now := time.Now()
	c := newCandidate(now, someAddress())
	c.answered(now, c.ask(now, 0, func() {}), proxy.Greeting{RoundTrip: 200 * time.Millisecond})
	c.drawn, c.spoken, c.heard = 0, now, now
	for _, w := range []struct {
		quiet   time.Duration
		streams bool
		want    time.Duration
	}{
		{0, true, 800 * time.Millisecond},
		{4 * time.Second, true, time.Second},
		{30 * time.Second, true, askStreams},
		{3 * time.Minute, true, 45 * time.Second},
		{time.Hour, true, askSeldom},
		{0, false, askIdle},
	} {
		c.asked = now.Add(w.quiet)
		if got := c.due(now.Add(w.quiet), w.streams).Sub(c.asked); got != w.want {
			t.Errorf("quiet for %v, streams %v: asked again after %v, want %v", w.quiet, w.streams, got, w.want)
		}
	}
}

// The record of listed requesters: one line as before, or some.
func TestRequesterRecord(t *testing.T) {
	s := NewMemoryStore()
	one, other := someAddress(), someAddress()
	for _, c := range []struct {
		text string
		n    int
	}{
		{"", 0}, {one.String(), 1}, {one.String() + "\n" + other.String(), 2}, {one.String() + "\n", 1},
		{"x", -1}, {one.String() + "\n\n" + other.String(), -1},
		{one.String() + "\n" + one.String() + "\n" + one.String() + "\n" + one.String(), -1},
	} {
		if err := s.Save(t.Context(), requesterName, Record{1, []byte(c.text)}); err != nil {
			t.Fatal(err)
		}
		got, err := (&requesters{store: s}).load(t.Context())
		if c.n < 0 && !errors.Is(err, ErrDamaged) || c.n >= 0 && (err != nil || len(got) != c.n) {
			t.Errorf("%q: %d, %v", c.text, len(got), err)
		}
	}
	r := &requesters{store: s}
	for _, n := range []int{1, 2, 5} {
		r.all = nil
		for range n {
			r.all = append(r.all, newCandidate(time.Now(), someAddress()))
		}
		if err := r.save(t.Context()); err != nil {
			t.Fatal(err)
		}
		rec, _ := s.Load(t.Context(), requesterName)
		got, err := r.load(t.Context())
		if err != nil || len(got) != min(n, listedMost) || got[0] != r.all[0].addrs[0] || rec.Version != min(n, 2) {
			t.Errorf("%d: %d were kept, version %d, %v", n, len(got), rec.Version, err)
		}
	}
}
