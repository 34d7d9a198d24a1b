package endpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A Store keeps the records of one endpoint: few, small, each under a name. It
// is what makes an endpoint the same one after a restart. Its methods may be
// called by many goroutines.
type Store interface {
	// Load gives the record of that name; the zero Record if there is none.
	Load(ctx context.Context, name string) (Record, error)
	// Save puts a record in the place of an older one of that name, whole or not
	// at all.
	Save(ctx context.Context, name string, r Record) error
}

// A Record is what stands under a name. Records hold keys: nobody else may read
// them.
type Record struct {
	// Version is that of the Body's form, at least 1. It changes when a program
	// would misunderstand the record of another.
	Version int
	Body    []byte
}

// IsZero reports whether there is no record.
func (r Record) IsZero() bool { return r.Version == 0 }

// Errors of records.
var (
	// ErrNewer reports a record that a newer program wrote.
	ErrNewer = errors.New("endpoint: a newer program wrote this")
	// ErrDamaged reports a record that no program of ours wrote.
	ErrDamaged = errors.New("endpoint: damaged record")
)

// CheckRecord reports names and records that no Store takes; for those who write
// one.
func CheckRecord(name string, r Record) error {
	ok := name != "" && len(name) <= MaxName
	for _, c := range []byte(name) {
		ok = ok && (c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z')
	}
	switch {
	case !ok:
		return fmt.Errorf("endpoint: %q is no name of a record", name)
	case r.Version < 1:
		return fmt.Errorf("endpoint: record %s has no version", name)
	case len(r.Body) > MaxRecord:
		return fmt.Errorf("endpoint: record %s has %d bytes, the most are %d", name, len(r.Body), MaxRecord)
	}
	return nil
}

// Text gives the body of a record that this program must understand up to some
// version; empty if there is none. Its errors wrap [ErrNewer] and those of the
// Store.
func Text(ctx context.Context, s Store, name string, known int) (string, error) {
	r, err := s.Load(ctx, name)
	switch {
	case err != nil:
		return "", err
	case r.Version > known:
		return "", fmt.Errorf("%w: record %s is of version %d, and this program knows versions up to %d: use a newer program", ErrNewer, name, r.Version, known)
	}
	return string(r.Body), nil
}

// CheckStore reports records that an endpoint, or the program around it, could not
// use; for looking before it runs.
func CheckStore(ctx context.Context, s Store) error {
	_, entries := LoadEntries(ctx, s)
	_, requester := (&requesters{store: s}).load(ctx)
	head := headRecord{store: s}
	return errors.Join(entries, requester, head.load())
}

// A MemoryStore is a Store that ends with the process.
type MemoryStore struct {
	mu sync.Mutex
	m  map[string]Record
}

// NewMemoryStore makes an empty one.
func NewMemoryStore() *MemoryStore { return &MemoryStore{m: make(map[string]Record)} }

// Load implements [Store].
func (s *MemoryStore) Load(_ context.Context, name string) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.m[name]
	return Record{r.Version, append([]byte(nil), r.Body...)}, nil
}

// Save implements [Store].
func (s *MemoryStore) Save(_ context.Context, name string, r Record) error {
	if err := CheckRecord(name, r); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[name] = Record{r.Version, append([]byte(nil), r.Body...)}
	return nil
}
