package gateway

import (
	"context"
	"errors"
	"math"
	"sync"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
)

// clients knows who is online, and gives sessions the accounts of the store.
// It implements [session.Accounts].
type clients struct {
	accounts    Accounts
	inbox       Inbox
	allowLegacy bool

	mu      sync.Mutex // guards the following; never held while something waits
	live    map[keys.Identity]*session.Session
	sealers map[keys.Identity]session.Account
}

func newClients(a Accounts, in Inbox, allowLegacy bool) *clients {
	return &clients{
		accounts:    a,
		inbox:       in,
		allowLegacy: allowLegacy,
		live:        make(map[keys.Identity]*session.Session),
		sealers:     make(map[keys.Identity]session.Account),
	}
}

// online finds the live session of a client; nil: there is none.
func (c *clients) online(client keys.Identity) *session.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[client]
}

func (c *clients) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.live)
}

// Admit implements [session.Accounts].
func (c *clients) Admit(_ context.Context, client keys.Identity) error {
	if c.online(client) != nil {
		return session.ErrDuplicate
	}
	return nil
}

// Register implements [session.Accounts].
func (c *clients) Register(ctx context.Context, client keys.Identity, key *keys.Session) (*session.Sealer, error) {
	if err := c.accounts.Register(ctx, client, key); err != nil {
		return nil, err
	}
	s := session.NewSealer(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(client, session.Account{Sealer: s})
	return s, nil
}

// RegisterLegacy implements [session.Accounts].
func (c *clients) RegisterLegacy(ctx context.Context, client keys.Identity, key *keys.LegacySession) (*session.LegacySealer, error) {
	switch err := c.accounts.RegisterLegacy(ctx, client, key); {
	case errors.Is(err, ErrCurrentKey):
		return nil, session.ErrCurrentKey
	case err != nil:
		return nil, err
	}
	s := session.NewLegacySealer(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(client, session.Account{Legacy: s})
	return s, nil
}

// keep remembers the sealer of a client. mu is held.
func (c *clients) keep(client keys.Identity, s session.Account) {
	for id := range c.sealers {
		if len(c.sealers) < maxSealers {
			break
		}
		if c.live[id] == nil {
			delete(c.sealers, id)
		}
	}
	c.sealers[client] = s
}

// find looks a client up. A legacy one is nobody while those are not allowed.
func (c *clients) find(ctx context.Context, client keys.Identity) (Account, error) {
	a, err := c.accounts.Lookup(ctx, client)
	if err == nil && a.Key == nil && !c.allowLegacy {
		return Account{}, ErrUnknownClient
	}
	return a, err
}

// Lookup implements [session.Accounts].
func (c *clients) Lookup(ctx context.Context, client keys.Identity) (session.Account, error) {
	a, err := c.find(ctx, client)
	if errors.Is(err, ErrUnknownClient) {
		return session.Account{}, session.ErrUnknownClient
	}
	if err != nil {
		return session.Account{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.sealers[client]
	if !ok {
		if a.Key != nil {
			s.Sealer = session.NewSealer(a.Key)
		} else {
			s.Legacy = session.NewLegacySealer(a.Legacy)
		}
		c.keep(client, s)
	}
	s.LastSeen = a.Seen
	return s, nil
}

// Spend implements [session.Accounts].
func (c *clients) Spend(ctx context.Context, client keys.Identity, nonce []byte) error {
	switch ok, err := c.accounts.Spend(ctx, client, nonce); {
	case errors.Is(err, ErrUnknownClient):
		return session.ErrUnknownClient
	case err != nil:
		return err
	case !ok:
		return session.ErrStale
	}
	return nil
}

// Forget implements [session.Accounts]. The account goes first: nothing more is
// stored for the client then.
func (c *clients) Forget(ctx context.Context, client keys.Identity) error {
	c.mu.Lock()
	delete(c.sealers, client)
	c.mu.Unlock()
	if err := c.accounts.Forget(ctx, client); err != nil {
		return err
	}
	return c.inbox.Delete(ctx, client, math.MaxUint64)
}

// claim makes s the one live session of its client, as [session.Traffic] says.
func (c *clients) claim(ctx context.Context, s *session.Session) error {
	for {
		older := c.online(s.Client())
		if older != nil {
			if s.AuthenticatedAt() != 0 && s.AuthenticatedAt() <= older.AuthenticatedAt() {
				return session.ErrStale
			}
			ping, cancel := context.WithTimeout(ctx, pingPatience)
			err := older.Ping(ping)
			cancel()
			if err == nil {
				return session.ErrDuplicate
			}
		}
		if s.AuthenticatedAt() != 0 {
			fresh, err := c.accounts.Seen(ctx, s.Client(), s.AuthenticatedAt())
			if err != nil {
				return err
			}
			if !fresh {
				return session.ErrStale
			}
		}
		c.mu.Lock()
		if c.live[s.Client()] == older {
			c.live[s.Client()] = s
			c.mu.Unlock()
			if older != nil {
				older.Evict()
			}
			return nil
		}
		c.mu.Unlock()
		if s.AuthenticatedAt() != 0 { // somebody was quicker with a later request
			return session.ErrDuplicate
		}
	}
}

// gone removes a session, but not a newer one of its client (nodes.md §1.9).
func (c *clients) gone(s *session.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live[s.Client()] == s {
		delete(c.live, s.Client())
	}
}
