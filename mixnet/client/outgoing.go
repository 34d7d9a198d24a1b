package client

import (
	"context"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/surb"
)

// A purpose tells the queues apart that go before the lanes of the callers.
type purpose uint8

const (
	purposeData    purpose = iota // what callers send
	purposeRequest                // we ask a stranger for reply SURBs
	purposeGrant                  // we give a stranger reply SURBs
)

// An outgoing is one message on its way out, cut into fragments that are
// sealed one by one when their turn comes. Its fields belong to the loop, but
// for state.
//
//	offered ──room in its lane──▶ queued ──all sent──▶ in flight ──all acknowledged──▶ done
//	   │                            └──────────lane closed, given up────────────────▶ done
//	   └──caller gave up──▶ withdrawn
type outgoing struct {
	purpose purpose
	lane    mixnet.Lane
	to      mixnet.Recipient // of a message
	tag     mixnet.SenderTag // of a reply: whose SURBs are spent; else ours, or zero
	reply   bool
	frags   *fragment.Fragments
	done    func(error) // may be nil

	// surbs are the reply SURBs that the message grants, entry is where they lead,
	// and further is how many are granted behind it. Counted is how many of all the
	// estimate already counts as under way.
	surbs   []surb.Reply
	entry   *entry
	further int
	counted int

	next int  // index of the first fragment never sent
	left int  // fragments not yet acknowledged
	over bool // nothing more is done for it

	once    bool      // its packets are not sent again
	offered time.Time // when it was offered, to measure round trips

	life    context.Context // how long it is wanted; nil: for ever
	unwatch func() bool     // ends the wait for the end of its life; may be nil

	state    atomic.Uint32 // offered, queued or withdrawn
	accepted chan struct{} // closed when queued or over
	err      error         // set before accepted is closed
}

const (
	stateOffered uint32 = iota
	stateQueued
	stateWithdrawn
)

// newOutgoing makes a message of a caller.
func newOutgoing(o mixnet.SendOptions) *outgoing {
	return &outgoing{lane: o.Lane, done: o.Done, life: o.Life, once: o.Once}
}

// finish reports the fate of the message, once.
func (o *outgoing) finish(err error) {
	if o.over {
		return
	}
	o.over = true
	if o.unwatch != nil {
		o.unwatch()
	}
	if o.state.CompareAndSwap(stateOffered, stateQueued) {
		o.err = err
		close(o.accepted)
		return // Send returns the error itself
	}
	if o.done != nil && o.state.Load() == stateQueued {
		o.done(err)
	}
}

// A piece is one fragment of a message that is to be sent.
type piece struct {
	out   *outgoing
	index int
	again bool // it was sent before

	serial uint64 // counts fragments by when they were sent first
}

func (p piece) id() fragment.ID { return p.out.frags.ID(p.index) }
