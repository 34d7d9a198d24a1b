package session

import (
	"context"
	"errors"
	"fmt"
)

// A MessageConn carries text and binary messages, in order, both ways. Pings
// of the far end are answered by whoever reads, so one goroutine should always
// be in Read. Read and Write may be called by one goroutine each; Ping and Close by any.
//
// A context that ends in Read or Write may take the connection with it. The
// engines therefore end a connection by Close, which unblocks everything.
type MessageConn interface {
	// Read waits for the next message. b is valid until the next Read.
	Read(ctx context.Context) (text bool, b []byte, err error)
	// Write sends one message. It does not keep b.
	Write(ctx context.Context, text bool, b []byte) error
	// Ping waits for the far end's answer. Someone must be reading meanwhile.
	Ping(ctx context.Context) error
	// Close tells the far end a code of RFC 6455 §7.4 and a reason of at most
	// 123 bytes, and ends the connection. It takes no longer than about a second.
	Close(code int, why string) error
}

// Codes for Close (RFC 6455 §7.4.1).
const (
	CloseNormal    = 1000
	CloseGoingAway = 1001
	ClosePolicy    = 1008 // the far end did what it must not
	// CloseReplaced is our own: a newer connection of the same client took the
	// place of this one (nodes.md §1.9).
	CloseReplaced = 4001
)

// ErrClosed reports a connection that either end closed, or that broke.
var ErrClosed = errors.New("session: connection closed")

// ErrReplaced is the ErrClosed of a connection that ended since the client has a
// newer one: another program uses its identity, and to come back at once would
// end that one's session in turn.
var ErrReplaced = fmt.Errorf("%w: the client has a newer one", ErrClosed)

// errTooBig reports a message beyond [protocol.MaxMessage].
var errTooBig = errors.New("session: message too big")
