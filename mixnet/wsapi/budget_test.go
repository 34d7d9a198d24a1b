package wsapi

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet/mixnettest"
)

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		take := func(n int64, ok bool, took time.Duration) {
			t.Helper()
			began := time.Now()
			if err := b.take(t.Context(), n); (err == nil) != ok || time.Since(began) != took {
				t.Errorf("%d bytes: %v after %v; want them: %v, after %v", n, err, time.Since(began), ok, took)
			}
		}
		take(60, true, 0)
		take(40, true, 0)
		go func() {
			time.Sleep(budgetPatience / 2)
			b.give(40)
		}()
		take(30, true, budgetPatience/2) // there is room in time
		take(30, false, budgetPatience)
		take(30, false, 0) // once it is used up, nobody waits
		b.give(30)
		take(1, false, 0) // 60 are more than half
		b.give(20)
		take(60, true, 0) // open again
		ctx, cancel := context.WithTimeout(t.Context(), budgetPatience/2)
		defer cancel()
		if err := b.take(ctx, 1); err != context.DeadlineExceeded {
			t.Errorf("the program went, and %v", err)
		}
	})
}

// A program that hands over more than can leave is answered all the while, its pings
// too: reading never stops for longer than a second.
func TestPingsBesideAFullLane(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{LaneSize: 1, Latency: time.Hour}, func(t *testing.T, w *world) {
		w.server.maxQueued = 1 << 20
		p := w.connect()
		const n, size = 40, 100 << 10
		go func() {
			for i := range n {
				p.text(fmt.Sprintf(`{"type":"send","recipient":%s,"message":%q,"id":%d}`,
					quote(w.far.Address().String()), strings.Repeat("x", size), i))
			}
		}()
		pings := make(chan time.Duration, n)
		go func() {
			for range n {
				began := time.Now()
				if err := p.ws.Ping(t.Context()); err != nil {
					t.Error(err)
					return
				}
				pings <- time.Since(began)
			}
		}()
		refused := 0
		for i := range n - 1 {
			_, b, err := p.read()
			switch {
			case err != nil:
				t.Fatalf("answer %d: %v", i, err)
			case strings.Contains(string(b), "more than 1 MiB of messages wait") && strings.Contains(string(b), `"id":`):
				refused++
			case !strings.HasPrefix(string(b), `{"type":"ok"`):
				t.Fatalf("answer %d: %s", i, b)
			}
			if refused == n-10 {
				break
			}
		}
		// Ten fit, of which the first has left.
		if refused != n-10 {
			t.Errorf("%d requests were refused, want %d", refused, n-10)
		}
		go p.read() // whose pongs come
		synctest.Wait()
		for range n {
			if took := <-pings; took > 2*time.Second {
				t.Errorf("a ping took %v", took)
			}
		}
	})
}
