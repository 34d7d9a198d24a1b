package client

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// The same entry is tried for two to three seconds, then each of the others once, at
// once; after that one at a time, with pauses.
func TestWalk(t *testing.T) {
	now := time.Unix(1000, 0)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	w := newWalk(3, now)
	w.at = 1
	w.lost(served{at: 1, began: now.Add(-time.Hour)}, now)
	if moved, longest := w.failed(at(0)); moved || longest < 2*time.Second || longest > 3*time.Second {
		t.Errorf("at once: moved %v, waits %v at most", moved, longest)
	}
	if _, ok := w.hopeless(); ok {
		t.Error("hopeless before the others were tried")
	}
	var tried []int
	for range 5 {
		moved, longest := w.failed(at(moveAfter))
		if !moved {
			t.Error("the others' turn does not come")
		}
		tried = append(tried, w.at)
		if _, ok := w.hopeless(); ok != (len(tried) > 2) || (longest == 0) == ok {
			t.Errorf("hopeless %v after %d others, and it waits for %v at most", ok, len(tried), longest)
		}
	}
	if want := []int{2, 0, 1, 2, 0}; !slices.Equal(tried, want) {
		t.Errorf("tried %v, want %v", tried, want)
	}
	if when, ok := w.hopeless(); !ok || !when.Equal(at(moveAfter)) {
		t.Errorf("hopeless %v at %v", ok, when)
	}

	// A short session is as bad as none, but there was one.
	w.lost(served{at: 2, began: at(5 * time.Second)}, at(6*time.Second))
	if _, ok := w.hopeless(); ok {
		t.Error("hopeless though there was a session")
	}
	if moved, _ := w.failed(at(6 * time.Second)); !moved || w.at != 0 {
		t.Errorf("after a short session: moved %v to %d", moved, w.at)
	}
	// So is one of a first entry that was moved back to.
	w.lost(served{at: 0, began: at(time.Hour), back: true}, at(time.Hour+time.Second))
	if moved, _ := w.failed(at(time.Hour + time.Second)); !moved || w.at != 1 {
		t.Errorf("after a vain return: moved %v to %d", moved, w.at)
	}
	// However often they were tried before: after a session of some seconds each of the
	// others is tried once, at once; after one that ends at once, with pauses.
	for _, c := range []struct {
		lasts time.Duration
		pause bool
	}{{5 * time.Second, false}, {10 * time.Millisecond, true}} {
		w := newWalk(3, now)
		for range 9 {
			w.failed(at(time.Minute))
		}
		w.lost(served{at: 0, began: at(time.Minute)}, at(time.Minute+c.lasts))
		if moved, longest := w.failed(at(time.Minute + c.lasts)); !moved || (longest > 0) != c.pause {
			t.Errorf("after a session of %v: moved %v, waits %v", c.lasts, moved, longest)
		}
	}
	// One through which nothing comes is left at once, however long it was used.
	w.lost(served{at: 1, began: now, drops: true}, at(2*time.Hour))
	if moved, longest := w.failed(at(2 * time.Hour)); !moved || longest != 0 || w.at != 2 {
		t.Errorf("after one that drops: moved %v to %d, waits %v", moved, w.at, longest)
	}
}

// A way into the mixnet that there is not is known three seconds after the last
// session, when each entry was tried; and one that there is again, at once.
func TestNoNetworkIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		cfg := n.withFallback(Fast())
		told := make(chan bool, 10)
		cfg.OnNetwork = func(there bool) { told <- there }
		n.client(0, cfg)
		gateways := n.nw.Gateways()
		time.Sleep(time.Minute)
		n.shut(gateways[0].Identity, cfg.Entries[0].Identity.Public(), true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(told) != 0 {
			t.Errorf("told %v though the other gateway lives", <-told)
		}
		began := time.Now()
		n.shut(gateways[1].Identity, cfg.Entries[1].Identity.Public(), true)
		if there := <-told; there || time.Since(began) < moveAfter || time.Since(began) > moveAfter+100*time.Millisecond {
			t.Errorf("told %v after %v", there, time.Since(began))
		}
		n.shut(gateways[1].Identity, keys.Identity{}, false)
		if there := <-told; !there || time.Since(began) > time.Minute {
			t.Errorf("told %v after %v", there, time.Since(began))
		}
	})
}

// A gateway that takes packets and passes nothing on is left within a minute, by
// clients with cover and without, idle and busy alike (H04); one far end that is gone has
// no such effect, and where nothing comes through at any gateway, clients do not
// run from one to the other.
func TestH04GatewayThatDropsIsLeft(t *testing.T) {
	for _, c := range []struct {
		name    string
		traffic Traffic
		busy    bool
	}{{"idle", Traffic{}, false}, {"busy", Traffic{}, true}, {"without cover", Fast(), true}} {
		inBubble(t, func(t *testing.T, ctx context.Context) {
			n := newFakeNet(t, ctx, 2)
			cfg := n.withFallback(c.traffic)
			alice, bob := n.client(0, cfg), n.client(1, Config{Traffic: Fast()})
			n.wg.Go(func() {
				for {
					if _, err := bob.Receive(ctx); err != nil {
						return
					}
				}
			})
			if c.busy {
				n.wg.Go(func() {
					for alice.Send(ctx, bob.Address(), make([]byte, 1000), mixnet.SendOptions{}) == nil {
						if sleep(ctx, 20*time.Millisecond) != nil {
							return
						}
					}
				})
			}
			time.Sleep(time.Minute)
			bad := n.nw.Gateways()[0].Identity
			n.mu.Lock()
			n.drops = func(g keys.Identity, _ mixnet.NodeAddr) bool { return g == bad }
			n.mu.Unlock()
			began := time.Now()
			for alice.Address().Gateway == bad && time.Since(began) < time.Hour {
				time.Sleep(100 * time.Millisecond)
			}
			took := time.Since(began)
			t.Logf("%s: left after %v", c.name, took)
			if took < dropSpan*(dropSpans-1) || took > time.Minute {
				t.Errorf("%s: left after %v", c.name, took)
			}
			for range 60 {
				if time.Sleep(time.Second); alice.Address().Gateway == bad {
					t.Fatalf("%s: it is back at once", c.name)
				}
			}
		})
	}
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		cfg := n.withFallback(Traffic{})
		alice := n.client(0, cfg)
		n.mu.Lock()
		n.drops = func(keys.Identity, mixnet.NodeAddr) bool { return true }
		n.mu.Unlock()
		moves, at := 0, alice.Address().Gateway
		for range 400 {
			time.Sleep(time.Second)
			if g := alice.Address().Gateway; g != at {
				moves, at = moves+1, g
			}
		}
		if moves < 2 || moves > 5 {
			t.Errorf("moved %d times in 400 s without a network behind the gateways", moves)
		}
	})
	inBubble(t, func(t *testing.T, ctx context.Context) { // a far end that is gone
		n := newFakeNet(t, ctx, 2)
		cfg := n.withFallback(Fast())
		alice := n.client(0, cfg)
		gone := mixnet.Recipient{Identity: keys.NewIdentityKey().Public(), Encryption: keys.NewEncryptionKey().Public(), Gateway: n.nw.Gateways()[1].Identity}
		n.wg.Go(func() {
			for alice.Send(ctx, gone, make([]byte, 1000), mixnet.SendOptions{}) == nil {
				if sleep(ctx, time.Second) != nil {
					return
				}
			}
		})
		for range 200 {
			time.Sleep(time.Second)
			if alice.Address().Gateway != cfg.Entries[0].Gateway {
				t.Fatal("a far end that is gone made a client leave its gateway")
			}
		}
	})
}
