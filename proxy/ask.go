package proxy

import (
	"context"
	"crypto/rand"
	"time"

	"nym-socks5/mixnet"
)

// Ask asks a requester who it is, under a tag that nothing else has, and waits for
// its answer (socks.md §22): a requester that answers lives, and packets reach it
// and come back. It waits for Run to begin. It fails with an [*OpenError], or that
// of ctx, which is how long to wait.
func (p *Proxy) Ask(ctx context.Context, requester mixnet.Recipient) error {
	select {
	case <-p.started:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return &OpenError{ReasonNoNetwork}
	}
	id := p.identityFor(time.Now(), isolation{"ask " + rand.Text(), requester})
	p.mu.Unlock()
	if id == nil {
		return &OpenError{ReasonLimit}
	}
	defer func() {
		p.mu.Lock()
		p.leaveIdentity(time.Now(), id)
		p.forgetIdentity(id)
		p.mu.Unlock()
		p.m.Pause(id.tag, true) // nobody will read what else comes
	}()
	if id.tag.IsZero() {
		return nil // answers would come without a tag, and could be anybody's
	}
	p.sendHello(id)
	select {
	case <-id.answered:
		return nil
	case <-p.ended:
		return &OpenError{ReasonNoNetwork}
	case <-ctx.Done():
		return ctx.Err()
	}
}
