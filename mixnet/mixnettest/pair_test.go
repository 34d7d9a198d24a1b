package mixnettest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/messengertest"
	. "nym-socks5/mixnet/mixnettest"
)

func send(t *testing.T, p *Pair, b byte, o mixnet.SendOptions) {
	t.Helper()
	if err := p.A.Send(t.Context(), p.B.Address(), []byte{b}, o); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, e *End) mixnet.Message {
	t.Helper()
	m, err := e.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Tags go where they belong: From on anonymous messages, To on replies.
func TestTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPair(Options{Latency: time.Second})
		tag := mixnet.NewSenderTag()
		if err := p.B.Reply(t.Context(), tag, []byte("x"), mixnet.SendOptions{}); !errors.Is(err, mixnet.ErrUnknownTag) {
			t.Errorf("reply to a stranger never heard of: %v", err)
		}
		start := time.Now()
		acked := make(chan time.Duration, 1)
		send(t, p, 1, mixnet.SendOptions{As: tag, Done: func(err error) {
			if err != nil {
				t.Errorf("done with %v", err)
			}
			acked <- time.Since(start)
		}})
		if m := receive(t, p.B); m.From != tag || !m.To.IsZero() || m.Body[0] != 1 || time.Since(start) != time.Second {
			t.Errorf("got %+v after %v", m, time.Since(start))
		}
		if err := p.B.Reply(t.Context(), tag, []byte("y"), mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		if m := receive(t, p.A); m.To != tag || !m.From.IsZero() || string(m.Body) != "y" {
			t.Errorf("got %+v", m)
		}
		send(t, p, 2, mixnet.SendOptions{})
		if m := receive(t, p.B); !m.From.IsZero() || !m.To.IsZero() {
			t.Errorf("plain message with tags: %+v", m)
		}
		if d := <-acked; d != 2*time.Second {
			t.Errorf("acknowledged after %v, want there and back", d)
		}
		if p.A.Address() == p.B.Address() || p.A.Address().IsZero() {
			t.Error("addresses are not two")
		}
	})
}

func TestOrderKeptOrNot(t *testing.T) {
	order := func(o Options) (got []byte) {
		synctest.Test(t, func(t *testing.T) {
			p := NewPair(o)
			for b := range byte(100) {
				send(t, p, b, mixnet.SendOptions{})
			}
			time.Sleep(time.Hour)
			for p.B.Waiting() > 0 {
				got = append(got, receive(t, p.B).Body[0])
			}
		})
		return got
	}
	if got := order(Options{Latency: time.Second}); len(got) != 100 || !slices.IsSorted(got) {
		t.Errorf("without jitter: %v", got)
	}
	if got := order(Options{Latency: time.Second, Jitter: time.Second}); len(got) != 100 || slices.IsSorted(got) {
		t.Errorf("with jitter: %v", got)
	}
	if got := order(Options{Latency: time.Second, Loss: 0.3}); len(got) != 100 || slices.IsSorted(got) {
		t.Errorf("with loss: %v", got)
	}
	if got := order(Options{Latency: time.Second, Duplicate: 0.5}); len(got) < 120 || len(got) > 180 {
		t.Errorf("with doubles: %d messages", len(got))
	}
	if got := order(Options{Latency: time.Second, Vanish: 0.5}); len(got) < 20 || len(got) > 80 {
		t.Errorf("with half of them lost for good: %d messages", len(got))
	}
}

// A full lane makes Send wait; closing it ends what is queued, and the waiting.
func TestLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPair(Options{Latency: time.Second, LaneSize: 10, Rate: 5})
		results := make(chan error, 20)
		done := func(err error) { results <- err }
		for b := range byte(10) {
			send(t, p, b, mixnet.SendOptions{Lane: 1, Done: done})
		}
		if n := p.A.LaneLen(1); n != 10 {
			t.Errorf("lane of %d, want 10", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := p.A.Send(ctx, p.B.Address(), []byte{99}, mixnet.SendOptions{Lane: 1}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("send to a full lane: %v", err)
		}
		send(t, p, 50, mixnet.SendOptions{Lane: 2}) // another lane has room
		waited := make(chan error)
		go func() {
			waited <- p.A.Send(t.Context(), p.B.Address(), []byte{99}, mixnet.SendOptions{Lane: 1})
		}()
		time.Sleep(time.Second) // five have left, none is acknowledged
		p.A.CloseLane(1)
		if err := <-waited; !errors.Is(err, mixnet.ErrLaneClosed) {
			t.Errorf("waiting send: %v", err)
		}
		time.Sleep(time.Minute)
		if n := p.B.Waiting(); n != 6 {
			t.Errorf("%d messages arrived, want 5 of the lane and 1 of the other", n)
		}
		if len(results) != 10 || p.A.LaneLen(1) != 0 || p.A.Lanes() != 1 {
			t.Errorf("%d results, lane of %d, %d lanes", len(results), p.A.LaneLen(1), p.A.Lanes())
		}
	})
}

// Replies wait for reply SURBs, of which a reserve is kept.
func TestSURBs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPair(Options{Latency: time.Second, CountSURBs: true})
		tag := mixnet.NewSenderTag()
		send(t, p, 1, mixnet.SendOptions{As: tag, SURBs: 15})
		receive(t, p.B)
		p.A.Pause(tag, true)
		for b := range byte(8) {
			if err := p.B.Reply(t.Context(), tag, []byte{b}, mixnet.SendOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if n := p.A.Waiting(); n != 15-Reserve {
			t.Errorf("%d replies arrived, want %d", n, 15-Reserve)
		}
		if surbs, waiting := p.B.Pool(tag); surbs != Reserve || waiting != 3 {
			t.Errorf("%d SURBs left, %d replies wait", surbs, waiting)
		}
		p.A.Pause(tag, false)
		time.Sleep(time.Minute)
		if n := p.A.Waiting(); n != 8 {
			t.Errorf("%d replies arrived after a grant, want all 8", n)
		}
		if paused, surbs := p.A.Paused(tag); paused || surbs != Supply || len(p.A.Tags()) != 1 {
			t.Errorf("%d SURBs are out, want %d", surbs, Supply)
		}
	})
}

func TestVanishedAndHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPair(Options{Latency: time.Second, Vanish: 1, GiveUp: time.Minute})
		start := time.Now()
		given := make(chan error, 1)
		send(t, p, 1, mixnet.SendOptions{Done: func(err error) { given <- err }})
		if err := <-given; !errors.Is(err, mixnet.ErrGivenUp) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		p = NewPair(Options{Latency: time.Second})
		p.A.HoldAcks(true)
		send(t, p, 1, mixnet.SendOptions{Done: func(err error) { given <- err }})
		time.Sleep(time.Hour)
		select {
		case <-given:
			t.Error("acknowledged")
		default:
		}
		p.A.HoldAcks(false)
		if err := <-given; err != nil {
			t.Errorf("done with %v", err)
		}
		p.A.Close()
		if _, err := p.A.Receive(t.Context()); !errors.Is(err, mixnet.ErrClosed) {
			t.Errorf("receive: %v", err)
		}
		if err := p.A.Send(t.Context(), p.B.Address(), nil, mixnet.SendOptions{}); !errors.Is(err, mixnet.ErrClosed) {
			t.Errorf("send: %v", err)
		}
	})
}

// An End is a Messenger.
func TestMessenger(t *testing.T) {
	messengertest.Run(t, func(*testing.T) messengertest.World {
		p := NewPair(Options{Latency: 10 * time.Millisecond, CountSURBs: true})
		return messengertest.World{A: p.A, B: p.B, Cut: p.Cut, End: p.A.Close, LaneRoom: 200}
	})
}
