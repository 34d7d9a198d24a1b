package proxy

import (
	"math/rand/v2"
	"testing"
)

// socks.md §21.4: "MUST NOT have more than 1000 unacknowledged messages ahead
// of the oldest unacknowledged one in a direction (stay ≤ 512)"
func TestWindowSpan(t *testing.T) {
	var w window
	for want := range uint64(512) {
		if w.full() {
			t.Fatalf("full at %d", want)
		}
		if got := w.take(); got != want {
			t.Fatalf("took %d, want %d", got, want)
		}
	}
	if !w.full() {
		t.Fatal("not full at 512")
	}
	for seq := range uint64(512) {
		w.ack(511 - seq) // the oldest last
		if got, want := w.full(), seq < 511; got != want {
			t.Fatalf("full %v after %d acks, want %v", got, seq+1, want)
		}
	}
	if !w.drained() {
		t.Error("not drained")
	}
}

func TestWindowIgnores(t *testing.T) {
	var w window
	w.take()
	w.take()
	for _, seq := range []uint64{2, 600, 1<<64 - 1} { // never sent
		w.ack(seq)
	}
	if w.base != 0 {
		t.Errorf("base %d after acks of nothing, want 0", w.base)
	}
	w.ack(1)
	w.ack(1)
	w.ack(0)
	w.ack(0)
	if w.base != 2 || !w.drained() {
		t.Errorf("base %d, want 2", w.base)
	}
}

// Acks in random order over many turns of the ring: base is always the oldest
// message without one.
func TestWindowRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var w window
	open := map[uint64]bool{}
	for range 20_000 {
		if !w.full() && r.IntN(2) == 0 {
			open[w.take()] = true
		} else {
			for seq := range open {
				delete(open, seq)
				w.ack(seq)
				break
			}
		}
		oldest := w.next
		for seq := range open {
			oldest = min(oldest, seq)
		}
		if w.base != oldest {
			t.Fatalf("base %d, want %d", w.base, oldest)
		}
	}
}
