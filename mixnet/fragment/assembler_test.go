package fragment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	start = time.Unix(1_700_000_000, 0)
	alice = Origin{1}
	bob   = Origin{2}
)

// feed inserts frags and gives the messages that came out.
func feed(t *testing.T, a *Assembler, o Origin, frags ...[]byte) (msgs [][]byte) {
	t.Helper()
	for i, f := range frags {
		msg, ok, err := a.Insert(o, start, f)
		if err != nil {
			t.Fatalf("fragment %d: %v", i, err)
		}
		if ok {
			msgs = append(msgs, msg)
		}
	}
	return msgs
}

func wantEmpty(t *testing.T, a *Assembler) {
	t.Helper()
	if sets, memory := a.HalfOpen(); sets != 0 || memory != 0 {
		t.Errorf("%d sets in %d bytes are half-open, want none", sets, memory)
	}
}

// raw makes one fragment by hand.
func raw(t testing.TB, h Header, part string) []byte {
	t.Helper()
	b, err := h.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, part...)
}

func TestAnyOrder(t *testing.T) {
	const size = 1611
	l := layoutOf(size)
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, l.plain - 1, l.plain, 10_000, l.alone() - 1, l.alone(), 2*l.end() - 1, 2 * l.end(), 3 * l.alone(), 4*l.alone() + 77} {
		for _, o := range []Origin{{}, alice} {
			frags := split(t, pattern(n), size)
			frags = append(frags, frags[:len(frags)/3]...) // duplicates
			r.Shuffle(len(frags), func(i, j int) { frags[i], frags[j] = frags[j], frags[i] })
			var a Assembler
			msgs := feed(t, &a, o, frags...)
			if len(msgs) != 1 || !bytes.Equal(msgs[0], pattern(n)) {
				t.Errorf("message of %d: got %d messages, want it once", n, len(msgs))
			}
			wantEmpty(t, &a)
		}
	}
}

func TestLongestMessage(t *testing.T) {
	for _, c := range []struct {
		n    int
		want error
	}{{MaxMessage, nil}, {MaxMessage + 1, ErrTooLong}, {MaxMessage + 10_000, ErrTooLong}} {
		var a Assembler
		var got []byte
		var refused error
		for _, f := range split(t, make([]byte, c.n), 1611) {
			msg, ok, err := a.Insert(alice, start, f)
			if err != nil {
				refused = err
			}
			if ok {
				got = msg
			}
		}
		if !errors.Is(refused, c.want) {
			t.Errorf("message of %d: %v, want %v", c.n, refused, c.want)
		}
		if c.want == nil && len(got) != c.n {
			t.Errorf("message of %d: got %d bytes", c.n, len(got))
		}
		wantEmpty(t, &a)
	}
}

// sphinx.md §5.12: "ignore it if its set id belongs to a message already reconstructed"
func TestGivenOutOnce(t *testing.T) {
	var a Assembler
	frags := split(t, pattern(5000), 1611)
	if msgs := feed(t, &a, Origin{}, frags...); len(msgs) != 1 {
		t.Fatalf("got %d messages, want 1", len(msgs))
	}
	if msgs := feed(t, &a, Origin{}, frags...); len(msgs) != 0 {
		t.Errorf("got the message again")
	}
	wantEmpty(t, &a)
}

func TestUsedSetsAreBounded(t *testing.T) {
	var m memory
	at := func(i int) key { return key{set: uint32(i)} }
	for i := range 5 * maxUsed {
		m.add(at(i))
		if i >= maxUsed-1 && !m.has(at(i-maxUsed+1)) {
			t.Fatalf("forgot the last but %d", maxUsed-1)
		}
		if n := len(m.young) + len(m.old); n > 2*maxUsed {
			t.Fatalf("remembers %d sets, want at most %d", n, 2*maxUsed)
		}
	}
	if m.has(at(0)) {
		t.Error("remembers the first")
	}
}

// sphinx.md §5.13: "Go code must reject a fragment whose `total` differs from
// the buffer's or whose `current` exceeds it"
func TestTotalDiffers(t *testing.T) {
	var a Assembler
	feed(t, &a, alice, raw(t, Header{Set: 1, Total: 3, Pos: 1}, "a"))
	for _, h := range []Header{{Set: 1, Total: 4, Pos: 4}, {Set: 1, Total: 2, Pos: 2}, {Set: 1, Total: 1, Pos: 1}} {
		if _, _, err := a.Insert(alice, start, raw(t, h, "x")); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d/%d: %v, want ErrMalformed", h.Pos, h.Total, err)
		}
	}
	msgs := feed(t, &a, alice, raw(t, Header{Set: 1, Total: 3, Pos: 3}, "c\x01"), raw(t, Header{Set: 1, Total: 3, Pos: 2}, "b"))
	if len(msgs) != 1 || string(msgs[0]) != "abc" {
		t.Errorf("got %q, want abc", msgs)
	}
}

func TestMalformedMessage(t *testing.T) {
	var a Assembler
	if _, _, err := a.Insert(alice, start, []byte("The cake")); !errors.Is(err, ErrMalformed) {
		t.Errorf("no header: %v, want ErrMalformed", err)
	}
	if _, ok, err := a.Insert(alice, start, raw(t, Header{Set: 1, Total: 1, Pos: 1}, "no mark")); ok || !errors.Is(err, ErrMalformed) {
		t.Errorf("no mark: %v, want ErrMalformed", err)
	}
	// sphinx.md §5.4: a fragment may be all header.
	if _, ok, err := a.Insert(alice, start, raw(t, Header{Set: 2, Total: 1, Pos: 1}, "")); ok || !errors.Is(err, ErrMalformed) {
		t.Errorf("nothing at all: %v, want ErrMalformed", err)
	}
	wantEmpty(t, &a)
}

func TestH13OriginsNeverMeet(t *testing.T) {
	var a Assembler
	one := []byte("\x80\x00\x00\x07\x02\x01\x00one ")
	two := []byte("\x80\x00\x00\x07\x02\x02\x00two\x01")
	for _, o := range []Origin{{}, alice, bob} {
		if msgs := feed(t, &a, o, one); len(msgs) != 0 {
			t.Fatalf("half a message completed one of another origin")
		}
	}
	for _, o := range []Origin{bob, {}, alice} {
		if msgs := feed(t, &a, o, two); len(msgs) != 1 || string(msgs[0]) != "one two" {
			t.Errorf("origin %x: got %q, want its message", o[:1], msgs)
		}
	}
	if msgs := feed(t, &a, alice, one, two); len(msgs) != 0 {
		t.Errorf("got the message again")
	}
}

func TestH13FirstCopyWins(t *testing.T) {
	var a Assembler
	msgs := feed(t, &a, alice,
		raw(t, Header{Set: 7, Total: 2, Pos: 1}, "first "),
		raw(t, Header{Set: 7, Total: 2, Pos: 1}, "forged "),
		raw(t, Header{Set: 7, Total: 2, Pos: 2}, "second\x01"))
	if len(msgs) != 1 || string(msgs[0]) != "first second" {
		t.Errorf("got %q, want the first copy", msgs)
	}
}

// sphinx.md §5.13: "Unfinished sets without a new fragment for 30 minutes are dropped"
func TestExpire(t *testing.T) {
	var a Assembler
	insert := func(o Origin, at time.Duration, h Header) {
		t.Helper()
		if _, _, err := a.Insert(o, start.Add(at), raw(t, h, "x")); err != nil {
			t.Fatal(err)
		}
	}
	insert(alice, 0, Header{Set: 1, Total: 3, Pos: 1})
	insert(Origin{}, 0, Header{Set: 2, Total: 3, Pos: 1})
	insert(alice, 10*time.Minute, Header{Set: 1, Total: 3, Pos: 2}) // touches it
	insert(Origin{}, 10*time.Minute, Header{Set: 2, Total: 3, Pos: 1})
	if n := a.Expire(start.Add(Lifetime)); n != 0 {
		t.Errorf("%d sets dropped after exactly half an hour, want none", n)
	}
	if n := a.Expire(start.Add(Lifetime + 1)); n != 1 {
		t.Errorf("%d sets dropped, want only the one that a duplicate touched", n)
	}
	if n := a.Expire(start.Add(10*time.Minute + Lifetime + 1)); n != 1 {
		t.Errorf("%d sets dropped, want the other", n)
	}
	wantEmpty(t, &a)
	// What was dropped is not used: the message may come again, whole.
	msgs := feed(t, &a, alice, raw(t, Header{Set: 1, Total: 1, Pos: 1}, "again\x01"))
	if len(msgs) != 1 {
		t.Error("a message that came again after its time is lost")
	}
}

// A message of many sets arrives slower than a set lives, but never pauses.
func TestChainLivesTogether(t *testing.T) {
	l := layoutOf(12)
	msg := pattern(2*l.end() + l.inner() - 1)
	frags := split(t, msg, 12)
	var a Assembler
	now := start
	for i, f := range frags {
		got, ok, err := a.Insert(alice, now, f)
		if err != nil {
			t.Fatal(err)
		}
		if ok && (i != len(frags)-1 || !bytes.Equal(got, msg)) {
			t.Fatalf("complete at fragment %d of %d", i, len(frags))
		}
		now = now.Add(time.Minute)
		if n := a.Expire(now); n != 0 {
			t.Fatalf("%d sets dropped at fragment %d", n, i)
		}
	}
	wantEmpty(t, &a)
}

// Links that do not agree complete nothing, and nothing loops.
func TestCrookedChains(t *testing.T) {
	full := func(set, prev, next uint32) (frags [][]byte) {
		for p := range PerSet {
			h := Header{Set: set, Total: PerSet, Pos: uint8(p + 1)}
			if p == 0 {
				h.Prev = prev
			}
			if p == PerSet-1 {
				h.Next = next
			}
			frags = append(frags, raw(t, h, "\x01"))
		}
		return frags
	}
	type chain [][3]uint32
	for _, c := range []struct {
		name string
		sets chain
	}{
		{"two that follow each other", chain{{1, 2, 2}, {2, 1, 1}}},
		{"a ring of three", chain{{1, 3, 2}, {2, 1, 3}, {3, 2, 1}}},
		{"the second denies the first", chain{{1, 0, 2}, {2, 3, 0}}},
		{"the second denies any", chain{{1, 0, 2}, {2, 0, 3}}},
		{"the first denies the second", chain{{1, 0, 3}, {2, 1, 3}}},
		{"a ring behind a start", chain{{1, 0, 2}, {2, 1, 3}, {3, 2, 2}}},
	} {
		var a Assembler
		for _, s := range c.sets {
			if msgs := feed(t, &a, alice, full(s[0], s[1], s[2])...); len(msgs) != 0 {
				t.Errorf("%s: completed a message", c.name)
			}
		}
		if n := a.Expire(start.Add(time.Hour)); n != len(c.sets) {
			t.Errorf("%s: %d sets dropped, want %d", c.name, n, len(c.sets))
		}
		wantEmpty(t, &a)
	}
}

func TestH14ChainLength(t *testing.T) {
	var a Assembler
	var refused bool
	for set := uint32(1); set <= MaxChain+2 && !refused; set++ {
		last := raw(t, Header{Set: set, Total: PerSet, Pos: PerSet, Next: set + 1}, "x")
		first := raw(t, Header{Set: set, Total: PerSet, Pos: 1, Prev: set - 1}, "x")
		for _, f := range [][]byte{first, last} {
			if _, _, err := a.Insert(alice, start, f); errors.Is(err, ErrTooLong) {
				refused = true
			}
		}
		if refused && set <= MaxChain {
			t.Errorf("refused a chain of %d sets", set)
		}
	}
	if !refused {
		t.Errorf("accepted a chain of more than %d sets", MaxChain)
	}
	wantEmpty(t, &a)
}

// flood opens n sets of o that are never finished.
func flood(t *testing.T, a *Assembler, o Origin, n int) {
	t.Helper()
	b := raw(t, Header{Set: 1, Total: 200, Pos: 9}, string(make([]byte, 1604)))
	for i := range n {
		binary.BigEndian.PutUint32(b, top|uint32(i+1000))
		if _, _, err := a.Insert(o, start, b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestH14HalfOpenBudget(t *testing.T) {
	var a Assembler
	half := func(o Origin) { feed(t, &a, o, raw(t, Header{Set: 1, Total: 2, Pos: 1}, "kept ")) }
	whole := func(o Origin) bool {
		return len(feed(t, &a, o, raw(t, Header{Set: 1, Total: 2, Pos: 2}, "whole\x01"))) == 1
	}

	// A flood of anybody's fragments takes half of the memory and crowds out no reply.
	half(alice)
	flood(t, &a, Origin{}, 20_000)
	if _, memory := a.HalfOpen(); memory > MaxUnsolicited+10_000 || memory < MaxUnsolicited-10_000 {
		t.Errorf("unsolicited fragments take %d bytes, want about %d", memory, MaxUnsolicited)
	}
	if !whole(alice) {
		t.Error("a flood of unsolicited fragments crowded out a reply")
	}

	// Nor does a flood of replies crowd out more than replies.
	half(bob)
	flood(t, &a, alice, 20_000)
	if _, memory := a.HalfOpen(); memory > MaxHalfOpen || memory < MaxHalfOpen-10_000 {
		t.Errorf("fragments take %d bytes, want about %d", memory, MaxHalfOpen)
	}
	if a.open.memory < MaxUnsolicited-10_000 {
		t.Error("replies crowded out unsolicited fragments")
	}
	if whole(bob) {
		t.Error("the oldest set of its class survived a flood")
	}

	// The newest fragment always has its chance.
	half(Origin{})
	if !whole(Origin{}) {
		t.Error("a message that arrives while the memory is full is lost")
	}
	a.Expire(start.Add(time.Hour))
	wantEmpty(t, &a)
}

func TestOneFragmentCostsLittle(t *testing.T) {
	var a Assembler
	b := split(t, []byte("hello"), 1611)[0]
	set := uint32(1)
	n := testing.AllocsPerRun(1000, func() {
		set++
		binary.BigEndian.PutUint32(b, top|set)
		if _, ok, err := a.Insert(alice, start, b); !ok || err != nil {
			t.Fatal(ok, err)
		}
	})
	if n > 12 {
		t.Errorf("a message of one fragment takes %v allocations", n)
	}
}

// FuzzInsert feeds fragments cut from the input: a length byte, then a fragment.
// Nothing may panic, and the books must balance.
func FuzzInsert(f *testing.F) {
	var seed []byte
	for _, b := range [][]byte{
		raw(f, Header{Set: 1, Total: 2, Pos: 1}, "a"),
		raw(f, Header{Set: 1, Total: 2, Pos: 2}, "b\x01"),
		raw(f, Header{Set: 2, Total: PerSet, Pos: PerSet, Next: 3}, "c"),
		raw(f, Header{Set: 3, Total: 1, Pos: 1, Prev: 2}, "d\x01"),
	} {
		seed = append(append(seed, byte(len(b))), b...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, in []byte) {
		var a Assembler
		now := start
		for len(in) > 0 {
			n := min(int(in[0])&0x1f, len(in)-1)
			now = now.Add(time.Duration(in[0]>>5) * time.Minute)
			o := Origin{in[0] >> 7}
			if _, ok, err := a.Insert(o, now, in[1:1+n]); ok && err != nil {
				t.Fatal("a message and an error")
			}
			in = in[1+n:]
			memory := 0
			for _, s := range a.sets {
				memory += s.cost()
			}
			if sets, got := a.HalfOpen(); got != memory || sets != a.open.order.Len()+a.solicited.order.Len() {
				t.Fatalf("%d sets in %d bytes, counted %d bytes", sets, got, memory)
			}
		}
		a.Expire(now.Add(2 * Lifetime))
		if sets, memory := a.HalfOpen(); sets != 0 || memory != 0 {
			t.Fatalf("%d sets in %d bytes outlived their time", sets, memory)
		}
	})
}

func BenchmarkInsert(b *testing.B) {
	frags := split(b, pattern(400_000), 1611)
	b.SetBytes(1611)
	var a Assembler
	for i := 0; b.Loop(); i++ {
		f := frags[i%len(frags)]
		binary.BigEndian.PutUint32(f, top|uint32(i/len(frags)+1))
		if _, _, err := a.Insert(alice, start, f); err != nil {
			b.Fatal(err)
		}
	}
}
