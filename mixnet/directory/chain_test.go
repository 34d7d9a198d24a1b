package directory

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"nym-socks5/mixnet/keys"
)

// sealed makes a seal of a chain in which document n has hash {n}, issued a
// minute before it comes into force, one each minute from noon on.
func sealed(n uint64) *Seal { return sealedAt(n, int(n)) }

// sealedAt is the seal of document n that came into force in some minute.
func sealedAt(n uint64, minute int) *Seal {
	at := noon.Add(time.Duration(minute) * time.Minute)
	return &Seal{Sequence: n, Issued: at.Add(-time.Minute), ValidAfter: at, ValidUntil: at.Add(time.Hour), Previous: Hash{byte(n - 1)}}
}

// hardening.md H24: "Clients keep the highest sequence seen", "stop with a clear
// error on a fork".
func TestH24Chain(t *testing.T) {
	at := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	c := newChain(Head{})
	steps := []struct {
		name  string
		seal  *Seal
		hash  Hash
		force bool
		now   time.Time
		want  error
	}{
		{"the first", sealed(5), Hash{5}, true, at(5), nil},
		{"the same again", sealed(5), Hash{5}, true, at(5), nil},
		{"the next, ahead of time", sealed(6), Hash{6}, false, at(5), nil},
		{"the next, as if in force", sealed(60), Hash{60}, true, at(6), ErrTime},
		{"one before the first", sealed(4), Hash{4}, true, at(5), ErrRollback},
		{"after a gap", sealed(9), Hash{9}, true, at(9), nil},
		{"from within the gap", sealed(8), Hash{8}, true, at(9), ErrRollback},
		{"a low one from before", sealedAt(2, 8), Hash{2}, true, at(9), ErrRollback},
		{"an old one that is known", sealed(6), Hash{6}, true, at(9), nil},
		{"one that ran out", sealed(10), Hash{10}, true, at(10 + 66), ErrTime},
		{"sequence 0", &Seal{ValidUntil: at(99)}, Hash{}, true, at(9), ErrMalformed},
	}
	for _, s := range steps {
		if err := c.check(s.seal, s.hash, s.force, s.now); !errors.Is(err, s.want) || err != nil && s.want == nil {
			t.Errorf("%s: %v, want %v", s.name, err, s.want)
		}
	}
	if c.newest != 9 {
		t.Errorf("newest is %d, want 9", c.newest)
	}
	if err := c.check(sealed(9), Hash{99}, true, at(9)); !errors.Is(err, ErrFork) {
		t.Errorf("another document 9: %v", err)
	}
	if err := c.check(sealed(11), Hash{11}, true, at(11)); !errors.Is(err, ErrFork) {
		t.Errorf("after a fork: %v, want the fork for ever", err)
	}

	c = newChain(Head{})
	c.check(sealed(9), Hash{9}, true, at(9))
	if err := c.check(sealedAt(2, 10), Hash{2}, true, at(10)); !errors.Is(err, ErrFork) {
		t.Errorf("a lower number issued later: %v", err)
	}

	c = newChain(Head{Sequence: 7, Topology: Hash{7}})
	if err := c.check(sealed(6), Hash{6}, true, at(6)); !errors.Is(err, ErrRollback) {
		t.Errorf("older than what was seen in an earlier life: %v", err)
	}
	other := sealed(8)
	other.Previous = Hash{77}
	if err := c.check(other, Hash{8}, true, at(8)); !errors.Is(err, ErrFork) {
		t.Errorf("a successor of another document: %v", err)
	}
}

func TestChainForgetsTheOldest(t *testing.T) {
	c := newChain(Head{})
	for n := range uint64(maxKnown + 10) {
		if err := c.note(1<<60+n*n, Hash{1}); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.known) != maxKnown || len(c.order) != maxKnown {
		t.Errorf("%d documents are remembered, want %d", len(c.known), maxKnown)
	}
}

// hardening.md H24: "clients compare heads … and stop with a clear error on a fork"
func TestH24Heads(t *testing.T) {
	k := keys.NewIdentityKey()
	c := newChain(Head{})
	c.note(5, Hash{5})
	head := func(n uint64, h Hash) Head {
		x := Head{Network: "test", Sequence: n, Topology: h}
		x.Sign(k)
		return x
	}
	if err := c.compare(head(5, Hash{5}), k.Public()); err != nil {
		t.Errorf("the same: %v", err)
	}
	if err := c.compare(head(6, Hash{6}), k.Public()); err != nil {
		t.Errorf("one we do not know: %v", err)
	}
	forged := head(5, Hash{6})
	forged.Sequence = 4
	if err := c.compare(forged, k.Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("forged: %v", err)
	}
	if err := c.compare(head(5, Hash{6}), k.Public()); !errors.Is(err, ErrFork) || c.forked == nil {
		t.Errorf("another document 5: %v", err)
	}
}

// hardening.md H24: "switch at valid-after having fetched at a random time before"
func TestH24Plan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := newChain(Head{})
	if s, at := c.plan(noon, false, time.Hour, rng); s != stepFetch || !at.Equal(noon) {
		t.Errorf("at the start: step %d at %v", s, at)
	}
	view := &View{Schedule: hourly, Cadence: Cadence{time.Minute, 40 * time.Second}}
	c.current = &snapshot{seal: *sealed(1), view: view}
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
	c.next = &snapshot{seal: *sealed(2), view: view}
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
