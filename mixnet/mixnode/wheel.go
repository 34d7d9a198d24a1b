package mixnode

import (
	"math/bits"
	"math/rand/v2"
	"time"
)

// A wheel holds packets until their deadlines. It is told the time, as the
// duration since some moment, and belongs to whoever locks it.
//
//	           now
//	            ▼
//	┌───┬───┬───┬───┬───┬───┬───┬───┐   one slot for each millisecond: a list
//	│   │   │ b │   │ b │   │   │ b │   of packets, that leave together in
//	└───┴───┴───┴───┴─│─┴───┴───┴───┘   random order
//	                  b
//
// It is bounded in bytes, and so is the share of each link (H16). A packet that
// waits for long takes room for long: it may use only a part of either, so that
// whoever sends many of them through a node leaves room for those of others.
type wheel struct {
	max   int // bytes
	quota int // bytes of one link
	rng   *rand.Rand

	slots [wheelSlots]*buffer
	full  [wheelSlots / 64]uint64 // one bit for each slot: not empty
	tick  int64                   // all slots up to this tick are empty
	held  int                     // packets
	bytes int
}

// push takes a packet that leaves at its deadline. It reports why not if there
// is no room.
func (w *wheel) push(b *buffer, now time.Duration) (why DropReason, ok bool) {
	n, wait := len(b.data), b.deadline-now
	if w.bytes+n > roomFor(w.max, wait) {
		return DropDelayFull, false
	}
	if b.source.waiting+n > roomFor(w.quota, wait) {
		return DropDelayQuota, false
	}
	// The first tick that is not before the deadline, nor already over.
	tick := max(int64((b.deadline+wheelTick-1)/wheelTick), w.tick+1)
	if tick-w.tick >= wheelSlots {
		w.catchUp(now)
	}
	if tick-w.tick >= wheelSlots {
		return DropDelayFull, false // the timer is seconds late
	}
	i := tick % wheelSlots
	b.link, w.slots[i] = w.slots[i], b
	w.full[i/64] |= 1 << (i % 64)
	w.held++
	w.bytes += n
	b.source.waiting += n
	return 0, true
}

// roomFor is how much of some bytes may be in use for a packet to be taken that
// waits so long: all for one that leaves at once, a part of longDelayShare for
// one that waits as long as is possible.
func roomFor(bytes int, wait time.Duration) int {
	wait = min(max(wait, 0), maxDelay)
	return bytes - int(float64(bytes)*float64(wait)/float64(maxDelay)*(1-1./longDelayShare))
}

// catchUp moves on to now, but not past a packet.
func (w *wheel) catchUp(now time.Duration) {
	tick := int64(now / wheelTick)
	if first, ok := w.first(); ok {
		tick = min(tick, first-1)
	}
	w.tick = max(w.tick, tick)
}

// due takes out what may leave at now, appended to out: tick after tick, in
// random order within one.
func (w *wheel) due(now time.Duration, out []*buffer) []*buffer {
	last := int64(now / wheelTick)
	for {
		tick, ok := w.first()
		if !ok || tick > last {
			break
		}
		w.tick = tick
		from := len(out)
		out = w.empty(tick%wheelSlots, out)
		batch := out[from:]
		w.rng.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	}
	w.tick = max(w.tick, last)
	return out
}

// empty takes out all packets of a slot.
func (w *wheel) empty(i int64, out []*buffer) []*buffer {
	for b := w.slots[i]; b != nil; {
		next := b.link
		b.link = nil
		w.held--
		w.bytes -= len(b.data)
		b.source.waiting -= len(b.data)
		out = append(out, b)
		b = next
	}
	w.slots[i] = nil
	w.full[i/64] &^= 1 << (i % 64)
	return out
}

// next says when the wheel has something to let go; false: it is empty.
func (w *wheel) next() (at time.Duration, ok bool) {
	tick, ok := w.first()
	return time.Duration(tick) * wheelTick, ok
}

// first finds the first tick whose slot is not empty.
func (w *wheel) first() (tick int64, ok bool) {
	if w.held == 0 {
		return 0, false
	}
	start := (w.tick + 1) % wheelSlots
	word := start / 64
	b := w.full[word] &^ (1<<(start%64) - 1)
	for range len(w.full) + 1 {
		if b != 0 {
			i := word*64 + int64(bits.TrailingZeros64(b))
			return w.tick + 1 + (i-start+wheelSlots)%wheelSlots, true
		}
		word = (word + 1) % int64(len(w.full))
		b = w.full[word]
	}
	panic("mixnode: delay wheel lost a packet")
}

// drop takes out everything.
func (w *wheel) drop(out []*buffer) []*buffer {
	for {
		tick, ok := w.first()
		if !ok {
			return out
		}
		out = w.empty(tick%wheelSlots, out)
	}
}
