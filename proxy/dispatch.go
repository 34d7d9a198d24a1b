package proxy

import (
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// dispatch gives one message to whom it belongs. Requests and responses have
// the same bytes, so where a message comes from says which it is.
func (p *Proxy) dispatch(m mixnet.Message) {
	now := time.Now()
	switch {
	case !m.To.IsZero() || m.From.IsZero() && p.cfg.RevealAddress:
		p.response(now, m)
	case p.cfg.Serve:
		p.request(now, m)
	default:
		p.count.unsolicited.Add(1)
	}
}

// response takes in what a requester says to us.
func (p *Proxy) response(now time.Time, m mixnet.Message) {
	p.mu.RLock()
	ident := p.byTag[m.To]
	p.mu.RUnlock()
	if ident == nil && !m.To.IsZero() {
		p.count.strays.Add(1) // a tag that was forgotten
		return
	}
	r, err := protocol.ParseResponse(m.Body)
	if err != nil {
		p.count.malformed.Add(1)
		return
	}
	if ident != nil {
		ident.at.heard.Store(int64(now.Sub(p.made)))
	}
	switch b := r.Body.(type) {
	case protocol.Data:
		if c := p.stream(key{m.To, true, b.ID}); c != nil {
			c.receive(piece{b.Seq, b.Data, b.Closed, b.Unnumbered})
		}
	case protocol.Failure:
		if c := p.stream(key{m.To, true, b.ID}); c != nil {
			c.do(func(now time.Time) effects { return c.s.refused(now, reasonOf(b.Text)) })
		}
	case protocol.ControlAnswer:
		if ident != nil {
			p.controlAnswer(now, m.To, ident, b)
		}
	}
}

// stream finds a stream; nil, and counted, if there is none.
func (p *Proxy) stream(k key) *Conn {
	p.mu.RLock()
	defer p.mu.RUnlock()
	c := p.conns[k]
	if c == nil {
		p.count.strays.Add(1)
	}
	return c
}

func (p *Proxy) controlAnswer(now time.Time, tag mixnet.SenderTag, ident *identity, a protocol.ControlAnswer) {
	switch a.Kind {
	case protocol.ControlBinary:
		p.learn(now, ident, a)
	case protocol.ControlHealth:
		n, err := protocol.ParseNote(a.Extra)
		if err != nil {
			return
		}
		p.learn(now, ident, a)
		p.noted(key{tag, true, n.ID}, n)
	}
}

// request takes in what a stranger says to us.
func (p *Proxy) request(now time.Time, m mixnet.Message) {
	r, err := protocol.ParseRequest(m.Body)
	if err != nil {
		p.count.malformed.Add(1)
		return
	}
	switch b := r.Body.(type) {
	case protocol.Connect:
		p.connected(now, m.From, r.Versions, b)
	case protocol.Send:
		p.sent(now, key{tag: m.From, id: b.ID}, b)
	case protocol.Query:
		if !m.From.IsZero() {
			v := protocol.Versions{Interface: r.Interface, Protocol: protocol.Current}
			p.answer(peer{m: p.m, tag: m.From}, protocol.Response{Versions: v, Body: p.cfg.Answer(b)})
		}
	case protocol.Control:
		if !m.From.IsZero() {
			p.control(now, m.From, r.Versions, b)
		}
	}
}

// sent takes in data from a stranger, of a stream that is open, or still to come.
func (p *Proxy) sent(now time.Time, k key, s protocol.Send) {
	p.mu.Lock()
	c := p.conns[k]
	if c == nil {
		switch {
		case p.closed.has(now, k):
			p.count.strays.Add(1)
		case !p.early.add(now, k, &p.remoteOf(now, k.tag).share, s):
			p.count.overflown.Add(1)
		}
		p.tidyRemote(k.tag)
		p.mu.Unlock()
		if p.count.buffered.Load() > p.cfg.Memory {
			p.resetLargest()
		}
		return
	}
	p.mu.Unlock()
	c.receive(piece{seq: s.Seq, data: s.Data, closed: s.Closed})
}

// control answers a control request. A note behind a health request is for us
// and wants no answer.
func (p *Proxy) control(now time.Time, from mixnet.SenderTag, v protocol.Versions, c protocol.Control) {
	n, err := protocol.ParseNote(c.Extra)
	ours := err == nil
	if ours {
		p.recognise(now, from)
		p.noted(key{tag: from, id: n.ID}, n)
		if c.Kind == protocol.ControlHealth {
			return
		}
	}
	a := protocol.ControlAnswer{Kind: c.Kind}
	switch c.Kind {
	case protocol.ControlBinary:
		a.Binary = protocol.BinaryInfo{Name: protocol.BinaryName, Build: p.cfg.Build}
		if ours {
			p.greet(now, &a.Binary)
		}
	case protocol.ControlVersions:
		a.Versions = protocol.SupportedVersions{Interface: protocol.Current, Provider: protocol.Current}
	}
	p.answer(peer{m: p.m, tag: from}, protocol.Response{Versions: v, Body: a})
}

// recognise remembers that a stranger is one of ours.
func (p *Proxy) recognise(now time.Time, tag mixnet.SenderTag) {
	p.mu.Lock()
	p.knownPeers.add(now, tag)
	o := p.remotes[tag]
	p.mu.Unlock()
	if o != nil && o.kind.set(kindOurs) {
		p.wakeKind(o.kind)
	}
}

// noted passes a note on to its stream.
func (p *Proxy) noted(k key, n protocol.Note) {
	if n.Op == protocol.NoteHello {
		return
	}
	if c := p.stream(k); c != nil {
		c.do(func(now time.Time) effects { return c.s.noted(now, n) })
	}
}

// receive takes in one message. It does not wait.
func (c *Conn) receive(m piece) {
	c.do(func(now time.Time) effects { return c.s.receive(now, m) })
}
