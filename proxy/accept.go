package proxy

import (
	"context"
	"errors"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

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
	err := ErrClosed
	c.do(func(now time.Time) effects {
		switch {
		case c.s.accept(now):
			err = nil
		case c.s.err != nil:
			err = c.s.err
		}
		return 0
	})
	if err != nil {
		return nil, err
	}
	if !c.p.pump(c) {
		c.fail(ErrClosed, false)
		c.p.remove(c)
		return nil, ErrClosed
	}
	return c, nil
}

// Reject tells the peer that the stream cannot be opened, and why. Peers of
// others learn the reason only if it is not one of TCP's.
func (in *Incoming) Reject(r Reason) {
	c := in.c
	stands := false
	c.do(func(now time.Time) effects {
		stands = c.s.reject(now, r)
		return 0
	})
	if stands && !c.p.pump(c) {
		c.fail(ErrClosed, false)
		c.p.remove(c)
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
	victim, ok := (*Conn)(nil), false
	if !p.draining() {
		victim, ok = p.roomFor(now, o, most)
	}
	if !ok {
		p.closed.add(now, k)
		p.tidyRemote(from)
		p.mu.Unlock()
		p.refuse(to, o.kind, m.ID)
		return
	}
	c := p.newConn(now, k, to, o.kind, &o.share)
	c.remote = o
	o.streams++
	o.conns[c] = struct{}{}
	p.conns[k] = c
	pin := !p.pinned[from] && !from.IsZero()
	if pin {
		p.pinned[from] = true
	}
	p.mu.Unlock()
	if pin {
		p.m.Pin(from, true)
	}

	if victim != nil {
		p.count.crowded.Add(1)
		victim.fail(errCrowded, true)
	}
	for _, s := range sends {
		c.receive(piece{seq: s.Seq, data: s.Data, closed: s.Closed})
	}
	in := &Incoming{c: c, target: m.Target}
	select {
	case p.incoming <- in:
	default:
		p.count.refused.Add(1)
		in.Reject(ReasonLimit)
	}
}

// remoteOf finds what is known of a stranger, or begins to know it. The lock is held.
func (p *Proxy) remoteOf(now time.Time, tag mixnet.SenderTag) *remotePeer {
	if o := p.remotes[tag]; o != nil {
		return o
	}
	o := &remotePeer{kind: &peerKind{}, conns: make(map[*Conn]struct{})}
	switch {
	case tag.IsZero():
		o.kind.set(kindOther)
	case p.knownPeers.has(now, tag):
		o.kind.set(kindOurs)
	}
	p.remotes[tag] = o
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
