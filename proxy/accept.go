package proxy

import (
	"cmp"
	"context"
	"errors"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// closeAfterFailure is how long the close waits behind a failure message, so
// that it does not overtake it (socks.md §21.3).
const closeAfterFailure = time.Second

// An Incoming is a stream that a stranger asks for. Exactly one of its Accept
// and Reject must be called.
type Incoming struct {
	c      *Conn
	target string
}

// Accept waits for the next stream a stranger asks for. It fails at once
// without Config.Serve, and with [ErrClosed] once Run ends.
func (p *Proxy) Accept(ctx context.Context) (*Incoming, error) {
	if !p.cfg.Serve {
		return nil, errors.New("proxy: accept: Config.Serve is not set")
	}
	select {
	case in := <-p.incoming:
		return in, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.ended:
		return nil, ErrClosed
	}
}

// Target is where the stranger wants to go, "host:port" as it was sent: the
// host may be a name or an address, an IPv6 address with brackets or without.
func (in *Incoming) Target() string { return in.target }

// Context ends when the peer gave up, and at the latest when the stream ends.
func (in *Incoming) Context() context.Context { return in.c.ctx }

// Accept tells the peer that the stream is open. It fails if the peer gave up meanwhile.
func (in *Incoming) Accept() (*Conn, error) {
	c := in.c
	c.mu.Lock()
	if c.err != nil || c.pumping {
		defer c.mu.Unlock()
		return nil, cmp.Or(c.err, ErrClosed)
	}
	c.early, c.greet = false, true
	c.idle.start(time.Now())
	c.mu.Unlock()
	if !c.p.pump(c) {
		c.fail(ErrClosed, false)
		return nil, ErrClosed
	}
	return c, nil
}

// kindPatience is how long a refusal waits for the note that tells a client of
// ours apart: its first Connect may overtake it.
const kindPatience = time.Second

// refuse makes the message that names the reason; the close follows it. The
// lock is held.
func (c *Conn) refuse(now time.Time, r Reason) {
	c.reason = ReasonUnknown
	c.refusal, _ = protocol.Response{Versions: c.peer.versions, Body: protocol.Failure{ID: c.key.id, Text: r.failureText()}}.AppendBinary(nil)
	c.end.notBefore = now.Add(closeAfterFailure)
}

// Reject tells the peer that the stream cannot be opened, and why. Peers of
// others learn the reason only if it is not one of TCP's.
func (in *Incoming) Reject(r Reason) {
	c := in.c
	now := time.Now()
	c.mu.Lock()
	stands := c.err == nil && !c.pumping
	if stands {
		c.early = false
		c.in.drop()
		c.end.localClosed, c.end.fullClosed, c.end.localClosedAt = true, true, now
		c.idle.start(now)
		switch {
		case c.kind.get() == kindOurs || r.policy():
			c.refuse(now, r)
		case c.kind.get() == kindUnknown:
			c.reason, c.end.notBefore = r, now.Add(kindPatience)
		}
	}
	c.unlock()
	if stands && !c.p.pump(c) {
		c.fail(ErrClosed, false)
	}
}

// connected takes in a Connect.
func (p *Proxy) connected(now time.Time, from mixnet.SenderTag, v protocol.Versions, m protocol.Connect) {
	to := peer{m: p.m, to: m.Return, tag: from, versions: v}
	if m.Return.IsZero() && from.IsZero() {
		p.count.malformed.Add(1) // nobody to answer
		return
	}
	k := key{tag: from, id: m.ID}
	p.mu.Lock()
	if p.conns[k] != nil || p.closed.has(now, k) || m.ID == 0 {
		p.mu.Unlock()
		p.count.repeated.Add(1)
		return
	}
	p.count.incoming.Add(1)
	sends := p.early.take(k)
	o := p.remoteOf(now, from)
	most := p.cfg.StreamsPerTag
	if from.IsZero() {
		most = p.cfg.Streams / 2 // all who show their address share this
	}
	if p.closing || len(p.conns) >= p.cfg.Streams || o.streams >= most {
		p.closed.add(now, k)
		p.mu.Unlock()
		p.refuse(to, o.kind, m.ID)
		return
	}
	c := p.newConn(now, k, to, o.kind)
	c.remote, c.early = o, true
	o.streams++
	p.remotes[from] = o
	p.conns[k] = c
	pin := !p.pinned[from] && !from.IsZero()
	if pin {
		p.pinned[from] = true
	}
	p.mu.Unlock()
	if pin {
		p.m.Pin(from, true)
	}

	for _, s := range sends {
		c.receive(now, piece{seq: s.Seq, data: s.Data, closed: s.Closed})
	}
	in := &Incoming{c: c, target: m.Target}
	select {
	case p.incoming <- in:
	default:
		p.count.refused.Add(1)
		in.Reject(ReasonLimit)
	}
}

// remoteOf finds what is known of a stranger. The lock is held.
func (p *Proxy) remoteOf(now time.Time, tag mixnet.SenderTag) *remotePeer {
	if o := p.remotes[tag]; o != nil {
		return o
	}
	o := &remotePeer{kind: &peerKind{}}
	switch {
	case tag.IsZero():
		o.kind.set(kindOther)
	case p.knownPeers.has(now, tag):
		o.kind.set(kindOurs)
	}
	return o
}

// refuse answers a Connect for which there is no room, with one message and
// without keeping anything: the reason to ours, the close to others.
func (p *Proxy) refuse(to peer, k *peerKind, id protocol.StreamID) {
	p.count.refused.Add(1)
	r := protocol.Response{Versions: to.versions, Body: protocol.Data{ID: id, Closed: true}}
	if k.get() == kindOurs {
		r.Body = protocol.Failure{ID: id, Text: ReasonLimit.failureText()}
	}
	p.answer(to, r)
}

// answer sends a small message behind the reader's back.
func (p *Proxy) answer(to peer, r protocol.Response) {
	body, err := r.AppendBinary(nil)
	if err != nil {
		return
	}
	ok := p.queue.add(func(ctx context.Context) {
		lane := p.lane()
		_ = to.send(ctx, body, lane, noSURBs, nil) // the asker has gone, or will ask again
		p.closeLaneLater(lane)
	})
	if !ok {
		p.count.busy.Add(1)
	}
}
