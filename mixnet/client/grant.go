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
type mintJob struct {
	tag  mixnet.SenderTag
	to   mixnet.Recipient
	n    int
	home *home // where they are counted to lead
}

// grant makes reply SURBs outside the loop, since they cost as much as packets
// do, and offers them to it in messages of a few packets each: the first can be
// used before the last are made. When there is nothing to do it makes some ahead.
func (c *Client) grant(ctx context.Context) error {
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	for {
		var j mintJob
		select {
		case j = <-c.mint:
		case <-c.ahead.wake:
			quiet.Reset(prepareAfter)
			continue
		case <-quiet.C:
			if c.prepare() {
				quiet.Reset(0)
			}
			continue
		case <-ctx.Done():
			return nil
		}
		for j.n > 0 {
			n := min(j.n, perGrant)
			j.n -= n
			out := &outgoing{purpose: purposeGrant, to: j.to, tag: j.tag, home: c.home.Load()}
			if out.home == j.home {
				out.counted = n
			}
			surbs, err := c.mintSURBs(c.network.Load(), out.home, n) // there is a picture: the tag was used
			m := message.Message{Kind: message.MoreSURBs, From: j.tag, SURBs: surbs, Legacy: c.legacyLists()}
			if err == nil {
				out.surbs = surbs
				err = c.cut(out, &m)
			}
			if err != nil { // no topology just now: the stock is found short again
				c.order(func(l *loop) {
					if j.home == l.home {
						l.stocks.delivered(j.tag, n, false)
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

// preparedSURBs is how many are made ahead: what the first message under a tag
// usually carries.
const preparedSURBs = 20

// prepareAfter is how long after the last were taken new ones are made: what
// they were taken for comes first.
const prepareAfter = 100 * time.Millisecond

// A larder keeps reply SURBs that were made ahead, so that a message that
// begins a conversation need not wait for them. They are good for one picture
// of the network, and lead to one home.
type larder struct {
	wake chan struct{} // holds a token when it may have room

	mu    sync.Mutex // guards the following
	of    *topology.Network
	to    *home
	surbs []surb.Reply
}

// keep throws away what is not for a picture and home.
func (l *larder) keep(nw *topology.Network, h *home) {
	if l.of != nw || l.to != h {
		l.of, l.to, l.surbs = nw, h, nil
	}
}

// take gives at most n SURBs for a picture and home.
func (l *larder) take(nw *topology.Network, h *home, n int) []surb.Reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer signal(l.wake)
	l.keep(nw, h)
	n = min(n, len(l.surbs))
	taken := l.surbs[:n:n]
	l.surbs = l.surbs[n:]
	return taken
}

// put adds SURBs for a picture and home, and reports whether there is room for more.
func (l *larder) put(nw *topology.Network, h *home, s []surb.Reply) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(nw, h)
	l.surbs = append(l.surbs, s...)
	return len(l.surbs) < preparedSURBs
}

// prepare makes a SURB ahead, if there is room, and reports whether there is
// room for more: what is asked for meanwhile comes first.
func (c *Client) prepare() (more bool) {
	nw, h := c.network.Load(), c.home.Load()
	if nw == nil || !c.ahead.put(nw, h, nil) {
		return false
	}
	surbs, err := c.mintSURBs(nw, h, 1)
	return err == nil && c.ahead.put(nw, h, surbs)
}

// takeSURBs gives n reply SURBs that lead to us, made ahead or now, and the home
// that they lead to.
func (c *Client) takeSURBs(n int) ([]surb.Reply, *home, error) {
	nw, h := c.network.Load(), c.home.Load()
	if nw == nil {
		return nil, h, topology.ErrInsufficient
	}
	ready := c.ahead.take(nw, h, n)
	if len(ready) == n {
		return ready, h, nil
	}
	made, err := c.mintSURBs(nw, h, n-len(ready))
	return append(ready, made...), h, err
}

// mintSURBs makes n reply SURBs that lead to a home of ours.
func (c *Client) mintSURBs(nw *topology.Network, h *home, n int) ([]surb.Reply, error) {
	m := c.minters.Get().(*minter)
	defer c.minters.Put(m)
	routes, err := m.routes(nw, h.self.Gateway, c.traffic.HopDelay, n)
	if err != nil {
		return nil, err
	}
	return surb.Mint(&m.builder, c.traffic.Version, nw.Rotation(), h.self.Identity, routes)
}

// A minter makes reply SURBs; whoever needs some borrows one.
type minter struct {
	rng     *rand.Rand
	builder sphinx.Builder
}

// routes draws n routes to our own gateway.
func (m *minter) routes(nw *topology.Network, gateway keys.Identity, delay time.Duration, n int) ([][]sphinx.Hop, error) {
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
