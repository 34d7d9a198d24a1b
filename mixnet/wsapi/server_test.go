package wsapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

// socks.md §21.8: "several peers at once: pushed messages go to peers by
// subscription, default all".
func TestSecondPeer(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		a, b := w.connect(), w.connect()
		b.text(`{"type":"getLaneQueueLength","connectionId":1}`)
		b.saysText(`{"type":"laneQueueLength","lane":1,"queue_length":0}`)
		w.tell("to both")
		a.saysMessage("to both")
		b.saysText(`{"type":"received","message":"to both","senderTag":null}`)
		if got := w.server.Stats(); got.Peers != 2 || got.Connected != 2 || got.Received != 1 {
			t.Errorf("stats %+v", got)
		}
		a.ws.Close(websocket.StatusNormalClosure, "")
		synctest.Wait()
		w.tell("to one")
		b.saysText(`{"type":"received","message":"to one","senderTag":null}`)
		if got := w.server.Stats(); got.Peers != 1 || got.Kept != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

// socks.md §17: "While no peer is connected incoming mixnet messages are buffered
// and handed to the next peer."
func TestMessagesWaitForAPeer(t *testing.T) {
	inWorld(t, Config{KeepMessages: 3, KeepBytes: 1000}, mixnettest.Options{}, func(t *testing.T, w *world) {
		for _, s := range []string{"1", "2", "3", "4", "5"} {
			w.tell(s)
		}
		if got := w.server.Stats(); got.Kept != 3 || got.Dropped != 2 || got.Received != 5 {
			t.Errorf("stats %+v", got)
		}
		p := w.connect()
		for _, s := range []string{"3", "4", "5"} {
			p.saysMessage(s)
		}
		p.ws.Close(websocket.StatusNormalClosure, "")
		synctest.Wait()
		w.tell(strings.Repeat("x", 600))
		w.tell(strings.Repeat("y", 600))
		p = w.connect()
		p.saysMessage(strings.Repeat("y", 600))
		if got := w.server.Stats(); got.Kept != 0 || got.Dropped != 3 {
			t.Errorf("stats %+v", got)
		}
		w.stop()
		if n := strings.Count(w.log.String(), "messages are dropped"); n != 2 {
			t.Errorf("warned %d times, want 2", n)
		}
	})
}

// A program that does not read is disconnected; the others, and the reader of
// the Messenger, do not wait for it, and nothing is lost if it was the last.
func TestSlowPeerIsDisconnected(t *testing.T) {
	inWorld(t, Config{Outbox: 1 << 20}, mixnettest.Options{}, func(t *testing.T, w *world) {
		slow, quick := w.connect(), w.connect()
		large := strings.Repeat("x", 100<<10)
		const all = 40 // more than the outbox and the connection hold
		for i := range all {
			w.tell(fmt.Sprintf("%02d%s", i, large))
			quick.saysMessage(fmt.Sprintf("%02d%s", i, large))
		}
		if got := w.server.Stats(); got.Peers != 1 || got.Kept != 0 {
			t.Errorf("stats %+v, want one peer left", got)
		}
		n := 0
		for ; ; n++ {
			if _, _, err := slow.read(); err != nil {
				break
			}
		}
		if n >= all {
			t.Error("the slow one got everything")
		}
		quick.ws.CloseNow()
		synctest.Wait()

		slow = w.connect()
		for i := range all {
			w.tell(fmt.Sprintf("%02d%s", i, large))
		}
		if got := w.server.Stats(); got.Peers != 0 || got.Kept < all/2 {
			t.Errorf("stats %+v, want most messages kept", got)
		}
		seen := make(map[string]bool)
		next := w.connect()
		for _, p := range []*program{slow, next} {
			for len(seen) < all {
				_, b, err := p.read()
				if err != nil {
					break
				}
				r, err := parseResponse(b)
				if err != nil {
					t.Fatal(err)
				}
				seen[string(r.message[:2])] = true
			}
		}
		if len(seen) != all {
			t.Errorf("%d of %d messages seen", len(seen), all)
		}
	})
}

func TestTooManyPeers(t *testing.T) {
	inWorld(t, Config{MaxPeers: 2}, mixnettest.Options{}, func(t *testing.T, w *world) {
		w.connect()
		b := w.connect()
		_, resp, err := w.dial("ws://"+addr, nil)
		if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("got %v, %v; want status 503", resp, err)
		}
		b.ws.Close(websocket.StatusNormalClosure, "")
		synctest.Wait()
		w.connect()
		if got := w.server.Stats(); got.Refused != 1 || got.Connected != 3 {
			t.Errorf("stats %+v", got)
		}
	})
}

// At the end of the server programs are told so.
func TestGoingAway(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		polite, mute := w.connect(), w.connect()
		closed := make(chan error, 1)
		go func() {
			_, _, err := polite.read()
			closed <- err
		}()
		synctest.Wait()
		before := time.Now()
		w.stop()
		if err := <-closed; websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("got %v, want status %d", err, websocket.StatusGoingAway)
		}
		if took := time.Since(before); took > 2*closePatience {
			t.Errorf("ended after %v, because of one who does not answer", took)
		}
		mute.ws.CloseNow()
	})
}

func TestEndsWithTheMessenger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pair := mixnettest.NewPair(mixnettest.Options{})
		s, err := New(Config{Messenger: pair.A})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := simnet.New().Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		pair.A.Close()
		if err := s.Run(t.Context(), ln); err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("got %v, want %v", err, mixnet.ErrClosed)
		}
	})
}

func TestEndsWithTheListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Messenger: mixnettest.NewPair(mixnettest.Options{}).A})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := simnet.New().Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		if err := s.Run(t.Context(), ln); err == nil || !strings.HasPrefix(err.Error(), "wsapi: accept:") {
			t.Errorf("got %v, want that accepting failed", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	m := mixnettest.NewPair(mixnettest.Options{}).A
	for _, cfg := range []Config{
		{}, {Messenger: m, MaxPeers: -1}, {Messenger: m, KeepBytes: -1}, {Messenger: m, KeepMessages: -1}, {Messenger: m, Outbox: -1},
		{Messenger: m, Origins: []string{"http://localhost", "null"}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}
