package gateway

import (
	"context"
	"errors"
	"time"

	"nym-socks5/mixnet/keys"
)

// Errors of the stores.
var (
	// ErrUnknownClient reports a client that is not registered.
	ErrUnknownClient = errors.New("gateway: client is not registered")
	// ErrFull reports mail beyond the limits of a client or of the whole inbox.
	ErrFull = errors.New("gateway: inbox is full")
)

// An Account is what is kept of a registered client.
type Account struct {
	Key *keys.Session
	// Seen is the Unix time in seconds of the last authentication accepted.
	Seen uint64
}

// Accounts keeps registrations. Its methods may be called by many goroutines.
type Accounts interface {
	// Register stores a client's key in place of an older one.
	Register(ctx context.Context, client keys.Identity, key *keys.Session) error
	// Lookup finds a client or fails with ErrUnknownClient.
	Lookup(ctx context.Context, client keys.Identity) (Account, error)
	// Seen stores the time of an authentication, if it is greater than the last
	// one's; it reports whether it was. What it accepted it does not forget.
	Seen(ctx context.Context, client keys.Identity, at uint64) (bool, error)
	// Forget removes a client.
	Forget(ctx context.Context, client keys.Identity) error
}

// Mail is one message in an inbox.
type Mail struct {
	ID      uint64 // given by Put, increasing; zero before
	Client  keys.Identity
	Message []byte
	Arrived time.Time
}

// An Inbox keeps messages for clients that are away. Its methods may be called
// by many goroutines.
type Inbox interface {
	// Put stores mail, and gives for each whether it was: nil, ErrFull, or
	// another error. What it stored survives what the implementation promises
	// to survive. It keeps the messages.
	Put(ctx context.Context, mail []Mail) []error
	// Fetch gives a client's mail with an ID above after, oldest first, at most n.
	Fetch(ctx context.Context, client keys.Identity, after uint64, n int) ([]Mail, error)
	// Delete removes a client's mail up to and including an ID.
	Delete(ctx context.Context, client keys.Identity, upTo uint64) error
	// Expire removes mail that arrived before a time, and counts it.
	Expire(ctx context.Context, before time.Time) (int, error)
}
