package gateway

import (
	"context"
	"math"
	"sync"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// clients knows who is online, and is the store's accounts for the sessions.
type clients struct {
	sessionserver.Accounts
	inbox       Inbox
	allowLegacy bool

	mu   sync.Mutex // guards the following; never held while something waits
	live map[keys.Identity]*sessionserver.Session
}

func newClients(a sessionserver.Accounts, in Inbox, allowLegacy bool) *clients {
	return &clients{Accounts: a, inbox: in, allowLegacy: allowLegacy, live: make(map[keys.Identity]*sessionserver.Session)}
}

// online finds the live session of a client; nil: there is none.
func (c *clients) online(client keys.Identity) *sessionserver.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[client]
}

func (c *clients) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.live)
}

// find looks a client up. A legacy one is nobody while those are not allowed.
func (c *clients) find(ctx context.Context, client keys.Identity) (sessionserver.Account, error) {
	a, err := c.Lookup(ctx, client)
	if err == nil && a.Key == nil && !c.allowLegacy {
		return sessionserver.Account{}, sessionserver.ErrUnknownClient
	}
	return a, err
}

// Forget implements [sessionserver.Accounts]: mail goes with the account. That
// goes first: nothing more is stored for the client then.
func (c *clients) Forget(ctx context.Context, client keys.Identity) error {
	if err := c.Accounts.Forget(ctx, client); err != nil {
		return err
	}
	return c.inbox.Delete(ctx, client, math.MaxUint64)
}

// claim makes s the one live session of its client, as [sessionserver.Handler] says.
func (c *clients) claim(ctx context.Context, s *sessionserver.Session) error {
	for {
		older := c.online(s.Client())
		if older != nil {
			if s.AuthenticatedAt() != 0 && s.AuthenticatedAt() <= older.AuthenticatedAt() {
				return sessionserver.ErrStale
			}
			ping, cancel := context.WithTimeout(ctx, pingPatience)
			err := older.Ping(ping)
			cancel()
			if err == nil {
				return sessionserver.ErrDuplicate
			}
		}
		if s.AuthenticatedAt() != 0 {
			fresh, err := c.Seen(ctx, s.Client(), s.AuthenticatedAt())
			if err != nil {
				return err
			}
			if !fresh {
				return sessionserver.ErrStale
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
			return sessionserver.ErrDuplicate
		}
	}
}

// gone removes a session, but not a newer one of its client (nodes.md §1.9).
func (c *clients) gone(s *sessionserver.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live[s.Client()] == s {
		delete(c.live, s.Client())
	}
}
