package wsapi

import (
	"sync"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
)

// A mailroom hands what arrives to every peer, or keeps it while there is none.
//
//	Receive ─▶ deliver ─┬─▶ outbox of each peer     full: the peer goes
//	                    └─▶ shelf, if there is none ──▶ the next who joins
//	                          ▲
//	leave: what the last peer was not sent any more ┘
type mailroom struct {
	mu      sync.Mutex
	peers   map[*peer]struct{}
	kept    shelf
	arrived uint64
	dropped uint64
	warned  bool // of dropped messages, since somebody joined last
	log     zerolog.Logger
}

// deliver never waits.
func (m *mailroom) deliver(msg mixnet.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arrived++
	delivered := false
	for p := range m.peers {
		if p.out.put(outgoing{received(msg), p.lastFormat()}) {
			delivered = true
		} else {
			p.slow()
			m.remove(p)
		}
	}
	if !delivered {
		m.keep(msg)
	}
}

// join gives a new peer what was kept, and from now on what arrives.
func (m *mailroom) join(p *peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peers[p] = struct{}{}
	m.warned = false
	var waiting []outgoing
	for _, msg := range m.kept.clear() {
		waiting = append(waiting, outgoing{received(msg), p.lastFormat()})
	}
	p.out.fill(waiting)
}

// leave is called when a peer's connection has ended.
func (m *mailroom) leave(p *peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(p)
}

// remove ends a peer. If it was the last, the messages that it was not sent any
// more wait for the next.
func (m *mailroom) remove(p *peer) {
	if _, there := m.peers[p]; !there {
		return
	}
	delete(m.peers, p)
	p.end()
	left := p.out.close()
	if len(m.peers) > 0 {
		return
	}
	for _, o := range left {
		if o.response.kind == receivedResponse {
			m.keep(mixnet.Message{Body: o.response.message, From: o.response.from})
		}
	}
}

func (m *mailroom) keep(msg mixnet.Message) {
	n := m.kept.add(msg)
	m.dropped += uint64(n)
	if n > 0 && !m.warned {
		m.warned = true
		m.log.Warn().Msg("messages are dropped, since no program comes for them")
	}
}

func received(m mixnet.Message) response {
	return response{kind: receivedResponse, message: m.Body, from: m.From}
}
