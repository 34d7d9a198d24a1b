package socks

import (
	"container/list"
	"net"
	"sync"

	"nym-socks5/internal/admit"
)

// handshakes are the connections that have not yet said where they want to go.
// A flood of silent or slow ones ends the oldest first, so that an application
// which speaks at once still gets through (H23).
type handshakes struct {
	max    int
	limits *admit.Limiter // of each source, and the pace of all

	mu    sync.Mutex
	order *list.List // of *handshake, the oldest in front
}

// A handshake is a connection's place among them.
type handshake struct {
	app   net.Conn
	held  *admit.Place
	place *list.Element // nil once it left
}

func newHandshakes(max int, l admit.Limits) *handshakes {
	return &handshakes{max: max, limits: admit.New(l), order: list.New()}
}

// enter adds a connection. It gives nil if its source has too many already, and
// the connection that has to be closed to make room, if any.
func (hs *handshakes) enter(app net.Conn) (h *handshake, oldest net.Conn) {
	held, ok := hs.limits.Enter(admit.AddrPort(app.RemoteAddr()).Addr())
	if !ok {
		return nil, nil
	}
	h = &handshake{app: app, held: held}
	hs.mu.Lock()
	defer hs.mu.Unlock()
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
	h.held.Leave()
}
