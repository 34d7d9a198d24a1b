package gateway

import (
	"context"
	"errors"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// ErrFull reports mail beyond the limits of a client or of the whole inbox.
var ErrFull = errors.New("gateway: inbox is full")

// Accounts keeps registrations: what sessions ask of it, and how they age.
type Accounts interface {
	sessionserver.Accounts
	// Prove notes that a client has sent a sealed frame, now. It is called again
	// once in a while. It fails with [sessionserver.ErrUnknownClient].
	Prove(ctx context.Context, client keys.Identity) error
	// ExpireAccounts removes clients that were last registered, authenticated or
	// proved before a time, and counts them: unused is for those that neither
	// authenticated nor proved anything ever, absent for the others.
	ExpireAccounts(ctx context.Context, unused, absent time.Time) (int, error)
}

// Mail is one message in an inbox.
type Mail struct {
	ID      uint64 // given by Put, increasing; zero before
	Client  keys.Identity
	Message []byte
	Arrived time.Time
	// Unproved: the client never sent a sealed frame. Its mail shares one small
	// budget with that of all such clients.
	Unproved bool
}

// An Inbox keeps messages for clients that are away. Its methods may be called
// by many goroutines, and by those of other processes that share the store: each
// happens as a whole, before or after any other, and what one returned every
// later one sees. Nothing that was stored is lost before Delete or Expire.
type Inbox interface {
	// Put stores mail, and gives for each whether it was: nil, ErrFull, or
	// another error. [Limits.Room] says what is full. What it stored survives what
	// the implementation promises to survive. It keeps the messages.
	Put(ctx context.Context, mail []Mail) []error
	// Fetch gives a client's mail with an ID above after, oldest first, at most n.
	// Mail that is stored later has a higher ID than all that it gave.
	Fetch(ctx context.Context, client keys.Identity, after uint64, n int) ([]Mail, error)
	// Watch has arrived called after mail was stored for a client, by whomever:
	// who holds the client's session need not be who stored the mail. Mail for
	// which arrived is not called was stored before Watch returned; several
	// messages may share a call. arrived must not wait nor call Watch or stop. One
	// more call may be under way when stop returns.
	Watch(client keys.Identity, arrived func()) (stop func())
	// Delete removes a client's mail up to and including an ID.
	Delete(ctx context.Context, client keys.Identity, upTo uint64) error
	// Expire removes mail that arrived before a time, and counts it.
	Expire(ctx context.Context, before time.Time) (int, error)
}
