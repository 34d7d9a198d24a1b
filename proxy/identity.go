package proxy

import (
	"context"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// An identity is one sender tag of ours: streams of one isolation key through
// one requester speak under it (socks.md §21.6, H29).
type identity struct {
	key  isolation
	tag  mixnet.SenderTag // zero: our address is shown instead
	at   *requester
	home mixnet.Recipient // our address when it was made: where its first SURBs lead
	kind *peerKind        // of the requester

	answered chan struct{} // closed when the requester has said who it is, under this tag,
	greeting Greeting      // which is this; the lock of the Proxy guards it
	acked    chan struct{} // closed when its gateway has the question
	once     sync.Once     // closes it

	// Guarded by the lock of the Proxy.
	share
	most      int       // streams that the requester grants one tag, as far as we know
	lastUse   time.Time // last opening or end of a stream
	lastHello time.Time

	mu      sync.Mutex // guards the following
	active  int        // streams
	stalled int        // of them, those whose application does not read
	paused  bool       // what the Messenger was told last
	telling bool       // it is being told
}

// isolation is the key of an identity.
type isolation struct {
	name string
	to   mixnet.Recipient
}

// identityFor finds the identity for a new stream, or makes one. It returns nil
// if there are too many. The lock of the Proxy is held.
//
// Since our address changed, what the requester answers under an older identity
// goes by SURBs to where we may not be any more: new streams get a new one, and
// the older one lives as long as its streams.
func (p *Proxy) identityFor(now time.Time, k isolation) *identity {
	id, home := p.identities[k], p.m.Address()
	switch {
	case id == nil:
	case id.streams == 0 && now.Sub(id.lastUse) >= p.cfg.TagLifetime:
		p.forgetIdentity(id)
		id = nil
	case id.home != home:
		if id.streams == 0 {
			p.forgetIdentity(id)
		}
		id = nil
	case id.streams >= id.most:
		p.sayFurtherTag(now, id.most)
		id = nil
	}
	if id == nil {
		if len(p.identities) >= maxIdentities && !p.evictIdentity() {
			return nil
		}
		r := p.requesterOf(now, k.to)
		id = &identity{
			key: k, at: r, home: home, kind: r.kind, most: p.grantedBy(r),
			answered: make(chan struct{}), acked: make(chan struct{}),
		}
		if p.cfg.RevealAddress {
			id.kind = &peerKind{}
			id.kind.set(kindOther)
		} else {
			id.tag = mixnet.NewSenderTag()
			p.byTag[id.tag] = id
		}
		p.identities[k] = id
	}
	id.streams++
	id.lastUse = now
	return id
}

// grantedBy is how many streams a requester is believed to grant one tag. The
// lock of the Proxy is held.
func (p *Proxy) grantedBy(r *requester) int {
	if r.most > 0 {
		return r.most
	}
	return p.cfg.StreamsPerTag
}

// lowerShare takes in that a requester refused a stream for its limit. It
// reports whether another tag may have more luck: what it granted this one is
// then all that is asked of it under one tag.
func (p *Proxy) lowerShare(c *Conn) bool {
	if c == nil || p.cfg.RevealAddress {
		return false // it was a limit of our own, or there are no tags
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	id := c.ident
	others := id.streams
	if p.conns[c.key] == c {
		others--
	}
	if others < fewStreams { // it has no room at all
		p.sayLimit(now)
		return false
	}
	id.most = min(id.most, others)
	id.at.most = id.most
	return true
}

// sayFurtherTag logs that streams had to be put under a further tag, at most
// once in a while. The lock of the Proxy is held.
func (p *Proxy) sayFurtherTag(now time.Time, most int) {
	if p.notices.due(now) {
		p.cfg.Log.Info().Str("component", "proxy").Int("streams_per_tag", most).
			Msg("as many streams as a requester grants one tag are open; further ones use another")
	}
}

// sayLimit logs that a requester has no room, at most once in a while. The lock
// of the Proxy is held.
func (p *Proxy) sayLimit(now time.Time) {
	if p.limits.due(now) {
		p.cfg.Log.Warn().Str("component", "proxy").Msg("a requester refuses streams, since it has too many")
	}
}

// A notice is a line of the log that is written once in a while at most.
type notice struct{ last time.Time }

func (n *notice) due(now time.Time) bool {
	if !n.last.IsZero() && now.Sub(n.last) < noticeEvery {
		return false
	}
	n.last = now
	return true
}

// evictIdentity forgets the identity that has been without streams for longest.
func (p *Proxy) evictIdentity() bool {
	var oldest *identity
	for _, id := range p.identities {
		if id.streams == 0 && (oldest == nil || id.lastUse.Before(oldest.lastUse)) {
			oldest = id
		}
	}
	if oldest == nil {
		return false
	}
	p.forgetIdentity(oldest)
	return true
}

// leaveIdentity notes that a stream of an identity is over. The lock of the Proxy
// is held.
func (p *Proxy) leaveIdentity(now time.Time, id *identity) {
	id.streams--
	id.lastUse = now
	if id.streams == 0 && p.identities[id.key] != id { // there is a newer one
		p.forgetIdentity(id)
	}
}

// forgetIdentity drops a tag for good. Its reply SURBs are never used for
// another one, since they answer to it.
func (p *Proxy) forgetIdentity(id *identity) {
	if p.identities[id.key] == id {
		delete(p.identities, id.key)
	}
	p.pastTags.add(time.Now(), id.tag)
	delete(p.byTag, id.tag)
}

// expireIdentities forgets tags that were not used for their lifetime.
func (p *Proxy) expireIdentities(now time.Time) {
	for _, id := range p.identities {
		if id.streams == 0 && now.Sub(id.lastUse) >= p.cfg.TagLifetime {
			p.forgetIdentity(id)
		}
	}
}

// hello tells the requester that this tag is one of ours, and asks whether it
// is ours too (socks.md §22). Requesters of others read the question only.
func (p *Proxy) hello(now time.Time, id *identity) {
	p.mu.Lock()
	if id.tag.IsZero() || id.kind.get() == kindOther || now.Sub(id.lastHello) < helloAgain && !id.lastHello.IsZero() {
		p.mu.Unlock()
		return
	}
	id.lastHello = now
	p.mu.Unlock()
	p.sendHello(id)
}

func (p *Proxy) sendHello(id *identity) {
	extra, err := protocol.Note{Op: protocol.NoteHello}.AppendBinary(nil)
	if err != nil {
		return
	}
	body, err := protocol.Request{Versions: protocol.CurrentVersions, Body: protocol.Control{Kind: protocol.ControlBinary, Extra: extra}}.AppendBinary(nil)
	if err != nil {
		return
	}
	surbs := querySURBs
	if id.busy() {
		surbs = helloSURBs
	}
	to := peer{m: p.m, dialing: true, at: id.at, tag: id.tag}
	p.queue.add(func(ctx context.Context) {
		lane := p.lane()
		err := to.send(ctx, body, lane, surbs, func(err error) {
			if err == nil {
				id.once.Do(func() { close(id.acked) })
			}
		})
		if err != nil {
			p.mu.Lock()
			id.lastHello = time.Time{}
			p.mu.Unlock()
		}
		p.closeLaneLater(lane)
	})
}

// wakeKind makes the streams of a peer think again, since it is better known.
func (p *Proxy) wakeKind(k *peerKind) {
	for _, c := range p.streams() {
		if c.s.kind == k {
			poke(c.wake)
		}
	}
}

// join counts a new stream and says how many packets its answer is expected to take,
// beyond what begins a conversation.
func (id *identity) join() int {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.active++; id.active > 1 {
		return furtherSURBs
	}
	return 0
}

// busy reports whether there are streams.
func (id *identity) busy() bool {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.active > 0
}

// updatePause tells the Messenger whether anybody reads what comes under a tag, if
// that has changed by change, which is applied first.
func (p *Proxy) updatePause(id *identity, change func()) {
	if id == nil || id.tag.IsZero() {
		return
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	if change != nil {
		change()
	}
	if id.telling || id.unread() == id.paused {
		return
	}
	id.telling = p.queue.add(func(context.Context) {
		id.mu.Lock()
		paused := id.unread()
		id.paused, id.telling = paused, false
		id.mu.Unlock()
		p.m.Pause(id.tag, paused)
	})
}

// unread reports that nobody reads what comes: there is no stream, or none of
// their applications does. A requester of ours keeps to the window, and needs
// SURBs for notes and keep-alives; others are to stop (socks.md §21.5).
func (id *identity) unread() bool {
	return id.active == 0 || id.stalled == id.active && id.kind.get() != kindOurs
}

// leavePause takes the stream out of those whose application may not read.
func (c *Conn) leavePause() {
	c.mu.Lock()
	stalled := 0
	if c.s.stalled {
		stalled = 1
	}
	c.mu.Unlock()
	c.p.updatePause(c.ident, func() {
		c.ident.active--
		c.ident.stalled -= stalled
	})
}
