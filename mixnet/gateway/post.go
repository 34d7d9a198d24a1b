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

// A parcel is what the last hop of a packet's route takes out of it.
type parcel struct {
	dest     keys.Identity
	message  []byte // with the SURB-ACK in front, unless it is one itself
	isAck    bool
	rotation mixnet.Rotation
	release  func() // gives the message's memory back
}

// receipt is a SURB-ACK that waits for the commit tick.
type receipt struct {
	first    mixnet.NodeAddr
	rotation mixnet.Rotation
	packet   [ackPacketSize]byte
}

const ackPacketSize = mixnet.AckPrefixSize - mixnet.AckAddrPadded // 386

// commitEvery is the tick at which mail is stored and receipts leave.
const commitEvery = 2 * time.Millisecond

// A post hands out messages, stores what it cannot hand out, and sends the
// receipts.
//
//	take ──▶ session, at once        ┐              commit tick
//	     ──▶ mail, for the Inbox     ├─ receipts ──────────────▶ forward
//	     ──▶ nobody: dropped         ┘   withheld if not stored
type post struct {
	clients *clients
	inbox   Inbox
	forward func(first mixnet.NodeAddr, r mixnet.Rotation, packet []byte) bool
	stored  func(client keys.Identity) // there is mail: should the client be online, push it
	log     zerolog.Logger
	count   *counters

	parcels chan parcel // full: dropped, so that no worker waits

	// Owned by run.
	mail     []Mail
	mailed   []int // for each mail the index of its receipt; -1: none
	receipts []receipt
	keep     []bool // which receipts go out
}

type counters struct {
	pushed, stored, unknown, overrun, refused, malformed atomic.Uint64
}

// parcelQueue is how many parcels wait for the post at most.
const parcelQueue = 1024

// take hands a parcel over without waiting.
func (p *post) take(x parcel) {
	select {
	case p.parcels <- x:
	default:
		p.count.overrun.Add(1)
		x.release()
	}
}

// run hands out what is taken until ctx ends; what was taken until then is
// still stored.
func (p *post) run(ctx context.Context) error {
	tick := time.NewTimer(0)
	defer tick.Stop()
	<-tick.C
	armed := false
	for {
		select {
		case x := <-p.parcels:
			p.hand(ctx, x)
			if !armed {
				tick.Reset(commitEvery)
				armed = true
			}
		case <-tick.C:
			armed = false
			p.commit(ctx)
		case <-ctx.Done():
			for {
				select {
				case x := <-p.parcels:
					p.hand(ctx, x)
				default:
					p.commit(context.WithoutCancel(ctx))
					return nil
				}
			}
		}
	}
}

// hand gives a message to its client's session, or puts it aside for the inbox.
func (p *post) hand(ctx context.Context, x parcel) {
	defer x.release()
	message, at := x.message, -1
	if !x.isAck {
		if len(x.message) < mixnet.AckPrefixSize {
			p.count.malformed.Add(1)
			return
		}
		first, packet, err := surb.ParseAck(x.message[:mixnet.AckPrefixSize])
		if err != nil {
			p.count.malformed.Add(1)
			return
		}
		message = x.message[mixnet.AckPrefixSize:]
		at = len(p.receipts)
		p.receipts = append(p.receipts, receipt{first: first, rotation: x.rotation, packet: [ackPacketSize]byte(packet)})
		p.keep = append(p.keep, false)
	}
	if s := p.clients.online(x.dest); s != nil {
		if _, ok := s.Deliver(message); ok {
			p.count.pushed.Add(1)
			p.confirm(at)
			return
		}
	}
	if _, err := p.clients.find(ctx, x.dest); err != nil {
		p.count.unknown.Add(1)
		return
	}
	p.mail = append(p.mail, Mail{Client: x.dest, Message: append([]byte(nil), message...), Arrived: time.Now()})
	p.mailed = append(p.mailed, at)
}

func (p *post) confirm(receipt int) {
	if receipt >= 0 {
		p.keep[receipt] = true
	}
}

// commit stores the mail and sends the receipts of all that was handed over or
// stored since the last tick, in the order in which it came (H19).
func (p *post) commit(ctx context.Context) {
	if len(p.mail) > 0 {
		for i, err := range p.inbox.Put(ctx, p.mail) {
			switch {
			case err == nil:
				p.count.stored.Add(1)
				p.confirm(p.mailed[i])
				p.stored(p.mail[i].Client)
			default:
				p.count.refused.Add(1)
				if !errors.Is(err, ErrFull) {
					p.log.Error().Err(err).Msg("mail cannot be stored")
				}
			}
		}
	}
	for i := range p.receipts {
		if r := &p.receipts[i]; p.keep[i] {
			p.forward(r.first, r.rotation, r.packet[:])
		}
	}
	clear(p.mail)
	p.mail, p.mailed, p.receipts, p.keep = p.mail[:0], p.mailed[:0], p.receipts[:0], p.keep[:0]
}
