package client

import (
	"context"
	"slices"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// A client that is everywhere is reached at each of its entries, answers what came by any, and
// goes on when one is gone: at once, with the same tags and reply SURBs.
func TestEverywhere(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		cfg := n.withFallback(Fast())
		cfg.Everywhere = true
		bob, alice := n.client(0, cfg), n.client(1, Config{Traffic: Fast()})
		time.Sleep(time.Second)
		addrs := bob.Addresses()
		if len(addrs) != 2 || addrs[0].Gateway != cfg.Entries[0].Gateway || addrs[1].Gateway != cfg.Entries[1].Gateway || addrs[0].Encryption != addrs[1].Encryption {
			t.Fatalf("reached at %v", addrs)
		}
		tag := mixnet.NewSenderTag()
		exchange := func(what string, at mixnet.Recipient, surbs int) {
			t.Helper()
			began := time.Now()
			alice.send(at, []byte(what), mixnet.SendOptions{As: tag, SURBs: surbs})
			m := bob.want([]byte(what))
			bob.reply(m.From, []byte("answer to "+what), mixnet.SendOptions{})
			alice.want([]byte("answer to " + what))
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: an exchange took %v", what, took)
			}
		}
		exchange("by the first", addrs[0], 20)
		exchange("by the second", addrs[1], -1) // answered with what came by the first
		for i, name := range []string{"the first is gone", "the second is gone"} {
			n.shut(cfg.Entries[i].Gateway, cfg.Entries[i].Identity.Public(), true)
			exchange(name, addrs[1-i], -1)
			n.shut(cfg.Entries[i].Gateway, keys.Identity{}, false)
			time.Sleep(time.Minute) // it is there again
			exchange("it is back", addrs[i], -1)
		}
		if got := bob.Addresses(); !slices.Equal(got, addrs) {
			t.Errorf("its addresses were %v and are %v", addrs, got)
		}
	})
}

// It is ready when its first entry is there, whose address others are told; and a while
// later without it.
func TestEverywhereIsReady(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		for _, away := range []time.Duration{5 * time.Second, time.Minute} {
			n := newFakeNet(t, ctx, 1)
			cfg := n.withFallback(Fast())
			cfg.Everywhere, cfg.Topology, cfg.Dial = true, n.topology, n.dial
			n.shut(cfg.Entries[0].Gateway, keys.Identity{}, true)
			c, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			n.wg.Go(func() { c.Run(ctx) })
			time.AfterFunc(away, func() { n.shut(cfg.Entries[0].Gateway, keys.Identity{}, false) })
			began := time.Now()
			<-c.Ready()
			if took := time.Since(began); took < min(away, firstEntry) || took > firstEntry {
				t.Errorf("away for %v: ready after %v", away, took)
			}
		}
	})
}

// What is on its way to an address that is gone arrives at another one.
func TestRedirect(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		cfg := n.withFallback(Fast())
		cfg.Everywhere = true
		bob, alice := n.client(0, cfg), n.client(1, Config{Traffic: Fast(), LaneRoom: 4})
		time.Sleep(time.Second)
		addrs := bob.Addresses()
		n.shut(cfg.Entries[0].Gateway, cfg.Entries[0].Identity.Public(), true)
		done := make(chan error, 10)
		for i := range 10 { // some are queued, some are on their way, some wait for room
			n.wg.Go(func() {
				body := append([]byte{byte(i)}, randomBody(3000)...)
				alice.Send(ctx, addrs[0], body, mixnet.SendOptions{Lane: 1, Done: func(err error) { done <- err }})
			})
		}
		time.Sleep(10 * time.Second)
		if len(done) > 0 {
			t.Fatal("something arrived where nobody is")
		}
		alice.Redirect(addrs[0], addrs[1])
		for range 10 {
			if err := <-done; err != nil {
				t.Error(err)
			}
			if _, err := bob.Receive(ctx); err != nil {
				t.Error(err)
			}
		}
	})
}
