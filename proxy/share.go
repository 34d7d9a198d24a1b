package proxy

import (
	"sync/atomic"
	"time"
)

// A share is what one sender tag, of ours or of a stranger, takes of what all
// have in common. Where there is too little, the tag that has most gives way:
// whoever wants much costs others nothing.
type share struct {
	streams int          // the lock of the Proxy guards it
	bytes   atomic.Int64 // received, waiting for applications or for a Connect
}

// A remotePeer is a stranger with streams, or with data that came before them.
type remotePeer struct {
	share
	kind  *peerKind
	conns map[*Conn]struct{} // the lock of the Proxy guards it
}

// resetLargest takes back the memory of received data from the tag that holds
// most: from its stream that holds most.
func (p *Proxy) resetLargest() {
	p.mu.Lock()
	var largest *share
	most := int64(0)
	consider := func(sh *share) {
		if n := sh.bytes.Load(); n > most {
			largest, most = sh, n
		}
	}
	for _, id := range p.byTag {
		consider(&id.share)
	}
	for _, o := range p.remotes {
		consider(&o.share)
	}
	for c := range p.unread {
		consider(c.share)
	}
	early := p.early.ofShare(largest)
	var list []*Conn
	for _, c := range p.conns {
		if c.share == largest {
			list = append(list, c)
		}
	}
	for c := range p.unread {
		if c.share == largest {
			list = append(list, c)
		}
	}
	var victim *Conn
	held := early.held()
	for _, c := range list {
		if n := c.held(); n > held {
			victim, held = c, n
		}
	}
	if victim == nil && early != nil {
		p.early.dropTag(early)
	}
	p.mu.Unlock()
	if victim != nil {
		victim.do(func(time.Time) effects { return victim.s.forfeit() })
	}
}

// held says how much memory received data take.
func (c *Conn) held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s.in.size
}

// roomFor decides whether a stranger may have one more stream. If all are taken,
// or all but those kept for tags with few, one of the tag that has most has to go
// for it: one that is idle and holds little. The lock of the Proxy is held.
func (p *Proxy) roomFor(now time.Time, o *remotePeer, most int) (victim *Conn, ok bool) {
	kept := p.cfg.Streams / keptForFew
	switch free := p.cfg.Streams - len(p.conns); {
	case p.closing || o.streams >= most:
		return nil, false
	case free > kept, free > 0 && o.streams < fewStreams:
		return nil, true
	}
	var largest *remotePeer
	for _, r := range p.remotes {
		if largest == nil || r.streams > largest.streams {
			largest = r
		}
	}
	if largest == nil || largest.streams <= o.streams {
		return nil, false
	}
	idle := time.Duration(-1)
	for c := range largest.conns {
		if d := c.idleFor(now); d > idle {
			victim, idle = c, d
		}
	}
	if victim == nil || largest.streams == o.streams+1 && idle < longIdle {
		return nil, false // it would only change who has one more
	}
	return victim, true
}

// idleFor says for how long no data came or went; a stream that holds much
// counts as busy.
func (c *Conn) idleFor(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.in.size > stallMark/8 {
		return 0
	}
	return max(now.Sub(later(c.s.end.lastIn, c.s.end.lastOut)), 0)
}
