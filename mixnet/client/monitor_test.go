package client

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
)

// hardening.md H39: "Loop packets that return are counted per mix and gateway
// over five minutes; below a threshold the client warns, below a second it stops
// sending user data (switchable)."
func TestH39BlockingAttacker(t *testing.T) {
	for _, c := range []struct {
		name      string
		neverStop bool
		says      string
		stops     bool
	}{
		{"data stops", false, "nothing but cover is sent", true},
		{"switched off", true, "many packets", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ctx context.Context) {
				n := newFakeNet(t, ctx, 2)
				var log lockedBuffer
				traffic := Traffic{SendEvery: 500 * time.Millisecond, CoverEvery: 500 * time.Millisecond}
				cfg := Config{Traffic: traffic, NeverStop: c.neverStop, Log: zerolog.New(&log)}
				alice, bob := n.client(0, cfg), n.client(1, Config{Traffic: Fast()})
				n.wg.Go(func() {
					for alice.Send(ctx, bob.Address(), make([]byte, 500), mixnet.SendOptions{}) == nil {
						if sleep(ctx, 5*time.Second) != nil {
							return
						}
					}
				})
				n.wg.Go(func() {
					for {
						if _, err := bob.Receive(ctx); err != nil {
							return
						}
					}
				})
				home := alice.Address().Gateway
				lose := func(yes bool) {
					n.mu.Lock()
					defer n.mu.Unlock()
					n.lose = func(hop mixnet.NodeAddr, _ []byte) bool {
						return yes && n.nodes[hop].Identity == home
					}
				}
				time.Sleep(2 * time.Minute)
				if log.String() != "" {
					t.Errorf("all is well, and the client says %s", &log)
				}
				all, mixes := alice.Loops()
				if all.Sent < 200 || all.rate() < 0.99 || len(mixes) != 6 {
					t.Errorf("of %d loops %d came home, through %d mixes", all.Sent, all.Home, len(mixes))
				}
				lose(true)
				time.Sleep(7 * time.Minute)
				if got := log.String(); !strings.Contains(got, c.says) {
					t.Errorf("the client says %q, want %q", got, c.says)
				}
				before := alice.Stats()
				time.Sleep(time.Minute)
				after := alice.Stats()
				if stopped := after.SentData == before.SentData; stopped != c.stops {
					t.Errorf("data stopped: %v, want %v", stopped, c.stops)
				}
				if after.Sent-before.Sent < 170 {
					t.Errorf("%d packets in a minute, want about 240 as ever", after.Sent-before.Sent)
				}
				lose(false)
				time.Sleep(3 * time.Minute)
				if alice.Stats().SentData == after.SentData {
					t.Error("data is not sent again though packets come home")
				}
			})
		})
	}
}

// What the client makes of loops that come home or do not.
func TestH39Verdicts(t *testing.T) {
	hops := make([]sphinx.Hop, topology.Hops)
	now := time.Unix(1_700_000_000, 0)
	w := newLoopMonitor()
	w.turned = now
	minutes := func(n, perSecond int, home float64) (verdicts []verdict) {
		rng := newRand()
		for range n {
			for range 60 {
				now = now.Add(time.Second)
				for range perSecond {
					id := w.next()
					w.sent(hops, hops, 0, now)
					if rng.Float64() < home {
						w.returned(id)
					}
				}
				w.look(now)
			}
			verdicts = append(verdicts, w.verdict)
		}
		return verdicts
	}
	for _, c := range []struct {
		what      string
		n, rate   int
		home      float64
		last      verdict
		notBefore int // minutes until that verdict
	}{
		{"all is well", 6, 5, 1, verdictFine, 0},
		{"a mix of two is dead", 6, 5, 0.25, verdictPoor, 1},
		{"well again", 8, 5, 1, verdictFine, 1},
		{"blocked", 8, 5, 0, verdictBlocked, 4},
		{"some come home", 2, 5, 0.5, verdictPoor, 0},
		{"well again", 7, 5, 1, verdictFine, 1},
		{"too few to tell", 6, 0, 0, verdictFine, 0},
	} {
		got := minutes(c.n, c.rate, c.home)
		if got[c.n-1] != c.last || c.notBefore > 0 && slices.Index(got, c.last) < c.notBefore {
			t.Errorf("%s: verdicts minute by minute %v, want %v at last", c.what, got, c.last)
		}
	}
	if len(w.out) != 0 || len(w.order) != 0 {
		t.Errorf("%d loops are remembered for ever", len(w.out))
	}
}

// A mix that drops packets stands out.
func TestH39CountsEachMix(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 3)
		bad := n.nw.Layer(2)[1].Addr
		n.lose = func(hop mixnet.NodeAddr, _ []byte) bool { return hop == bad }
		alice := n.client(0, Config{Traffic: Traffic{SendEvery: 200 * time.Millisecond, CoverEvery: Off}})
		time.Sleep(4 * time.Minute)
		_, mixes := alice.Loops()
		for addr, tally := range mixes {
			switch {
			case addr == bad && (tally.Home != 0 || tally.Sent < 20):
				t.Errorf("the bad mix: %+v", tally)
			case addr != bad && tally.rate() < 0.3:
				t.Errorf("an honest mix: %+v", tally)
			}
		}
		if len(mixes) != 9 {
			t.Errorf("%d mixes are watched, want 9", len(mixes))
		}
	})
}

// Cover that data took the place of never left: it is not missed, and no mix is
// blamed for it.
func TestH39ReplacedCoverIsNotLost(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		alice, bob := n.client(0, Config{Traffic: Traffic{CoverEvery: Off}}), n.client(1, Config{Traffic: Fast()})
		for range 500 {
			time.Sleep(jitter(100 * time.Millisecond))
			alice.send(bob.Address(), []byte("now and then"), mixnet.SendOptions{})
			bob.want([]byte("now and then"))
		}
		time.Sleep(time.Minute) // until what is lost is known to be
		s := alice.Stats()
		if s.SentData < 500 || s.SentCover+s.SentData-s.Sent > 2 {
			t.Errorf("%d data and %d cover were made for the main stream, and %d packets sent", s.SentData, s.SentCover, s.Sent)
		}
		if all, _ := alice.Loops(); all.Home != all.Sent || all.Sent < 1000 {
			t.Errorf("%d of %d loops came home, though none was lost", all.Home, all.Sent)
		}
	})
}

// A lockedBuffer takes a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
