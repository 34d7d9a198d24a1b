package dirserver

import (
	"cmp"
	"context"
	"errors"
	"slices"
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

// ErrMoved reports a head that was not stored, because somebody else stored one
// after the one it was to follow.
var ErrMoved = errors.New("dirserver: another directory published from this store")

// An Entry is what is remembered of one document of the chain.
type Entry struct {
	Sequence uint64
	directory.Link
	Chain  directory.Hash // of the history up to it
	Issued time.Time
}

// A Store keeps what a directory must not forget. Its methods may be called by
// many goroutines, and by several directories that share it.
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
	// PutHead stores h in place of before, which has the number in front of it
	// and is the zero Head if there was none, and e, its entry in the history:
	// both or neither, under the same promise as PutRecord. If the head stored is
	// not before, it fails with ErrMoved and changes nothing: of several who come
	// at once one succeeds, so that a directory never signs two documents with one
	// number.
	PutHead(ctx context.Context, before, h directory.Head, e Entry) error
	// History gives at most n entries in the order of their numbers: those from a
	// number on, or from the first that is kept. An entry is kept for
	// [directory.KeepHistory] after it was issued, by the time of the newest, and
	// dropped some time after that.
	History(ctx context.Context, from uint64, n int) ([]Entry, error)
}

// A MemoryStore is a [Store] that ends with the process.
type MemoryStore struct {
	mu      sync.Mutex
	records map[keys.Identity]Record
	head    directory.Head
	history []Entry // without gaps
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
func (s *MemoryStore) PutHead(_ context.Context, before, h directory.Head, e Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !before.Same(s.head) {
		return ErrMoved
	}
	old := 0
	for old < len(s.history) && e.Issued.Sub(s.history[old].Issued) > directory.KeepHistory {
		old++
	}
	s.head, s.history = h, append(s.history[old:], e)
	return nil
}

// History implements [Store].
func (s *MemoryStore) History(_ context.Context, from uint64, n int) ([]Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, _ := slices.BinarySearchFunc(s.history, from, func(e Entry, n uint64) int { return cmp.Compare(e.Sequence, n) })
	return slices.Clone(s.history[at:min(at+n, len(s.history))]), nil
}
