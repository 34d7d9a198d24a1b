package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"nym-socks5/mixnet"
)

// Ask asks a requester who it is, under a tag that nothing else has, and waits for
// its answer (socks.md §22): a requester that answers lives, and packets reach it
// and come back. It waits for Run to begin. If acked is set, it is called when the
// requester's gateway has the question. It fails with an [*OpenError], or that of ctx,
// which is how long to wait, joined with [ErrSilent] if the gateway has the question.
func (p *Proxy) Ask(ctx context.Context, requester mixnet.Recipient, acked func()) (g Greeting, err error) {
	select {
	case <-p.started:
	case <-ctx.Done():
		return g, ctx.Err()
	}
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return g, &OpenError{ReasonNoNetwork}
	}
	began := time.Now()
	id := p.identityFor(began, isolation{"ask " + rand.Text(), requester})
	p.mu.Unlock()
	if id == nil {
		return g, &OpenError{ReasonLimit}
	}
	defer func() {
		p.mu.Lock()
		p.leaveIdentity(time.Now(), id)
		p.forgetIdentity(id)
		p.mu.Unlock()
		p.m.Pause(id.tag, true) // nobody will read what else comes
	}()
	if id.tag.IsZero() {
		return g, nil // answers would come without a tag, and could be anybody's
	}
	p.sendHello(id)
	has := id.acked
	for {
		select {
		case <-id.answered:
			p.mu.RLock()
			defer p.mu.RUnlock()
			id.greeting.RoundTrip = id.greeting.at.Sub(began)
			return id.greeting, nil
		case <-has:
			has = nil
			if acked != nil {
				acked()
			}
		case <-p.ended:
			return g, &OpenError{ReasonNoNetwork}
		case <-ctx.Done():
			if has == nil {
				return g, errors.Join(ErrSilent, ctx.Err())
			}
			return g, ctx.Err()
		}
	}
}
