package mixnet

import (
	"context"
	"errors"
)

// MaxMessage is the largest message body that is sent or accepted (H14).
const MaxMessage = 16 << 20

// Errors of a Messenger.
var (
	ErrClosed     = errors.New("mixnet: messenger closed")
	ErrLaneClosed = errors.New("mixnet: lane closed")
	ErrUnknownTag = errors.New("mixnet: no reply SURBs for this tag")
	ErrTooLong    = errors.New("mixnet: message too long")
	ErrGivenUp    = errors.New("mixnet: gave up waiting for an acknowledgement")
)

// A Messenger sends and receives messages through the mixnet. It may be used
// by many goroutines at once, save that only one may be in Receive.
type Messenger interface {
	// Address is where we are reached. It may change after a failover; ask again.
	Address() Recipient
	// Send sends body to a recipient. It waits while the lane is full.
	Send(ctx context.Context, to Recipient, body []byte, o SendOptions) error
	// Reply answers a stranger, spending reply SURBs of that tag. It waits
	// while the lane is full and fails with ErrUnknownTag when nothing was
	// ever received under the tag. An empty body is refused.
	Reply(ctx context.Context, tag SenderTag, body []byte, o SendOptions) error
	// Receive waits for the next message. One reader.
	Receive(ctx context.Context) (Message, error)
	// CloseLane forgets what is still queued in the lane, now and for ever.
	CloseLane(Lane)
	// LaneLen counts the lane's packets that are queued or not yet acknowledged.
	LaneLen(Lane) int
	// Stock says how many reply SURBs of our tag the far end should hold.
	// Zero stops granting.
	Stock(tag SenderTag, want int)
}

// A Lane is the send queue of one stream or purpose: a local handle of the
// caller, never an id from the wire. The zero Lane is the general one.
type Lane uint64

// SendOptions say how one message is sent. The zero value sends on the general
// lane, with our return address visible only if the body contains it.
type SendOptions struct {
	Lane  Lane        // a local handle of the caller
	As    SenderTag   // which of our tags speaks; zero: a plain message, no tag and no SURBs
	SURBs int         // reply SURBs to attach: zero: the client's budget decides; negative: none
	Done  func(error) // if set, called once: acknowledged, given up, or lane closed. Must not block
}

// A Message is what Receive hands over.
type Message struct {
	Body []byte
	// From is the stranger's tag, under which it can be answered; zero if it gave none.
	From SenderTag
	// To is our tag whose reply SURB brought the message; zero if none did. A
	// stream accepts only messages of the origin it was opened with (H13).
	To SenderTag
}
