package client

import (
	"context"
	"math"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

// A slotWorld is a demand whose slots are used as somebody has packets.
type slotWorld struct {
	demand
	now     time.Time
	waiting float64 // packets
}

// run lets packets come at a rate for a while, and gives the paces meanwhile.
func (w *slotWorld) run(perSecond float64, span time.Duration) (paces []time.Duration) {
	chores := w.now
	for end := w.now.Add(span); w.now.Before(end); w.now = w.now.Add(w.every()) {
		if w.waiting += perSecond * w.every().Seconds(); w.waiting >= 1 {
			w.waiting--
			w.data(w.now)
		} else {
			w.free()
		}
		if w.now.Sub(chores) >= choresEvery {
			chores = w.now
			w.turn(w.now)
		}
		if n := len(paces); n == 0 || paces[n-1] != w.every() {
			paces = append(paces, w.every())
		}
	}
	return paces
}

// hardening.md H33: "a Poisson rate in steps of four (50, 200, 800, 3 200 a second) that
// rises with demand at once and falls after ten quiet minutes"
func TestH33PaceFollowsDemandInSteps(t *testing.T) {
	const slowest = 20 * time.Millisecond
	for _, tt := range []struct {
		perSecond float64
		want      time.Duration
	}{
		{0, slowest}, {1, slowest / 4}, {150, slowest / 4}, {300, slowest / 16}, {400, slowest / 16}, {1000, slowest / 64}, {3000, slowest / 64}, {9000, slowest / 64},
	} {
		w := slotWorld{demand: demand{slowest: slowest}, now: t0}
		began := w.now
		paces := w.run(tt.perSecond, 15*time.Second)
		if got := w.every(); got != tt.want {
			t.Errorf("%.1f packets a second: one every %v, want %v", tt.perSecond, got, tt.want)
		}
		for i := 1; i < len(paces); i++ {
			if paces[i] >= paces[i-1] {
				t.Errorf("%.1f packets a second: paces %v", tt.perSecond, paces)
			}
		}
		// As long as it goes on the pace stays; when it ends, for ten minutes.
		if w.run(tt.perSecond, time.Minute); w.every() != tt.want {
			t.Errorf("%.1f packets a second, a minute later: one every %v", tt.perSecond, w.every())
		}
		w.waiting = 0
		if w.run(0, paceQuiet-4*time.Second); w.every() != tt.want {
			t.Errorf("%.1f packets a second: the pace falls %v after the last", tt.perSecond, w.now.Sub(began))
		}
		if w.run(0, 6*time.Second); w.every() != slowest {
			t.Errorf("%.1f packets a second: one every %v after ten quiet minutes", tt.perSecond, w.every())
		}
	}
	// Ten minutes with little to do: the pace falls to what that takes.
	w := slotWorld{demand: demand{slowest: slowest}, now: t0}
	w.run(3000, 10*time.Second)
	if w.run(100, paceQuiet+3*time.Second); w.every() != slowest/4 {
		t.Errorf("where a hundred a second are left: one every %v, want %v", w.every(), slowest/4)
	}
	// A stream that opens takes the first step, and no client but a requester any.
	d := demand{slowest: slowest}
	if !d.opened(t0) || d.every() != slowest/4 || d.opened(t0) {
		t.Errorf("as soon as a stream opens: one every %v, want %v", d.every(), slowest/4)
	}
	if other := (demand{}); other.opened(t0) || other.data(t0) || other.turn(t0) {
		t.Error("the pace of a client follows what it sends")
	}
}

// hardening.md H33: gaps are exponential at each step, with data and without, and all that
// leaves is of one size.
func TestH33GapsAreExponentialAtEachStep(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		var left []time.Time
		sizes := make(map[int]int)
		server := n.client(0, Config{Traffic: Traffic{HopDelay: Off, CoverEvery: Off, FollowDemand: true}})
		n.seen = func(c keys.Identity, p wire.MixPacket, at time.Time) {
			n.mu.Lock()
			defer n.mu.Unlock()
			if c == server.Address().Identity {
				left = append(left, at)
				sizes[len(p.Packet)]++
			}
		}
		asker := n.client(1, Config{Traffic: Fast()})
		tag := mixnet.NewSenderTag()
		asker.send(server.Address(), []byte("?"), mixnet.SendOptions{As: tag})
		server.want([]byte("?"))
		// gaps watches a step for a while.
		gaps := func(every, span time.Duration) {
			t.Helper()
			n.mu.Lock()
			left = nil
			n.mu.Unlock()
			time.Sleep(span)
			n.mu.Lock()
			defer n.mu.Unlock()
			var gaps []float64
			for i := 1; i < len(left); i++ {
				gaps = append(gaps, left[i].Sub(left[i-1]).Seconds())
			}
			if d := kolmogorov(gaps, every.Seconds()); d > 3/math.Sqrt(float64(len(gaps))) || len(gaps) < 400 {
				t.Errorf("one every %v: %d gaps are not exponential: distance %.4f", every, len(gaps), d)
			}
		}
		n.wg.Go(func() {
			for {
				if _, err := asker.Receive(ctx); err != nil {
					return
				}
			}
		})
		server.Pin(tag, true)
		for step := range paceSteps {
			every := DefaultSendEvery >> (2 * step)
			span := 500 * every
			pace := func(l *loop) {
				l.demand.step = step
				for i := range step {
					l.demand.slower[i].short = time.Now()
				}
				l.follow(true)
			}
			server.order(pace)
			gaps(every, span) // with cover only
			if step == 0 {
				continue // data take the next step
			}
			end := time.Now().Add(span + 100*time.Millisecond)
			n.wg.Go(func() {
				for time.Now().Before(end) {
					server.Reply(ctx, tag, []byte("!"), mixnet.SendOptions{})
					time.Sleep(3 * every)
				}
			})
			time.Sleep(100 * time.Millisecond)
			gaps(every, span)
			time.Sleep(time.Second)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(sizes) != 1 {
			t.Errorf("packets of %d sizes", len(sizes))
		}
	})
}
