package boltstore

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"
)

func newTestFile(t testing.TB) *file {
	t.Helper()
	f, err := open(filepath.Join(t.TempDir(), "test.db"), testSchema, openBolt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.close() })
	return f
}

func setRow(key, value string) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error { return tx.Bucket([]byte("rows")).Put([]byte(key), []byte(value)) }
}

// lastTx is the number of the last transaction that changed something.
func (f *file) lastTx(t *testing.T) (id int) {
	t.Helper()
	must(t, f.db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }))
	return id
}

// crowd has n writes wait behind one that is being committed, and gives their
// errors.
func crowd(t *testing.T, f *file, writes ...func(*bolt.Tx) error) []error {
	t.Helper()
	c := &f.commits
	inside, goOn := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		err := c.do(func(tx *bolt.Tx) error {
			close(inside)
			<-goOn
			return setRow("first", "x")(tx)
		})
		if err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	<-inside
	errs := make([]error, len(writes))
	var rest sync.WaitGroup
	for i, w := range writes {
		rest.Go(func() { errs[i] = c.do(w) })
		for queued := 0; queued <= i; { // they wait in this order
			c.mu.Lock()
			queued = len(c.waiting)
			c.mu.Unlock()
		}
	}
	close(goOn)
	first.Wait()
	rest.Wait()
	if c.busy || len(c.waiting) != 0 {
		t.Error("somebody seems to commit still")
	}
	return errs
}

// Writes that come while the disk is busy share one commit.
func TestWritesShareACommit(t *testing.T) {
	f := newTestFile(t)
	before := f.lastTx(t)
	var writes []func(*bolt.Tx) error
	for i := range 20 {
		writes = append(writes, setRow(string(rune('a'+i)), "x"))
	}
	for i, err := range crowd(t, f, writes...) {
		if err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if got := f.lastTx(t) - before; got != 2 {
		t.Errorf("%d commits for the first and 20 more, want 2", got)
	}
}

// One of a group that fails, or panics, fails alone and leaves nothing behind.
func TestFailingWriteFailsAlone(t *testing.T) {
	f := newTestFile(t)
	sorry := errors.New("sorry")
	errs := crowd(t, f,
		setRow("a", "x"),
		func(tx *bolt.Tx) error {
			must(t, setRow("b", "x")(tx))
			return sorry
		},
		setRow("c", "x"),
		func(tx *bolt.Tx) error {
			must(t, setRow("d", "x")(tx))
			panic("oh")
		},
		setRow("e", "x"),
	)
	for i, want := range []error{nil, sorry, nil, errBug, nil} {
		if !errors.Is(errs[i], want) {
			t.Errorf("write %d: got %v, want %v", i, errs[i], want)
		}
	}
	var got strings.Builder
	must(t, f.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("rows")).ForEach(func(k, _ []byte) error { got.WriteString(string(k) + " "); return nil })
	}))
	if want := "a c e first "; got.String() != want {
		t.Errorf("rows %q, want %q", got.String(), want)
	}
}
