package proxy

import (
	"net"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// Concerns reports whether a message belongs to streams of this Proxy, for a
// Messenger that brings other messages too. What answers one of our tags belongs
// to whoever spoke under it. What a stranger sends under a tag of its own is ours
// if nobody else would say it (a note, or a Connect to host), or if it has the form
// of a request and its tag has spoken to us before. Data may overtake the Connect
// of their stream: with early, their form alone makes them ours.
func (p *Proxy) Concerns(m mixnet.Message, host string, early bool) bool {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !m.To.IsZero():
		return p.byTag[m.To] != nil || p.pastTags.has(now, m.To)
	case m.From.IsZero() || !p.cfg.Serve:
		return false
	}
	r, err := protocol.ParseRequest(m.Body)
	if err != nil || r.Interface != protocol.Current {
		return false
	}
	switch b := r.Body.(type) {
	case protocol.Control:
		if _, err := protocol.ParseNote(b.Extra); err == nil {
			return true
		}
	case protocol.Connect:
		if h, _, err := net.SplitHostPort(b.Target); err == nil && h == host {
			return true
		}
	case protocol.Send:
		if early && r.Protocol == protocol.Current && b.ID != 0 {
			return true
		}
	}
	return p.remotes[m.From] != nil || p.knownPeers.has(now, m.From)
}
