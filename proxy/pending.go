package proxy

import (
	"time"

	"nym-socks5/proxy/protocol"
)

// Bounds of what is kept of streams before their Connect has arrived, and of
// streams that have not been accepted yet (socks.md §21.3).
const (
	earlyMessages = 64
	earlyBytes    = 512 << 10
	earlyStreams  = 256
	earlyTotal    = 16 << 20
	earlyAge      = 30 * time.Second
)

// pending keeps data that overtook the Connect of their stream. The lock of
// the Proxy guards it.
type pending struct {
	streams map[key]*early
	size    int
}

// early is what arrived of one stream.
type early struct {
	since time.Time
	sends []protocol.Send
	size  int
}

// add keeps s. It reports false if there is no room for it; the stream, should
// it ever come, then has a hole. The oldest stream makes room for a new one.
func (p *pending) add(now time.Time, k key, s protocol.Send) bool {
	cost := len(s.Data) + messageCost
	e := p.streams[k]
	if e == nil {
		if len(p.streams) >= earlyStreams {
			p.evict()
		}
		if p.streams == nil {
			p.streams = make(map[key]*early)
		}
		e = &early{since: now}
		p.streams[k] = e
	}
	if len(e.sends) >= earlyMessages || e.size+cost > earlyBytes || p.size+cost > earlyTotal {
		return false
	}
	e.sends = append(e.sends, s)
	e.size += cost
	p.size += cost
	return true
}

// take removes and returns what was kept for k.
func (p *pending) take(k key) []protocol.Send {
	e := p.streams[k]
	if e == nil {
		return nil
	}
	p.remove(k, e)
	return e.sends
}

// expire forgets streams whose Connect did not come.
func (p *pending) expire(now time.Time) {
	for k, e := range p.streams {
		if now.Sub(e.since) >= earlyAge {
			p.remove(k, e)
		}
	}
}

func (p *pending) evict() {
	var oldest key
	var found *early
	for k, e := range p.streams {
		if found == nil || e.since.Before(found.since) {
			oldest, found = k, e
		}
	}
	p.remove(oldest, found)
}

func (p *pending) remove(k key, e *early) {
	delete(p.streams, k)
	p.size -= e.size
}
