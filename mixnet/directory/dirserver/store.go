package dirserver

import (
	"context"
	"sync"
	"time"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// A Record is what a directory remembers of an identity that announced itself.
type Record struct {
	Identity keys.Identity
	ID       uint32 // the number of the node in topologies; never given to another
	Layer    uint8  // 1 to 3: where the mix stands; 0 for others
	// Announcement is the last one accepted, in its signed form.
	Announcement []byte
	// Expires is the end of the lease.
	Expires time.Time
}

// A Store keeps what a directory must not forget. It is called by one goroutine
// at a time.
type Store interface {
	// Records gives all records, in any order.
	Records(ctx context.Context) ([]Record, error)
	// PutRecord stores the record of its identity in place of an older one.
	// When it returns nil, the record survives what the implementation
	// promises to survive.
	PutRecord(ctx context.Context, r Record) error
	// Head gives the head of the last snapshot published; the zero Head if
	// there was none.
	Head(ctx context.Context) (directory.Head, error)
	// PutHead stores it, under the same promise as PutRecord.
	PutHead(ctx context.Context, h directory.Head) error
}

// A MemoryStore is a [Store] that ends with the process.
type MemoryStore struct {
	mu      sync.Mutex
	records map[keys.Identity]Record
	head    directory.Head
}

// NewMemoryStore makes an empty store.
func NewMemoryStore() *MemoryStore { return &MemoryStore{records: make(map[keys.Identity]Record)} }

// Records implements [Store].
func (s *MemoryStore) Records(context.Context) ([]Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Record, 0, len(s.records))
	for _, r := range s.records {
		out = append(out, r)
	}
	return out, nil
}

// PutRecord implements [Store].
func (s *MemoryStore) PutRecord(_ context.Context, r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[r.Identity] = r
	return nil
}

// Head implements [Store].
func (s *MemoryStore) Head(context.Context) (directory.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head, nil
}

// PutHead implements [Store].
func (s *MemoryStore) PutHead(_ context.Context, h directory.Head) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head = h
	return nil
}
