package directory

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A toldHistory is what a directory tells one of its clients: documents that
// come into force once a minute from noon on, issued a minute before.
type toldHistory struct {
	oldest uint64 // that it still shows
	docs   map[uint64]Hash
	newest uint64
	every  time.Duration
}

func newToldHistory() *toldHistory {
	return &toldHistory{oldest: 1, docs: make(map[uint64]Hash), every: time.Minute}
}

// tell adds the next document.
func (d *toldHistory) tell(h Hash) uint64 {
	d.newest++
	d.docs[d.newest] = h
	return d.newest
}

func (d *toldHistory) at(n uint64) time.Time { return noon.Add(time.Duration(n) * d.every) }

func (d *toldHistory) seal(n uint64) *Seal {
	at := d.at(n)
	return &Seal{Sequence: n, Issued: at.Add(-d.every), ValidAfter: at, ValidUntil: at.Add(24 * time.Hour), Previous: d.docs[n-1]}
}

// history gives at most 100 links.
func (d *toldHistory) history(from uint64) *History {
	h := &History{Oldest: d.oldest, Newest: d.newest, From: max(from, d.oldest)}
	for n := uint64(1); n <= d.newest; n++ {
		switch l := (Link{d.at(n), d.docs[n]}); {
		case n < h.From:
			h.Before = Chain(h.Before, n, l)
		case len(h.Links) < 100:
			h.Links = append(h.Links, l)
		}
	}
	return h
}

// hear takes document n as a client does when the directory gives it as the one
// in force.
func (c *chain) hear(d *toldHistory, n uint64) error { return c.hearAt(d, n, d.at(n)) }

func (c *chain) hearAt(d *toldHistory, n uint64, now time.Time) (err error) {
	for from, ok := c.lacks(n); ok; ok = from != 0 {
		if from, err = c.extend(d.history(from), from, n, now); err != nil {
			return err
		}
	}
	s := d.seal(n)
	if err := c.check(s, d.docs[n], true, now); err != nil {
		return err
	}
	if err := c.follow(n, now); err != nil {
		return err
	}
	c.take(&snapshot{seal: *s, hash: d.docs[n], view: &View{Cadence: Cadence{time.Minute, 30 * time.Second}}}, true)
	return nil
}

// head is what somebody else states who is told the same.
func (d *toldHistory) head(n uint64) Head {
	h := d.history(n)
	return Head{Sequence: n, Topology: d.docs[n], Chain: Chain(h.Before, n, h.Links[0])}
}

// hold compares a head as a client does.
func (c *chain) hold(d *toldHistory, h Head, now time.Time) error {
	ask, err := c.compare(h, now)
	if !ask {
		return err
	}
	to, ok := c.above(h.Sequence)
	if !ok {
		return ErrContinuity
	}
	p := &proof{head: h, to: to}
	for from := h.Sequence; ; from = p.at + 1 {
		piece := d.history(from)
		if from == h.Sequence && piece.From != from {
			return c.unproved(h, now)
		}
		if done, err := p.fold(piece); err != nil {
			return err
		} else if done {
			return c.prove(p)
		}
	}
}

// hardening.md H24: "Clients keep the highest sequence seen", "stop with a clear
// error on a fork".
func TestH24Chain(t *testing.T) {
	d := newToldHistory()
	for n := range byte(20) {
		d.tell(Hash{n + 1})
	}
	c := newChain(Head{})
	for _, s := range []struct {
		name string
		n    uint64
		now  time.Time
		want error
	}{
		{"the first", 5, d.at(5), nil},
		{"the same again", 5, d.at(5), nil},
		{"before it is in force", 11, d.at(5), ErrTime},
		{"one before the first", 4, d.at(5), ErrRollback},
		{"after a gap", 9, d.at(9), nil},
		{"from within the gap, whose link is known", 8, d.at(9), nil},
		{"a low one from before", 2, d.at(9), ErrRollback},
		{"one that ran out", 10, d.at(10).Add(24*time.Hour + clockSkew + time.Second), ErrTime},
	} {
		if err := c.hearAt(d, s.n, s.now); !errors.Is(err, s.want) || err != nil && s.want == nil {
			t.Errorf("%s: %v, want %v", s.name, err, s.want)
		}
	}
	if err := c.check(&Seal{ValidUntil: d.at(99)}, Hash{}, true, d.at(9)); !errors.Is(err, ErrMalformed) {
		t.Errorf("sequence 0: %v", err)
	}
	if err := c.check(d.seal(12), Hash{12}, true, d.at(12)); !errors.Is(err, ErrContinuity) || c.forked != nil {
		t.Errorf("a gap that is not shown: %v, want ErrContinuity", err)
	}
	if c.newest != 10 {
		t.Errorf("newest is %d, want 10, whose link was shown", c.newest)
	}
	if err := c.check(d.seal(9), Hash{99}, true, d.at(9)); !errors.Is(err, ErrFork) {
		t.Errorf("another document 9: %v", err)
	}
	if err := c.hear(d, 11); !errors.Is(err, ErrFork) {
		t.Errorf("after a fork: %v, want the fork for ever", err)
	}

	c = newChain(Head{})
	c.hear(d, 9)
	late := d.seal(2)
	late.Issued, late.ValidAfter = d.at(9), d.at(10)
	if err := c.check(late, Hash{2}, true, d.at(10)); !errors.Is(err, ErrFork) {
		t.Errorf("a lower number issued later: %v", err)
	}

	c = newChain(Head{Sequence: 7, Topology: Hash{7}})
	if err := c.hear(d, 6); !errors.Is(err, ErrRollback) {
		t.Errorf("older than what was seen in an earlier life: %v", err)
	}
	other := d.seal(8)
	other.Previous = Hash{77}
	if err := c.check(other, Hash{8}, true, d.at(8)); !errors.Is(err, ErrFork) {
		t.Errorf("a successor of another document: %v", err)
	}
}

func TestChainForgetsTheOldest(t *testing.T) {
	c := newChain(Head{})
	for n := range uint64(maxKnown + 10) {
		if err := c.note(1<<60+n*n, entry{topology: Hash{1}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.known) != maxKnown || len(c.order) != maxKnown {
		t.Errorf("%d documents are remembered, want %d", len(c.known), maxKnown)
	}
}

// hardening.md H24: "clients compare heads … and stop with a clear error on a fork"
func TestH24Heads(t *testing.T) {
	d := newToldHistory()
	for n := range byte(20) {
		d.tell(Hash{n + 1})
	}
	c := newChain(Head{})
	c.hear(d, 5)
	c.hear(d, 6)
	now := d.at(6)
	if err := c.hold(d, d.head(5), now); err != nil {
		t.Errorf("the same: %v", err)
	}
	if err := c.hold(d, d.head(9), now); err != nil || len(c.claims) != 1 {
		t.Errorf("one that is news: %v, %d claims", err, len(c.claims))
	}
	if err := c.hold(d, d.head(2), now); err != nil {
		t.Errorf("one before the own range: %v", err)
	}
	if err := c.hear(d, 10); err != nil || len(c.claims) != 0 {
		t.Errorf("the document that was news: %v, %d claims left", err, len(c.claims))
	}
	d.oldest = 4
	if err := c.hold(d, d.head(4), now); err != nil {
		t.Errorf("the oldest that is shown: %v", err)
	}
	h := Head{Sequence: 3, Topology: Hash{33}, Chain: Hash{1}}
	if err := c.hold(d, h, now); !errors.Is(err, ErrContinuity) || c.forked != nil {
		t.Errorf("older than what is shown: %v, want ErrContinuity", err)
	}
	for name, spoil := range map[string]func(*Head){
		"another document":               func(h *Head) { h.Topology[9]++ },
		"another history of the same":    func(h *Head) { h.Chain[9]++ },
		"the same before the own range":  func(h *Head) { *h = d.head(4); h.Topology[9]++ },
		"another history before it":      func(h *Head) { *h = d.head(4); h.Chain[9]++ },
		"a document in the gap":          func(h *Head) { *h = d.head(8); h.Topology[9]++ },
		"a claim that turns out a lie":   func(h *Head) { *h = d.head(11); h.Topology[9]++ },
		"a claim with another history":   func(h *Head) { *h = d.head(12); h.Chain[9]++ },
		"a claim that is never redeemed": func(h *Head) { h.Sequence = 1 << 40 },
	} {
		f := *c
		f.known, f.order, f.claims = maps.Clone(c.known), slices.Clone(c.order), nil
		h := d.head(9)
		spoil(&h)
		err := f.hold(d, h, now)
		for n := uint64(11); err == nil && n <= 20; n++ {
			err = f.hear(d, n)
		}
		if !errors.Is(err, ErrFork) || f.forked == nil {
			t.Errorf("%s: %v, want ErrFork", name, err)
		}
	}
}

// hardening.md H24: "an unbroken chain", "a document that others were shown and
// we were not is a fork": a directory with several networks, which gives each
// of its clients every other number only.
func TestH24ForkWithDisjointNumbers(t *testing.T) {
	const networks, documents = 3, 40
	doc := func(n uint64, network int) Hash { return Hash{byte(n), byte(n >> 8), 31: byte('A' + network)} }
	for name, tell := range map[string]func(n uint64, client int) Hash{
		// Each is told a history of its own network.
		"a history for each": func(n uint64, client int) Hash { return doc(n, client) },
		// All are told the one history in which the networks take turns.
		"one history for all": func(n uint64, _ int) Hash { return doc(n, int(n%networks)) },
	} {
		told := make([]*toldHistory, networks)
		chains := make([]*chain, networks)
		noticed := 0
		for i := range networks {
			d, c := newToldHistory(), newChain(Head{})
			d.every = time.Minute / networks
			for n := uint64(1); n <= networks*documents; n++ {
				d.tell(tell(n, i))
			}
			for n := uint64(networks + i); n <= networks*documents; n += networks {
				if err := c.hear(d, n); err != nil {
					if !errors.Is(err, ErrFork) {
						t.Fatalf("%s, client %d: document %d: %v", name, i, n, err)
					}
					noticed++
					break
				}
			}
			told[i], chains[i] = d, c
		}
		for i, c := range chains {
			for j, d := range told {
				if i != j && c.forked == nil && errors.Is(c.hold(told[i], d.head(networks*documents/2+uint64(j)), d.at(networks*documents)), ErrFork) {
					noticed++
				}
			}
		}
		if noticed < networks {
			t.Errorf("%s: %d of %d clients notice", name, noticed, networks)
		}
	}

	// And one that shows no history is not believed in the first place.
	d := newToldHistory()
	for n := range byte(20) {
		d.tell(Hash{n + 1})
	}
	c := newChain(Head{})
	c.hear(d, 3)
	d.oldest = 5
	if err := c.hear(d, 5); !errors.Is(err, ErrContinuity) || c.forked != nil || c.newest != 3 {
		t.Errorf("the gap is not shown: %v, newest %d", err, c.newest)
	}
	// Until so much time is over that it need not be.
	if err := c.hearAt(d, 5, d.at(3).Add(demandHistory)); !errors.Is(err, ErrTime) {
		t.Errorf("after a month: %v, want that only the document is too old", err)
	}
	if c.lost != 5 || c.first != 5 {
		t.Errorf("nothing is said of it: %d, the own range begins at %d", c.lost, c.first)
	}
}

// What is remembered is bounded; what is not remembered is shown.
func TestH24ForgottenDocumentsAreProved(t *testing.T) {
	d := newToldHistory()
	const last = maxKnown + 500
	for n := range uint64(last) {
		d.tell(Hash{byte(n), byte(n >> 8)})
	}
	c := newChain(Head{})
	for n := uint64(100); n <= last; n += 1000 {
		if err := c.hear(d, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.hear(d, last); err != nil {
		t.Fatal(err)
	}
	now := d.at(last)
	if _, ok := c.known[150]; ok {
		t.Fatal("all is remembered: the test shows nothing")
	}
	h := d.head(150)
	if err := c.hold(d, h, now); err != nil {
		t.Errorf("a head of the own range: %v", err)
	}
	d.oldest = 200
	if err := c.hold(d, h, now.Add(demandHistory)); !errors.Is(err, ErrContinuity) || c.forked != nil {
		t.Errorf("long ago, and shown no longer: %v", err)
	}
	if err := c.hold(d, h, now); !errors.Is(err, ErrFork) {
		t.Errorf("lately, and not shown: %v, want ErrFork", err)
	}
}

// hardening.md H24: "switch at valid-after having fetched at a random time before"
func TestH24Plan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c, told := newChain(Head{}), newToldHistory()
	if s, at := c.plan(noon, false, time.Hour, rng); s != stepFetch || !at.Equal(noon) {
		t.Errorf("at the start: step %d at %v", s, at)
	}
	view := &View{Schedule: hourly, Cadence: Cadence{time.Minute, 40 * time.Second}}
	c.current = &snapshot{seal: *told.seal(1), view: view}
	var earliest, latest time.Duration = time.Hour, 0
	for range 1000 {
		s, at := c.plan(noon.Add(time.Minute), false, time.Hour, rng)
		if s != stepNext {
			t.Fatalf("step %d", s)
		}
		d := at.Sub(noon.Add(time.Minute))
		earliest, latest = min(earliest, d), max(latest, d)
	}
	// Issued 20 s after the boundary, in force 60 s after it; 5 s are left on both sides.
	if earliest < 25*time.Second || earliest > 27*time.Second || latest > 55*time.Second || latest < 53*time.Second {
		t.Errorf("asked between %v and %v after the last boundary, want 25 s and 55 s", earliest, latest)
	}
	if s, at := c.plan(noon.Add(time.Minute), true, time.Hour, rng); s != stepFetch || at.Before(noon.Add(2*time.Minute+5*time.Second)) || at.After(noon.Add(2*time.Minute+15*time.Second)) {
		t.Errorf("asked in vain: step %d at %v", s, at)
	}
	if s, at := c.plan(noon.Add(time.Minute+58*time.Second), false, time.Hour, rng); s != stepFetch || at.Before(noon.Add(2*time.Minute)) {
		t.Errorf("too late to ask: step %d at %v", s, at)
	}
	c.next = &snapshot{seal: *told.seal(2), view: view}
	if s, at := c.plan(noon.Add(time.Minute), false, time.Hour, rng); s != stepSwitch || !at.Equal(noon.Add(2*time.Minute)) {
		t.Errorf("with the next at hand: step %d at %v", s, at)
	}
	if c.advance(noon.Add(2*time.Minute - 1)) {
		t.Error("switched before valid-after")
	}
	if !c.advance(noon.Add(2*time.Minute)) || c.current.seal.Sequence != 2 || c.next != nil {
		t.Error("not switched at valid-after")
	}
}

// A boundary between two periods is where an epoch begins.
func TestCadenceCutsAtEpochs(t *testing.T) {
	s := hourly
	s.Start = noon.Add(90 * time.Second)
	c := Cadence{time.Minute, 30 * time.Second}
	for _, x := range []struct{ after, want time.Duration }{
		{0, time.Minute},
		{time.Minute, 2 * time.Minute},
		{time.Minute - 1, time.Minute},
		{61*time.Minute + 29*time.Second, 61*time.Minute + 30*time.Second},
		{61*time.Minute + 30*time.Second, 62 * time.Minute},
	} {
		if got := c.Next(noon.Add(x.after), s).Sub(noon); got != x.want {
			t.Errorf("after %v comes %v, want %v", x.after, got, x.want)
		}
	}
}
