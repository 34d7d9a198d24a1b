package gateway

import (
	"context"
	"sync"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// MemoryAccounts are Accounts that end with the process.
type MemoryAccounts struct {
	mu     sync.Mutex // guards the following
	m      map[keys.Identity]sessionserver.Account
	legacy map[keys.Identity]sessionserver.Account
	spent  map[keys.Identity]map[string]bool // nonces, of clients of either kind
}

// NewMemoryAccounts makes an empty one.
func NewMemoryAccounts() *MemoryAccounts {
	return &MemoryAccounts{
		m:      make(map[keys.Identity]sessionserver.Account),
		legacy: make(map[keys.Identity]sessionserver.Account),
		spent:  make(map[keys.Identity]map[string]bool),
	}
}

// find gives a client's account and the bucket it is in. mu is held.
func (a *MemoryAccounts) find(client keys.Identity) (acc sessionserver.Account, in map[keys.Identity]sessionserver.Account, err error) {
	for _, in := range []map[keys.Identity]sessionserver.Account{a.m, a.legacy} {
		if acc, ok := in[client]; ok {
			return acc, in, nil
		}
	}
	return sessionserver.Account{}, nil, sessionserver.ErrUnknownClient
}

// Register implements [sessionserver.Accounts].
func (a *MemoryAccounts) Register(_ context.Context, client keys.Identity, key *keys.Session) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old, _, _ := a.find(client)
	a.m[client] = sessionserver.Account{Key: key, Seen: old.Seen}
	delete(a.legacy, client)
	delete(a.spent, client)
	return nil
}

// RegisterLegacy implements [sessionserver.Accounts].
func (a *MemoryAccounts) RegisterLegacy(_ context.Context, client keys.Identity, key *keys.LegacySession) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.m[client]; ok {
		return sessionserver.ErrCurrentKey
	}
	a.legacy[client] = sessionserver.Account{Legacy: key, Seen: a.legacy[client].Seen}
	delete(a.spent, client)
	return nil
}

// Lookup implements [sessionserver.Accounts].
func (a *MemoryAccounts) Lookup(_ context.Context, client keys.Identity) (sessionserver.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, _, err := a.find(client)
	return acc, err
}

// Seen implements [sessionserver.Accounts].
func (a *MemoryAccounts) Seen(_ context.Context, client keys.Identity, at uint64) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, in, err := a.find(client)
	if err != nil || at <= acc.Seen {
		return false, err
	}
	acc.Seen = at
	in[client] = acc
	return true, nil
}

// Spend implements [sessionserver.Accounts].
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

// Forget implements [sessionserver.Accounts].
func (a *MemoryAccounts) Forget(_ context.Context, client keys.Identity) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.m, client)
	delete(a.legacy, client)
	delete(a.spent, client)
	return nil
}
