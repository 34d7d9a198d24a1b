package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/surb"
	"nym-socks5/mixnet/topology"
)

// A loop owns everything that a client decides. One goroutine runs it.
type loop struct {
	c        *Client
	lanes    *lanes
	inflight *inflight
	held     *heldSURBs
	granted  *granted
	monitor  *loopMonitor
	dead     *deadMixes
	watch    entryWatch
	assembly fragment.Assembler

	network     *topology.Network // nil until there is one
	routes      *topology.Network // the same without mixes that are left out
	coverRoutes *topology.Network // and with those on trial
	networks    chan *topology.Network

	probed time.Time // when cover was last sent to find out whether a mix is dead

	rotated uint32 // the epoch in which the Sphinx keys last changed
	retired bool   // what was of the old ones is dropped; meaningful after a change
	main    *sender
	cover   *sender // nil: there is none
	demand  demand  // of the main one

	rng     *rand.Rand
	entry   *entry
	sealer  *message.Sealer // of its address
	opener  *message.Opener
	group   group
	arrived []message.Opening // received and not yet opened
	acks    *surb.Acks
	low     []mixnet.SenderTag // strangers whose replies wait for SURBs
	chores  time.Time          // when to look after what is old
}

func newLoop(c *Client) *loop {
	l := &loop{
		c:        c,
		inflight: newInflight(),
		held:     newHeldSURBs(),
		granted:  newGranted(),
		monitor:  newLoopMonitor(),
		dead:     newDeadMixes(newRand()),
		networks: make(chan *topology.Network),
		retired:  true,
		rng:      newRand(),
		opener:   message.NewOpener(c.enc),
		acks:     surb.NewAcks(c.ack),
	}
	l.lanes = newLanes(l.roomOf)
	l.watch.entryChanged(time.Now())
	l.useEntry()
	l.main = newSender(pacer{mean: c.traffic.SendEvery, rng: newRand()})
	if c.traffic.FollowDemand {
		l.demand.slowest = c.traffic.SendEvery
	}
	if c.traffic.CoverEvery > 0 {
		l.cover = newSender(pacer{mean: c.traffic.CoverEvery, rng: newRand()})
	}
	return l
}

// run turns until ctx ends. Whatever is unfinished then is told so.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	l.chores = time.Now().Add(choresEvery)
	var coverCredits <-chan departure
	if l.cover != nil {
		coverCredits = l.cover.credits
	}
	idle := make(chan struct{}) // never ready
	busy := make(chan struct{}) // always ready
	close(busy)
	for {
		now := time.Now()
		l.gather(now)
		l.due(now)
		more := idle
		if l.fill(now) {
			more = busy
		}
		timer.Reset(time.Until(l.wake()))
		pushed := l.c.pushed
		if l.c.inbox.full() {
			pushed = nil
		}
		select {
		case o := <-l.c.offers:
			l.offer(o, time.Now())
		case b := <-pushed:
			l.receive(b, time.Now())
		case do := <-l.c.orders:
			do(l)
		case d := <-l.main.credits:
			l.departed(l.main, d)
		case d := <-coverCredits:
			l.departed(l.cover, d)
		case nw := <-l.networks:
			l.adopt(nw)
		case <-l.c.inbox.room:
		case <-timer.C:
		case <-more:
		case <-ctx.Done():
			l.abandon(func(*outgoing) bool { return true }, mixnet.ErrClosed)
			return
		}
	}
}

// gatherMost is how many events a turn of the loop takes in before it makes packets.
const gatherMost = 32

// gather takes in what else is there, without waiting: packets are opened and made
// in less time together with others.
func (l *loop) gather(now time.Time) {
	defer l.open(now)
	for range gatherMost {
		pushed := l.c.pushed
		if l.c.inbox.full() {
			pushed = nil
		}
		select {
		case d := <-l.main.credits:
			l.departed(l.main, d)
		case o := <-l.c.offers:
			l.offer(o, now)
		case b := <-pushed:
			l.receive(b, now)
		default:
			return
		}
	}
}

// departed notes that a sender has sent a packet, or thrown it away, and wants another.
// What is thrown away is cover: it was never under way, and is not missed (H39).
func (l *loop) departed(s *sender, d departure) {
	s.credit++
	if d.at.IsZero() {
		l.c.count.sentCover.Add(^uint64(0))
		l.inflight.cancel(d.id)
		l.monitor.cancel(d.id)
		return
	}
	l.inflight.departed(d.id, d.at)
}

// wake says when the loop must turn at the latest.
func (l *loop) wake() time.Time {
	at := l.chores
	earlier := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if t, ok := l.inflight.next(); ok {
		earlier(t)
	}
	if !l.dead.next.IsZero() {
		earlier(l.dead.next)
	}
	if !l.main.paced && l.main.credit >= l.main.least && l.wantsCover(time.Now()) {
		earlier(l.probed.Add(probeEvery))
	}
	return at
}

// offer takes a message in.
func (l *loop) offer(o *outgoing, now time.Time) {
	if err := l.objection(o); err != nil {
		l.uncount(o.tag, o.counted, o.entry)
		o.finish(err)
		return
	}
	o.offered = now
	if !o.reply && !o.tag.IsZero() {
		l.granted.remember(o.tag, o.surbs, now)
		n := 0
		if o.entry == l.entry {
			n = len(o.surbs)
		}
		l.granted.spoke(o.tag, o.to, n, o.counted-o.further, now)
		l.c.count.surbsGranted.Add(uint64(len(o.surbs)))
		l.grantFurther(o)
	}
	if o.life != nil {
		o.unwatch = context.AfterFunc(o.life, func() {
			l.c.order(func(l *loop) { l.abandon(func(p *outgoing) bool { return p == o }, mixnet.ErrCanceled) })
		})
	}
	l.lanes.offer(o)
}

// objection says why a message is refused; nil: it is not.
func (l *loop) objection(o *outgoing) error {
	switch {
	case o.life != nil && o.life.Err() != nil:
		return mixnet.ErrCanceled
	case o.reply && !l.held.known(o.tag):
		return mixnet.ErrUnknownTag
	case !o.reply && l.network != nil:
		if _, ok := l.network.Gateway(o.to.Gateway); !ok {
			return fmt.Errorf("%w: %v", mixnet.ErrUnreachable, o.to.Gateway)
		}
	}
	return nil
}

// withdrawn drops a message that its sender has taken back before there was room.
func (l *loop) withdrawn(o *outgoing) {
	l.lanes.withdrawn(o)
	l.finish(o, mixnet.ErrCanceled) // nobody hears it
}

// uncount notes that SURBs which counted as under way are not, unless they led
// to another entry than the client's now.
func (l *loop) uncount(tag mixnet.SenderTag, n int, to *entry) {
	if n > 0 && to == l.entry {
		l.granted.delivered(tag, n, false)
	}
}

// finish ends a message, whose SURBs are then at the far end or lost.
func (l *loop) finish(o *outgoing, err error) {
	if o.over {
		return
	}
	if !o.reply && !o.tag.IsZero() {
		if len(o.surbs) > 0 && o.entry == l.entry {
			l.granted.delivered(o.tag, len(o.surbs), err == nil)
		}
		if err == nil {
			l.granted.measured(o.tag, time.Since(o.offered))
		}
	}
	o.finish(err)
}

func (l *loop) closeLane(id mixnet.Lane) {
	l.abandon(func(o *outgoing) bool { return o.purpose == purposeData && o.lane == id }, mixnet.ErrLaneClosed)
}

// abandon ends every message for which is says yes, wherever it is.
func (l *loop) abandon(is func(*outgoing) bool, err error) {
	l.lanes.abandon(is, func(o *outgoing) { l.finish(o, err) })
	for _, f := range l.inflight.byID {
		if f.out != nil && is(f.out) && !f.out.over {
			l.lanes.release(f.out, f.out.left)
			l.finish(f.out, err)
		}
	}
	l.inflight.drop(is)
}

// pause notes whether what comes under a tag is read.
func (l *loop) pause(tag mixnet.SenderTag, paused bool) {
	now := time.Now()
	l.granted.pause(tag, paused, now)
	l.topUp(tag, now)
}

// topUp grants what the far end of a tag lacks, once that is worth a packet.
func (l *loop) topUp(tag mixnet.SenderTag, now time.Time) {
	if n := l.granted.short(tag, now); n > 0 {
		l.grant(tag, l.granted.byTag[tag].to, n)
	}
}

// replaceSURBs gives the far ends new SURBs, as what they hold is of no use soon,
// or already, and perhaps what is under way to them too.
func (l *loop) replaceSURBs(underWayToo bool) {
	for tag, n := range l.granted.outdated(underWayToo, time.Now()) {
		l.grant(tag, l.granted.byTag[tag].to, n)
	}
}

// grant has n SURBs made and sent, or as many more as their packets have room for.
func (l *loop) grant(tag mixnet.SenderTag, to mixnet.Recipient, n int) {
	last := n % perGrant
	if last > 0 {
		n += min(l.c.wholeGrant(last), perGrant) - last
	}
	select {
	case l.c.grantJobs <- grantJob{tag: tag, to: to, n: n, entry: l.entry}:
		l.granted.sent(tag, n)
	default: // the chores find the estimate short again
	}
}

// grantFurther has SURBs made and sent that count as under way already, since a message began
// a conversation with fewer than that takes.
func (l *loop) grantFurther(o *outgoing) {
	if o.further == 0 || o.entry != l.entry {
		return
	}
	l.granted.delivered(o.tag, o.further, false)
	l.grant(o.tag, o.to, o.further)
	o.counted -= o.further
	o.further = 0
}

// follow has the main stream follow a change of the demand.
func (l *loop) follow(changed bool) {
	if changed {
		l.main.setPace(l.demand.every())
		l.c.count.pace.Store(int64(l.demand.every()))
	}
}

// adopt takes a new snapshot of the topology. Cover of the old one that waits for
// its tick is replaced (H01); data is not: the nodes know both keys for a while.
func (l *loop) adopt(nw *topology.Network) {
	if nw == l.network {
		return
	}
	l.rotate(nw)
	l.network = nw
	l.dead.adopt(nw)
	l.reroute()
}

// reroute has all packets, cover that waits for its tick among them, and reply
// SURBs lead around what is left out now.
func (l *loop) reroute() {
	l.routes, l.coverRoutes = l.dead.around(l.network, false), l.dead.around(l.network, true)
	l.c.routes.Store(l.routes)
	signal(l.c.surbCache.wake)
	l.replaceCover()
}

// outcome notes what became of a packet. When a mix turns out to be dead, the reply
// SURBs that lead through it are replaced.
func (l *loop) outcome(t *trip, home bool, now time.Time) {
	if l.dead.outcome(&t.route, home, now) {
		l.reroute()
		if !home {
			l.replaceSURBs(false)
		}
	}
}

// useEntry takes over the client's address.
func (l *loop) useEntry() {
	l.entry = l.c.entry.Load()
	l.sealer = message.NewSealer(l.entry.self, l.c.ack, l.c.traffic.Version, l.c.tables)
}

// replaceCover builds cover anew that waits for its tick.
func (l *loop) replaceCover() {
	for _, s := range []*sender{l.main, l.cover} {
		if s != nil && s.single() && s.credit <= 0 && s.cover {
			l.draftCover(s) // and so s owes a credit until the old one is thrown away or sent
		}
	}
	l.seal()
}

// rotate follows the network's Sphinx keys. When they change, the far ends get
// new SURBs at once; what strangers gave us under the old keys is good for
// another epoch (sphinx.md §7).
func (l *loop) rotate(nw *topology.Network) {
	l.held.rotation = nw.RotationID()
	switch {
	case l.network == nil:
	case nw.RotationID() != l.network.RotationID():
		l.rotated, l.retired = nw.Epoch(), false
		l.replaceSURBs(false)
	case !l.retired && nw.Epoch() > l.rotated:
		l.retired = true
		l.held.retire(nw.Rotation())
	}
}

// due queues again what was not acknowledged in time, and does the chores.
func (l *loop) due(now time.Time) {
	for f, ok := l.inflight.due(now); ok; f, ok = l.inflight.due(now) {
		l.outcome(&f.trip, false, now)
		l.watch.overdue(f.out == nil, now)
		switch {
		case f.out == nil:
			l.inflight.cancel(f.id) // cover; the monitor waits for it longer
		case f.out.once, f.out.purpose != purposeData && f.tries >= maxControlTries:
			l.abandon(func(o *outgoing) bool { return o == f.out }, mixnet.ErrGivenUp)
		default:
			l.lanes.sendAgain(f.piece)
		}
	}
	if l.dead.turn(now) {
		l.reroute()
	}
	if now.Before(l.chores) {
		return
	}
	l.chores = now.Add(choresEvery)
	l.follow(l.demand.turn(now))
	l.watchEntry(now)
	if l.monitor.look(now) {
		l.monitor.tell(l.c.cfg.Log, !l.c.cfg.NeverStop)
	}
	l.assembly.Expire(now)
	l.inflight.expire(now)
	l.granted.expire(now)
	for _, tag := range l.granted.fade(now) {
		l.topUp(tag, now)
	}
	for _, tag := range l.held.expire(now, l.lanes.waiting) {
		l.giveUp(tag, mixnet.ErrNoSURBs)
	}
	for tag, n := range l.lanes.allWaiting() {
		l.ask(tag, n, now)
	}
}

// giveUp ends all replies to a stranger.
func (l *loop) giveUp(tag mixnet.SenderTag, err error) {
	l.abandon(func(o *outgoing) bool { return o.reply && o.tag == tag }, err)
}

// ask queues a request for SURBs to a stranger, if the fragments that wait need
// more than we hold. It reports whether it did.
func (l *loop) ask(tag mixnet.SenderTag, waiting int, now time.Time) bool {
	n := l.held.ask(tag, waiting, now)
	if n == 0 {
		return false
	}
	m := message.Message{Kind: message.SURBRequest, Requester: l.entry.self, Amount: uint32(n)}
	o := &outgoing{purpose: purposeRequest, tag: tag, reply: true}
	if err := l.c.cut(o, &m); err != nil {
		panic("client: " + err.Error()) // the message is our own
	}
	l.lanes.offer(o)
	l.c.count.surbsRequested.Add(uint64(n))
	return true
}

// next takes the next fragment that can be sent. For replies that cannot it asks
// for SURBs; that request is then what can be sent. A fragment that was
// acknowledged while it waited to be sent again is skipped.
func (l *loop) next(now time.Time) (piece, bool) {
	for {
		l.low = l.low[:0]
		p, ok := l.lanes.pop(l.can)
		asked := false
		for _, tag := range l.low {
			asked = l.ask(tag, l.lanes.waiting(tag), now) || asked
		}
		switch {
		case ok && !p.out.over && (!p.again || l.inflight.known(p.id())):
			return p, true
		case !ok && !asked:
			return piece{}, false
		}
	}
}

// roomOf says how many packets a lane has room for: as many as may be under way, and
// some that wait for that.
func (l *loop) roomOf(o *outgoing) int {
	if n := l.c.cfg.LaneRoom; n > 0 {
		return n
	}
	key, foreign := l.farEndOf(o)
	return int(l.inflight.end(key, foreign, time.Now()).size) + laneQueue
}

// can reports whether a fragment of a message can be sent now: its window must be
// open, and a reply needs a SURB. It notes the tags that have none to spare.
func (l *loop) can(o *outgoing) bool {
	if o.purpose == purposeData {
		key, foreign := l.farEndOf(o)
		if !l.inflight.end(key, foreign, time.Now()).open() {
			return false
		}
	}
	if !o.reply || l.held.can(o.tag, o.purpose == purposeRequest) {
		return true
	}
	if !slices.Contains(l.low, o.tag) {
		l.low = append(l.low, o.tag)
	}
	return false
}
