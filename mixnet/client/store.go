package client

import (
	"context"
	"sync"
	"time"

	"nym-socks5/mixnet/keys"
)

// A Registration is what a client keeps of a gateway that knows it.
type Registration struct {
	// Key is what the two of them share.
	Key *keys.Session
	// Last is when the client last authenticated, in whole seconds; zero: not
	// yet. The gateway takes later times only (nodes.md §1.5).
	Last time.Time
}

// A Store keeps registrations, each for a client and a gateway. Its methods may
// be called by many goroutines. Nothing else of a client outlives it: its own
// keys are handed in, and SURBs that were received are never kept (H14).
type Store interface {
	// Load finds a registration; false: there is none.
	Load(ctx context.Context, client, gateway keys.Identity) (Registration, bool, error)
	// Save puts a registration in the place of an older one.
	Save(ctx context.Context, client, gateway keys.Identity, r Registration) error
}

// A MemoryStore is a Store that ends with the process.
type MemoryStore struct {
	mu sync.Mutex
	m  map[[2]keys.Identity]Registration
}

// NewMemoryStore makes an empty one.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{m: make(map[[2]keys.Identity]Registration)}
}

// Load implements [Store].
func (s *MemoryStore) Load(_ context.Context, client, gateway keys.Identity) (Registration, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.m[[2]keys.Identity{client, gateway}]
	return r, ok, nil
}

// Save implements [Store].
func (s *MemoryStore) Save(_ context.Context, client, gateway keys.Identity, r Registration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[[2]keys.Identity{client, gateway}] = r
	return nil
}
