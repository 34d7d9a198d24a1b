package socks

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

// handshakes are the connections that have not yet said where they want to go.
// A flood of silent or slow ones ends the oldest first, so that an application
// which speaks at once still gets through (H23).
type handshakes struct {
	max, perSource int

	mu      sync.Mutex
	order   *list.List // of *handshake, the oldest in front
	sources map[netip.Prefix]int
}

// A handshake is a connection's place among them.
type handshake struct {
	app    net.Conn
	source netip.Prefix  // invalid for this machine: not limited
	place  *list.Element // nil once it left
}

func newHandshakes(max, perSource int) *handshakes {
	return &handshakes{max: max, perSource: perSource, order: list.New(), sources: make(map[netip.Prefix]int)}
}

// enter adds a connection. It gives nil if its source has too many already, and
// the connection that has to be closed to make room, if any.
func (hs *handshakes) enter(app net.Conn) (h *handshake, oldest net.Conn) {
	h = &handshake{app: app, source: source(app.RemoteAddr())}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h.source.IsValid() {
		if hs.sources[h.source] >= hs.perSource {
			return nil, nil
		}
		hs.sources[h.source]++
	}
	if hs.order.Len() >= hs.max {
		first := hs.order.Front().Value.(*handshake)
		hs.remove(first)
		oldest = first.app
	}
	h.place = hs.order.PushBack(h)
	return h, oldest
}

// leave takes a connection out. It reports false if it is out already: it gave
// way, or left before.
func (hs *handshakes) leave(h *handshake) bool {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h.place == nil {
		return false
	}
	hs.remove(h)
	return true
}

// remove is called with mu held.
func (hs *handshakes) remove(h *handshake) {
	hs.order.Remove(h.place)
	h.place = nil
	if !h.source.IsValid() {
		return
	}
	if hs.sources[h.source]--; hs.sources[h.source] == 0 {
		delete(hs.sources, h.source)
	}
}

// source is what connections of one machine have in common: the IPv4 address or
// the IPv6 /56. It is invalid for this machine.
func source(remote net.Addr) netip.Prefix {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	switch {
	case !addr.IsValid() || addr.IsLoopback():
		return netip.Prefix{}
	case addr.Is4():
		return netip.PrefixFrom(addr, 32)
	default:
		p, _ := addr.Prefix(56)
		return p
	}
}
