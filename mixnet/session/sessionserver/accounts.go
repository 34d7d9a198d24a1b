package sessionserver

import (
	"context"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/protocol"
)

// Refusals that [Accounts] and [Handler] give.
const (
	ErrUnknownClient protocol.Refusal = "client is not registered"
	ErrStale         protocol.Refusal = "request is not newer than the last one"
	ErrDuplicate     protocol.Refusal = "there is already an open connection to this client"
	ErrCurrentKey    protocol.Refusal = "client has a newer kind of key"

	ErrTooManyClients protocol.Refusal = "no further client can be registered here"
	ErrTooManyUnused  protocol.Refusal = "too many clients from this address are registered and not used: try again later"
)

// An Account is what is kept of a registered client: a key of one kind.
type Account struct {
	Key    *keys.Session       // nil: the key is a legacy one
	Legacy *keys.LegacySession // nil: the key is a current one
	// Seen is the Unix time in seconds of the last dated authentication that was
	// accepted; zero if there was none.
	Seen uint64
	// Proved says that the client has sent a sealed frame under a key it had here:
	// it is more than a registration.
	Proved bool
}

func (a Account) sameKey(b Account) bool {
	if a.Key == nil || b.Key == nil {
		return a.Legacy != nil && b.Legacy != nil && a.Legacy.Equal(b.Legacy)
	}
	return a.Key.Equal(b.Key)
}

func (a Account) envelope() envelope {
	if a.Key == nil {
		return protocol.NewLegacySealer(a.Legacy)
	}
	return protocol.NewSealer(a.Key)
}

// Accounts keep the registrations of a gateway. Their methods may be called by
// many goroutines, and by those of other processes that share the store: each
// happens as a whole, before or after any other, and what one returned every later
// one sees.
type Accounts interface {
	// Register stores a client's key in place of an older one of either kind. It
	// fails with ErrTooManyClients for a new client beyond the store's limit.
	Register(ctx context.Context, client keys.Identity, key *keys.Session) error
	// Lookup finds a client or fails with ErrUnknownClient.
	Lookup(ctx context.Context, client keys.Identity) (Account, error)
	// Seen stores the time of an authentication, if it is greater than the last
	// one's; it reports whether it was. What it accepted it does not forget.
	Seen(ctx context.Context, client keys.Identity, at uint64) (bool, error)
	// Forget removes a client with all that is stored for it.
	Forget(ctx context.Context, client keys.Identity) error
	LegacyAccounts
}

// LegacyAccounts is the part of [Accounts] that is used only if legacy clients
// are allowed. Legacy keys have a bucket of their own, which a client leaves by
// Register and never enters again until it is forgotten (H22).
type LegacyAccounts interface {
	// RegisterLegacy stores a client's legacy key in place of an older legacy
	// one. It fails with ErrCurrentKey if the client has a current key, and like
	// Register.
	RegisterLegacy(ctx context.Context, client keys.Identity, key *keys.LegacySession) error
	// Spend stores a nonce, of 1 to 16 bytes, that a client used under its key;
	// it reports whether it may be accepted: it was not stored before for that
	// key, less than MaxSpent were, and Seen never accepted a time from the
	// client, who therefore has no need of undated requests (H22). What it
	// accepted it does not forget before the key.
	Spend(ctx context.Context, client keys.Identity, nonce []byte) (bool, error)
}
