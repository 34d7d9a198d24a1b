package gateway

import (
	"context"
	"sync"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// MemoryAccounts are Accounts that end with the process.
type MemoryAccounts struct {
	// Max is how many clients may be registered. If zero, it is 2^20. It must not
	// be changed while the accounts are used.
	Max int

	mu     sync.Mutex // guards the following
	m      map[keys.Identity]memoryAccount
	legacy map[keys.Identity]memoryAccount
	spent  map[keys.Identity]map[string]bool // nonces, of clients of either kind
}

type memoryAccount struct {
	sessionserver.Account
	used time.Time // registered, authenticated or proved last
}

// NewMemoryAccounts makes an empty one.
func NewMemoryAccounts() *MemoryAccounts {
	return &MemoryAccounts{
		m:      make(map[keys.Identity]memoryAccount),
		legacy: make(map[keys.Identity]memoryAccount),
		spent:  make(map[keys.Identity]map[string]bool),
	}
}

// find gives a client's account and the bucket it is in. mu is held.
func (a *MemoryAccounts) find(client keys.Identity) (acc memoryAccount, in map[keys.Identity]memoryAccount, err error) {
	for _, in := range a.buckets() {
		if acc, ok := in[client]; ok {
			return acc, in, nil
		}
	}
	return memoryAccount{}, nil, sessionserver.ErrUnknownClient
}

func (a *MemoryAccounts) buckets() [2]map[keys.Identity]memoryAccount {
	return [2]map[keys.Identity]memoryAccount{a.m, a.legacy}
}

// full reports whether there is no room for a client that is new. mu is held.
func (a *MemoryAccounts) full() bool {
	most := a.Max
	if most == 0 {
		most = defaultClients
	}
	return len(a.m)+len(a.legacy) >= most
}

// Register implements [Accounts].
func (a *MemoryAccounts) Register(_ context.Context, client keys.Identity, key *keys.Session) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, _, err := a.find(client)
	if err != nil && a.full() {
		return sessionserver.ErrTooManyClients
	}
	acc.Key, acc.Legacy, acc.used = key, nil, time.Now()
	a.m[client] = acc
	delete(a.legacy, client)
	delete(a.spent, client)
	return nil
}

// RegisterLegacy implements [Accounts].
func (a *MemoryAccounts) RegisterLegacy(_ context.Context, client keys.Identity, key *keys.LegacySession) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.m[client]; ok {
		return sessionserver.ErrCurrentKey
	}
	acc, known := a.legacy[client]
	if !known && a.full() {
		return sessionserver.ErrTooManyClients
	}
	acc.Legacy, acc.used = key, time.Now()
	a.legacy[client] = acc
	delete(a.spent, client)
	return nil
}

// Lookup implements [Accounts].
func (a *MemoryAccounts) Lookup(_ context.Context, client keys.Identity) (sessionserver.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, _, err := a.find(client)
	return acc.Account, err
}

// Seen implements [Accounts].
func (a *MemoryAccounts) Seen(_ context.Context, client keys.Identity, at uint64) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, in, err := a.find(client)
	if err != nil || at <= acc.Seen {
		return false, err
	}
	acc.Seen, acc.used = at, time.Now()
	in[client] = acc
	return true, nil
}

// Prove implements [Accounts].
func (a *MemoryAccounts) Prove(_ context.Context, client keys.Identity) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, in, err := a.find(client)
	if err != nil {
		return err
	}
	acc.Proved, acc.used = true, time.Now()
	in[client] = acc
	return nil
}

// ExpireAccounts implements [Accounts].
func (a *MemoryAccounts) ExpireAccounts(_ context.Context, unused, absent time.Time) (n int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, in := range a.buckets() {
		for client, acc := range in {
			before := absent
			if !acc.Proved && acc.Seen == 0 {
				before = unused
			}
			if acc.used.Before(before) {
				delete(in, client)
				delete(a.spent, client)
				n++
			}
		}
	}
	return n, nil
}

// Spend implements [Accounts].
func (a *MemoryAccounts) Spend(_ context.Context, client keys.Identity, nonce []byte) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, _, err := a.find(client)
	spent := a.spent[client]
	if err != nil || acc.Seen > 0 || spent[string(nonce)] || len(spent) >= sessionserver.MaxSpent {
		return false, err
	}
	if spent == nil {
		spent = make(map[string]bool)
		a.spent[client] = spent
	}
	spent[string(nonce)] = true
	return true, nil
}

// Forget implements [Accounts].
func (a *MemoryAccounts) Forget(_ context.Context, client keys.Identity) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.m, client)
	delete(a.legacy, client)
	delete(a.spent, client)
	return nil
}
