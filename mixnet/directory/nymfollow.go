package directory

import (
	"context"
	"errors"
	"time"
)

// lookNym follows a directory that speaks to Nym's clients.
func (c *Client) lookNym(ctx context.Context) error {
	held := make(map[string]*answer)
	failed := 0
	for {
		err := c.servers.each(ctx, func(base string) error {
			err := c.fetchNym(ctx, base, held)
			if errors.Is(err, errMixed) { // it changed between two answers
				err = c.fetchNym(ctx, base, held)
			}
			return err
		})
		wait := jitter(c.cfg.Refresh, c.rng)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failed++
			c.complain("directory not read", err, failed)
			wait = backoff(failed, c.rng)
		default:
			c.recovered("the directory is read again", &failed)
		}
		if !c.sleep(ctx, time.Now().Add(wait)) {
			return nil
		}
	}
}

// fetchNym asks for all lists of one moment. held keeps bodies for when the
// directory says that they are the same.
func (c *Client) fetchNym(ctx context.Context, base string, held map[string]*answer) error {
	var lists nymAnswers
	for _, l := range []struct {
		path string
		to   *[]byte
		want bool
	}{
		{pathRewardedSet, &lists.rewarded, true},
		{pathMixnodes + "?page=0", &lists.mixnodes, true},
		{pathGateways + "?page=0", &lists.gateways, true},
		{PathRotation, &lists.rotation, true},
		{pathSemiSkimmed + "?page=0", &lists.semi, c.cfg.Noise},
	} {
		if !l.want {
			continue
		}
		key, have := base+l.path, Hash{}
		if h := held[key]; h != nil {
			have = h.hash
		}
		a, err := c.servers.get(ctx, base, l.path, have)
		switch {
		case errors.Is(err, errNotFound) && l.path == PathRotation:
			continue // only says when the next rotation comes
		case err != nil:
			return err
		case a.body != nil:
			held[key] = a
		}
		*l.to = held[key].body
	}
	v, err := lists.view()
	if err != nil {
		return err
	}
	n, err := v.Topology()
	if err != nil {
		return err
	}
	c.install(v, n)
	return nil
}
