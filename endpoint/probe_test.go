package endpoint

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy"
	"nym-socks5/proxy/protocol"
)

// hardening.md H28: "every probe has its own tag", so that a requester learns nothing
// about the streams of applications from our own, nor which of these are one user's.
func TestH28ProbesHaveTagsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		pair := mixnettest.NewPair(mixnettest.Options{Latency: 100 * time.Millisecond, Seed: 1})
		near := proxy.New(pair.A, proxy.Config{})
		ended := make(chan struct{})
		go func() { defer close(ended); near.Run(ctx) }()
		defer func() { cancel(); <-ended; synctest.Wait() }()
		e := &Endpoint{proxy: near, requesters: &requesters{all: []*candidate{newCandidate(time.Now(), pair.B.Address())}}}
		for range 3 {
			go e.probe(ctx, HeadTarget)
		}
		go near.Dial(ctx, pair.B.Address(), "example.org:443", proxy.DialOptions{})
		connects := make(map[mixnet.SenderTag]int)
		for range 4 {
			for opened := false; !opened; {
				m, err := pair.B.Receive(ctx)
				if err != nil {
					t.Fatal(err)
				}
				r, err := protocol.ParseRequest(m.Body)
				if err != nil {
					t.Fatal(err)
				}
				if _, opened = r.Body.(protocol.Connect); opened {
					connects[m.From]++
				}
			}
		}
		if len(connects) != 4 || connects[mixnet.SenderTag{}] != 0 {
			t.Errorf("four streams came under %d tags: %v", len(connects), connects)
		}
	})
}
