package gateway

import (
	"context"
	"errors"
	"time"

	"nym-socks5/mixnet/keys"
)

// ErrFull reports mail beyond the limits of a client or of the whole inbox.
var ErrFull = errors.New("gateway: inbox is full")

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
