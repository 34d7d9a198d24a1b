package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet/directory"
)

// HeadTarget is where a requester of ours states the head that it knows: the
// JSON text of nodes.md §4.11, and nothing else. Other requesters refuse it, as
// they refuse every name that cannot exist (socks.md §22).
const HeadTarget = "head.nym-socks5.invalid:80"

// Heads states the newest head that a program can vouch for.
type Heads struct {
	ask func(context.Context) (directory.Head, error)

	mu    sync.Mutex // guards the following
	last  directory.Head
	asked time.Time
}

// Heads gives what a requester states; nil where the directories sign nothing.
func (n *Network) Heads() *Heads {
	if !n.signed() {
		return nil
	}
	return &Heads{ask: n.dir.SignedHead}
}

// Serve states the head on a stream that was asked for at [HeadTarget].
func (h *Heads) Serve(ctx context.Context, stream net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, comparesFor)
	defer cancel()
	head := h.current(ctx)
	if head.IsZero() {
		return
	}
	b, err := json.Marshal(head)
	if err != nil {
		return
	}
	stream.SetWriteDeadline(time.Now().Add(comparesFor))
	stream.Write(b)
}

// current asks again if what it knows is old. While the directories state what
// is news to us, or nothing, the head before is as good.
func (h *Heads) current(ctx context.Context) directory.Head {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.asked) > headFresh {
		if head, err := h.ask(ctx); err == nil {
			h.last = head
		}
		h.asked = time.Now()
	}
	return h.last
}

// checkFork asks a requester through the mixnet, now and then, which network
// its directory shows it, and holds that against what ours shows us (H24). dial
// opens a stream there; nothing connects it with streams of other origin. It
// returns when ctx ends, and at a fork, which also ends the [Network].
func checkFork(ctx context.Context, dial func(ctx context.Context, target string) (net.Conn, error), compare func(context.Context, directory.Head) error, log zerolog.Logger) {
	for mean := compareFirst; ; mean = compareEvery {
		t := time.NewTimer(mean/2 + rand.N(mean))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		head, err := readHead(ctx, dial)
		if err == nil {
			err = compare(ctx, head)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, directory.ErrFork):
			log.Error().Msg("the directory shows the requester another network than us")
			return
		case errors.Is(err, directory.ErrContinuity):
			log.Warn().Err(err).Msg("the directory does not show whether the requester is shown what we are")
		case err != nil:
			log.Debug().Msg("no head to compare: the requester states none")
		default:
			log.Debug().Msg("the directory shows the requester what it shows us")
		}
	}
}

func readHead(ctx context.Context, dial func(ctx context.Context, target string) (net.Conn, error)) (h directory.Head, err error) {
	ctx, cancel := context.WithTimeout(ctx, comparesFor)
	defer cancel()
	c, err := dial(ctx, HeadTarget)
	if err != nil {
		return h, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	b, err := io.ReadAll(io.LimitReader(c, maxHead))
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("endpoint: head: %w", err)
	}
	return h, nil
}
