package client

import (
	"context"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/wire"
)

// A builtPacket is ready to be handed to the gateway.
type builtPacket struct {
	packet wire.MixPacket
	id     fragment.ID
	cover  bool
	again  bool // of data: it was sent before
}

// A departure says when a packet left. Its sender wants another then.
type departure struct {
	id fragment.ID
	at time.Time // zero: it was thrown away
}

// A sender sends packets one by one when its pacer says so, or, without one, as
// they come. It never chooses: the loop gives it a packet for each credit that
// it returns, and may replace a cover that waits for its tick: by data until
// fixedBefore the tick, by cover of a newer topology at any time.
//
//	loop ──packet──▶ ready ──▶ seal ──▶ (tick) ──▶ write
//	  ▲                          │                 │
//	  │◀── credit of what was ◀──┘                 │
//	  │    replaced                                │
//	  └──────────────── credit ◀───────────────────┘
//
// Whether a frame is data or cover is settled, and the frame sealed, before the
// last moments before a tick begin: in these nothing is done for one that would
// not be done for the other (H01).
type sender struct {
	pacer   pacer
	ready   chan builtPacket // bounded by the credits: never blocks the loop
	credits chan departure   // likewise never blocks the sender

	paced bool
	every atomic.Int64  // the mean interval that the loop wants
	pace  chan struct{} // holds a token when that has changed
	ahead atomic.Int32  // how many packets there are; if more than one, none replaces another

	// fixed is when the frame of the next tick is settled, counted from born. The
	// sender sets it before it returns the credit for the tick before.
	born  time.Time
	fixed atomic.Int64

	late builtPacket // came too late for its tick, and is sent at the next; owned by run

	// least is the number of credits from which the loop makes packets. A sender
	// without pacing still has most of its packets then, so nobody waits; but
	// packets made one by one take more time than together.
	least int // owned by the loop, as is the following

	credit int  // packets the sender wants
	cover  bool // the last packet for it is cover
}

func newSender(p pacer) *sender {
	s := &sender{
		pacer: p, paced: p.mean > 0, born: time.Now(), pace: make(chan struct{}, 1),
		ready:   make(chan builtPacket, unpacedCredits),
		credits: make(chan departure, unpacedCredits+2), // and for what was replaced, or came too late
	}
	if s.paced {
		s.setPace(p.mean)
	} else {
		s.setAhead(unpacedCredits)
	}
	return s
}

// setPace changes the mean interval. Only the loop calls it.
func (s *sender) setPace(every time.Duration) {
	s.every.Store(int64(every))
	s.setAhead(int(min(max(readyAhead/every, 1), unpacedCredits)))
	signal(s.pace)
}

// setAhead changes how many packets there are. Only the loop calls it.
func (s *sender) setAhead(n int) {
	s.credit += n - int(s.ahead.Swap(int32(n)))
	s.least = max(1, min(n/2, message.Group/2))
}

// single reports whether there is one packet at a time, which another may replace.
func (s *sender) single() bool { return s.paced && s.ahead.Load() == 1 }

// replaceable reports whether data that are made now can take the place of the
// cover that waits for its tick.
func (s *sender) replaceable(now time.Time) bool {
	return s.single() && s.credit == 0 && s.cover && now.Sub(s.born) < time.Duration(s.fixed.Load())
}

// give hands over a packet, for which the loop took a credit. Where it replaces one
// that was not taken, that is given back. Only the loop calls it.
func (s *sender) give(f builtPacket) (before builtPacket, replaced bool) {
	if s.single() && s.credit < 0 {
		select {
		case before = <-s.ready:
			replaced = true
		default:
		}
	}
	s.ready <- f
	return before, replaced
}

// run sends what the loop has ready until ctx ends.
func (s *sender) run(ctx context.Context, c *Client) {
	if s.paced {
		s.pacer.start(time.Now())
		s.settle()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		f := s.late
		if s.late = (builtPacket{}); f.packet.Packet == nil {
			select {
			case f = <-s.ready:
			case <-ctx.Done():
				return
			}
		}
		if !s.send(ctx, c, timer, f) {
			return
		}
	}
}

// settle notes when the frame of the next tick is fixed.
func (s *sender) settle() {
	s.fixed.Store(int64(s.pacer.next.Add(-fixedBefore).Sub(s.born)))
}

// settled reports whether the frame of the next tick is fixed.
func (s *sender) settled() bool { return time.Since(s.born) >= time.Duration(s.fixed.Load()) }

// send seals a packet, waits for the tick, and writes; false: ctx ended.
func (s *sender) send(ctx context.Context, c *Client, timer *time.Timer, f builtPacket) bool {
	live, ok := c.session.wait(ctx)
	if !ok {
		return false
	}
	sealed, err := live.AppendFrame(c.buffers.sealed(), f.packet)
	if s.paced {
		now := time.Now()
		if s.pacer.next.Before(now.Add(-lateness)) {
			c.count.missed.Add(1 + uint64(s.pacer.tick(now)))
			s.settle()
		}
		timer.Reset(time.Until(s.pacer.next))
		ready := s.ready
		if !s.single() {
			ready = nil
		}
		for ticked := false; !ticked; {
			select {
			case <-timer.C:
				ticked = true
			case newer := <-ready:
				if !s.single() || !s.replace(c, live, &f, &sealed, &err, newer) {
					s.late, ready = newer, nil
				}
			case <-s.pace:
				if s.pacer.mean = time.Duration(s.every.Load()); !s.settled() {
					s.pacer.start(time.Now()) // the time to the next tick has no memory
					s.settle()
					timer.Reset(time.Until(s.pacer.next))
				}
			case <-ctx.Done():
				return false
			}
		}
	}
	if err == nil && live.WriteFrame(ctx, sealed) == nil {
		c.count.sent.Add(1)
	}
	left := time.Now()
	if s.paced {
		c.count.missed.Add(uint64(s.pacer.tick(left)))
		s.settle()
	}
	c.buffers.put(f.packet.Packet)
	c.buffers.putSealed(sealed)
	s.credits <- departure{f.id, left}
	return true
}

// replace puts a newer packet in the place of a cover that waits, with its frame,
// unless these are data and it is too late, or was once they were sealed.
func (s *sender) replace(c *Client, live *session.Client, f *builtPacket, sealed *[]byte, failed *error, newer builtPacket) bool {
	if !f.cover || !newer.cover && s.settled() {
		return false
	}
	other, err := live.AppendFrame(c.buffers.sealed(), newer.packet)
	before := *sealed
	late := !newer.cover && s.settled()
	if late {
		before = other
	} else {
		c.buffers.put(f.packet.Packet)
		s.credits <- departure{id: f.id}
		*f, *sealed, *failed = newer, other, err
	}
	c.buffers.putSealed(before)
	return !late
}

// buffers lends memory for packets of one size, so that a busy client makes no
// garbage.
type buffers struct {
	packets chan []byte
	frames  chan []byte
	size    int
}

func newBuffers(size mixnet.PacketSize, n int) *buffers {
	return &buffers{packets: make(chan []byte, n), frames: make(chan []byte, n), size: size.Total()}
}

func (b *buffers) get() []byte {
	select {
	case p := <-b.packets:
		return p
	default:
		return make([]byte, b.size)
	}
}

func (b *buffers) put(p []byte) {
	select {
	case b.packets <- p:
	default:
	}
}

func (b *buffers) sealed() []byte {
	select {
	case p := <-b.frames:
		return p[:0]
	default:
		return make([]byte, 0, b.size+protocol.FrameOverhead+2+mixnet.NodeAddr6Size)
	}
}

func (b *buffers) putSealed(p []byte) {
	select {
	case b.frames <- p:
	default:
	}
}
