package proxy

import (
	"context"
	"errors"
	"testing"
	"time"

	"nym-socks5/mixnet"
)

// A requester answers under a tag that nothing else has, and leaves nothing behind.
func TestAsk(t *testing.T) {
	inWorld(t, rough, Config{}, Config{}, func(in *Incoming) { in.Reject(ReasonDenied) }, func(t *testing.T, w *world) {
		for range 3 { // of the second and third it is known who they are
			g, err := w.client.Ask(t.Context(), w.B.Address(), nil)
			if err != nil || !g.Ours || g.Boot != w.requester.boot || g.RoundTrip < 100*time.Millisecond {
				t.Errorf("%+v, %v", g, err)
			}
			if late := g.Began.Sub(w.requester.made); late < 0 || late > g.RoundTrip {
				t.Errorf("it is said to have begun %v late", late)
			}
		}
		w.client.mu.Lock()
		defer w.client.mu.Unlock()
		if len(w.client.identities) != 0 || len(w.client.byTag) != 0 {
			t.Errorf("%d identities are left, %d tags", len(w.client.identities), len(w.client.byTag))
		}
	})
}

func TestAskNobody(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, nil, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began, acked := time.Now(), time.Duration(0)
		_, err := w.client.Ask(ctx, w.B.Address(), func() { acked = time.Since(began) })
		if acked == 0 || acked > time.Second {
			t.Errorf("the question was acknowledged after %v", acked)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrSilent) {
			t.Errorf("got %v", err)
		}
		w.stopClient()
		w.wg.Wait()
		var open *OpenError
		if _, err := w.client.Ask(t.Context(), mixnet.Recipient{}, nil); !errors.As(err, &open) || open.Reason != ReasonNoNetwork {
			t.Errorf("after the end: %v", err)
		}
	})
}

// hardening.md H28: "every probe has its own tag": no question tells that it comes from who
// asked another, or from who has streams there.
func TestH28QuestionsHaveTagsOfTheirOwn(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, nil, func(t *testing.T, w *world) {
		for range 3 {
			go w.client.Ask(t.Context(), w.B.Address(), nil)
		}
		tags := make(map[mixnet.SenderTag]bool)
		for range 3 {
			m, err := w.B.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tags[m.From] = true
		}
		if len(tags) != 3 || tags[mixnet.SenderTag{}] {
			t.Errorf("three questions came under %d tags", len(tags))
		}
		w.stopClient()
	})
}
