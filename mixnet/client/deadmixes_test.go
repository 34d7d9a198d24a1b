package client

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
)

// A conversation sends messages one way and replies the other until ctx ends.
func conversation(ctx context.Context, n *fakeNet, alice, bob *testClient, tags ...mixnet.SenderTag) {
	for i, tag := range tags {
		n.wg.Go(func() {
			for alice.Send(ctx, bob.Address(), make([]byte, 4000), mixnet.SendOptions{As: tag, Lane: mixnet.Lane(i)}) == nil {
				if sleep(ctx, 50*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	n.wg.Go(func() {
		for {
			m, err := bob.Receive(ctx)
			if err != nil || bob.Reply(ctx, m.From, make([]byte, 4000), mixnet.SendOptions{}) != nil {
				return
			}
		}
	})
	n.wg.Go(func() {
		for {
			if _, err := alice.Receive(ctx); err != nil {
				return
			}
		}
	})
}

// uses reports whether routes of a client lead through a mix: those of data and
// reply SURBs, and those of cover.
func (c *testClient) uses(mix mixnet.NodeAddr) (data, cover bool) {
	lists := func(nw *topology.Network) bool {
		for layer := 1; layer <= topology.Layers; layer++ {
			for _, n := range nw.Layer(layer) {
				if n.Addr == mix {
					return true
				}
			}
		}
		return false
	}
	c.order(func(l *loop) { data, cover = lists(l.routes), lists(l.coverRoutes) })
	return data, cover
}

// hardening.md H27: "A mix is left out only when it passes nothing on, on both legs …;
// for at most a minute, then cover probes it."
func TestH27DeadMixIsLeftOut(t *testing.T) {
	for _, layer := range []int{2, 3} { // one beside gateways, one not
		inBubble(t, func(t *testing.T, ctx context.Context) {
			n := newFakeNet(t, ctx, 2)
			dead := n.nw.Layer(layer)[0].Addr
			lose := func(hop mixnet.NodeAddr, _ []byte) bool { return hop == dead }
			alice, bob := n.client(0, Config{}), n.client(1, Config{})
			conversation(ctx, n, alice, bob, mixnet.NewSenderTag())
			within := func(span time.Duration, want bool) (took time.Duration) {
				t.Helper()
				for took < span {
					time.Sleep(100 * time.Millisecond)
					took += 100 * time.Millisecond
					if data, _ := alice.uses(dead); data == want {
						return took
					}
				}
				t.Fatalf("layer %d: after %v routes still lead through the mix: %v", layer, span, !want)
				return took
			}
			time.Sleep(10 * time.Second)
			if data, cover := alice.uses(dead); !data || !cover {
				t.Fatal("a mix that lives is left out")
			}
			n.mu.Lock()
			n.lose = lose
			n.mu.Unlock()
			t.Logf("layer %d: left out after %v", layer, within(15*time.Second, false))
			tried := false
			for range 500 { // it stays dead, and is tried
				time.Sleep(100 * time.Millisecond)
				data, cover := alice.uses(dead)
				tried = tried || cover && !data
			}
			if !tried {
				t.Errorf("layer %d: no cover has probed the mix", layer)
			}
			n.mu.Lock()
			n.lose = nil
			n.mu.Unlock()
			within(time.Minute, true)
			time.Sleep(time.Second)
			if data, _ := alice.uses(dead); !data {
				t.Error("a mix that lives again is left out again")
			}
		})
	}
}

// hardening.md H27: "A gateway that drops every packet to or from one mix cannot
// move that mix's share by more than a tenth, also where it stands at both ends"
func TestH27GatewayCannotMoveAMix(t *testing.T) {
	for _, c := range []struct {
		name     string
		attacker int // whose gateway it is
		layer    int
		bob      int // his gateway
	}{
		{"entry, layer 1", 0, 1, 1},
		{"entry, layer 3", 0, 3, 1},
		{"exit, layer 1", 1, 1, 1},
		{"exit, layer 3", 1, 3, 1},
		{"both ends, layer 1", 0, 1, 0},
		{"both ends, layer 3", 0, 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ctx context.Context) {
				n := newFakeNet(t, ctx, 2)
				victim := n.nw.Layer(c.layer)[0].Addr
				attacker := n.nw.Gateways()[c.attacker].Identity
				rng := rand.New(rand.NewPCG(1, 2))
				n.drops = func(gateway keys.Identity, mix mixnet.NodeAddr) bool { return gateway == attacker && mix == victim }
				n.lose = func(mixnet.NodeAddr, []byte) bool { return rng.IntN(100) == 0 } // and the network is not perfect
				alice, bob := n.client(0, Config{}), n.client(c.bob, Config{})
				conversation(ctx, n, alice, bob, mixnet.NewSenderTag())
				const samples = 250
				used := map[*testClient]int{}
				for range samples {
					time.Sleep(200 * time.Millisecond)
					for _, who := range []*testClient{alice, bob} {
						data, cover := who.uses(victim)
						if data && cover {
							used[who]++
						}
					}
				}
				if used[alice] < samples*9/10 || used[bob] < samples*9/10 {
					t.Errorf("in %d samples alice used the mix %d times, bob %d times", samples, used[alice], used[bob])
				}
			})
		})
	}
}

// hardening.md H27: "An entry which drops one mix's packets does not let a requester
// link two tags of a client by the first hops of their SURBs."
func TestH27FirstHopsOfSURBsLinkNoTags(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 3)
		victim := n.nw.Layer(1)[0].Addr
		attacker := n.nw.Gateways()[0].Identity
		n.drops = func(gateway keys.Identity, mix mixnet.NodeAddr) bool { return gateway == attacker && mix == victim }
		alice, bob := n.client(0, Config{}), n.client(1, Config{})
		tags := []mixnet.SenderTag{mixnet.NewSenderTag(), mixnet.NewSenderTag()}
		firsts := make(map[mixnet.SenderTag][]mixnet.NodeAddr)
		conversation(ctx, n, alice, bob, tags...)
		for range 25 {
			time.Sleep(2 * time.Second)
			bob.order(func(l *loop) {
				for _, tag := range tags {
					for _, s := range l.held.byTag[tag].surbs {
						firsts[tag] = append(firsts[tag], s.SURB.First())
					}
				}
			})
		}
		for _, tag := range tags {
			through := map[mixnet.NodeAddr]bool{}
			hits := 0
			for _, a := range firsts[tag] {
				through[a] = true
				if a == victim {
					hits++
				}
			}
			share := float64(hits) / float64(len(firsts[tag]))
			if len(firsts[tag]) < 1000 || len(through) != 3 || math.Abs(share-1.0/3) > 0.1 {
				t.Errorf("%.2f of %d SURBs of a tag begin at the mix, through %d mixes; want a third", share, len(firsts[tag]), len(through))
			}
		}
	})
}

// A deadWorld has packets cross mixes by number, without a network.
type deadWorld struct {
	*deadMixes
	nw  *topology.Network
	rng *rand.Rand
	now time.Time
}

func newDeadWorld(t *testing.T, ctx context.Context, perLayer int) *deadWorld {
	n := newFakeNet(t, ctx, perLayer)
	w := &deadWorld{deadMixes: newDeadMixes(newRand()), nw: n.nw, rng: rand.New(rand.NewPCG(1, 2)), now: t0}
	w.adopt(w.nw)
	return w
}

// send sends packets of which those through dead mixes are lost, and of the others the share loss.
func (w *deadWorld) send(packets int, dead map[mixnet.NodeAddr]bool, loss float64) {
	for range packets {
		w.now = w.now.Add(10 * time.Millisecond)
		w.turn(w.now)
		draw := func() []sphinx.Hop {
			r, err := w.around(w.nw, true).AppendRoute(nil, w.rng, w.nw.Gateways()[0].Identity, 0)
			if err != nil {
				panic(err)
			}
			return r
		}
		out, home := draw(), draw()
		ok := w.rng.Float64() >= loss
		for _, h := range append(out[:topology.Layers], home[:topology.Layers]...) {
			ok = ok && !dead[h.Addr]
		}
		r := w.note(out, home, true)
		w.outcome(&r, ok, w.now)
	}
}

func (w *deadWorld) leftOut() (n int) {
	for _, m := range w.mixes {
		if m.state != mixUsed {
			n++
		}
	}
	return n
}

// hardening.md H27: "at most max(1, ⌊n/3⌋) of a layer, never the last"
func TestH27BoundOfALayer(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct{ mixes, dead, want int }{
			{1, 1, 0}, {2, 1, 1}, {2, 2, 0}, {3, 1, 1}, {4, 2, 1}, {6, 2, 2}, {6, 4, 2},
		} {
			w := newDeadWorld(t, ctx, c.mixes)
			dead := map[mixnet.NodeAddr]bool{}
			for _, n := range w.nw.Layer(2)[:c.dead] {
				dead[n.Addr] = true
			}
			w.send(2500, dead, 0)
			if got := w.absent[1]; got != c.want {
				t.Errorf("of %d mixes %d are dead and %d left out, want %d", c.mixes, c.dead, got, c.want)
			}
		}
	})
}

// Where everything is lost, or much of everything, no mix is to blame.
func TestH27OutageBlamesNoMix(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		w := newDeadWorld(t, ctx, 3)
		for range 20 {
			w.send(200, nil, 0.3)
			if n := w.leftOut(); n != 0 {
				t.Errorf("%d mixes are left out because a third of all packets are lost", n)
			}
			w.send(300, nil, 1)
			if n := w.leftOut(); n != 0 {
				t.Errorf("%d mixes are left out because all packets are lost", n)
			}
		}
	})
}

// A mix keeps its state from one snapshot of the topology to the next.
func TestH27NewSnapshot(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		w := newDeadWorld(t, ctx, 3)
		dead := w.nw.Layer(2)[0].Addr
		w.send(500, map[mixnet.NodeAddr]bool{dead: true}, 0)
		if n := w.leftOut(); n != 1 {
			t.Fatalf("%d mixes are left out, want 1", n)
		}
		w.adopt(w.nw)
		for _, n := range w.around(w.nw, false).Layer(2) {
			if n.Addr == dead {
				t.Error("a new snapshot brings a dead mix back")
			}
		}
		other := newFakeNet(t, ctx, 1).nw
		if w.adopt(other); w.absent != [topology.Layers]int{} && len(w.mixes) != 3 {
			t.Errorf("%d mixes remembered, %v left out; want three and none", len(w.mixes), w.absent)
		}
	})
}
