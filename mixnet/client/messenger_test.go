package client_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"nym-socks5/internal/simnet"
	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/messengertest"
	"nym-socks5/mixnet/wire"
)

// A Client is a Messenger.
func TestMessenger(t *testing.T) {
	const laneRoom = 256
	messengertest.Run(t, func(t *testing.T) messengertest.World {
		var cut atomic.Bool
		inside := simnet.New()
		parts := 0
		n, err := localnet.New(localnet.Spec{
			Traffic: client.Fast(), MixesPerLayer: 1,
			Addr:   func(string) string { parts++; return fmt.Sprintf("10.0.0.%d:1789", parts) },
			SOCKS:  "10.9.0.1:1080",
			Listen: inside.Listen, Dial: inside.DialContext,
			Filter: func(mixnet.NodeAddr, wire.Frame) bool { return !cut.Load() },
		})
		if err != nil {
			t.Fatal(err)
		}
		run := func(what string, f func(context.Context) error) (end func()) {
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if err := f(ctx); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}()
			return func() { stop(); <-ended }
		}
		t.Cleanup(run("network", n.Run)) // ends last
		<-n.Ready()
		w := messengertest.World{Cut: cut.Store, LaneRoom: laneRoom}
		for i, m := range []*mixnet.Messenger{&w.A, &w.B} {
			c, err := n.NewClient(client.Config{
				Entries: []client.Entry{{Gateway: n.Topology().Gateways()[i].Identity}}, Traffic: client.Fast(), LaneRoom: laneRoom,
			})
			if err != nil {
				t.Fatal(err)
			}
			end := run("client", c.Run)
			t.Cleanup(end)
			<-c.Ready()
			*m = c
			if i == 0 {
				w.End = end
			}
		}
		return w
	})
}
