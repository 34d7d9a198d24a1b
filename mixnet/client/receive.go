package client

import (
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/surb"
)

// receive takes in what the gateway pushed. What is no SURB-ACK waits for open.
func (l *loop) receive(b []byte, now time.Time) {
	l.c.count.received.Add(1)
	if len(b) == surb.AckSize {
		l.acked(b, now)
		return
	}
	l.arrived = append(l.arrived, message.Opening{Pushed: b})
}

// open opens what was received.
func (l *loop) open(now time.Time) {
	l.opener.OpenAll(l.arrived, func(d surb.Digest) (keys.Reply, mixnet.SenderTag, bool) {
		k, ok := l.granted.use(d, now)
		return k.key, k.tag, ok
	})
	for i := range l.arrived {
		l.opened(l.arrived[i].Opened, l.arrived[i].Err, now)
	}
	clear(l.arrived)
	l.arrived = l.arrived[:0]
}

// opened takes in one fragment.
func (l *loop) opened(o message.Opened, err error, now time.Time) {
	switch {
	case err != nil:
		l.c.count.bad.Add(1)
		return
	case o.Fragment == nil:
		l.c.count.cover.Add(1)
		return
	}
	if l.c.cfg.SolicitedOnly && !o.UnderReply {
		l.c.count.bad.Add(1)
		return
	}
	if !o.To.IsZero() {
		l.topUp(o.To, now)
	}
	msg, whole, err := l.assembly.Insert(fragment.Origin(o.To), now, o.Fragment)
	if err != nil {
		l.c.count.bad.Add(1)
		return
	}
	if whole {
		l.message(msg, fragment.Count(len(msg), len(o.Fragment)), o, now)
	}
}

// acked takes in a SURB-ACK.
func (l *loop) acked(b []byte, now time.Time) {
	l.c.count.acks.Add(1)
	id, err := l.acks.Open(b)
	if err != nil {
		l.c.count.bad.Add(1)
		return
	}
	if id.IsCover() {
		l.monitor.returned(id)
	}
	f, t, ok := l.inflight.acked(id, now)
	l.watch.home(id.IsCover(), ok, now)
	if t != nil {
		l.outcome(t, true, now)
	}
	if !ok || f.out == nil {
		return
	}
	o := f.out
	l.lanes.release(o, 1)
	if o.left--; o.left == 0 {
		l.finish(o, nil)
	}
}

// message takes in a complete message, which so many packets brought. SURBs are stored before the body is
// handed over, so that an immediate answer finds them (sphinx.md §5.12).
func (l *loop) message(b []byte, packets int, o message.Opened, now time.Time) {
	m, err := message.Parse(b, o.UnderReply)
	if err != nil {
		l.c.count.bad.Add(1)
		return
	}
	l.c.count.messages.Add(1)
	switch m.Kind {
	case message.Plain:
		l.c.inbox.put(mixnet.Message{Body: m.Body, Packets: packets})
	case message.Reply:
		l.c.inbox.put(mixnet.Message{Body: m.Body, To: o.To, Packets: packets})
	case message.Data, message.MoreSURBs, message.Heartbeat:
		if forgotten := l.held.add(m.From, m.SURBs, m.Kind == message.MoreSURBs, now); !forgotten.IsZero() {
			l.giveUp(forgotten, mixnet.ErrUnknownTag)
		}
		l.c.count.surbsReceived.Add(uint64(len(m.SURBs)))
		if m.Kind == message.Data {
			l.c.inbox.put(mixnet.Message{Body: m.Body, From: m.From, Packets: packets})
		}
	case message.SURBRequest:
		// The tag is that of the reply key; the address in the body is not looked at (H12).
		if n, to := l.granted.requested(o.To, m.Amount); n > 0 {
			l.grant(o.To, to, n)
		}
	}
}
