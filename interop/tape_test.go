package interop

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nym-socks5/localnet/trace"
)

// A tape keeps the records of a network's packets.
type tape struct {
	mu  sync.Mutex
	all []trace.Record
}

func (tp *tape) add(r trace.Record) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.all = append(tp.all, r)
}

// since gives the packets that a gateway took from its clients after a time,
// and that keep likes.
func (tp *tape) since(start time.Time, gateway string, keep func(*trace.Record) bool) (sent []trace.Record) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	for _, r := range tp.all {
		if r.From == gateway && r.Content != trace.Ack && r.Time.After(start) && keep(&r) {
			sent = append(sent, r)
		}
	}
	return sent
}

// bound is how long packets are collected at most. What came by then, a quarter
// of what was hoped for at least, is compared.
const bound = time.Minute

// await waits until there are n such packets, or the time is over, and gives them.
func (tp *tape) await(t *testing.T, n int, start time.Time, gateway string, keep func(*trace.Record) bool) []trace.Record {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(bound)
	for {
		sent := tp.since(start, gateway, keep)
		if len(sent) >= n {
			return sent
		}
		select {
		case <-tick.C:
		case <-late:
			if len(sent) < n/4 {
				t.Fatalf("%d packets from %s, want %d", len(sent), gateway, n)
			}
			return sent
		}
	}
}

// structures counts packets by all that is told about them, in words that are
// the same for each client: self is the sender.
func structures(sent []trace.Record, self string) map[string]int {
	counts := make(map[string]int)
	for _, r := range sent {
		var b strings.Builder
		for _, f := range r.Fields() {
			if strings.HasSuffix(f.Name, "destination") {
				switch f.Value {
				case self:
					f.Value = "self"
				case trace.Unknown:
				default:
					f.Value = "peer"
				}
			}
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
		counts[b.String()]++
	}
	return counts
}

// sameStructures compares the sets of structures of two clients' packets.
func sameStructures(t *testing.T, what string, nym, ours map[string]int) {
	t.Helper()
	for s, n := range nym {
		if ours[s] == 0 {
			t.Errorf("%s: %d packets of Nym's are as none of ours is:\n%s", what, n, s)
		}
	}
	for s, n := range ours {
		if nym[s] == 0 {
			t.Errorf("%s: %d packets of ours are as none of Nym's is:\n%s", what, n, s)
		}
	}
	t.Logf("%s: %d and %d packets, structures: %v and %v", what, sum(nym), sum(ours), counts(nym), counts(ours))
}

func sum(m map[string]int) (n int) {
	for _, c := range m {
		n += c
	}
	return n
}

func counts(m map[string]int) []int { return slices.Sorted(maps.Values(m)) }

// delays gives what packets ask for at all hops, and what their SURB-ACKs do.
func delays(sent []trace.Record) (packets, acks []time.Duration) {
	of := func(p *trace.Packet) (all []time.Duration) {
		for _, l := range p.Layers {
			if !l.Final {
				all = append(all, l.Delay)
			}
		}
		return all
	}
	for _, r := range sent {
		packets = append(packets, of(&r.Packet)...)
		if r.Ack != nil {
			acks = append(acks, of(r.Ack)...)
		}
	}
	return packets, acks
}

// falseAlarm is how often a comparison of equal distributions may fail.
const falseAlarm = 1e-7

// sameDelays compares two samples of one distribution by a two-sample
// Kolmogorov-Smirnov test.
func sameDelays(t *testing.T, what string, nym, ours []time.Duration) {
	t.Helper()
	d, limit := kolmogorovSmirnov(nym, ours, falseAlarm)
	t.Logf("%s: %d and %d delays, means %v and %v, KS distance %.4f, limit %.4f",
		what, len(nym), len(ours), meanOf(nym), meanOf(ours), d, limit)
	if d > limit {
		t.Errorf("%s: KS distance %.4f, limit %.4f; means %v (Nym's) and %v (ours)", what, d, limit, meanOf(nym), meanOf(ours))
	}
}

// kolmogorovSmirnov gives the distance of two samples' distributions, and the
// one that equal distributions exceed with probability alpha at most.
func kolmogorovSmirnov[T cmp.Ordered](a, b []T, alpha float64) (d, limit float64) {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	n, m := float64(len(a)), float64(len(b))
	for i, j := 0, 0; i < len(a) && j < len(b); {
		x := min(a[i], b[j])
		for i < len(a) && a[i] == x {
			i++
		}
		for j < len(b) && b[j] == x {
			j++
		}
		d = max(d, math.Abs(float64(i)/n-float64(j)/m))
	}
	return d, math.Sqrt(-math.Log(alpha/2) / 2 * (n + m) / (n * m))
}

func meanOf(ds []time.Duration) time.Duration {
	var total time.Duration
	for _, d := range ds {
		total += d
	}
	return (total / time.Duration(max(1, len(ds)))).Round(time.Microsecond)
}

// kolmogorovSmirnovExp is the same for a sample and an exponential distribution.
func kolmogorovSmirnovExp(sample []time.Duration, mean time.Duration, alpha float64) (d, limit float64) {
	n := float64(len(sample))
	for i, x := range slices.Sorted(slices.Values(sample)) {
		f := 1 - math.Exp(-float64(x)/float64(mean))
		d = max(d, f-float64(i)/n, float64(i+1)/n-f)
	}
	return d, math.Sqrt(-math.Log(alpha/2) / 2 / n)
}

// The comparisons find what they shall, and nothing else.
func TestComparisons(t *testing.T) {
	sample := func(seed uint64, n int, mean time.Duration) (all []time.Duration) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for range n {
			all = append(all, time.Duration(rng.ExpFloat64()*float64(mean)))
		}
		return all
	}
	for _, tc := range []struct {
		name string
		a, b []time.Duration
		same bool
	}{
		{"same", sample(1, 6000, 15*time.Millisecond), sample(2, 3000, 15*time.Millisecond), true},
		{"other mean", sample(1, 6000, 15*time.Millisecond), sample(2, 6000, 18*time.Millisecond), false},
		{"none", sample(1, 6000, 15*time.Millisecond), sample(2, 6000, 0), false},
		{"a tenth with another mean", sample(1, 6000, 15*time.Millisecond), append(sample(2, 5400, 15*time.Millisecond), sample(3, 600, 200*time.Millisecond)...), false},
	} {
		if d, limit := kolmogorovSmirnov(tc.a, tc.b, falseAlarm); d > limit == tc.same {
			t.Errorf("%s: distance %.4f, limit %.4f", tc.name, d, limit)
		}
		if d, limit := kolmogorovSmirnovExp(tc.b, 15*time.Millisecond, falseAlarm); d > limit == tc.same {
			t.Errorf("%s, to the distribution: distance %.4f, limit %.4f", tc.name, d, limit)
		}
	}
}
