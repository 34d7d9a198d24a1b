package endpoint

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy"
	"nym-socks5/proxy/requester"
)

// hardening.md H24: "Gateways and requesters state the head they know; clients
// compare heads through the mixnet and stop with a clear error on a fork."
func TestH24HeadsAreComparedThroughTheMixnet(t *testing.T) {
	ours := directory.Head{Network: "test", Sequence: 7, Topology: directory.Hash{1}}
	theirs := ours
	theirs.Topology = directory.Hash{2}
	for _, c := range []struct {
		name   string
		states *directory.Head // nil: a requester that knows nothing of heads
		fork   bool
		says   string
	}{
		{"the same", &ours, false, "what it shows us"},
		{"another", &theirs, true, "shows the requester another network"},
		{"none", &directory.Head{}, false, "states none"},
		{"a stranger's requester", nil, false, "states none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer synctest.Wait()
				defer cancel()
				pair := mixnettest.NewPair(mixnettest.Options{Latency: 100 * time.Millisecond, Seed: 1})
				near, far := proxy.New(pair.A, proxy.Config{}), proxy.New(pair.B, proxy.Config{Serve: true})
				cfg := requester.Config{
					Accept: requester.Streams(far),
					Allow:  func(string, netip.Addr, uint16) error { return errors.New("nothing is allowed") },
				}
				asked := 0
				if c.states != nil {
					h := &Heads{ask: func(context.Context) (directory.Head, error) { asked++; return *c.states, nil }}
					cfg.Services = map[string]func(context.Context, net.Conn){HeadTarget: h.Serve}
				}
				go near.Run(ctx)
				go far.Run(ctx)
				go requester.New(cfg).Run(ctx)

				var log bytes.Buffer // one goroutine writes, and we read when it sleeps
				var compared []directory.Head
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					checkFork(ctx, func(ctx context.Context, target string) (net.Conn, error) {
						s, err := near.Dial(ctx, pair.B.Address(), target, proxy.DialOptions{})
						if err != nil {
							return nil, err
						}
						return s, nil
					}, func(_ context.Context, h directory.Head) error {
						compared = append(compared, h)
						if h != ours {
							return directory.ErrFork
						}
						return nil
					}, zerolog.New(&log))
				}()
				time.Sleep(2*compareFirst + 5*compareEvery)
				synctest.Wait()
				if !strings.Contains(log.String(), c.says) {
					t.Errorf("the client says %s, want %q", &log, c.says)
				}
				select {
				case <-ended:
					if !c.fork || len(compared) != 1 {
						t.Errorf("it ended after %d comparisons, without a fork", len(compared))
					}
				default:
					if c.fork {
						t.Error("it goes on after a fork")
					}
					if c.says == "what it shows us" && (len(compared) < 4 || asked < 4) {
						t.Errorf("%d comparisons in five hours, %d questions", len(compared), asked)
					}
				}
			})
		})
	}
}

// A requester vouches for what it saw last while the directories are away.
func TestHeadsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := directory.Head{Network: "test", Sequence: 7}
		var away bool
		asked := 0
		h := &Heads{ask: func(context.Context) (directory.Head, error) {
			asked++
			if away {
				return directory.Head{}, errors.New("away")
			}
			return want, nil
		}}
		for i := range 10 {
			away = i >= 5
			time.Sleep(headFresh / 4)
			if got := h.current(t.Context()); got != want {
				t.Errorf("question %d: got %+v", i, got)
			}
		}
		if asked != 2 && asked != 3 {
			t.Errorf("the directories were asked %d times in two and a half minutes", asked)
		}
	})
}
