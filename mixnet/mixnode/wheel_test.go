package mixnode

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"nym-socks5/mixnet"
)

func newWheel(max, quota int) *wheel {
	return &wheel{max: max, quota: quota, rng: rand.New(rand.NewChaCha8([32]byte{1}))}
}

func waiting(deadline time.Duration, from *inbound) *buffer {
	return &buffer{data: make([]byte, mixnet.AckSize.Total()), size: mixnet.AckSize, deadline: deadline, from: from, source: &from.own}
}

func someLink() *inbound { return new(inbound) }

// H16: "A packet never leaves before its deadline". Many deadlines, and a clock
// that jumps by all kinds of steps.
func TestH16WheelIsNeverEarly(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := newWheel(1<<30, 1<<30)
	from := someLink()
	now := time.Duration(0)
	in, out := 0, 0
	for range 3000 {
		for range rng.IntN(5) {
			b := waiting(now+time.Duration(rng.Int64N(int64(maxDelay))), from)
			if why, ok := w.push(b, now); !ok {
				t.Fatalf("refused: %v", why)
			}
			in++
		}
		now += time.Duration(rng.Int64N(int64(100 * time.Millisecond)))
		if rng.IntN(100) == 0 {
			now += 30 * time.Second // a timer that was very late
		}
		for _, b := range w.due(now, nil) {
			out++
			if b.deadline > now {
				t.Fatalf("left %v early", b.deadline-now)
			}
		}
		at, ok := w.next()
		if ok != (w.held > 0) || ok && at <= now {
			t.Fatalf("next at %v, %v at %v with %d held", at, ok, now, w.held)
		}
	}
	for at, ok := w.next(); ok; at, ok = w.next() {
		for _, b := range w.due(at, nil) {
			out++
			if late := at - b.deadline; late < 0 || late > wheelTick {
				t.Fatalf("left %v late", late)
			}
		}
	}
	if in != out || w.held != 0 || w.bytes != 0 || from.own.waiting != 0 {
		t.Errorf("%d in, %d out; %d held, %d bytes, %d of the link", in, out, w.held, w.bytes, from.own.waiting)
	}
}

// H16: "Within one wheel tick packets leave in deadline order or at random,
// never in order of arrival."
func TestH16OrderWithinATick(t *testing.T) {
	w := newWheel(1<<30, 1<<30)
	from := someLink()
	same, reversed := 0, 0
	for round := range 200 {
		base := time.Duration(round+1) * 10 * wheelTick
		var in []*buffer
		for range 10 {
			b := waiting(base, from)
			in = append(in, b)
			w.push(b, base-wheelTick)
		}
		out := w.due(base, nil)
		if len(out) != 10 {
			t.Fatalf("%d packets left, want 10", len(out))
		}
		if slices.Equal(in, out) {
			same++
		}
		slices.Reverse(in)
		if slices.Equal(in, out) {
			reversed++
		}
	}
	if same > 2 || reversed > 2 {
		t.Errorf("of 200 ticks %d in order of arrival, %d in reverse", same, reversed)
	}
	// Ticks come one after the other.
	w.push(waiting(5*time.Second, from), 3*time.Second)
	w.push(waiting(4*time.Second, from), 3*time.Second)
	if out := w.due(9*time.Second, nil); len(out) != 2 || out[0].deadline != 4*time.Second {
		t.Error("a later tick left first")
	}
}

// H16: "The delay wheel is bounded in bytes with a quota per link."
func TestH16WheelIsBounded(t *testing.T) {
	size := mixnet.AckSize.Total()
	w := newWheel(10*size+size/2, 6*size+size/2)
	a, b := someLink(), someLink()
	push := func(from *inbound, deadline time.Duration) DropReason {
		if why, ok := w.push(waiting(deadline, from), 0); !ok {
			return why
		}
		return numReasons
	}
	for i := range 6 {
		if why := push(a, time.Millisecond); why != numReasons {
			t.Fatalf("packet %d: %v", i, why)
		}
	}
	if why := push(a, time.Millisecond); why != DropDelayQuota {
		t.Errorf("beyond the quota: got %v", why)
	}
	for range 4 {
		if why := push(b, 2*time.Millisecond); why != numReasons {
			t.Errorf("the other link: %v", why)
		}
	}
	if why := push(b, time.Millisecond); why != DropDelayFull {
		t.Errorf("beyond the bound: got %v", why)
	}
	// Nothing left early to make room, and what leaves makes room.
	if got := len(w.due(time.Millisecond-1, nil)); got != 0 {
		t.Errorf("%d packets left early", got)
	}
	if got := len(w.due(time.Millisecond, nil)); got != 6 {
		t.Errorf("%d packets left, want 6", got)
	}
	if why := push(a, 3*time.Millisecond); why != numReasons {
		t.Errorf("after room was made: %v", why)
	}
	if got := len(w.drop(nil)); got != 5 || w.held != 0 {
		t.Errorf("dropped %d, want 5; %d held", got, w.held)
	}
}

// hardening.md H16: "When it fills, packets with long delays are refused first": one
// client that sends packets with the longest delays through an honest gateway, as
// fast as that passes them on, costs the others behind it nothing.
func TestH16LongDelaysLeaveRoom(t *testing.T) {
	const (
		rate   = 16 // packets a tick, of the attacker; a gateway passes on no more
		memory = 4 << 20
	)
	size := mixnet.Regular.Total()
	for _, delay := range []time.Duration{maxDelay, maxDelay / 2, 2 * time.Second, time.Second} {
		w := newWheel(memory*16*2, memory*16) // as a node has by default
		gateway := someLink()
		push := func(wait, now time.Duration) bool {
			b := &buffer{data: make([]byte, size), from: gateway, source: &gateway.own, deadline: now + wait}
			_, ok := w.push(b, now)
			return ok
		}
		lost := 0
		for tick := range 12_000 {
			now := time.Duration(tick) * wheelTick
			w.due(now, nil)
			for range rate {
				push(delay, now)
			}
			// Of an honest client: exponential, with a mean of 50 ms, cut at 0.7 s.
			if wait := time.Duration(min(w.rng.ExpFloat64()*50, 700)) * time.Millisecond; !push(wait, now) {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("packets that wait %v: %d of 12 000 honest ones are lost", delay, lost)
		}
	}
}

// A wheel that stood still for long, or whose timer is late, neither loses nor
// hurries packets.
func TestWheelAfterIdleTime(t *testing.T) {
	w := newWheel(1<<30, 1<<30)
	from := someLink()
	for _, now := range []time.Duration{time.Hour, 100 * time.Hour} {
		b := waiting(now+maxDelay, from)
		if why, ok := w.push(b, now); !ok {
			t.Fatalf("at %v: %v", now, why)
		}
		if at, ok := w.next(); !ok || at != now+maxDelay {
			t.Errorf("at %v: next %v, %v", now, at, ok)
		}
		// While one waits for ten seconds, others come.
		late := now + 8*time.Second
		if why, ok := w.push(waiting(late+maxDelay, from), late); !ok {
			t.Errorf("at %v: %v", late, why)
		}
		if got := len(w.due(late+maxDelay, nil)); got != 2 {
			t.Errorf("%d left, want 2", got)
		}
	}
	// A deadline that is over leaves with the next tick.
	now := 200 * time.Hour
	w.due(now, nil)
	w.push(waiting(now-time.Second, from), now)
	if at, ok := w.next(); !ok || at != now+wheelTick {
		t.Errorf("next %v, %v", at, ok)
	}
}

func BenchmarkWheel(b *testing.B) {
	w := newWheel(1<<40, 1<<40)
	from := someLink()
	const inFlight = 100_000
	rng := rand.New(rand.NewPCG(1, 2))
	bufs := make([]*buffer, inFlight)
	now := time.Duration(0)
	for i := range bufs {
		bufs[i] = waiting(time.Duration(rng.Int64N(int64(time.Second))), from)
		w.push(bufs[i], now)
	}
	var out []*buffer
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		at, _ := w.next()
		now = at
		out = w.due(now, out[:0])
		for _, p := range out {
			p.deadline = now + time.Duration(rng.Int64N(int64(time.Second)))
			w.push(p, now)
		}
		n += len(out)
	}
}
