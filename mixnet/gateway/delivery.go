package gateway

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/surb"
)

// A delivery is what the last hop of a packet's route takes out of it.
type delivery struct {
	dest     keys.Identity
	message  []byte // with the SURB-ACK in front, unless it is one itself
	isAck    bool
	rotation mixnet.Rotation
	release  func() // gives the message's memory back
}

// A surbAck is a SURB-ACK that waits for the commit tick.
type surbAck struct {
	first    mixnet.NodeAddr
	rotation mixnet.Rotation
	packet   [ackPacketSize]byte
}

const ackPacketSize = mixnet.AckPrefixSize - mixnet.AckAddrPadded // 386

// A deliverer hands messages to sessions, stores what it cannot hand over, and
// sends the SURB-ACKs.
//
//	take ──▶ session, at once        ┐              commit tick
//	     ──▶ mail, for the Inbox     ├─ SURB-ACKs ─────────────▶ forward
//	     ──▶ nobody: dropped         ┘   withheld if not stored
type deliverer struct {
	clients *clients
	inbox   Inbox
	forward func(first mixnet.NodeAddr, r mixnet.Rotation, packet []byte) bool
	log     zerolog.Logger
	count   *counters

	queue chan delivery // full: dropped and counted, so that no worker waits

	// Owned by run.
	mail   []Mail
	mailed []int // for each mail the index of its SURB-ACK; -1: none
	acks   []surbAck
	keep   []bool // which SURB-ACKs go out
}

type counters struct {
	pushed, stored, unknown, overrun, refused, malformed atomic.Uint64
}

// take hands a delivery over without waiting.
func (d *deliverer) take(x delivery) {
	select {
	case d.queue <- x:
	default:
		d.count.overrun.Add(1)
		x.release()
	}
}

// run hands out what is taken until ctx ends; what was taken until then is
// still stored.
func (d *deliverer) run(ctx context.Context) error {
	tick := time.NewTimer(0)
	defer tick.Stop()
	<-tick.C
	armed := false
	for {
		select {
		case x := <-d.queue:
			d.hand(ctx, x)
			if !armed {
				tick.Reset(commitEvery)
				armed = true
			}
		case <-tick.C:
			armed = false
			d.commit(ctx)
		case <-ctx.Done():
			for {
				select {
				case x := <-d.queue:
					d.hand(ctx, x)
				default:
					d.commit(context.WithoutCancel(ctx))
					return nil
				}
			}
		}
	}
}

// hand gives a message to its client's session, or puts it aside for the inbox.
func (d *deliverer) hand(ctx context.Context, x delivery) {
	defer x.release()
	message, at := x.message, -1
	if !x.isAck {
		if len(x.message) < mixnet.AckPrefixSize {
			d.count.malformed.Add(1)
			return
		}
		first, packet, err := surb.ParseAck(x.message[:mixnet.AckPrefixSize])
		if err != nil {
			d.count.malformed.Add(1)
			return
		}
		message = x.message[mixnet.AckPrefixSize:]
		at = len(d.acks)
		d.acks = append(d.acks, surbAck{first: first, rotation: x.rotation, packet: [ackPacketSize]byte(packet)})
		d.keep = append(d.keep, false)
	}
	if s := d.clients.online(x.dest); s != nil {
		if _, ok := s.Deliver(message); ok {
			d.count.pushed.Add(1)
			d.confirm(at)
			return
		}
	}
	acc, err := d.clients.find(ctx, x.dest)
	if err != nil {
		d.count.unknown.Add(1)
		return
	}
	d.mail = append(d.mail, Mail{
		Client: x.dest, Message: append([]byte(nil), message...), Arrived: time.Now(), Unproved: !acc.Proved,
	})
	d.mailed = append(d.mailed, at)
}

func (d *deliverer) confirm(ack int) {
	if ack >= 0 {
		d.keep[ack] = true
	}
}

// commit stores the mail and sends the SURB-ACKs of all that was handed over or
// stored since the last tick, in the order in which it came (H19).
func (d *deliverer) commit(ctx context.Context) {
	if len(d.mail) > 0 {
		for i, err := range d.inbox.Put(ctx, d.mail) {
			switch {
			case err == nil:
				d.count.stored.Add(1)
				d.confirm(d.mailed[i])
			default:
				d.count.refused.Add(1)
				if !errors.Is(err, ErrFull) {
					d.log.Error().Err(err).Msg("mail cannot be stored")
				}
			}
		}
	}
	for i := range d.acks {
		if r := &d.acks[i]; d.keep[i] {
			d.forward(r.first, r.rotation, r.packet[:])
		}
	}
	clear(d.mail)
	d.mail, d.mailed, d.acks, d.keep = d.mail[:0], d.mailed[:0], d.acks[:0], d.keep[:0]
}
