package service

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"nym-socks5/internal/broadcast"
)

// A Key names a transaction.
type Key struct {
	Chain string
	Hash  broadcast.Hash
}

// A Record is what is known of a transaction. While it is Queued it has Tx, Due,
// Until and Mean; else Reply, Cut and At.
type Record struct {
	Result broadcast.Result // Queued, Accepted, Known, Refused or Unavailable
	Digest [32]byte         // SHA-256 of its bytes

	Tx    []byte
	Due   time.Time     // when the node is asked
	Until time.Time     // when it is given up
	Mean  time.Duration // of the random delay; zero: there is none

	Reply []byte // at most broadcast.MaxReply bytes
	Cut   bool
	At    time.Time
}

// lasts reports whether nobody else is told anything else from now on.
func (r *Record) lasts() bool { return r.Result == broadcast.Accepted || r.Result == broadcast.Known }

// A Store keeps records over the end of the process. Its methods may be called by many
// goroutines. Times are kept to the second.
type Store interface {
	// Load gives the record of a key; false: there is none.
	Load(ctx context.Context, k Key) (Record, bool, error)
	// Save puts a record in the place of an older one. When it returns nil, the record
	// survives the end of the process and of the machine.
	Save(ctx context.Context, k Key, r Record) error
	// Queued calls f for every record that is Queued.
	Queued(ctx context.Context, f func(Key, Record)) error
	// Trim removes records that are not Queued: those that last from before a time,
	// others from before another, and, while all together have more than so many bytes,
	// further ones: first those that do not last, the oldest first.
	Trim(ctx context.Context, lasting, others time.Time, most int64) error
}

// A MemoryStore is a Store that ends with the process.
type MemoryStore struct {
	mu sync.Mutex
	m  map[Key]Record
}

// NewMemoryStore makes an empty one.
func NewMemoryStore() *MemoryStore { return &MemoryStore{m: make(map[Key]Record)} }

// Load implements [Store].
func (s *MemoryStore) Load(_ context.Context, k Key) (Record, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.m[k]
	return copied(r), ok, nil
}

// Save implements [Store].
func (s *MemoryStore) Save(_ context.Context, k Key, r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[k] = copied(r)
	return nil
}

// Queued implements [Store].
func (s *MemoryStore) Queued(_ context.Context, f func(Key, Record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, r := range s.m {
		if r.Result == broadcast.Queued {
			f(k, copied(r))
		}
	}
	return nil
}

// Trim implements [Store].
func (s *MemoryStore) Trim(_ context.Context, lasting, others time.Time, most int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var done []Key
	var total int64
	for k, r := range s.m {
		old := others
		if r.lasts() {
			old = lasting
		}
		switch {
		case r.Result == broadcast.Queued:
		case r.At.Before(old):
			delete(s.m, k)
		default:
			done = append(done, k)
			total += r.Size()
		}
	}
	slices.SortFunc(done, func(a, b Key) int {
		ra, rb := s.m[a], s.m[b]
		if ra.lasts() != rb.lasts() {
			if rb.lasts() {
				return -1
			}
			return 1
		}
		return ra.At.Compare(rb.At)
	})
	for _, k := range done {
		if total <= most {
			break
		}
		r := s.m[k]
		total -= r.Size()
		delete(s.m, k)
	}
	return nil
}

// Size is what a record counts, in bytes.
func (r *Record) Size() int64 { return int64(len(r.Tx) + len(r.Reply) + recordOverhead) }

// Lasts reports whether the record is one of an outcome that stays.
func (r *Record) Lasts() bool { return r.lasts() }

func copied(r Record) Record {
	r.Tx, r.Reply = bytes.Clone(r.Tx), bytes.Clone(r.Reply)
	second := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return time.Unix(t.Unix(), 0)
	}
	r.Due, r.Until, r.At = second(r.Due), second(r.Until), second(r.At)
	return r
}
