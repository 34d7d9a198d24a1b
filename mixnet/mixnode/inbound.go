package mixnode

import (
	"context"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet/link"
)

// An inbound is one link that brings packets.
type inbound struct {
	peer    link.Peer
	close   func()
	own     source                  // its queue, unless it is a stranger's
	checked atomic.Pointer[checked] // what the latest snapshot says of it

	// What its packets were like lately; guarded by the scheduler.
	good, bad int
	closing   bool
}

// checked is what one snapshot says of a link.
type checked struct {
	by     *snapshot
	passes bool // it is of a layer that may send to us
	node   bool // it is a node of the network
}

// passes reports whether packets of the link are taken.
func (l *inbound) passes(p *snapshot) bool {
	c := l.checked.Load()
	if c == nil || c.by != p {
		c = &checked{p, p.from(l.peer), p.proved(l.peer)}
		l.checked.Store(c)
	}
	return c.passes
}

// name is that by which the peer shares in the replay filters.
func (l *inbound) name() peerName {
	if !l.proved() {
		return peerName{}
	}
	if !l.peer.Noise.IsZero() {
		return peerName{noise: l.peer.Noise}
	}
	return peerName{addr: l.peer.Addr.Addr()}
}

// proved reports whether the peer was a node of the network when that was last
// asked.
func (l *inbound) proved() bool {
	c := l.checked.Load()
	return c != nil && c.node
}

// serve reads one link until it ends.
func (n *Node) serve(ctx context.Context, in *link.Inbound) {
	l := &inbound{peer: in.Peer(), close: in.Close}
	var bufs []*buffer
	for {
		frames, err := in.Read()
		if err != nil {
			return // the peer closed it, or sent what is no frame
		}
		n.received.Add(uint64(len(frames)))
		bufs = bufs[:0]
		src := &l.own
		if n.snapshots.get().stranger(l.peer.Addr.Addr()) {
			src = &n.strangers
		}
		room := n.sched.room(src)
		for _, f := range frames {
			if room -= len(f.Packet); room < 0 {
				break
			}
			b := n.buffers.get(f.Packet, f.Rotation)
			b.from, b.source = l, src
			bufs = append(bufs, b)
		}
		taken := n.sched.push(src, bufs)
		for i, b := range bufs {
			if i >= taken {
				n.buffers.put(b)
			}
			bufs[i] = nil
		}
		if lost := len(frames) - taken; lost > 0 {
			n.dropped[DropInboundFull].Add(uint64(lost))
			select {
			case <-time.After(fullPause):
			case <-ctx.Done():
			}
		}
	}
}
