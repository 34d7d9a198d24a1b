package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Compare holds a head that somebody else states against what we saw. Where it
// names a document that is not remembered, the directory is asked for the links
// to those that are. Compare fails with [ErrFork] if the directory showed us
// something else, and then Run ends too; with [ErrSignature] if the head is not
// the directory's; with [ErrContinuity] if it is older than what the directory
// shows. A head that is news to us is remembered, until its document comes.
func (c *Client) Compare(ctx context.Context, h Head) error {
	if c.cfg.Key.IsZero() {
		return nil
	}
	if !h.Verify(c.cfg.Key) {
		return ErrSignature
	}
	c.mu.Lock()
	ask, err := c.chain.compare(h, time.Now())
	c.mu.Unlock()
	if ask {
		err = c.prove(ctx, h)
	}
	if errors.Is(err, ErrFork) {
		select {
		case c.forks <- struct{}{}:
		default:
		}
	}
	return err
}

// SignedHead asks the directories for the head that they state, and gives it if
// it names a document we have seen: that is what we can vouch for to others. It
// fails with [ErrFork] as Compare does, and with an error where it is news to us.
func (c *Client) SignedHead(ctx context.Context) (h Head, err error) {
	if c.cfg.Key.IsZero() {
		return h, errors.New("directory: no key is pinned")
	}
	servers := Servers{bases: c.servers.bases, fetch: c.servers.fetch}
	err = servers.each(ctx, func(base string) error {
		a, err := servers.get(ctx, base, PathHead, Hash{})
		if err != nil {
			return err
		}
		h = Head{}
		if err := json.Unmarshal(a.body, &h); err != nil {
			return err
		}
		return c.Compare(ctx, h)
	})
	if err != nil {
		return Head{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chain.known[h.Sequence].topology != h.Topology {
		return Head{}, errors.New("directory: the head is newer than what was seen")
	}
	return h, nil
}

// prove asks for the links between a head that is not remembered and a document
// that is. Only one is asked for at a time.
func (c *Client) prove(ctx context.Context, h Head) error {
	select {
	case c.proving <- struct{}{}:
		defer func() { <-c.proving }()
	case <-ctx.Done():
		return ctx.Err()
	}
	servers := Servers{bases: c.servers.bases, fetch: c.servers.fetch}
	return servers.each(ctx, func(base string) error {
		c.mu.Lock()
		to, ok := c.chain.above(h.Sequence)
		c.mu.Unlock()
		if !ok || to-h.Sequence > maxPages*MaxLinks {
			return fmt.Errorf("%w: document %d is too far from those that are remembered", ErrContinuity, h.Sequence)
		}
		p := &proof{head: h, to: to}
		for from := h.Sequence; ; from = p.at + 1 {
			piece, err := c.history(ctx, &servers, base, from)
			switch {
			case errors.Is(err, errNotFound), err == nil && from == h.Sequence && piece.From != from:
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.chain.unproved(h, time.Now())
			case err != nil:
				return err
			}
			done, err := p.fold(piece)
			if err != nil {
				return err
			}
			if done {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.chain.prove(p)
			}
		}
	})
}

// connect has a directory show what lies between the documents that we know and
// document n.
func (c *Client) connect(ctx context.Context, base string, n uint64) error {
	c.mu.Lock()
	from, ok := c.chain.lacks(n)
	c.mu.Unlock()
	restart := ok && n-from > maxPages*MaxLinks
	if restart {
		from = n
	}
	for page := 0; ok; page++ {
		if page > maxPages {
			return fmt.Errorf("%w: the history up to document %d has no end", ErrContinuity, n)
		}
		h, err := c.history(ctx, c.servers, base, from)
		if errors.Is(err, errNotFound) {
			return fmt.Errorf("%w: it shows no history", ErrContinuity)
		}
		if err != nil {
			return err
		}
		c.mu.Lock()
		if restart && h.From == n {
			c.chain.restart(h)
		}
		from, err = c.chain.extend(h, from, n, time.Now())
		c.mu.Unlock()
		if err != nil {
			return err
		}
		ok = from != 0
	}
	return nil
}

// history asks a directory for a piece of its history.
func (c *Client) history(ctx context.Context, s *Servers, base string, from uint64) (*History, error) {
	a, err := s.get(ctx, base, PathHistory(from), Hash{})
	if err != nil {
		return nil, err
	}
	if _, err := a.verify(c.cfg.Key); err != nil {
		return nil, err
	}
	h := new(History)
	if err := decode(a.body, h); err != nil {
		return nil, err
	}
	if c.cfg.Network != "" && h.Network != c.cfg.Network {
		return nil, fmt.Errorf("%w: history of another network", ErrMalformed)
	}
	return h, nil
}
