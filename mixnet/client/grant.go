package client

import (
	"context"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
)

// A mintJob asks for reply SURBs to be made and sent.
type mintJob struct {
	tag mixnet.SenderTag
	to  mixnet.Recipient
	n   int
}

// grant makes reply SURBs outside the loop, since they cost as much as packets
// do, and offers them to it in messages of a few packets each: the first can be
// used before the last are made.
func (c *Client) grant(ctx context.Context) error {
	for {
		var j mintJob
		select {
		case j = <-c.mint:
		case <-ctx.Done():
			return nil
		}
		for j.n > 0 {
			n := min(j.n, perGrant)
			j.n -= n
			out := &outgoing{purpose: purposeGrant, to: j.to, tag: j.tag, counted: n}
			surbs, err := c.mintNow(n)
			m := message.Message{Kind: message.MoreSURBs, From: j.tag, SURBs: surbs, Legacy: c.legacyLists()}
			if err == nil {
				out.surbs = surbs
				err = c.cut(out, &m)
			}
			if err != nil { // no topology just now: the stock is found short again
				c.order(func(l *loop) { l.stocks.delivered(j.tag, n, false) })
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
