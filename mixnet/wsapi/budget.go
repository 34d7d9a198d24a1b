package wsapi

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A budget bounds the bytes of requests that wait for room in the lanes of one
// program.
//
//	open ──one more does not fit, within budgetPatience──▶ used up: all are refused
//	  ▲                                                       │
//	  └─────────────── half of it is free again ──────────────┘
//
// So reading stops for a moment at most, and pings behind the requests are
// answered, however fast a program hands messages over.
type budget struct {
	max   int64
	freed chan struct{} // holds a token after bytes were given back

	mu     sync.Mutex // guards the following
	used   int64
	usedUp bool
}

func newBudget(n int64) *budget { return &budget{max: n, freed: make(chan struct{}, 1)} }

// take takes n bytes. It waits for them for a moment; its error is for the program.
func (b *budget) take(ctx context.Context, n int64) error {
	var patience <-chan time.Time
	for {
		ok, refused := b.try(n)
		switch {
		case ok:
			return nil
		case refused:
			return &failure{otherFailure, fmt.Sprintf(
				"more than %d MiB of messages wait to be sent: this one is not sent, nor are others until half of that has left", b.max>>20)}
		case patience == nil:
			t := time.NewTimer(budgetPatience)
			defer t.Stop()
			patience = t.C
		}
		select {
		case <-b.freed:
		case <-patience:
			b.mu.Lock()
			b.usedUp = true
			b.mu.Unlock()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *budget) try(n int64) (ok, refused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.usedUp = b.usedUp && b.used > b.max/2; b.usedUp {
		return false, true
	}
	if ok = b.used+n <= b.max; ok {
		b.used += n
	}
	return ok, false
}

// give gives n bytes back.
func (b *budget) give(n int64) {
	b.mu.Lock()
	b.used -= n
	b.mu.Unlock()
	select {
	case b.freed <- struct{}{}:
	default:
	}
}
