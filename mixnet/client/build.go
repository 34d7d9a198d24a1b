package client

import (
	"time"

	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// A group is packets that are made together, since that takes less time than
// one after the other. The loop drafts what its senders want at the moment, one
// packet or several, and never waits for more.
//
//	lanes, cover ──draft──▶ group ──seal──▶ senders
type group struct {
	n        int
	headers  int // that they need together
	drafts   [message.Group]draft
	sealings [message.Group]message.Sealing
}

// A draft is one packet of a group: everything about it is chosen, and the
// sender's credit for it is taken. Its memory serves again.
type draft struct {
	to        *sender
	built     builtPacket
	out, back []sphinx.Hop
	frag      []byte
	reply     surb.Reply
}

// fill makes up to a group of packets and reports whether there may be more to do.
func (l *loop) fill(now time.Time) bool {
	if l.network == nil {
		return false
	}
	for l.group.headers < message.Group && l.draft(now) {
	}
	if l.group.n == 0 {
		return false
	}
	l.seal()
	return true
}

// draft drafts one packet, if a sender wants one and there is one.
func (l *loop) draft(now time.Time) bool {
	if l.cover != nil && l.cover.credit > 0 && l.draftCover(l.cover) {
		return true
	}
	wanted := l.main.credit >= l.main.least
	if !wanted && !l.main.replaceable(now) {
		return false
	}
	if !l.blocked() && l.draftData(now) {
		l.follow(l.demand.data(now))
		return true
	}
	if !wanted {
		return false
	}
	if !l.main.paced {
		return l.probe(now) && l.draftCover(l.main)
	}
	l.demand.free()
	return l.draftCover(l.main)
}

// blocked reports whether nothing but cover is sent, since hardly any of it comes home
// (H39). A client without cover hides nothing by that, and has too few loops to tell
// when it is over.
func (l *loop) blocked() bool {
	covered := l.cover != nil || l.main.paced
	return covered && l.monitor.verdict == verdictBlocked && !l.c.cfg.NeverStop
}

// wantsCover reports whether cover would tell whether a mix is dead, or whether our
// gateway drops what we send.
func (l *loop) wantsCover(now time.Time) bool { return l.dead.wantsCover(now) || l.watch.suspects(now) }

// probe reports whether it is time for cover by a client that sends none in place
// of data: while it would tell something, no more than others send.
func (l *loop) probe(now time.Time) bool {
	if now.Before(l.probed.Add(probeEvery)) || !l.wantsCover(now) {
		return false
	}
	l.probed = now
	return true
}

// draftData drafts the packet of the next fragment that can be sent.
func (l *loop) draftData(now time.Time) bool {
	for {
		p, ok := l.next(now)
		if !ok {
			return false
		}
		if l.draftPiece(p, now) {
			return true
		}
	}
}

// farEndOf says where the packets of a message go, and the mean of the delays that
// others draw on that way. What the owner of a reply SURB draws is taken to be what
// we do.
func (l *loop) farEndOf(o *outgoing) (endKey, time.Duration) {
	if o.reply {
		return endKey{tag: o.tag}, l.c.traffic.HopDelay
	}
	return endKey{to: o.to}, 0
}

// draftPiece drafts the packet of a fragment. If it cannot be made now, it counts
// as sent and lost.
func (l *loop) draftPiece(p piece, now time.Time) bool {
	nw, delay := l.routes, l.c.traffic.HopDelay
	d := &l.group.drafts[l.group.n]
	key, foreign := l.farEndOf(p.out)
	sent := func(t trip) { l.inflight.made(p, p.id(), key, t, foreign, now) }
	var err error
	if d.back, err = nw.AppendRoute(d.back[:0], l.rng, l.entry.self.Gateway, delay); err != nil {
		sent(trip{})
		l.inflight.departed(p.id(), now)
		return false
	}
	total := topology.TotalDelay(d.back)
	d.frag = p.out.frags.Append(d.frag[:0], p.index)
	sealing := message.Sealing{ID: p.id(), Fragment: d.frag, Back: d.back}
	packet := wire.MixPacket{}
	var way route
	if p.out.reply {
		if d.reply, _ = l.held.take(p.out.tag); d.reply.SURB.Hops() == 0 {
			return false // next saw one: cannot be
		}
		packet.Next, packet.Rotation = d.reply.SURB.First(), d.reply.Rotation
		sealing.Reply = &d.reply
		first := [1]sphinx.Hop{{Addr: packet.Next}}
		way = l.dead.note(first[:], d.back, false)
	} else {
		if d.out, err = nw.AppendRoute(d.out[:0], l.rng, p.out.to.Gateway, delay); err != nil {
			sent(trip{drawn: total})
			l.inflight.departed(p.id(), now)
			return false
		}
		total += topology.TotalDelay(d.out)
		packet.Next, packet.Rotation = d.out[0].Addr, nw.Rotation()
		sealing.Out, sealing.To = d.out, p.out.to
		way = l.dead.note(d.out, d.back, p.out.to.Gateway != l.entry.self.Gateway)
	}
	sent(trip{drawn: total, route: way})
	l.add(d, l.main, sealing, builtPacket{packet: packet, again: p.again})
	return true
}

// draftCover drafts a loop to ourselves; false: our gateway is not in the topology.
func (l *loop) draftCover(to *sender) bool {
	nw, delay := l.coverRoutes, l.c.traffic.HopDelay
	d := &l.group.drafts[l.group.n]
	var err error
	if d.back, err = nw.AppendRoute(d.back[:0], l.rng, l.entry.self.Gateway, delay); err != nil {
		return false
	}
	if d.out, err = nw.AppendRoute(d.out[:0], l.rng, l.entry.self.Gateway, delay); err != nil {
		return false
	}
	sealing := message.Sealing{ID: l.monitor.next(), Back: d.back, Out: d.out}
	now, total := time.Now(), topology.TotalDelay(d.out)+topology.TotalDelay(d.back)
	l.monitor.sent(d.out, d.back, total, now)
	l.inflight.made(piece{}, sealing.ID, endKey{}, trip{drawn: total, route: l.dead.note(d.out, d.back, false)}, 0, now)
	l.add(d, to, sealing, builtPacket{cover: true, packet: wire.MixPacket{Next: d.out[0].Addr, Rotation: nw.Rotation()}})
	return true
}

// add adds the next draft to the group.
func (l *loop) add(d *draft, to *sender, s message.Sealing, f builtPacket) {
	s.Packet = l.c.buffers.get()
	f.packet.Packet, f.id = s.Packet, s.ID
	d.to, d.built = to, f
	to.cover = f.cover
	to.credit--
	l.group.sealings[l.group.n] = s
	l.group.headers += s.Headers()
	l.group.n++
}

// seal makes the packets of the group and gives them to their senders.
func (l *loop) seal() {
	g := &l.group
	l.sealer.SealAll(g.sealings[:g.n])
	for i := range g.n {
		d, f, err := &g.drafts[i], g.drafts[i].built, g.sealings[i].Err
		d.built, d.reply = builtPacket{}, surb.Reply{}
		switch {
		case err == nil && f.cover:
			l.c.count.sentCover.Add(1)
		case err == nil:
			l.c.count.sentData.Add(1)
			if f.again {
				l.c.count.sentAgain.Add(1)
			}
		case f.cover:
			panic("client: " + err.Error()) // our own keys and routes
		default: // it counts as sent and lost
			l.c.buffers.put(f.packet.Packet)
			d.to.credit++
			l.inflight.departed(f.id, time.Now())
			continue
		}
		if before, replaced := d.to.give(f); replaced {
			l.c.buffers.put(before.packet.Packet)
			l.departed(d.to, departure{id: before.id})
		}
	}
	clear(g.sealings[:g.n])
	g.n, g.headers = 0, 0
}
