package client

import (
	"math"
	"time"
)

// A window says how many packets may be under way to a far end, by what waits on the
// way: what SURB-ACKs take beyond the drawn delays is what the network takes, and
// what it takes more than at its fastest is time in queues. As TCP Vegas does, it
// grows until there is a short queue, and keeps that.
//
//	slow start: twice as much each round ──a queue──▶ a little more, or less, each round
//
// A round is a round trip. What is lost tells nothing, since it is not what queues
// do: only where nothing comes at all does the window begin anew.
type window struct {
	size  float64       // packets
	start bool          // slow start
	under int           // packets under way
	full  bool          // packets waited for the window in this round
	base  time.Duration // the mean of the fastest round, once known
	doubt time.Duration // how far off that may be
	known bool
	mute  int // packets lost since a SURB-ACK came

	began   time.Time // the round
	samples int
	excess  time.Duration // sum
	trips   time.Duration // sum
}

func newWindow() window { return window{size: firstWindow, start: true} }

// open reports whether a further packet may leave.
func (w *window) open() bool {
	if w.under < int(w.size) {
		return true
	}
	w.full = true
	return false
}

// acked takes in a SURB-ACK of a packet that left at a time, and what it took beyond
// the delays we drew. Foreign is the mean of the delays that others drew.
func (w *window) acked(left, now time.Time, excess, foreign time.Duration) {
	w.mute = 0
	if w.began.IsZero() {
		w.began = now
	}
	w.samples++
	w.excess += excess
	w.trips += now.Sub(left)
	if w.samples >= leastRound && left.After(w.began) {
		w.turn(foreign)
		w.began = now
	}
}

// turn ends a round.
func (w *window) turn(foreign time.Duration) {
	n := time.Duration(w.samples)
	mean, trip := w.excess/n, max(w.trips/n, time.Millisecond)
	// The delays that others drew are noise here: the standard deviation of their sum
	// is √3 means. So such a way is allowed as much more queue as one of these delays.
	noise := time.Duration(2 * math.Sqrt(erlangMean/float64(w.samples)) * float64(foreign))
	if !w.known || mean+noise < w.base+w.doubt {
		w.known, w.base, w.doubt = true, mean, noise
	}
	queue, most := mean-w.base-noise-w.doubt, mostQueue+foreign
	switch {
	case queue > most:
		w.start = false
		w.size *= 1 - min(0.5, float64(queue-most/2)/float64(trip))
	case w.full && w.start:
		w.size *= 2
	case w.full && queue < most/2:
		w.size += max(2, w.size/16)
	}
	w.size = min(max(w.size, leastWindow), mostWindow)
	w.base += (mean - w.base) / 256 // routes and machines change, slowly
	w.full, w.samples, w.excess, w.trips = false, 0, 0, 0
}

// lost notes a loss.
func (w *window) lost() {
	if w.mute++; w.mute > max(leastWindow, int(w.size)) {
		under := w.under
		*w = newWindow()
		w.size, w.under = leastWindow, under
	}
}
