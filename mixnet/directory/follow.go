package directory

import (
	"context"
	"errors"
	"fmt"
	"nym-socks5/mixnet/topology"
	"time"
)

// lookSigned follows a directory whose key is pinned.
func (c *Client) lookSigned(ctx context.Context) error {
	failed, asked := 0, false
	var boundary *snapshot // that asked belongs to
	for {
		now := time.Now()
		c.mu.Lock()
		if c.chain.forked != nil {
			defer c.mu.Unlock()
			return c.chain.forked
		}
		if c.chain.current != boundary {
			asked, boundary = false, c.chain.current
		}
		what, at := c.chain.plan(now, asked, c.cfg.Refresh, c.rng)
		if c.stale {
			what, at = stepFetch, now
		}
		c.mu.Unlock()
		if failed > 0 {
			at = now.Add(backoff(failed, c.rng))
		}
		if !c.sleep(ctx, at) {
			return nil
		}
		var err error
		switch what {
		case stepFetch:
			err = c.fetchInForce(ctx)
			asked = asked && err != nil
		case stepNext:
			asked = true
			if err = c.fetchTopology(ctx, PathNext); !errors.Is(err, ErrFork) {
				err = nil // the document in force will be asked for
			}
		case stepSwitch:
			c.mu.Lock()
			c.chain.advance(time.Now())
			c.mu.Unlock()
			c.show()
		}
		switch {
		case errors.Is(err, ErrFork):
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failed++
			c.complain("directory not read", err, failed)
		default:
			c.recovered("the directory is read again", &failed)
			c.save(time.Now(), false)
		}
	}
}

// fetchInForce asks for the document in force. What an earlier life kept is given up
// for it, and shown while it cannot be had.
func (c *Client) fetchInForce(ctx context.Context) error {
	asking := ctx
	if c.kept != nil {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(ctx, keptPatience)
		defer cancel()
	}
	err := c.fetchTopology(asking, PathTopology)
	switch {
	case err == nil:
		c.kept, c.stale = nil, false
		c.staleShown.Store(false)
	case ctx.Err() == nil && !errors.Is(err, ErrFork):
		c.fallBack(time.Now())
	}
	return err
}

// fetchTopology asks for a topology document and takes it into the chain.
func (c *Client) fetchTopology(ctx context.Context, path string) error {
	c.mu.Lock()
	base := c.chain.current
	c.mu.Unlock()
	if base == nil {
		base = c.kept // it may still be the same
	}
	var have Hash
	if base != nil {
		have = base.hash
	}
	return c.servers.each(ctx, func(url string) error {
		a, err := c.servers.get(ctx, url, path, have)
		if errors.Is(err, errNotFound) && path == PathTopology {
			return &AskError{Cause: err, Remedy: "is it the URL that the directory prints at its start, with or without /api at the end?"}
		}
		if err != nil {
			return err
		}
		p, err := c.open(a, base)
		if err != nil {
			return err
		}
		if err := c.connect(ctx, url, p.seal.Sequence); err != nil {
			return err
		}
		return c.take(p, path == PathTopology)
	})
}

// open verifies an answer and reads it, or takes over what was read of the same
// body before.
func (c *Client) open(a *answer, before *snapshot) (*snapshot, error) {
	seal, err := a.verify(c.cfg.Key)
	if err != nil {
		return nil, err
	}
	p := &snapshot{seal: *seal, hash: a.hash, path: a.path}
	if !seal.Verify(c.cfg.Key, p.path, p.hash) {
		p.path = a.uri
	}
	if a.body == nil {
		p.view, p.net, p.body = before.view, before.net, before.body
		return p, nil
	}
	if c.cfg.Save != nil {
		p.body = a.body
	}
	if p.view, err = ParseFile(a.body); err != nil {
		return nil, err
	}
	if c.cfg.Network != "" && p.view.Network != c.cfg.Network {
		return nil, &AskError{
			Cause:  fmt.Errorf("it is the directory of network %q, not of %q", p.view.Network, c.cfg.Network),
			Remedy: "check the network's name",
		}
	}
	if p.view.Epoch != seal.Epoch {
		return nil, fmt.Errorf("%w: document of another epoch than its seal", ErrMalformed)
	}
	p.net, err = p.view.Topology()
	if err != nil && !errors.Is(err, topology.ErrInsufficient) {
		return nil, err
	}
	return p, nil // without a net where packets cannot cross the network
}

func (c *Client) take(p *snapshot, inForce bool) error {
	c.mu.Lock()
	now, before := time.Now(), c.chain.accepted
	err := c.chain.check(&p.seal, p.hash, inForce, now)
	if err == nil {
		err = c.chain.follow(p.seal.Sequence, now)
	}
	if err == nil {
		c.chain.take(p, inForce)
	}
	lost := c.chain.lost
	c.chain.lost = 0
	c.mu.Unlock()
	if lost != 0 && before != 0 {
		c.cfg.Log.Warn().Uint64("before", lost).Uint64("seen", before).
			Msg("continuity not shown: the directory no longer shows what came between what was seen before and now")
	}
	if err == nil && inForce {
		c.show()
	}
	return err
}
