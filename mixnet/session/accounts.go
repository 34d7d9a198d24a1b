package session

import (
	"context"

	"nym-socks5/mixnet/keys"
)

// An Account is what a gateway knows of a registered client.
type Account struct {
	Sealer *Sealer // one per key, however many connections; nil: the key is a legacy one
	Legacy *LegacySealer
	// LastSeen is the Unix time in seconds of the last dated authentication that
	// was accepted; zero if there was none.
	LastSeen uint64
}

func (a Account) envelope() envelope {
	if a.Legacy != nil {
		return a.Legacy
	}
	return a.Sealer
}

// Accounts are the registrations of a gateway. Its methods are called from
// many goroutines, one per connection.
type Accounts interface {
	// Admit is asked first when someone wants to register, before anything is
	// computed: whether this client may, now. A client with a live session may not.
	Admit(ctx context.Context, client keys.Identity) error
	// Register stores the key of a client, in place of an older one of either
	// kind, and gives the key's new Sealer.
	Register(ctx context.Context, client keys.Identity, key *keys.Session) (*Sealer, error)
	// Lookup finds a client or fails with ErrUnknownClient. If legacy clients are
	// not allowed, it finds none of them.
	Lookup(ctx context.Context, client keys.Identity) (Account, error)
	// Forget removes the client with all that is stored for it.
	Forget(ctx context.Context, client keys.Identity) error
	LegacyAccounts
}

// LegacyAccounts is the part of [Accounts] that is used only if legacy clients
// are allowed.
type LegacyAccounts interface {
	// RegisterLegacy stores the legacy key of a client, in place of an older
	// legacy key, and gives the key's new LegacySealer. It fails with
	// ErrCurrentKey for a client with a current key (H22).
	RegisterLegacy(ctx context.Context, client keys.Identity, key *keys.LegacySession) (*LegacySealer, error)
	// Spend stores the nonce of something undated that a client made with its
	// key, or fails with ErrStale: if it was stored before, if too many were, or
	// if a dated authentication was accepted from the client, who therefore has
	// no need of undated ones (H22).
	Spend(ctx context.Context, client keys.Identity, nonce []byte) error
}
