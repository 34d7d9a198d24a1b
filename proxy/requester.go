package proxy

import (
	"sync/atomic"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// A requester is what is known of one through which streams are dialed, and where it
// is reached.
//
//	Dial(requester) ─▶ streams of all tags ─▶ to ─▶ its gateway, or another of its gateways
type requester struct {
	kind  *peerKind
	to    atomic.Pointer[mixnet.Recipient]
	heard atomic.Int64 // when a message of it came last, in nanoseconds since the Proxy was made; zero: never

	// Guarded by the lock of the Proxy.
	most    int       // streams it grants one tag; zero: as many as we believe
	learned time.Time // when its answer came; zero: not yet
}

// A Greeting is what a requester says of itself (socks.md §22).
type Greeting struct {
	Ours      bool
	Build     protocol.BuildInfo
	Boot      uint64             // another one than before: it began anew; zero: it does not say
	Began     time.Time          // when it did, at the latest, if it says its Boot
	Addresses []mixnet.Recipient // where it is reached; none: it does not say
	RoundTrip time.Duration      // of an Ask: what the question and the answer took

	at time.Time // when it came
}

// requesterOf finds what is known of a requester; an old "not ours" is doubted
// again. The lock is held.
func (p *Proxy) requesterOf(now time.Time, to mixnet.Recipient) *requester {
	r := p.requesters[to]
	if r == nil {
		if len(p.requesters) >= maxIdentities {
			p.tidyRequesters()
		}
		r = &requester{kind: &peerKind{}}
		r.to.Store(&to)
		p.requesters[to] = r
	}
	if r.kind.get() == kindOther && now.Sub(r.learned) >= kindAge {
		r.kind.set(kindUnknown)
	}
	return r
}

// tidyRequesters forgets those that no tag speaks to. The lock is held.
func (p *Proxy) tidyRequesters() {
	used := make(map[*requester]bool)
	for _, id := range p.byTag {
		used[id.at] = true
	}
	for to, r := range p.requesters {
		if !used[r] {
			delete(p.requesters, to)
		}
	}
}

// Heard says when a message of a requester came last; zero: none is known of.
func (p *Proxy) Heard(requester mixnet.Recipient) time.Time {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if r := p.requesters[requester]; r != nil {
		if at := r.heard.Load(); at > 0 {
			return p.made.Add(time.Duration(at))
		}
	}
	return time.Time{}
}

// StreamsOf counts the streams that are dialed through a requester.
func (p *Proxy) StreamsOf(requester mixnet.Recipient) (n int) {
	for _, c := range p.streams() {
		if c.through(requester) {
			n++
		}
	}
	return n
}

// through reports whether a stream was dialed through a requester.
func (c *Conn) through(requester mixnet.Recipient) bool {
	return c.ident != nil && c.ident.key.to == requester
}

// Reroute has everything for a requester sent to another address of it, that of streams
// that are open too: a requester has the same tags and streams at all its gateways. A
// Messenger that has Redirect sends what was not acknowledged there as well.
func (p *Proxy) Reroute(requester, to mixnet.Recipient) {
	p.mu.Lock()
	before := p.requesterOf(time.Now(), requester).to.Swap(&to)
	p.mu.Unlock()
	if m, ok := p.m.(interface {
		Redirect(from, to mixnet.Recipient)
	}); ok && *before != to {
		m.Redirect(*before, to) // what is on its way to where it may not arrive
	}
}

// ResetStreams resets the streams that were open through a requester before a
// time: it has forgotten them. Nothing is said to it. Those that wait for its answer
// are left alone, unless the time is zero: then it is gone, and all are reset.
func (p *Proxy) ResetStreams(requester mixnet.Recipient, before time.Time) (n int) {
	for _, c := range p.streams() {
		if !c.through(requester) {
			continue
		}
		c.do(func(time.Time) effects {
			if !before.IsZero() && (c.s.openedAt.IsZero() || !c.s.openedAt.Before(before)) {
				return 0
			}
			n++
			return c.s.vanished()
		})
	}
	return n
}

// greet adds what only peers of ours are told.
func (p *Proxy) greet(now time.Time, b *protocol.BinaryInfo) {
	b.Boot, b.Up = p.boot, now.Sub(p.made).Milliseconds()
	if p.cfg.Addresses == nil {
		return
	}
	for _, a := range p.cfg.Addresses() {
		b.Addresses = append(b.Addresses, a.String())
	}
}

// learn takes a requester's answer about its program.
func (p *Proxy) learn(now time.Time, id *identity, a protocol.ControlAnswer) {
	s := kindOther
	if a.Kind == protocol.ControlHealth || a.Binary.Name == protocol.BinaryName {
		s = kindOurs
	}
	p.mu.Lock()
	id.at.learned = now
	g := greetingOf(now, a.Binary)
	if a.Kind == protocol.ControlBinary {
		id.greeting = g
		select {
		case <-id.answered:
		default:
			close(id.answered)
		}
	}
	p.mu.Unlock()
	if id.kind.set(s) {
		p.wakeKind(id.kind)
	}
	if a.Kind == protocol.ControlBinary && p.cfg.OnGreeting != nil {
		p.cfg.OnGreeting(id.key.to, g)
	}
}

// greetingOf reads an answer. Addresses that are none are left out, and so are more
// than a requester may have.
func greetingOf(now time.Time, b protocol.BinaryInfo) Greeting {
	g := Greeting{Ours: b.Name == protocol.BinaryName, Build: b.Build, at: now}
	if !g.Ours || b.Boot == 0 || b.Up < 0 {
		return g
	}
	g.Boot, g.Began = b.Boot, now.Add(-time.Duration(min(b.Up, maxUp.Milliseconds()))*time.Millisecond)
	for _, text := range b.Addresses[:min(len(b.Addresses), protocol.MaxAddresses)] {
		if a, err := mixnet.ParseRecipientText(text); err == nil {
			g.Addresses = append(g.Addresses, a)
		}
	}
	return g
}
