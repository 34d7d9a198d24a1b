package client

import (
	"math/rand/v2"
	"time"
)

// A pacer says when the packets of one Poisson stream leave. Intervals are
// exponential, each counted from the tick before it and not from when that was
// noticed, so that the rate neither drifts nor follows the load (sphinx.md
// §6.2). Ticks that nobody served are dropped, never caught up with (H02).
type pacer struct {
	mean time.Duration // zero: the stream does not exist
	rng  *rand.Rand
	next time.Time
}

// start draws the first tick.
func (p *pacer) start(now time.Time) {
	p.next = now
	p.step()
}

func (p *pacer) step() {
	p.next = p.next.Add(time.Duration(p.rng.ExpFloat64() * float64(p.mean)))
}

// tick moves on to the next tick that can still be served and counts those
// that cannot.
func (p *pacer) tick(now time.Time) (missed int) {
	for p.step(); now.Sub(p.next) > lateness; p.step() {
		missed++
	}
	return missed
}
