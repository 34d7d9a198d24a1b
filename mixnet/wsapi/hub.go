package wsapi

import (
	"sync"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
)

// A hub hands what arrives to every peer, or keeps it while there is none.
//
//	Receive ─▶ deliver ─┬─▶ outbox of each peer     full: the peer goes
//	                    └─▶ backlog, if there is none ──▶ the next who joins
//	                          ▲
//	leave: what the last peer was not sent any more ┘
type hub struct {
	mu      sync.Mutex
	peers   map[*peer]struct{}
	backlog backlog
	arrived uint64
	dropped uint64
	warned  bool // of dropped messages, since somebody joined last
	log     zerolog.Logger
}

// deliver never waits.
func (h *hub) deliver(msg mixnet.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.arrived++
	delivered := false
	for p := range h.peers {
		if p.out.put(outgoing{received(msg), p.lastFormat()}) {
			delivered = true
		} else {
			p.slow()
			h.remove(p)
		}
	}
	if !delivered {
		h.keep(msg)
	}
}

// join gives a new peer what was kept, and from now on what arrives.
func (h *hub) join(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.peers[p] = struct{}{}
	h.warned = false
	var waiting []outgoing
	for _, msg := range h.backlog.clear() {
		waiting = append(waiting, outgoing{received(msg), p.lastFormat()})
	}
	p.out.fill(waiting)
}

// leave is called when a peer's connection has ended.
func (h *hub) leave(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(p)
}

// remove ends a peer. If it was the last, the messages that it was not sent any
// more wait for the next.
func (h *hub) remove(p *peer) {
	if _, there := h.peers[p]; !there {
		return
	}
	delete(h.peers, p)
	p.end()
	left := p.out.close()
	if len(h.peers) > 0 {
		return
	}
	for _, o := range left {
		if o.response.kind == receivedResponse {
			h.keep(mixnet.Message{Body: o.response.message, From: o.response.from})
		}
	}
}

func (h *hub) keep(msg mixnet.Message) {
	n := h.backlog.add(msg)
	h.dropped += uint64(n)
	if n > 0 && !h.warned {
		h.warned = true
		h.log.Warn().Msg("messages are dropped, since no program comes for them")
	}
}

func received(m mixnet.Message) response {
	return response{kind: receivedResponse, message: m.Body, from: m.From}
}
