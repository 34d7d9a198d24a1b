package localnet

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/wire"
)

// unpaced has Nym's delays, and packets leave as soon as they are there.
func unpaced(hop time.Duration) client.Traffic {
	return client.Traffic{HopDelay: hop, SendEvery: client.Off, CoverEvery: client.Off}
}

// A transfer is what a download took.
type transfer struct {
	before, after float64       // bytes a second of the first quarter, and of the rest
	gap           time.Duration // the longest without a byte, after the first
}

// download fetches n bytes; after a quarter of them it calls quarter, if that is set.
func (w *world) download(n int, quarter func()) (r transfer) {
	w.t.Helper()
	w.serve(80, func(c net.Conn) { c.Write(make([]byte, n)) })
	c := w.mustDial(80)
	defer c.Close()
	began := time.Now()
	last, turned := began, began
	buf := make([]byte, 64<<10)
	for got := 0; got < n; {
		k, err := c.Read(buf)
		now := time.Now()
		if k > 0 {
			if got > 0 {
				r.gap = max(r.gap, now.Sub(last))
			}
			last = now
			if got += k; turned == began && got >= n/4 {
				turned = now
				r.before = float64(got) / now.Sub(began).Seconds()
				if quarter != nil {
					quarter()
				}
			}
		}
		if err != nil && (err != io.EOF || got < n) {
			w.t.Fatalf("after %d of %d bytes: %v", got, n, err)
		}
	}
	r.after = 0.75 * float64(n) / last.Sub(turned).Seconds()
	return r
}

// One of two mixes of a layer dies in the middle of a download.
func TestStreamOutlivesADeadMix(t *testing.T) {
	for _, c := range []struct {
		name    string
		traffic client.Traffic
		bytes   int
		gap     time.Duration
		share   float64 // of the goodput before
	}{
		{"unpaced", unpaced(0), 8 << 20, 2 * time.Second, 0.6},
		{"Nym's pace", client.Traffic{}, 700_000, 4 * time.Second, 0.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, Spec{Traffic: c.traffic}, func(w *world) {
				r := w.download(c.bytes, func() { w.Stop("mix-2-1") })
				t.Logf("before %.0f kB/s, after %.0f kB/s, longest gap %v", r.before/1e3, r.after/1e3, r.gap)
				if r.gap > c.gap || r.after < c.share*r.before {
					t.Errorf("before %.0f kB/s, after %.0f kB/s, longest gap %v; want %.2f of it and at most %v", r.before/1e3, r.after/1e3, r.gap, c.share, c.gap)
				}
				if err := w.Start("mix-2-1"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Every link loses packets.
func TestStreamOverLossyLinks(t *testing.T) {
	for _, c := range []struct {
		name     string
		permille int
		least    float64 // bytes a second
	}{
		{"0.1 %", 1, 3e6},
		{"1 %", 10, 2e6},
		{"5 %", 50, 0.6e6},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			rng := rand.New(rand.NewPCG(1, 2))
			filter := func(mixnet.NodeAddr, wire.Frame) bool {
				mu.Lock()
				defer mu.Unlock()
				return rng.IntN(1000) >= c.permille
			}
			inWorld(t, Spec{Traffic: unpaced(0), Filter: filter}, func(w *world) {
				r := w.download(4<<20, nil)
				t.Logf("%.0f kB/s, longest gap %v", r.after/1e3, r.gap)
				if r.after < c.least {
					t.Errorf("%.0f kB/s, want %.0f; longest gap %v", r.after/1e3, c.least/1e3, r.gap)
				}
			})
		})
	}
}

// The window follows the delays, so that one stream is fast over long ones too. Hardly anything is sent twice.
func TestStreamOverLongDelays(t *testing.T) {
	for _, c := range []struct {
		hop   time.Duration
		bytes int
		least float64
	}{
		{50 * time.Millisecond, 12 << 20, 3e6},
		{150 * time.Millisecond, 8 << 20, 0.8e6},
	} {
		t.Run(c.hop.String(), func(t *testing.T) {
			inWorld(t, Spec{Traffic: unpaced(c.hop)}, func(w *world) {
				r := w.download(c.bytes, nil)
				s := w.back.Messenger().(*client.Client).Stats()
				t.Logf("%.0f kB/s, %d of %d packets sent again", r.after/1e3, s.SentAgain, s.SentData)
				if r.after < c.least || s.SentAgain > s.SentData/100 {
					t.Errorf("%.0f kB/s, %d of %d packets sent again; want %.0f kB/s, and at most one in a hundred", r.after/1e3, s.SentAgain, s.SentData, c.least/1e3)
				}
			})
		})
	}
}
