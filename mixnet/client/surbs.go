package client

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
	"nym-socks5/mixnet/topology"
)

// A mintJob asks for reply SURBs to be made and sent.
type grantJob struct {
	tag   mixnet.SenderTag
	to    mixnet.Recipient
	n     int
	entry *entry // where they are counted to lead
}

// grant makes reply SURBs outside the loop, since they cost as much as packets
// do, and offers them to it in messages of a few packets each: the first can be
// used before the last are made. When there is nothing to do it makes some ahead.
func (c *Client) grant(ctx context.Context) error {
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	for {
		var j grantJob
		select {
		case j = <-c.grantJobs:
		case <-c.surbCache.wake:
			quiet.Reset(makeAheadAfter)
			continue
		case <-quiet.C:
			if c.makeAhead() {
				quiet.Reset(0)
			}
			continue
		case <-ctx.Done():
			return nil
		}
		for j.n > 0 {
			n := min(j.n, perGrant)
			j.n -= n
			out := &outgoing{purpose: purposeGrant, to: j.to, tag: j.tag, entry: c.entry.Load()}
			if out.entry == j.entry {
				out.counted = n
			}
			surbs, err := c.makeSURBs(c.routes.Load(), out.entry, n) // there is a snapshot: the tag was used
			m := message.Message{Kind: message.MoreSURBs, From: j.tag, SURBs: surbs, Legacy: c.legacyLists()}
			if err == nil {
				out.surbs = surbs
				err = c.cut(out, &m)
			}
			if err != nil { // no topology just now: the estimate is found short again
				c.order(func(l *loop) {
					if j.entry == l.entry {
						l.granted.delivered(j.tag, n, false)
					}
				})
				continue
			}
			select {
			case c.offers <- out:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// A surbCache keeps reply SURBs that were made ahead, so that a message that
// begins a conversation need not wait for them. They are good for one snapshot
// of the topology, and lead to one entry.
type surbCache struct {
	wake chan struct{} // holds a token when it may have room

	mu    sync.Mutex // guards the following
	of    *topology.Network
	to    *entry
	surbs []surb.Reply
}

// keep throws away what is not for a snapshot and entry.
func (l *surbCache) keep(nw *topology.Network, h *entry) {
	if l.of != nw || l.to != h {
		l.of, l.to, l.surbs = nw, h, nil
	}
}

// take gives at most n SURBs for a snapshot and entry.
func (l *surbCache) take(nw *topology.Network, h *entry, n int) []surb.Reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer signal(l.wake)
	l.keep(nw, h)
	n = min(n, len(l.surbs))
	taken := l.surbs[:n:n]
	l.surbs = l.surbs[n:]
	return taken
}

// put adds SURBs for a snapshot and entry, and reports whether there is room for more.
func (l *surbCache) put(nw *topology.Network, h *entry, s []surb.Reply) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(nw, h)
	l.surbs = append(l.surbs, s...)
	return len(l.surbs) < madeAhead
}

// makeAhead makes a group of SURBs ahead, if there is room, and reports whether there is
// room for more: what is asked for meanwhile comes first.
func (c *Client) makeAhead() (more bool) {
	nw, h := c.routes.Load(), c.entry.Load()
	if nw == nil || !c.surbCache.put(nw, h, nil) {
		return false
	}
	surbs, err := c.makeSURBs(nw, h, sphinx.BatchSize)
	return err == nil && c.surbCache.put(nw, h, surbs)
}

// takeSURBs gives n reply SURBs that lead to us, made ahead or now, and the entry
// that they lead to.
func (c *Client) takeSURBs(n int) ([]surb.Reply, *entry, error) {
	nw, h := c.routes.Load(), c.entry.Load()
	if nw == nil {
		return nil, h, topology.ErrInsufficient
	}
	ready := c.surbCache.take(nw, h, n)
	if len(ready) == n {
		return ready, h, nil
	}
	made, err := c.makeSURBs(nw, h, n-len(ready))
	return append(ready, made...), h, err
}

// makeSURBs makes n reply SURBs that lead to an entry of ours.
func (c *Client) makeSURBs(nw *topology.Network, h *entry, n int) ([]surb.Reply, error) {
	m := c.surbMakers.Get().(*surbMaker)
	defer c.surbMakers.Put(m)
	routes, err := m.routes(nw, h.self.Gateway, c.traffic.HopDelay, n)
	if err != nil {
		return nil, err
	}
	return surb.Mint(&m.builder, c.traffic.Version, nw.Rotation(), h.self.Identity, routes)
}

// A surbMaker makes reply SURBs; whoever needs some borrows one.
type surbMaker struct {
	rng     *rand.Rand
	builder sphinx.Builder
}

// routes draws n routes to our own gateway.
func (m *surbMaker) routes(nw *topology.Network, gateway keys.Identity, delay time.Duration, n int) ([][]sphinx.Hop, error) {
	hops := make([]sphinx.Hop, 0, topology.Hops*n)
	routes := make([][]sphinx.Hop, n)
	for i := range routes {
		var err error
		if hops, err = nw.AppendRoute(hops, m.rng, gateway, delay); err != nil {
			return nil, err
		}
		routes[i] = hops[len(hops)-topology.Hops:]
	}
	return routes, nil
}
