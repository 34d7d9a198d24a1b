package client

import (
	"context"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/message"
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
// it returns, and may replace a cover that waits for its tick.
//
//	loop ──packet──▶ ready ──▶ seal ──▶ (tick) ──▶ write
//	  ▲                                            │
//	  └──────────────── credit ◀───────────────────┘
type sender struct {
	pacer   pacer
	ready   chan builtPacket // bounded by the credits: never blocks the loop
	credits chan departure   // likewise never blocks the sender

	// least is the number of credits from which the loop makes packets. A sender
	// without pacing still has most of its packets then, so nobody waits; but
	// packets made one by one take more time than together.
	least int

	// Owned by the loop.
	credit int  // packets the sender wants
	cover  bool // the last packet given was cover
}

func newSender(p pacer) *sender {
	n, least := 1, 1
	if p.mean == 0 {
		n, least = unpacedCredits, message.Group/2
	}
	return &sender{
		pacer: p, credit: n, least: least,
		ready:   make(chan builtPacket, n+1), // and a replacement
		credits: make(chan departure, n+1),
	}
}

func (s *sender) paced() bool { return s.pacer.mean > 0 }

// give hands over a packet, for which the loop took a credit. Only the loop calls it.
func (s *sender) give(f builtPacket) {
	s.cover = f.cover
	s.ready <- f
}

// run sends what the loop has ready until ctx ends.
func (s *sender) run(ctx context.Context, c *Client) {
	if s.paced() {
		s.pacer.start(time.Now())
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case f := <-s.ready:
			if !s.send(ctx, c, timer, f) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// send seals a packet, waits for the tick, and writes; false: ctx ended.
func (s *sender) send(ctx context.Context, c *Client, timer *time.Timer, f builtPacket) bool {
	live, ok := c.session.wait(ctx)
	if !ok {
		return false
	}
	buf := c.buffers.sealed()
	sealed, err := live.AppendFrame(buf, f.packet)
	if s.paced() {
		now := time.Now()
		if s.pacer.next.Before(now.Add(-lateness)) {
			c.count.missed.Add(1 + uint64(s.pacer.tick(now)))
		}
		timer.Reset(time.Until(s.pacer.next))
		for ticked := false; !ticked; {
			select {
			case <-timer.C:
				ticked = true
			case newer := <-s.ready: // a cover of a newer snapshot of the topology
				c.buffers.put(f.packet.Packet)
				s.credits <- departure{id: f.id}
				f = newer
				sealed, err = live.AppendFrame(buf, f.packet)
			case <-ctx.Done():
				return false
			}
		}
	}
	if err == nil && live.WriteFrame(ctx, sealed) == nil {
		c.count.sent.Add(1)
	}
	left := time.Now()
	if s.paced() {
		c.count.missed.Add(uint64(s.pacer.tick(left)))
	}
	c.buffers.put(f.packet.Packet)
	c.buffers.putSealed(sealed)
	s.credits <- departure{f.id, left}
	return true
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
