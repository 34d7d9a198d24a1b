package proxy

import (
	"context"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

const (
	maxIdentities = 1024             // sender tags in use at a time
	helloAgain    = 10 * time.Minute // how often a requester is told, and asked, who is there
)

// An identity is one sender tag of ours: streams of one isolation key through
// one requester speak under it (socks.md §21.6, H29).
type identity struct {
	key  isolation
	tag  mixnet.SenderTag // zero: our address is shown instead
	to   mixnet.Recipient
	home mixnet.Recipient // our address when it was made: where its first SURBs lead
	kind *peerKind        // of the requester

	answered chan struct{} // closed when the requester has said who it is, under this tag

	// Guarded by the lock of the Proxy.
	streams   int
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
	}
	if id == nil {
		if len(p.identities) >= maxIdentities && !p.evictIdentity() {
			return nil
		}
		id = &identity{key: k, to: k.to, home: home, kind: p.kindOf(now, k.to), answered: make(chan struct{})}
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

// requester is what is known of a requester.
type requester struct {
	kind    *peerKind
	learned time.Time // when its answer came; zero: not yet
}

// kindOf gives the kind of a requester; an old "not ours" is doubted again.
func (p *Proxy) kindOf(now time.Time, to mixnet.Recipient) *peerKind {
	r := p.requesters[to]
	if r == nil {
		if len(p.requesters) >= maxIdentities {
			clear(p.requesters)
		}
		r = &requester{kind: &peerKind{}}
		p.requesters[to] = r
	}
	if r.kind.get() == kindOther && now.Sub(r.learned) >= kindAge {
		r.kind.set(kindUnknown)
	}
	return r.kind
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
	if id.kind.get() == kindOurs {
		surbs = 0 // what it holds will do
	}
	to := peer{m: p.m, dialing: true, to: id.to, tag: id.tag}
	p.queue.add(func(ctx context.Context) {
		lane := p.lane()
		if to.send(ctx, body, lane, surbs, nil) != nil {
			p.mu.Lock()
			id.lastHello = time.Time{}
			p.mu.Unlock()
		}
		p.closeLaneLater(lane)
	})
}

// learn takes a requester's answer about its program.
func (p *Proxy) learn(now time.Time, id *identity, a protocol.ControlAnswer) {
	s := kindOther
	if a.Kind == protocol.ControlHealth || a.Binary.Name == protocol.BinaryName {
		s = kindOurs
	}
	p.mu.Lock()
	if r := p.requesters[id.to]; r != nil && r.kind == id.kind {
		r.learned = now
	}
	select {
	case <-id.answered:
	default:
		close(id.answered)
	}
	p.mu.Unlock()
	if id.kind.set(s) {
		p.wakeKind(id.kind)
	}
}

// wakeKind makes the streams of a peer think again, since it is better known.
func (p *Proxy) wakeKind(k *peerKind) {
	for _, c := range p.streams() {
		if c.kind == k {
			poke(c.wake)
		}
	}
}

// Reply SURBs that messages of a stream carry, where the Messenger does not
// know better.
const (
	furtherSURBs = 8  // with the Connect of a stream beside others of its tag: what it will be answered with
	querySURBs   = 15 // with a lone control request (socks.md §5)
	noSURBs      = -1 // with data, which fill their packets
)

// join counts a new stream and says how many SURBs its Connect carries.
func (id *identity) join() int {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.active++; id.active > 1 {
		return furtherSURBs
	}
	return 0
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
