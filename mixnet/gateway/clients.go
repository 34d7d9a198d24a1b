package gateway

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"sync"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// clients knows which clients are online, and gives sessions the store's accounts.
type clients struct {
	Accounts
	inbox       Inbox
	allowLegacy bool

	mu       sync.Mutex // guards the following; never held while something waits
	live     map[keys.Identity]current
	unproved *unproved
}

// A current session is the live one of its client.
type current struct {
	*sessionserver.Session
	took time.Time // when it took the place of one that lived; zero: it did not
}

func newClients(a Accounts, in Inbox, allowLegacy bool) *clients {
	return &clients{
		Accounts:    a,
		inbox:       in,
		allowLegacy: allowLegacy,
		live:        make(map[keys.Identity]current),
		unproved:    newUnproved(maxUnproved, maxUnprovedPerAddr),
	}
}

// from is where the context of a connection has the address it comes from.
type from struct{}

func withFrom(ctx context.Context, ip netip.Addr) context.Context {
	return context.WithValue(ctx, from{}, ip)
}

// online finds the live session of a client; nil: there is none.
func (c *clients) online(client keys.Identity) *sessionserver.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[client].Session
}

func (c *clients) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.live)
}

// mayRegister reports whether a client may be registered, from the address that
// ctx has: always if it is more than a registration already.
func (c *clients) mayRegister(ctx context.Context, client keys.Identity) error {
	if acc, err := c.Lookup(ctx, client); err == nil && acc.Proved {
		return nil
	}
	ip, _ := ctx.Value(from{}).(netip.Addr)
	c.mu.Lock()
	gone, ok := c.unproved.add(client, ip, time.Now())
	c.mu.Unlock()
	if !ok {
		return sessionserver.ErrTooManyUnused
	}
	if gone == nil {
		return nil
	}
	if s := c.online(*gone); s != nil {
		s.End("too many clients are registered and not used")
	}
	return c.Forget(ctx, *gone)
}

// settled takes a client out of those that proved nothing: it did, or is gone.
func (c *clients) settled(client keys.Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unproved.remove(client)
}

// Register implements [sessionserver.Accounts].
func (c *clients) Register(ctx context.Context, client keys.Identity, key *keys.Session) error {
	err := c.mayRegister(ctx, client)
	if err != nil {
		return err
	}
	if err = c.Accounts.Register(ctx, client, key); err != nil {
		c.settled(client)
	}
	return err
}

// RegisterLegacy implements [sessionserver.Accounts].
func (c *clients) RegisterLegacy(ctx context.Context, client keys.Identity, key *keys.LegacySession) error {
	err := c.mayRegister(ctx, client)
	if err != nil {
		return err
	}
	if err = c.Accounts.RegisterLegacy(ctx, client, key); err != nil {
		c.settled(client)
	}
	return err
}

// prove notes that a client sent a sealed frame.
func (c *clients) prove(ctx context.Context, client keys.Identity) error {
	c.settled(client)
	err := c.Accounts.Prove(ctx, client)
	if errors.Is(err, sessionserver.ErrUnknownClient) {
		return nil // it has been forgotten since
	}
	return err
}

// expire removes clients that have not been here for long.
func (c *clients) expire(ctx context.Context, now time.Time) error {
	c.mu.Lock()
	c.unproved.expire(now.Add(-unusedAge))
	c.mu.Unlock()
	_, err := c.ExpireAccounts(ctx, now.Add(-unusedAge), now.Add(-absentAge))
	return err
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
	c.settled(client)
	if err := c.Accounts.Forget(ctx, client); err != nil {
		return err
	}
	return c.inbox.Delete(ctx, client, math.MaxUint64)
}

// admit says whether a client may be registered now. A registration is a new login like any
// other, but what it stores cannot be taken back when claim refuses.
func (c *clients) admit(client keys.Identity) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live[client].stays() {
		return sessionserver.ErrDuplicate
	}
	return nil
}

// stays reports whether a session that lives may not be replaced yet.
func (c current) stays() bool { return !c.took.IsZero() && time.Since(c.took) < replaceEvery }

// claim makes s the one live session of its client, as [sessionserver.Handler] says.
func (c *clients) claim(ctx context.Context, s *sessionserver.Session) error {
	for {
		c.mu.Lock()
		older := c.live[s.Client()]
		c.mu.Unlock()
		next := current{Session: s}
		if older.Session != nil {
			if s.AuthenticatedAt() != 0 && s.AuthenticatedAt() <= older.AuthenticatedAt() {
				return sessionserver.ErrStale
			}
			ping, cancel := context.WithTimeout(ctx, pingPatience)
			lives := older.Ping(ping) == nil
			cancel()
			if lives && older.stays() {
				return sessionserver.ErrDuplicate
			}
			if lives {
				next.took = time.Now()
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
			c.live[s.Client()] = next
			c.mu.Unlock()
			if older.Session != nil {
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
	if c.live[s.Client()].Session == s {
		delete(c.live, s.Client())
	}
}
