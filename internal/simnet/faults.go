package simnet

import (
	"net/netip"
	"time"
)

// An address in the methods below is "ip:port", or "ip" for the whole host. It
// stands for the links to it and, where it is the source, from it.

// SetLatency sets how long a byte takes one way where no SetLatencyOf says
// otherwise, on connections made from now on. A dial takes twice that.
func (n *Network) SetLatency(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.latency = d
}

// SetLatencyOf sets the latency of the links of one address, on connections
// made from now on.
func (n *Network) SetLatencyOf(addr string, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.latencyOf[place(addr)] = d
}

func (n *Network) latencyBetween(local, remote netip.AddrPort) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d, ok := at(n.latencyOf, remote); ok {
		return d
	}
	if d, ok := at(n.latencyOf, local); ok {
		return d
	}
	return n.latency
}

// Refuse makes dials to an address fail with ECONNREFUSED. What is connected stays so.
func (n *Network) Refuse(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refusing[place(addr)] = true
}

// Blackhole makes dials to an address hang, and lets no byte arrive on the
// connections it has; writers notice only when the buffer is full.
func (n *Network) Blackhole(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.swallow[place(addr)] = true
	n.settleAll()
}

// Heal undoes Refuse and Blackhole. Bytes held back arrive.
func (n *Network) Heal(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.refusing, place(addr))
	delete(n.swallow, place(addr))
	close(n.healed)
	n.healed = make(chan struct{})
	n.settleAll()
}

// Cut resets every connection that an address has, at both ends, and says how
// many there were. What was under way is lost.
func (n *Network) Cut(addr string) int {
	where := place(addr)
	var cut []*conn
	n.mu.Lock()
	for c := range n.conns {
		if _, both := n.conns[c.peer]; both && !c.dialed {
			continue // its other end speaks for it
		}
		if matches(where, c.local) || matches(where, c.remote) {
			cut = append(cut, c)
		}
	}
	n.mu.Unlock()
	for _, c := range cut {
		c.in.reset()
		c.out.reset()
	}
	return len(cut)
}

// Conns counts the connections of an address that neither end has closed.
func (n *Network) Conns(addr string) int {
	where := place(addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for c := range n.conns {
		if _, both := n.conns[c.peer]; both && c.dialed && (matches(where, c.local) || matches(where, c.remote)) {
			count++
		}
	}
	return count
}

func matches(where, ap netip.AddrPort) bool {
	return where.Addr() == ap.Addr() && (where.Port() == 0 || where.Port() == ap.Port())
}

// swallows reports whether bytes between two addresses vanish. Needs n.mu.
func (n *Network) swallows(local, remote netip.AddrPort) bool {
	if s, _ := at(n.swallow, remote); s {
		return true
	}
	s, _ := at(n.swallow, local)
	return s
}

// settle applies the black holes to a connection, of which c is either end.
// Needs n.mu.
func (n *Network) settle(c *conn) {
	held := n.swallows(c.local, c.remote)
	c.in.hold(held)
	c.out.hold(held)
}

func (n *Network) settleAll() {
	for c := range n.conns {
		n.settle(c)
	}
}
