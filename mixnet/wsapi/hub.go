package wsapi

import (
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
)

// A hub hands what arrives to the programs that want it, or keeps it while none does.
//
//	Receive ─▶ deliver ─┬─▶ outbox of each peer that wants it     full: the peer goes
//	                    └─▶ backlog, if none does ──▶ the next who wants it
//	                          ▲
//	leave: what nobody else has, and was not sent any more ┘
type hub struct {
	mu      sync.Mutex
	peers   map[*peer]*membership
	backlog Backlog
	arrived uint64
	dropped uint64
	warned  bool // of dropped messages, since somebody joined last
	broken  bool // the backlog has failed, and that was said
	log     zerolog.Logger
}

// A membership is what the hub knows of a peer.
type membership struct {
	wants *subscription                 // nil: all
	spoke map[mixnet.SenderTag]struct{} // tags under which it sent something
	more  bool                          // there may be more in the backlog that it wants
}

// A parcel is a message on its way to programs.
type parcel struct {
	mixnet.Message
	kept   uint64      // its number in the backlog; zero: it is not there
	takers int         // with the message in their outbox; guarded by the hub
	sent   atomic.Bool // to one of them at least
}

// deliver never waits for a program.
func (h *hub) deliver(msg mixnet.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.arrived++
	h.pass(&parcel{Message: msg})
}

// pass gives a message to all who want it, or keeps it.
func (h *hub) pass(m *parcel) {
	m.takers = 0
	named := false
	for _, member := range h.peers {
		named = named || member.wants.names(m.Message, member.spoke)
	}
	for p, member := range h.peers {
		w := member.wants
		if w == nil || w.names(m.Message, member.spoke) || w.others && !named {
			if p.out.put(received(m, p.lastFormat())) {
				m.takers++
			} else {
				p.slow()
				h.remove(p)
			}
		}
	}
	if m.takers == 0 {
		h.keep(m.Message)
	}
}

// join gives a new peer what was kept, and from now on what arrives. later: not
// before it subscribes.
func (h *hub) join(p *peer, later bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	member := &membership{spoke: make(map[mixnet.SenderTag]struct{})}
	if later {
		member.wants = new(subscription)
	}
	h.peers[p] = member
	h.warned = false
	h.hand(p, member)
}

// subscribe changes what a peer gets, and gives it what was kept of that.
func (h *hub) subscribe(p *peer, s *subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if member := h.peers[p]; member != nil {
		member.wants = s
		h.hand(p, member)
	}
}

// hand gives a peer what was kept of what it wants, in parts: the next when it has
// been sent this one.
func (h *hub) hand(p *peer, member *membership) {
	if w := member.wants; w != nil && len(w.tags) == 0 && !w.replies && !w.others {
		return
	}
	var waiting []outgoing
	more, err := h.backlog.Take(maxHanded, func(m mixnet.Message) bool {
		w := member.wants
		return w == nil || w.others || w.names(m, member.spoke)
	}, func(id uint64, msg mixnet.Message) {
		waiting = append(waiting, received(&parcel{Message: msg, kept: id, takers: 1}, p.lastFormat()))
	})
	h.check(err)
	member.more = more
	p.out.fill(waiting)
}

// next gives a peer that has been sent everything the next part of what was kept.
func (h *hub) next(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if member := h.peers[p]; member != nil && member.more {
		h.hand(p, member)
	}
}

// handed notes that a message was sent to a program.
func (h *hub) handed(m *parcel) {
	m.sent.Store(true)
	if m.kept == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.check(h.backlog.Drop(m.kept))
}

// spoke notes under which tag a peer sends, so that it is known whose the answers are.
func (h *hub) spoke(p *peer, tag mixnet.SenderTag) {
	h.mu.Lock()
	defer h.mu.Unlock()
	member := h.peers[p]
	if member == nil {
		return
	}
	if len(member.spoke) >= maxTags {
		for old := range member.spoke { // any: its answers count as nobody's
			delete(member.spoke, old)
			break
		}
	}
	member.spoke[tag] = struct{}{}
}

// leave is called when a peer's connection has ended.
func (h *hub) leave(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(p)
}

// remove ends a peer. The messages that it was not sent any more, and nobody else
// has, go to whoever wants them.
func (h *hub) remove(p *peer) {
	if h.peers[p] == nil {
		return
	}
	delete(h.peers, p)
	p.end()
	returned := false
	for _, o := range p.out.close() {
		m := o.parcel
		if m == nil {
			continue
		}
		m.takers--
		switch {
		case m.takers > 0 || m.sent.Load():
		case m.kept != 0:
			h.backlog.Return(m.kept)
			returned = true
		default:
			h.pass(m)
		}
	}
	if returned {
		for other, member := range h.peers {
			h.hand(other, member)
		}
	}
}

func (h *hub) keep(msg mixnet.Message) {
	n, err := h.backlog.Add(msg)
	h.check(err)
	h.dropped += uint64(n)
	if n > 0 && !h.warned {
		h.warned = true
		h.log.Warn().Msg("messages are dropped, since no program comes for them")
	}
}

// check says, once, that messages cannot be kept.
func (h *hub) check(err error) {
	if err != nil && !h.broken {
		h.broken = true
		h.log.Error().Err(err).Msg("messages for programs that are not connected cannot be kept")
	}
}

func received(m *parcel, f format) outgoing {
	return outgoing{response: response{kind: receivedResponse, message: m.Body, from: m.From}, format: f, parcel: m}
}
