package client

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A queueWorld sends packets through one queue that serves so many a second, as many at
// once as the window allows. The delays that others draw have the mean foreign.
func queueWorld(w *window, perSecond int, foreign, span time.Duration) (goodput float64, waits time.Duration) {
	rng := rand.New(rand.NewPCG(1, 2))
	const plain = 40 * time.Millisecond // delays that we drew, and what the network takes
	type packet struct{ left, back time.Time }
	var out []packet
	now, free := t0, t0
	served, total := 0, time.Duration(0)
	for now.Sub(t0) < span {
		for w.open() {
			start := now
			if free.After(start) {
				start = free
			}
			free = start.Add(time.Second / time.Duration(perSecond))
			extra := time.Duration(0)
			for range erlangMean {
				extra += time.Duration(rng.ExpFloat64() * float64(foreign))
			}
			out = append(out, packet{now, free.Add(plain + extra)})
			w.under++
			if now.Sub(t0) > span/2 {
				total += start.Sub(now)
				served++
			}
		}
		first := 0
		for i := range out {
			if out[i].back.Before(out[first].back) {
				first = i
			}
		}
		p := out[first]
		out = append(out[:first], out[first+1:]...)
		now = p.back
		w.under--
		w.acked(p.left, now, now.Sub(p.left)-plain, foreign)
	}
	return float64(served) / (span / 2).Seconds(), total / time.Duration(max(1, served))
}

// The window uses what a bottleneck gives, and keeps the queue before it short.
func TestWindowFindsTheBottleneck(t *testing.T) {
	for _, c := range []struct {
		perSecond int
		foreign   time.Duration
		most      time.Duration
	}{
		{1500, 0, 3 * mostQueue},
		{5000, 0, 3 * mostQueue},
		{1500, 15 * time.Millisecond, 90 * time.Millisecond},
	} {
		w := newWindow()
		rate, waits := queueWorld(&w, c.perSecond, c.foreign, 20*time.Second)
		if rate < 0.9*float64(c.perSecond) || waits > c.most {
			t.Errorf("%d packets a second, others' delays of %v: uses %.0f, and packets wait for %v; the window is %.0f", c.perSecond, c.foreign, rate, waits, w.size)
		}
	}
}

// Where nothing queues the window grows to its bound in a few rounds, and stays there.
func TestWindowGrows(t *testing.T) {
	for _, foreign := range []time.Duration{0, 15 * time.Millisecond, 150 * time.Millisecond} {
		w := newWindow()
		queueWorld(&w, 1_000_000, foreign, 20*max(40*time.Millisecond, 8*foreign))
		if w.size < mostWindow/2 {
			t.Errorf("others' delays of %v: the window is %.0f without any queue", foreign, w.size)
		}
	}
}

// Losses do not shrink the window while something comes; silence does.
func TestWindowAfterLosses(t *testing.T) {
	w := newWindow()
	w.size = 1000
	for i := range 10_000 {
		w.lost()
		if i%100 == 0 {
			w.acked(t0, t0, 0, 0)
		}
	}
	if w.size < 1000 {
		t.Errorf("losses shrink the window to %.0f", w.size)
	}
	w.under = 7
	for range 2000 {
		w.lost()
	}
	if w.size != leastWindow || w.under != 7 {
		t.Errorf("after silence the window is %.0f with %d under way, want %d and 7", w.size, w.under, leastWindow)
	}
	if math.IsNaN(w.size) {
		t.Error("the window is no number")
	}
}
