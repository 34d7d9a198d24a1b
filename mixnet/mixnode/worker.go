package mixnode

import (
	"errors"
	"io/fs"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/wire"
)

// A worker takes packets in batches of up to 8 and does with each what it is
// due. It never waits for anything but packets.
type worker struct {
	node    *Node
	space   sphinx.Workspace
	batch   batch
	packets [sphinx.BatchSize]sphinx.Packet
	place   [sphinx.BatchSize]int // of packets[i] in the batch
	tags    []*[sphinx.TagSize]byte
	seen    [2]*filter // of the keys that packets were opened with
	waits   [2]bool    // whether their logs wait for a disk: then the recorder writes to them
	logged  [sphinx.BatchSize]ReplayTag
	out     link.Batch
	delayed []*buffer
	held    []held
	closing []*inbound

	dropped              [numReasons]uint64 // since the last report
	forwarded, delivered uint64
}

func newWorker(n *Node) *worker {
	w := &worker{node: n, out: link.Batch{Pool: n.pool}}
	w.space.AllowLegacy = n.cfg.AllowLegacy
	return w
}

func (w *worker) run() {
	for {
		var ok bool
		w.closing, ok = w.node.sched.take(&w.batch, w.closing[:0])
		if !ok {
			return
		}
		for i, l := range w.closing {
			w.node.cfg.Log.Warn().Msg("link closed: too many packets with a wrong MAC")
			l.close()
			w.closing[i] = nil
		}
		if w.batch.n > 0 {
			w.process()
		}
	}
}

// process does one batch.
func (w *worker) process() {
	snap := w.node.snapshots.get()
	k := w.unwrap(snap)
	w.record(w.packets[:k])
	for i := range k {
		at := w.place[i]
		w.route(snap, w.batch.packets[at], &w.packets[i])
		w.packets[i] = sphinx.Packet{}
		w.batch.packets[at] = nil
	}
	w.node.recorder.push(w)
	w.node.delay.push(w)
	w.out.Flush()
	w.report()
}

// unwrap takes a layer off all packets that are worth trying and says how many
// those were; the others are dropped. The keys are locked meanwhile.
func (w *worker) unwrap(snap *snapshot) (k int) {
	ring := &w.node.ring
	ring.mu.RLock()
	defer ring.mu.RUnlock()
	for i, b := range w.batch.packets[:w.batch.n] {
		if !w.batch.links[i].passes(snap) {
			w.drop(b, DropInboundLayer)
			continue
		}
		ks, ok := ring.choose(b.rotation)
		if !ok {
			w.drop(b, DropExpired)
			continue
		}
		w.packets[k].Data, w.packets[k].Keys = b.data, ks
		w.place[k] = i
		k++
	}
	if k == 0 {
		return 0
	}
	// The order is that of H06: shared secret, point, MAC; replay; payload.
	w.space.Open(w.packets[:k])
	for i := range w.packets[:k] {
		err := w.packets[i].Err
		w.batch.bad[w.place[i]] = errors.Is(err, sphinx.ErrMAC) || errors.Is(err, sphinx.ErrLowOrder)
	}
	for i, s := range ring.slots {
		w.seen[i] = s.seen
		if s.seen != nil {
			w.refuseReplays(w.packets[:k], i, s.seen)
		}
	}
	w.space.Strip(w.packets[:k])
	return k
}

// refuseReplays marks those of the packets opened with one key that were seen before.
func (w *worker) refuseReplays(packets []sphinx.Packet, key int, seen *filter) {
	w.tags = w.tags[:0]
	var place [sphinx.BatchSize]int
	var from [sphinx.BatchSize]peerName
	for i := range packets {
		if p := &packets[i]; p.Err == nil && p.Key == key {
			place[len(w.tags)] = i
			from[len(w.tags)] = w.batch.links[w.place[i]].name()
			w.tags = append(w.tags, &p.Tag)
		}
	}
	if len(w.tags) == 0 {
		return
	}
	var verdicts [sphinx.BatchSize]verdict
	seen.see(w.tags, &from, &verdicts)
	for i := range w.tags {
		switch verdicts[i] {
		case repeated:
			packets[place[i]].Err = errReplayed
		case refused:
			packets[place[i]].Err = errReplayFull
		}
	}
}

// record writes the tags of the packets to the logs of their keys, unless those
// wait for a disk. What cannot be written does not pass.
func (w *worker) record(packets []sphinx.Packet) {
	for key, seen := range w.seen {
		w.waits[key] = seen != nil && seen.log != nil && seen.log.Waits()
		if seen == nil || seen.log == nil || w.waits[key] {
			continue
		}
		tags := w.logged[:0]
		for i := range packets {
			if p := &packets[i]; p.Err == nil && p.Key == key {
				tags = append(tags, replayTag(&p.Tag))
			}
		}
		if len(tags) == 0 {
			continue
		}
		err := seen.log.Append(tags)
		if err == nil {
			continue
		}
		for i := range packets {
			if p := &packets[i]; p.Err == nil && p.Key == key {
				p.Err = w.unrecorded(err)
			}
		}
	}
}

// unrecorded says why a packet is dropped whose tag could not be written.
func (w *worker) unrecorded(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return errRetired // its key was retired meanwhile
	}
	w.node.alarm("replay log cannot be written, packets are refused", err)
	return errUnrecorded
}

// route passes on or drops one packet that was unwrapped.
func (w *worker) route(snap *snapshot, b *buffer, p *sphinx.Packet) {
	n := w.node
	switch {
	case p.Err != nil:
		w.drop(b, reasonOf(p.Err))
		if p.Err == errReplayFull {
			n.alarm("replay filter full, packets are refused", nil)
		}
	case p.Final && n.cfg.Deliver == nil:
		w.drop(b, DropFinal)
	case p.Final:
		d := Delivered{
			Dest: p.Dest, Message: p.Message, Size: b.size, Rotation: b.rotation,
			buffer: b, pool: &n.buffers,
		}
		if w.waits[p.Key] {
			w.hold(b, p, d)
		} else {
			w.deliver(d)
		}
	case n.cfg.Deliver != nil:
		w.drop(b, DropForward)
	default:
		if why, ok := snap.next(p.Next); !ok {
			w.drop(b, why)
			return
		}
		b.next = p.Next
		b.deadline = min(p.Delay, n.cfg.MaxDelay)
		switch {
		case w.waits[p.Key]:
			w.hold(b, p, Delivered{})
		case b.deadline == 0:
			w.send(b)
		default:
			w.delayed = append(w.delayed, b)
		}
	}
}

// hold keeps a packet until its tag is on disk.
func (w *worker) hold(b *buffer, p *sphinx.Packet, final Delivered) {
	w.held = append(w.held, held{b: b, seen: w.seen[p.Key], tag: replayTag(&p.Tag), final: final})
}

// deliver hands over a packet that ends here.
func (w *worker) deliver(d Delivered) {
	w.delivered++
	w.node.cfg.Deliver(d)
}

// send hands a packet to the link of its next hop.
func (w *worker) send(b *buffer) {
	if err := w.out.Send(b.next, wire.Frame{Rotation: b.rotation, Packet: b.data}); err != nil {
		w.drop(b, reasonNotSent(err))
		return
	}
	w.forwarded++
	w.node.buffers.put(b)
}

func (w *worker) drop(b *buffer, why DropReason) {
	w.dropped[why]++
	w.node.buffers.put(b)
}

// report adds to the node's counters.
func (w *worker) report() {
	for i, d := range w.dropped {
		if d > 0 {
			w.node.dropped[i].Add(d)
			w.dropped[i] = 0
		}
	}
	w.node.forwarded.Add(w.forwarded)
	w.node.delivered.Add(w.delivered)
	w.forwarded, w.delivered = 0, 0
}

// A Delivered is a packet whose last hop we are. The receiver owns it, and must
// call Release once when it needs Message no more.
type Delivered struct {
	// Dest is the client it is for.
	Dest keys.Identity
	// Message is the payload's plaintext, a SURB-ACK in front included. It may
	// be written to.
	Message []byte
	// Size is that of the packet: AckSize tells a SURB-ACK from a message.
	Size mixnet.PacketSize
	// Rotation is that of the packet; its SURB-ACK leaves under the same.
	Rotation mixnet.Rotation

	buffer *buffer
	pool   *buffers
}

// Release gives the packet's memory back. Message must not be used any more.
func (d *Delivered) Release() {
	if d.buffer != nil {
		d.pool.put(d.buffer)
		d.buffer, d.Message = nil, nil
	}
}
