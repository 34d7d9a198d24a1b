package proxy

import (
	"sync/atomic"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// pending keeps data that overtook the Connect of their stream. Where there is
// no room, the tag that holds most gives way, its oldest stream first. The lock
// of the Proxy guards it.
type pending struct {
	tags    map[mixnet.SenderTag]*earlyTag
	streams int
	size    int
	total   *atomic.Int64 // what all received data take
}

// earlyTag is what arrived early under one tag.
type earlyTag struct {
	tag     mixnet.SenderTag
	share   *share
	streams map[protocol.StreamID]*early
	size    int
}

// early is what arrived of one stream.
type early struct {
	since time.Time
	sends []protocol.Send
	size  int
}

// add keeps s, whose memory counts in sh. It reports false if there is no room
// for it; the stream, should it ever come, then has a hole.
func (p *pending) add(now time.Time, k key, sh *share, s protocol.Send) bool {
	cost := len(s.Data) + messageCost
	t := p.tags[k.tag]
	if t == nil {
		if p.tags == nil {
			p.tags = make(map[mixnet.SenderTag]*earlyTag)
		}
		t = &earlyTag{tag: k.tag, share: sh, streams: make(map[protocol.StreamID]*early)}
		p.tags[k.tag] = t
	}
	e := t.streams[k.id]
	if e != nil && (len(e.sends) >= earlyMessages || e.size+cost > earlyBytes) {
		return false
	}
	if e == nil {
		e = &early{since: now}
		t.streams[k.id] = e
		p.streams++
	}
	e.sends = append(e.sends, s)
	p.grow(t, e, cost)
	for p.streams > earlyStreams || p.size > earlyTotal {
		p.evict(p.most())
	}
	return p.tags[k.tag] == t && t.streams[k.id] == e
}

// most is the tag that holds most: bytes, and streams as if each were full to
// an equal part.
func (p *pending) most() (most *earlyTag) {
	const perStream = earlyTotal / earlyStreams
	cost := func(t *earlyTag) int { return t.size + perStream*len(t.streams) }
	for _, t := range p.tags {
		if most == nil || cost(t) > cost(most) || cost(t) == cost(most) && t.oldest().since.Before(most.oldest().since) {
			most = t
		}
	}
	return most
}

// evict drops the oldest stream of a tag.
func (p *pending) evict(t *earlyTag) {
	for id, e := range t.streams {
		if e == t.oldest() {
			p.remove(t, id, e)
			return
		}
	}
}

func (t *earlyTag) oldest() (oldest *early) {
	for _, e := range t.streams {
		if oldest == nil || e.since.Before(oldest.since) {
			oldest = e
		}
	}
	return oldest
}

// held is how much memory the tag's largest stream takes.
func (t *earlyTag) held() (most int) {
	if t == nil {
		return 0
	}
	for _, e := range t.streams {
		most = max(most, e.size)
	}
	return most
}

// ofShare finds what is held of a share.
func (p *pending) ofShare(sh *share) *earlyTag {
	for _, t := range p.tags {
		if t.share == sh {
			return t
		}
	}
	return nil
}

// dropTag forgets all of a tag.
func (p *pending) dropTag(t *earlyTag) {
	for id, e := range t.streams {
		p.remove(t, id, e)
	}
}

// take removes and returns what was kept for k.
func (p *pending) take(k key) []protocol.Send {
	t := p.tags[k.tag]
	if t == nil {
		return nil
	}
	e := t.streams[k.id]
	if e == nil {
		return nil
	}
	p.remove(t, k.id, e)
	return e.sends
}

// expire forgets streams whose Connect did not come.
func (p *pending) expire(now time.Time) {
	for _, t := range p.tags {
		for id, e := range t.streams {
			if now.Sub(e.since) >= earlyAge {
				p.remove(t, id, e)
			}
		}
	}
}

func (p *pending) remove(t *earlyTag, id protocol.StreamID, e *early) {
	delete(t.streams, id)
	p.streams--
	p.grow(t, e, -e.size)
	if len(t.streams) == 0 {
		delete(p.tags, t.tag)
	}
}

func (p *pending) grow(t *earlyTag, e *early, by int) {
	e.size += by
	t.size += by
	p.size += by
	p.total.Add(int64(by))
	t.share.bytes.Add(int64(by))
}
