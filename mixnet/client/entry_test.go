package client

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// withFallback is a Config whose second entry is the other gateway.
func (n *fakeNet) withFallback(traffic Traffic) Config {
	return Config{Traffic: traffic, Entries: []Entry{
		n.entry(0, keys.NewIdentityKey()), n.entry(1, keys.NewIdentityKey()),
	}}
}

// hardening.md H26: "a separate identity at each, back to the first when it
// lives again". A conversation goes on throughout.
func TestH26FailoverAndBack(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		cfg := n.withFallback(Fast())
		alice, bob := n.client(0, cfg), n.client(1, Config{Traffic: Fast()})
		first, second := cfg.Entries[0].Identity.Public(), cfg.Entries[1].Identity.Public()
		gateways := n.nw.Gateways()
		tag := mixnet.NewSenderTag()
		exchange := func(what string) {
			t.Helper()
			body := randomBody(60_000)
			began := time.Now()
			alice.send(bob.Address(), []byte(what), mixnet.SendOptions{As: tag, SURBs: 5})
			bob.want([]byte(what))
			bob.reply(tag, body, mixnet.SendOptions{})
			alice.want(body)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("%s: an exchange took %v", what, took)
			}
		}
		at := func(what string, identity, gateway keys.Identity) {
			t.Helper()
			if got := alice.Address(); got.Identity != identity || got.Gateway != gateway {
				t.Errorf("%s: the client's address is that of another entry", what)
			}
		}
		exchange("at home")
		at("at home", first, gateways[0].Identity)

		n.shut(gateways[0].Identity, first, true)
		exchange("home is gone")
		at("home is gone", second, gateways[1].Identity)
		n.mu.Lock()
		if len(n.accounts) != 3 || n.live[first] != nil {
			t.Errorf("%d accounts, want one for each entry of one client, and one of the other's", len(n.accounts))
		}
		n.mu.Unlock()

		time.Sleep(trySlow * 2)
		at("home is still gone", second, gateways[1].Identity)
		n.shut(gateways[0].Identity, first, false)
		time.Sleep(trySlow * 2)
		at("home lives again", first, gateways[0].Identity)
		exchange("home again")
		time.Sleep(2 * lingerTime)
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.live[first] == nil || n.live[second] != nil {
			t.Error("the fallback's session lives on, or the first entry has none")
		}
	})
}

// An entry that was left may live again at once. The reply SURBs that others hold
// still lead there, and its gateway keeps what comes by them and says that it
// arrived: the client must be back before anybody gives up.
func TestHomeLivesAgainAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		n.mail = make(map[keys.Identity][][]byte)
		cfg := n.withFallback(Fast())
		alice, bob := n.client(0, cfg), n.client(1, Config{Traffic: Fast()})
		first, gateway := cfg.Entries[0].Identity.Public(), n.nw.Gateways()[0].Identity
		tag := mixnet.NewSenderTag()
		for i := range 10 {
			alice.send(bob.Address(), []byte("question"), mixnet.SendOptions{As: tag, SURBs: 5})
			bob.want([]byte("question"))
			time.Sleep(time.Second) // bob has plenty of SURBs
			n.shut(gateway, first, true)
			for alice.Address().Gateway == gateway {
				time.Sleep(10 * time.Millisecond)
			}
			n.shut(gateway, first, false)
			body := randomBody(20_000)
			began := time.Now()
			bob.reply(tag, body, mixnet.SendOptions{})
			alice.want(body)
			if took := time.Since(began); took > 30*time.Second {
				t.Fatalf("round %d: an answer took %v", i, took)
			}
			time.Sleep(2 * steadyTime) // at the first entry, as if nothing had been
			if alice.Address().Gateway != gateway {
				t.Fatal("the client does not go back")
			}
		}
	})
}

// A first entry that never lasts is left alone for longer and longer.
func TestHomeThatDoesNotLast(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		cfg := n.withFallback(Fast())
		alice := n.client(0, cfg)
		first, gateway := cfg.Entries[0].Identity.Public(), n.nw.Gateways()[0].Identity
		back := 0
		for range 4 * 60 {
			time.Sleep(15 * time.Second)
			if alice.Address().Gateway == gateway {
				back++
				n.shut(gateway, first, true)
				for alice.Address().Gateway == gateway {
					time.Sleep(100 * time.Millisecond)
				}
				n.shut(gateway, first, false)
			}
		}
		if back > 15 { // in an hour, of about 100 that there could be
			t.Errorf("the client went back %d times", back)
		}
	})
}

// hardening.md H04: "failover takes the same steps and time when idle as when busy."
func TestH04FailoverIsTheSameIdleAndBusy(t *testing.T) {
	moved := func(t *testing.T, busy bool) (steps []int, took time.Duration) {
		inBubble(t, func(t *testing.T, ctx context.Context) {
			n := newFakeNet(t, ctx, 2)
			cfg := n.withFallback(Traffic{})
			alice, bob := n.client(0, cfg), n.client(1, Config{Traffic: Fast()})
			gateways := n.nw.Gateways()
			if busy {
				n.wg.Go(func() {
					for alice.Send(ctx, bob.Address(), make([]byte, 5000), mixnet.SendOptions{}) == nil {
					}
				})
				n.wg.Go(func() {
					for {
						if _, err := bob.Receive(ctx); err != nil {
							return
						}
					}
				})
			}
			time.Sleep(2 * lastsAfter)
			var mu sync.Mutex
			sent := make(map[keys.Identity]int)
			n.mu.Lock()
			n.seen = func(c keys.Identity, _ wire.MixPacket, _ time.Time) {
				mu.Lock()
				defer mu.Unlock()
				sent[c]++
			}
			n.dialed = func(g keys.Identity) {
				steps = append(steps, slices.IndexFunc(gateways, func(n topology.Node) bool { return n.Identity == g }))
			}
			n.mu.Unlock()
			began := time.Now()
			n.shut(gateways[0].Identity, cfg.Entries[0].Identity.Public(), true)
			for alice.Address().Gateway == gateways[0].Identity {
				time.Sleep(10 * time.Millisecond)
			}
			took = time.Since(began)
			n.mu.Lock()
			n.dialed = nil // what follows are attempts to go back
			n.mu.Unlock()
			time.Sleep(10 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			// Both streams tick 55 times a second in all, whatever waits to be sent; 8σ.
			if got := sent[cfg.Entries[1].Identity.Public()]; got < 550-190 || got > 550+190 {
				t.Errorf("busy %v: %d packets in 10 s after the move, want about 550", busy, got)
			}
		})
		return steps, took
	}
	for _, busy := range []bool{false, true} {
		for range 2 {
			steps, took := moved(t, busy)
			// The gateway is tried until it was away for two thirds of moveAfter to all of
			// it; then the other answers at once.
			if took < moveAfter*2/3 || took > moveAfter+100*time.Millisecond {
				t.Errorf("busy %v: the move took %v", busy, took)
			}
			n := len(steps)
			if n < 3 || n > 7 || steps[n-1] != 1 || slices.Contains(steps[:n-1], 1) {
				t.Errorf("busy %v: gateways were tried in the order %v", busy, steps)
			}
		}
	}
}

// A connection whose other end is gone without a word looks alive.
func TestNetworkChange(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		var deaf *deafConn
		cfg := Config{Traffic: Fast(), Entries: []Entry{n.entry(0, nil)}, Topology: n.topology}
		cfg.Dial = func(ctx context.Context, url string) (session.MessageConn, error) {
			conn, err := n.dial(ctx, url)
			deaf = &deafConn{MessageConn: conn}
			return deaf, err
		}
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		n.wg.Go(func() { c.Run(ctx) })
		<-c.Ready()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := c.Stats().Reconnects; got != 1 {
			t.Fatalf("%d sessions while all is well, want 1", got)
		}
		for _, said := range []bool{true, false} {
			before := c.Stats().Reconnects
			deaf.gone.Store(true)
			began := time.Now()
			if said {
				c.NetworkChanged()
			}
			for c.Stats().Reconnects == before {
				time.Sleep(100 * time.Millisecond)
			}
			limit := 45 * time.Second // the silence, the ping, the first pause
			if said {
				limit = 7 * time.Second // the ping and the first pause
			}
			if took := time.Since(began); took > limit {
				t.Errorf("told %v: a new session took %v", said, took)
			}
		}
	})
}

// A deafConn is a connection that can be cut without a word.
type deafConn struct {
	session.MessageConn
	gone atomic.Bool
}

func (d *deafConn) Write(ctx context.Context, text bool, b []byte) error {
	if d.gone.Load() {
		return nil // into the kernel's memory
	}
	return d.MessageConn.Write(ctx, text, b)
}

func (d *deafConn) Ping(ctx context.Context) error {
	if d.gone.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return d.MessageConn.Ping(ctx)
}

// A client whose clock is wrong says so, and is let in all the same: it registers anew.
func TestWrongClockIsSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		store, id, gateway := NewMemoryStore(), keys.NewIdentityKey(), n.nw.Gateways()[0].Identity
		// It authenticated an hour ahead, and then the clock was set back.
		ahead := Registration{Key: keys.SessionFromBytes([keys.SessionSize]byte{1}), Last: time.Now().Add(time.Hour)}
		if err := store.Save(ctx, id.Public(), gateway, ahead); err != nil {
			t.Fatal(err)
		}
		n.accounts[id.Public()] = ahead.Key
		var log lockedBuffer
		n.client(0, Config{Entries: []Entry{n.entry(0, id)}, Store: store, Traffic: Fast(), Log: zerolog.New(&log)})
		if got := log.String(); strings.Count(got, "clock") != maxRefusals {
			t.Errorf("the client says %s, want %d times that a clock is wrong", got, maxRefusals)
		}
	})
}

// Without any network the pauses grow, and what is left of them ends as soon as
// it is said that the network changed.
func TestOfflineForAnHour(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		cfg := n.withFallback(Fast())
		c := n.client(0, cfg)
		time.Sleep(time.Minute)
		var dials atomic.Int64
		n.mu.Lock()
		n.dialed = func(keys.Identity) { dials.Add(1) }
		n.mu.Unlock()
		for i, g := range n.nw.Gateways() {
			n.shut(g.Identity, []keys.Identity{cfg.Entries[0].Identity.Public(), cfg.Entries[1].Identity.Public()}[i], true)
		}
		time.Sleep(time.Hour)
		if got := dials.Load(); got < 120 || got > 480 {
			t.Errorf("%d attempts in an hour without network", got)
		}
		before := c.Stats().Reconnects
		for _, g := range n.nw.Gateways() {
			n.shut(g.Identity, keys.Identity{}, false)
		}
		c.NetworkChanged()
		time.Sleep(time.Second)
		if c.Stats().Reconnects != before+1 {
			t.Error("a second after the network came back there is no session")
		}
	})
}

// A gateway that ends every session at once is left like one that is away.
func TestGatewayThatEndsSessions(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		cfg := n.withFallback(Fast())
		c := n.client(0, cfg)
		n.wg.Go(func() {
			for sleep(ctx, time.Second) == nil {
				n.mu.Lock()
				live := n.live[cfg.Entries[0].Identity.Public()]
				n.mu.Unlock()
				if live != nil {
					live.End("test")
				}
			}
		})
		time.Sleep(2 * moveAfter)
		away := 0
		for range 100 { // now and then it looks whether that has changed
			time.Sleep(time.Second)
			if c.Address().Gateway == cfg.Entries[1].Gateway {
				away++
			}
		}
		if away < 80 {
			t.Errorf("the client was at the other gateway for %d of 100 seconds", away)
		}
	})
}

// hardening.md H26: "a separate identity at each".
func TestH26EntriesThatAreRefused(t *testing.T) {
	id, gateway := keys.NewIdentityKey(), keys.NewIdentityKey().Public()
	for _, c := range []struct {
		name    string
		entries []Entry
	}{
		{"none", nil},
		{"no gateway", []Entry{{Identity: id}}},
		{"four", []Entry{{Gateway: gateway}, {Gateway: gateway}, {Gateway: gateway}, {Gateway: gateway}}},
		{"one identity at two gateways", []Entry{{gateway, id}, {keys.NewIdentityKey().Public(), id}}},
	} {
		cfg := Config{
			Entries:  c.entries,
			Topology: func(context.Context) (*topology.Network, error) { return nil, nil },
			Dial:     func(context.Context, string) (session.MessageConn, error) { return nil, nil },
		}
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}

// nodes.md §1.9: "Our client, told so by 4001, does not return at once": two
// programs with one identity do not drive each other out.
func TestAnotherProgramHasOurSession(t *testing.T) {
	for _, fallback := range []bool{false, true} {
		inBubble(t, func(t *testing.T, ctx context.Context) {
			n := newFakeNet(t, ctx, 1)
			cfg := Config{Traffic: Fast()}
			if fallback {
				cfg = n.withFallback(Fast())
			}
			c := n.client(0, cfg)
			gateway, identity := c.Address().Gateway, c.Address().Identity
			for range 3 {
				n.mu.Lock()
				live := n.live[identity]
				n.mu.Unlock()
				sessions := c.Stats().Reconnects
				live.Evict()
				time.Sleep(replacedFirst/2 - time.Second)
				if got := c.Stats().Reconnects; got != sessions {
					t.Fatalf("it returned %d times within minutes", got-sessions)
				}
				time.Sleep(3 * replacedSlow / 2)
				if got := c.Stats().Reconnects; got != sessions+1 {
					t.Fatalf("%d sessions later on, want 1", got-sessions)
				}
			}
			if c.Address().Gateway != gateway {
				t.Error("it went to another gateway")
			}
		})
	}
}
