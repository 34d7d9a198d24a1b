package localnet

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// A requester has room for its users: at Nym's pace each is bound by its own
// reply SURBs, and all together by nothing below 3 200 packets a second (H33).
func TestStreamOfEachUserIsBoundByItself(t *testing.T) {
	onlyFigures(t)
	for _, c := range []struct {
		users int
		least float64 // bytes a second of all together
	}{
		{1, 130e3},
		{10, 1.2e6},
	} {
		t.Run(fmt.Sprint(c.users), func(t *testing.T) {
			inWorld(t, Spec{}, func(w *world) {
				const warmUp, span = 4 * time.Second, 2 * time.Second
				w.serve(80, func(c net.Conn) {
					for b := make([]byte, 64<<10); ; {
						if _, err := c.Write(b); err != nil {
							return
						}
					}
				})
				var got atomic.Int64
				var wg sync.WaitGroup
				defer wg.Wait()
				for range c.users {
					e, err := w.Join(w.ctx, endpoint.Config{Requesters: []mixnet.Recipient{w.Requester()}, Keys: newKeys()})
					if err != nil {
						t.Fatal(err)
					}
					s, err := e.DialContext(w.ctx, "tcp", fmt.Sprintf("%s:80", targetHost))
					if err != nil {
						t.Fatal(err)
					}
					wg.Go(func() {
						for b := make([]byte, 64<<10); ; {
							n, err := s.Read(b)
							if got.Add(int64(n)); err != nil {
								return
							}
						}
					})
					defer s.Close()
				}
				time.Sleep(warmUp)
				before := got.Load()
				time.Sleep(span)
				rate := float64(got.Load()-before) / span.Seconds()
				s := w.back.Messenger().(*client.Client).Stats()
				t.Logf("%d users: %.0f kB/s together; one packet every %v, %d of %d sent again", c.users, rate/1e3, s.SendEvery, s.SentAgain, s.SentData)
				if rate < c.least {
					t.Errorf("%d users: %.0f kB/s together, want %.0f", c.users, rate/1e3, c.least/1e3)
				}
			})
		})
	}
}
