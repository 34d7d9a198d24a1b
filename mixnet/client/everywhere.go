package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/session"
)

// A presence keeps a session with every entry at once, for clients whose address
// others know: messages arrive by any of them, and are sent by one.
//
//	entry 0 ──session──▶ everything that arrives ─▶ one loop
//	entry 1 ──session──▶   (one table of tags, reply SURBs and fragments)
//	      one of them ◀── everything that is sent
//
// The one to send by stays the same while its session lasts; then the first that has one takes
// its place, at once.
type presence struct {
	c *Client

	mu      sync.Mutex // guards the following
	live    []*session.Client
	at      int           // the one to send by
	late    bool          // the first was waited for long enough
	changed chan struct{} // closed when the network below may have changed
}

// stayEverywhere keeps all sessions up until ctx ends.
func (c *Client) stayEverywhere(ctx context.Context) {
	p := &presence{c: c, live: make([]*session.Client, len(c.entries)), changed: make(chan struct{})}
	var all sync.WaitGroup
	for i := range c.entries {
		all.Go(func() { p.stay(ctx, i) })
	}
	all.Go(func() {
		for {
			select {
			case <-c.changed:
				p.check()
			case <-ctx.Done():
				return
			}
		}
	})
	all.Go(func() {
		if sleep(ctx, firstEntry) == nil {
			p.without()
		}
	})
	all.Wait()
}

// without has the client be of use although its first entry, whose address others are
// told, cannot be reached.
func (p *presence) without() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = true
	if p.live[p.at] != nil {
		p.c.nowReady()
	}
}

// stay keeps the session with one entry up.
func (p *presence) stay(ctx context.Context, i int) {
	var pause backoff
	replaced := backoff{first: replacedFirst, most: replacedSlow}
	for {
		live, err := p.c.open(ctx, p.c.entries[i], dialTime)
		if err == nil {
			began := time.Now()
			p.up(i, live)
			err = live.Run(ctx)
			p.down(i)
			if time.Since(began) > steadyTime {
				pause.reset()
			}
		}
		if ctx.Err() != nil {
			return
		}
		wait := pause.next()
		if errors.Is(err, session.ErrReplaced) {
			wait = replaced.next()
			p.c.cfg.Log.Error().Int64("retry_s", int64(wait.Seconds())).Msg("another program uses this client's identity, and has the session now: stop one of them")
		} else {
			p.c.cfg.Log.Warn().Err(err).Int64("retry_ms", wait.Milliseconds()).Msg("no session with one of the gateways")
		}
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-changed:
			pause.reset()
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// up notes a session.
func (p *presence) up(i int, live *session.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live[i] = live
	if p.live[p.at] == nil || i == p.at {
		p.at = i
		p.c.adoptSession(p.c.entries[i], live)
	}
	if i == 0 || p.late {
		p.c.nowReady()
	}
}

// down notes that one has ended.
func (p *presence) down(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended := p.live[i]
	p.live[i] = nil
	if i != p.at {
		return
	}
	p.c.session.leave(ended)
	p.c.tellSession(p.c.entries[i], false)
	for j, live := range p.live {
		if live != nil {
			p.at = j
			p.c.adoptSession(p.c.entries[j], live)
			return
		}
	}
}

// check has all sessions show that they live, and attempts made at once.
func (p *presence) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, live := range p.live {
		if live != nil {
			live.Check()
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// Addresses is where the client is reached: with Config.Everywhere at all its entries,
// in their order.
func (c *Client) Addresses() (all []mixnet.Recipient) {
	if !c.cfg.Everywhere {
		return []mixnet.Recipient{c.Address()}
	}
	for _, e := range c.entries {
		all = append(all, e.self)
	}
	return all
}

// Redirect sends what waits for a recipient, or is on its way to it and not yet
// acknowledged, to another address of it.
func (c *Client) Redirect(from, to mixnet.Recipient) {
	c.order(func(l *loop) {
		turn := func(o *outgoing) bool {
			if !o.reply && o.to == from {
				o.to = to
			}
			return false
		}
		l.lanes.abandon(turn, nil)
		for _, f := range l.inflight.byID {
			if f.out != nil {
				turn(f.out)
			}
		}
		for _, t := range l.granted.byTag {
			if t.to == from {
				t.to = to
			}
		}
	})
}
