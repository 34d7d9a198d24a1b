package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/topology"
)

// A backoff gives growing pauses, each drawn between a half and one and a half
// of its step, so that clients do not return in step (H05). If first and most
// are zero, steps grow from firstPause to longPause.
type backoff struct{ first, most, step time.Duration }

func (b *backoff) reset() { b.step = 0 }

func (b *backoff) next() time.Duration {
	if b.first == 0 {
		b.first, b.most = firstPause, longPause
	}
	b.step = min(max(2*b.step, b.first), b.most)
	return jitter(b.step)
}

func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d)+1))
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refresh asks for the topology again and again.
func (c *Client) refresh(ctx context.Context, networks chan<- *topology.Network) error {
	var pause backoff
	for {
		nw, err := c.cfg.Topology(ctx)
		wait := jitter(c.cfg.Refresh)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			wait = min(wait, pause.next())
			c.cfg.Log.Warn().Err(err).Int64("retry_ms", wait.Milliseconds()).Msg("no topology")
		} else {
			pause.reset()
			if c.network.Swap(nw) == nil {
				c.routes.Store(nw)
				close(c.haveTopology)
			}
			signal(c.surbCache.wake)
			select {
			case networks <- nw:
			case <-ctx.Done():
				return nil
			}
		}
		if sleep(ctx, wait) != nil {
			return nil
		}
	}
}

// A login is what is kept from one session to the next.
type login struct {
	loaded  bool             // the store was asked
	grant   Registration     // what the store has, or should have
	sealer  *protocol.Sealer // of its key; nil: not registered
	refused int              // since an authentication was accepted
}

// logIn registers or authenticates.
func (c *Client) logIn(ctx context.Context, conn session.MessageConn, h *entry) (*session.Client, error) {
	l := &h.login
	receive := func(b []byte) { c.push(ctx, b) }
	if err := c.load(ctx, h); err != nil {
		return nil, err
	}
	if l.sealer == nil {
		key, version, err := session.Register(ctx, conn, h.identity, h.self.Gateway)
		if err != nil {
			return nil, err
		}
		l.sealer, l.refused = protocol.NewSealer(key), 0
		l.grant = Registration{Key: key}
		c.save(ctx, h)
		return session.NewClient(conn, l.sealer, version, receive), nil
	}
	// Each time is a later second than the last, also across restarts and when
	// the clock goes back. It is kept before it is used.
	now := time.Now()
	if now.Unix() <= l.grant.Last.Unix() {
		now = l.grant.Last.Add(time.Second)
	}
	l.grant.Last = now.Truncate(time.Second)
	c.save(ctx, h)
	live, err := session.Authenticate(ctx, conn, h.identity, l.sealer, now, receive)
	var refusal *session.RefusedError
	if errors.As(err, &refusal) {
		if strings.Contains(refusal.Text, "already an open connection") {
			return nil, fmt.Errorf("client: %w", err) // it knows us well
		}
		l.refused++
		if l.refused >= maxRefusals || strings.Contains(refusal.Text, "not registered") {
			l.sealer = nil // the gateway has forgotten us
		}
		return nil, fmt.Errorf("client: %w", err)
	}
	if err == nil {
		l.refused = 0
	}
	return live, err
}

// load asks the store, once, whether the gateway knows us.
func (c *Client) load(ctx context.Context, h *entry) error {
	l := &h.login
	if l.loaded {
		return nil
	}
	r, ok, err := c.cfg.Store.Load(ctx, h.self.Identity, h.self.Gateway)
	if err != nil {
		return fmt.Errorf("client: load registration: %w", err)
	}
	l.loaded = true
	if ok {
		l.grant, l.sealer = r, protocol.NewSealer(r.Key)
	}
	return nil
}

// save has the store keep what is known of the gateway. If it does not, this
// session is no worse for it: the next start registers anew.
func (c *Client) save(ctx context.Context, h *entry) {
	if err := c.cfg.Store.Save(ctx, h.self.Identity, h.self.Gateway, h.login.grant); err != nil && ctx.Err() == nil {
		c.cfg.Log.Error().Err(err).Msg("registration cannot be kept")
	}
}

// push hands the loop what the gateway pushed. While the loop is behind, the
// gateway waits.
func (c *Client) push(ctx context.Context, b []byte) {
	select {
	case c.pushed <- append([]byte(nil), b...):
	case <-ctx.Done():
	case <-c.ended:
	}
}
