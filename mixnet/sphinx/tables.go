package sphinx

import (
	"sync"

	"nym-socks5/internal/vec8"
	"nym-socks5/mixnet/keys"
)

// Tables make building packets for the same nodes cheaper, and sealing for the same
// recipients: a public key that comes again and again gets a table, with which
// its multiplications take half the time. Builders on several goroutines may
// share one.
//
//	key seen ──8 times──▶ table made ──not seen while many others are──▶ forgotten
//
// Memory is bounded: at most [TableNodes] keys are remembered. In a network so
// large that a key hardly comes again, none gets a table.
type Tables struct {
	mu            sync.Mutex // guards the following
	recent, older map[[keys.Size]byte]*known
}

// known is what is remembered of one key.
type known struct {
	seen  int
	table *vec8.Table // nil: none yet
}

const (
	// TableNodes is how many keys are remembered: with tables 8 MiB.
	TableNodes = 512
	// tableAfter is how often a key is seen before it gets a table. Making one takes
	// as long as what it saves over thirty times in groups, ten times alone.
	tableAfter = 8
)

// NewTables makes Tables without any keys.
func NewTables() *Tables {
	return &Tables{recent: make(map[[keys.Size]byte]*known)}
}

// Find gives the table of a public key, or nil. It may make one. It may be called on
// nil Tables, and by many goroutines at once.
func (t *Tables) Find(key [keys.Size]byte) *vec8.Table {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	k := t.recall(key)
	k.seen++
	table := k.table
	make := k.seen == tableAfter
	t.mu.Unlock()
	if !make {
		return table
	}
	table = vec8.NewTable(&key)
	t.mu.Lock()
	defer t.mu.Unlock()
	k.table = table
	return table
}

// recall finds what is remembered of a key, or begins to remember it. The keys
// not seen for longest, half of all, are forgotten when there are too many.
func (t *Tables) recall(key [keys.Size]byte) *known {
	k := t.recent[key]
	if k != nil {
		return k
	}
	if k = t.older[key]; k == nil {
		k = new(known)
	}
	if len(t.recent) == TableNodes/2 {
		t.older, t.recent = t.recent, make(map[[keys.Size]byte]*known, TableNodes/2)
	}
	t.recent[key] = k
	return k
}
