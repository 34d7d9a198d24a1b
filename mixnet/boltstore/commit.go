package boltstore

import (
	"errors"
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// A committer lets writes that come at the same time share one commit, and so
// one wait for the disk. It has no goroutine: of those who wait, one commits
// for all.
//
//	write ─▶ nobody commits: commit at once, alone
//	write ─┐
//	write ─┼▶ somebody commits: wait; then the first commits for all ─▶ …
//	write ─┘
type committer struct {
	db *bolt.DB

	mu      sync.Mutex // guards the following; not held while committing
	waiting []*write
	busy    bool // somebody commits
}

// A write is one change that is made whole or not at all.
type write struct {
	apply func(*bolt.Tx) error // may be called again, if a commit fails
	err   error
	turn  chan bool // true: commit for all that wait; false: done, see err
}

// do makes a change durable. When it fails, nothing was changed.
func (c *committer) do(apply func(*bolt.Tx) error) error {
	w := &write{apply: apply, turn: make(chan bool, 1)}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	first := !c.busy
	c.busy = true
	c.mu.Unlock()
	if !first && !<-w.turn {
		return w.err
	}
	c.lead()
	return w.err
}

// lead commits what waits, the caller's own write first, and hands on.
func (c *committer) lead() {
	c.mu.Lock()
	n := min(len(c.waiting), maxGroup)
	group := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	c.mu.Unlock()

	c.commit(group)

	for _, w := range group[1:] {
		w.turn <- false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) > 0 {
		c.waiting[0].turn <- true
	} else {
		c.busy = false
	}
}

// commit makes the changes of a group in one transaction. If one of them cannot
// be made, each gets a transaction of its own, so that only that one fails.
func (c *committer) commit(group []*write) {
	var bad bool
	err := c.update(func(tx *bolt.Tx) error {
		for _, w := range group {
			if err := w.apply(tx); err != nil {
				bad = true
				return err
			}
		}
		return nil
	})
	if bad && len(group) > 1 {
		for _, w := range group {
			w.err = c.update(w.apply)
		}
		return
	}
	for _, w := range group {
		w.err = err
	}
}

// errBug reports a change that panicked: those who wait must not wait for ever.
var errBug = errors.New("bug")

func (c *committer) update(apply func(*bolt.Tx) error) (err error) {
	defer func() {
		if r := recover(); r != nil { // bbolt panics when pages make no sense
			err = fmt.Errorf("%w or %w: %v", ErrDamaged, errBug, r)
		}
	}()
	return c.db.Update(apply)
}
