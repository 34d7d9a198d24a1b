package gateway

import (
	"context"
	"errors"

	"nym-socks5/mixnet/keys"
)

// Errors of the stores.
var (
	// ErrUnknownClient reports a client that is not registered.
	ErrUnknownClient = errors.New("gateway: client is not registered")
	// ErrCurrentKey reports a client that may not have a legacy key, since it
	// has a current one.
	ErrCurrentKey = errors.New("gateway: client has a current key")
	// ErrFull reports mail beyond the limits of a client or of the whole inbox.
	ErrFull = errors.New("gateway: inbox is full")
)

// An Account is what is kept of a registered client: a key of one kind.
type Account struct {
	Key    *keys.Session       // nil: the key is a legacy one
	Legacy *keys.LegacySession // nil: the key is a current one
	// Seen is the Unix time in seconds of the last authentication accepted.
	Seen uint64
}

// Accounts keeps registrations. Its methods may be called by many goroutines.
type Accounts interface {
	// Register stores a client's key in place of an older one of either kind.
	Register(ctx context.Context, client keys.Identity, key *keys.Session) error
	// Lookup finds a client or fails with ErrUnknownClient.
	Lookup(ctx context.Context, client keys.Identity) (Account, error)
	// Seen stores the time of an authentication, if it is greater than the last
	// one's; it reports whether it was. What it accepted it does not forget.
	Seen(ctx context.Context, client keys.Identity, at uint64) (bool, error)
	// Forget removes a client.
	Forget(ctx context.Context, client keys.Identity) error
	LegacyAccounts
}

// LegacyAccounts is the part of [Accounts] that is used only if legacy clients
// are allowed. Legacy keys have a bucket of their own, which a client leaves by
// Register and never enters again until it is forgotten (H22).
type LegacyAccounts interface {
	// RegisterLegacy stores a client's legacy key in place of an older legacy
	// one. It fails with ErrCurrentKey if the client has a current key.
	RegisterLegacy(ctx context.Context, client keys.Identity, key *keys.LegacySession) error
	// Spend stores a nonce, of 1 to 16 bytes, that a client used under its key;
	// it reports whether it may be accepted: it was not stored before for that
	// key, less than MaxSpent were, and Seen never accepted a time from the
	// client. What it accepted it does not forget before the key.
	Spend(ctx context.Context, client keys.Identity, nonce []byte) (bool, error)
}

// MaxSpent is how many nonces may be spent under one key. Then the client must
// register anew, which is once in two years if it comes every hour.
const MaxSpent = 1 << 14
