package mixnettest

import (
	"crypto/ed25519"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"nym-socks5/mixnet"
)

// Options say how the mixnet between the two ends behaves. The zero value is
// one without delay or fault.
type Options struct {
	// Latency is the fixed part of the time a packet takes one way.
	Latency time.Duration
	// Jitter is the mean of an exponentially distributed part added for each packet.
	Jitter time.Duration
	// Loss is the probability that a packet is lost. It is sent again after Retry.
	Loss float64
	// Retry is how long a lost packet waits for its retransmission. If zero, it
	// is 1.5 seconds and four times the latency.
	Retry time.Duration
	// Duplicate is the probability that a message arrives twice.
	Duplicate float64
	// Vanish is the probability that a message is lost for good. Its Done is
	// told [mixnet.ErrGivenUp] after GiveUp.
	Vanish float64
	// GiveUp is how long a lost message is believed in. If zero, it is 30 seconds.
	GiveUp time.Duration
	// LaneSize is how many packets a lane holds. If zero, it is 200.
	LaneSize int
	// Rate is how many packets a second leave an end, over all lanes. If zero, there is no limit.
	Rate int
	// CountSURBs makes replies wait for reply SURBs. Who is answered keeps Supply of
	// them at the far end, unless it has paused.
	CountSURBs bool
	// Seed makes the faults repeatable.
	Seed uint64
}

// How many reply SURBs there are.
const (
	Reserve = 10  // of a tag, which a replier never spends on replies (socks.md §12)
	Start   = 20  // that a far end holds behind a message which carries as many as the Messenger thinks best
	Supply  = 200 // that a far end holds while it answers
)

// surbPatience is how long a reply waits for SURBs.
const surbPatience = 5 * time.Minute

// A Pair is two joined Messengers.
type Pair struct {
	A, B *End

	o   Options
	mu  sync.Mutex
	rnd *rand.Rand
	cut bool
}

// Cut loses every packet that leaves from now on, or none any more but those
// that the options lose.
func (p *Pair) Cut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
}

// NewPair joins two Messengers. Nothing needs to be closed.
func NewPair(o Options) *Pair {
	if o.LaneSize == 0 {
		o.LaneSize = 200
	}
	if o.Retry == 0 {
		o.Retry = 1500*time.Millisecond + 4*o.Latency
	}
	if o.GiveUp == 0 {
		o.GiveUp = 30 * time.Second
	}
	p := &Pair{o: o, rnd: rand.New(rand.NewPCG(o.Seed, 1))}
	p.A, p.B = newEnd(p, 1), newEnd(p, 2)
	p.A.far, p.B.far = p.B, p.A
	return p
}

// address makes the nth address, the same in every run.
func address(n uint64) (r mixnet.Recipient) {
	for part, key := range [][]byte{r.Identity[:], r.Encryption[:], r.Gateway[:]} {
		var seed [ed25519.SeedSize]byte
		binary.BigEndian.PutUint64(seed[:], n)
		seed[8] = byte(part)
		copy(key, ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey))
	}
	return r
}

// What a packet holds and a reply SURB takes, in bytes: about what they do in a
// mixnet with regular packets.
const (
	packetRoom = 1600
	surbSize   = 500
)

// packets counts the packets that size bytes fill.
func (p *Pair) packets(size int) int { return max(1, (size+packetRoom-1)/packetRoom) }

// travel draws how long n packets take until the last has arrived, each sent
// again until it does.
func (p *Pair) travel(n int) time.Duration { return p.journey(n, true) }

func (p *Pair) journey(n int, again bool) time.Duration {
	var worst time.Duration
	for range n {
		d := p.o.Latency
		if p.o.Jitter > 0 {
			d += time.Duration(p.rnd.ExpFloat64() * float64(p.o.Jitter))
		}
		for again && p.chance(p.o.Loss) {
			d += p.o.Retry
		}
		worst = max(worst, d)
	}
	return worst
}

// lost draws whether one of n packets that are not sent again is lost.
func (p *Pair) lost(n int) (lost bool) {
	for range n {
		lost = p.chance(p.o.Loss) || lost
	}
	return lost
}

func (p *Pair) chance(probability float64) bool {
	return probability > 0 && p.rnd.Float64() < probability
}

// after calls f when d has passed; at once, and before it returns, if d is zero.
// The lock must not be held.
func after(d time.Duration, f func()) {
	if d <= 0 {
		f()
		return
	}
	time.AfterFunc(d, f)
}
