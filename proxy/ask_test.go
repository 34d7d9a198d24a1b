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
			if err := w.client.Ask(t.Context(), w.B.Address()); err != nil {
				t.Error(err)
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
		if err := w.client.Ask(ctx, w.B.Address()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		w.stopClient()
		w.wg.Wait()
		var open *OpenError
		if err := w.client.Ask(t.Context(), mixnet.Recipient{}); !errors.As(err, &open) || open.Reason != ReasonNoNetwork {
			t.Errorf("after the end: %v", err)
		}
	})
}
