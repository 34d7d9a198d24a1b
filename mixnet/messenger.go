package mixnet

import (
	"context"
	"errors"
)

// MaxMessage is the largest message body that is sent or accepted (H14).
const MaxMessage = 16 << 20

// Why a message is not sent: errors of Send and Reply, and reasons that
// [SendOptions.Done] is told.
var (
	ErrClosed      = errors.New("mixnet: messenger closed")
	ErrLaneClosed  = errors.New("mixnet: lane closed")
	ErrCanceled    = errors.New("mixnet: message canceled by its sender")
	ErrUnreachable = errors.New("mixnet: the recipient's gateway is not in the network")
	ErrUnknownTag  = errors.New("mixnet: no reply SURBs were ever received under this tag, or they are forgotten")
	ErrNoSURBs     = errors.New("mixnet: no reply SURBs came for a reply that waited for them")
	ErrGivenUp     = errors.New("mixnet: no acknowledgement came, and the message is not sent again")
	ErrTooLong     = errors.New("mixnet: message longer than 16 MiB (16777216 bytes)")
	ErrEmpty       = errors.New("mixnet: a reply may not be empty")
)

// A Messenger sends and receives messages through the mixnet. It may be used
// by many goroutines at once, save that only one may be in Receive.
//
// A message is plain, or it speaks under one of our sender tags: then its
// receiver can answer under that tag, by reply SURBs, without knowing who we
// are. How many reply SURBs the receiver holds is the Messenger's business: it
// supplies as many as answers need.
//
// What becomes of a message:
//
//	Send ──▶ waits for room ──▶ accepted ──▶ queued ──▶ on its way ──▶ acknowledged: Done(nil)
//	              │                            └────────────┴────────▶ failed: Done(reason)
//	              └──▶ error: it is never sent, and Done is never called
//
// Acknowledged means that the gateway of the receiver has every packet of the
// message, and keeps it if the receiver is away. A message that failed may have
// arrived all the same. Messages may overtake each other, and one may arrive twice
// where its acknowledgement was lost.
type Messenger interface {
	// Address is where we are reached. It may change; ask again.
	Address() Recipient

	// Send sends body to a recipient. It returns nil when the message is
	// accepted, and waits for that while the lane is full; ctx ends this wait and
	// nothing else. It keeps nothing of body. A body of more than MaxMessage bytes
	// is refused with ErrTooLong; an empty one is sent. A recipient whose gateway the
	// network does not have is refused with ErrUnreachable.
	Send(ctx context.Context, to Recipient, body []byte, o SendOptions) error

	// Reply answers a stranger, as Send does, spending a reply SURB of that tag
	// for each packet. A reply for which there is none waits in its lane until
	// there is, and asks for more; after five minutes in vain it fails with
	// ErrNoSURBs. A tag under which no SURBs are known is refused with
	// ErrUnknownTag, an empty body with ErrEmpty.
	Reply(ctx context.Context, tag SenderTag, body []byte, o SendOptions) error

	// Receive waits for the next message. It fails with ErrClosed when the
	// Messenger has ended and all that arrived was received.
	Receive(ctx context.Context) (Message, error)

	// CloseLane empties a lane: what waits in it, for room too, fails with
	// ErrLaneClosed, and what is on its way is not sent again. A later Send opens
	// the lane anew.
	CloseLane(Lane)

	// LaneLen counts the packets in a lane: queued, or not yet acknowledged.
	LaneLen(Lane) int

	// Room says how long a body may be, at most, for its message to fill that
	// many packets when it is sent with these options, by Send or by Reply. SURBs
	// that the Messenger attaches of its own accord come on top.
	Room(o SendOptions, packets int) int

	// Pause says that what comes under one of our tags is not read for now. While
	// it is paused, the far end gets no reply SURBs but those that messages carry,
	// so that it has to stop when it has spent what it holds.
	Pause(tag SenderTag, paused bool)

	// Pin says that a conversation with a stranger goes on, however long it is
	// silent: the SURBs of a pinned tag are not forgotten in favour of other tags.
	Pin(tag SenderTag, pinned bool)
}

// A Lane is the send queue of one stream or purpose: a local handle of the
// caller, never an id from the wire. Lanes take turns; within one, messages
// leave in the order in which they were accepted. The zero Lane is the general one.
type Lane uint64

// SendOptions say how one message is sent. The zero value sends on the general
// lane, with our return address visible only if the body contains it.
type SendOptions struct {
	Lane Lane

	// As is the tag of ours that speaks. If zero, the message is plain: it has no
	// tag, and its receiver cannot answer. Replies have none.
	As SenderTag
	// SURBs is how many reply SURBs the message carries. If zero, the Messenger
	// decides: as many as the far end lacks and the packets of the message have room
	// for; what it lacks of what begins a conversation is sent behind it. If
	// negative, none. It counts with As only.
	SURBs int
	// Expected is how many packets the answer is expected to take, beyond
	// what the far end sends anyway. It counts where SURBs is zero.
	Expected int

	// Life, if set, is how long the message is wanted. When it ends, what has not
	// left is dropped, what has is not sent again, and the message fails with
	// ErrCanceled, as does Send while it waits.
	Life context.Context
	// Once sends each packet once: one whose acknowledgement does not come is not
	// sent again, and the message then fails with ErrGivenUp. Without it, packets
	// are sent again until they are acknowledged or the message has failed.
	Once bool

	// Done, if set, is told what became of an accepted message, exactly once: nil
	// when it is acknowledged, else why it failed. It must not block, nor call
	// the Messenger.
	Done func(error)
}

// A Message is what Receive hands over.
type Message struct {
	Body []byte
	// From is the stranger's tag, under which it can be answered; zero if it gave none.
	From SenderTag
	// To is our tag whose reply SURB brought the message; zero if none did. A
	// stream accepts only messages of the origin it was opened with (H13).
	To SenderTag
	// Packets is how many packets brought the message.
	Packets int
}
