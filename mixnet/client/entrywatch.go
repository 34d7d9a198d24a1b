package client

import (
	"math/rand/v2"
	"time"
)

// An entryWatch tells whether our gateway passes anything on. Loops say so: who
// takes packets and drops them, or what comes home, drops loops too. It is to be left
// when hardly any loop has come home for twenty seconds; where nothing comes home at any
// entry, something else is wrong, and it takes longer each time. The loop owns it.
//
// Data alone accuse nobody, since their receipts lead past the gateway of the far
// end. A client without cover sends some while nothing of what it sends is
// acknowledged.
type entryWatch struct {
	spans  [dropSpans]Tally // of loops; [0] is being counted
	turned time.Time        // when they last moved on
	good   time.Time        // and when they last gave no reason to leave

	began    time.Time // at this entry
	patience time.Duration
	left     int // entries left in a row

	heard  time.Time // when anything came home last
	missed int       // packets that should have come home since
	lost   time.Time // when the last of those that carried data should have
	asked  bool      // the gateway was asked whether it is there
}

// entryChanged begins anew.
func (w *entryWatch) entryChanged(now time.Time) {
	span := min(dropSpan*dropSpans<<min(w.left, 8), dropLonger)
	*w = entryWatch{turned: now, good: now, began: now, heard: now, left: w.left, patience: span + rand.N(span/4)}
}

// home notes that a SURB-ACK came home, of a loop or of data, in time or late.
func (w *entryWatch) home(loop, inTime bool, now time.Time) {
	w.heard, w.missed, w.asked = now, 0, false
	if loop {
		w.spans[0].Home++
		if inTime {
			w.spans[0].Sent++
		}
	}
}

// overdue notes that one did not come home in time.
func (w *entryWatch) overdue(loop bool, now time.Time) {
	w.missed++
	if !loop {
		w.lost = now
		return
	}
	w.spans[0].Sent++
}

// suspects reports whether loops are worth sending that are not cover for anything.
func (w *entryWatch) suspects(now time.Time) bool {
	return w.missed >= suspectMore && now.Sub(w.heard) > time.Second && now.Sub(w.lost) < suspectFor
}

// turn lets time pass, and says whether the gateway is to be asked whether it is
// there, and whether it is to be left.
func (w *entryWatch) turn(now time.Time) (ask, leave bool) {
	if !w.asked && w.missed >= quietMissed && now.Sub(w.heard) > quietAfter {
		w.asked, ask = true, true
	}
	if now.Sub(w.turned) < dropSpan {
		return ask, false
	}
	w.turned = now
	last := w.spans[0]
	if last.Sent == 0 || last.rate() >= dropBelow {
		w.good = now
	}
	if last.Home > 0 && last.rate() >= dropBelow {
		w.left = 0
	}
	var all Tally
	for _, s := range w.spans {
		all.add(s)
	}
	if all.Sent >= dropLoops && now.Sub(w.good) >= dropSpan*(dropSpans-1) && now.Sub(w.began) >= w.patience {
		w.left++
		leave = true
	}
	copy(w.spans[1:], w.spans[:dropSpans-1])
	w.spans[0] = Tally{}
	return ask, leave
}

// watchEntry has our gateway asked whether it is there, or left, if that is due.
func (l *loop) watchEntry(now time.Time) {
	ask, leave := l.watch.turn(now)
	if ask {
		l.c.NetworkChanged()
	}
	if leave {
		select {
		case l.c.drops <- l.entry:
		default:
		}
	}
}
