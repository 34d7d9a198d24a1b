package directory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// Errors of a chain of documents.
var (
	// ErrFork reports two documents under one sequence number, both signed: the
	// directory shows different networks to different people. A client stops.
	ErrFork = errors.New("directory: the directory signed two different histories")
	// ErrSignature reports a document that the pinned key did not sign.
	ErrSignature = errors.New("directory: document not signed by the pinned key")
	// ErrRollback reports a document older than one already seen.
	ErrRollback = errors.New("directory: document is older than one already seen")
	// ErrTime reports a document that is not in force, or no longer valid, by
	// our clock.
	ErrTime = errors.New("directory: documents are of another time than this machine's clock shows: one of the two clocks is wrong")
)

// A snapshot is a topology document that was accepted.
type snapshot struct {
	seal Seal
	hash Hash
	view *View
	net  *topology.Network
}

// A chain is what a client holds of a directory's documents: the one in force,
// the one that follows, and the hashes of those seen before (H24). The client
// guards it with a mutex.
type chain struct {
	known  map[uint64]Hash
	order  []uint64  // of known, as they came
	newest uint64    // highest sequence seen
	issued time.Time // when that was; zero if only its head is known
	forked error

	current, next *snapshot
}

func newChain(seen Head) *chain {
	c := &chain{known: make(map[uint64]Hash)}
	if !seen.IsZero() {
		c.note(seen.Sequence, seen.Topology)
	}
	return c
}

// note remembers what stands under a sequence number, and fails with ErrFork if
// something else did.
func (c *chain) note(sequence uint64, h Hash) error {
	if c.forked != nil {
		return c.forked
	}
	k, ok := c.known[sequence]
	switch {
	case ok && k != h:
		c.forked = fmt.Errorf("%w: two documents of sequence %d", ErrFork, sequence)
		return c.forked
	case ok:
		return nil
	}
	c.known[sequence] = h
	c.order = append(c.order, sequence)
	c.newest = max(c.newest, sequence)
	if len(c.order) > maxKnown {
		delete(c.known, c.order[0])
		c.order = c.order[1:]
	}
	return nil
}

// check judges a topology document whose seal is verified. inForce says that
// the directory gave it as the one of this moment.
func (c *chain) check(s *Seal, h Hash, inForce bool, now time.Time) error {
	switch {
	case s.Sequence == 0:
		return fmt.Errorf("%w: sequence 0", ErrMalformed)
	case now.After(s.ValidUntil.Add(clockSkew)), inForce && now.Before(s.ValidAfter.Add(-clockSkew)):
		return ErrTime
	}
	if _, ok := c.known[s.Sequence]; !ok && s.Sequence < c.newest {
		if !c.issued.IsZero() && s.Issued.After(c.issued) { // an old one is older
			c.forked = fmt.Errorf("%w: document %d was issued after document %d", ErrFork, s.Sequence, c.newest)
			return c.forked
		}
		return ErrRollback
	}
	if s.Sequence > 1 {
		if before, ok := c.known[s.Sequence-1]; ok && before != s.Previous {
			c.forked = fmt.Errorf("%w: what came before document %d differs", ErrFork, s.Sequence)
			return c.forked
		}
	}
	if err := c.note(s.Sequence, h); err != nil {
		return err
	}
	if s.Sequence == c.newest {
		c.issued = s.Issued
	}
	return nil
}

// take puts an accepted snapshot in its place.
func (c *chain) take(p *snapshot, inForce bool) {
	if inForce {
		if c.current == nil || p.seal.Sequence >= c.current.seal.Sequence {
			c.current = p
		}
		if c.next != nil && c.next.seal.Sequence <= c.current.seal.Sequence {
			c.next = nil
		}
		return
	}
	if c.current == nil || p.seal.Sequence > c.current.seal.Sequence {
		c.next = p
	}
}

// advance brings the next snapshot into force if it is time, and reports whether
// it did.
func (c *chain) advance(now time.Time) bool {
	if c.next == nil || now.Before(c.next.seal.ValidAfter) {
		return false
	}
	c.current, c.next = c.next, nil
	return true
}

// compare holds another's signed head against what we saw.
func (c *chain) compare(h Head, key keys.Identity) error {
	if !h.Verify(key) {
		return ErrSignature
	}
	if k, ok := c.known[h.Sequence]; ok && k != h.Topology {
		c.forked = fmt.Errorf("%w: two documents of sequence %d", ErrFork, h.Sequence)
		return c.forked
	}
	return nil
}

// A step is what a client does next.
type step uint8

const (
	stepFetch  step = iota // ask for the document in force
	stepNext               // ask for the one that follows
	stepSwitch             // bring that into force
)

// plan says what to do next, and when. asked says that the document that follows
// was asked for already before the coming boundary, in vain.
//
//	   issued                        valid-after
//	─────┼──────────────────────────────┼──────────────
//	        stepNext, at a random time  stepSwitch, or else
//	                                      stepFetch a little later
func (c *chain) plan(now time.Time, asked bool, refresh time.Duration, rng *rand.Rand) (step, time.Time) {
	cur := c.current
	switch {
	case cur == nil:
		return stepFetch, now
	case c.next != nil:
		return stepSwitch, c.next.seal.ValidAfter
	case cur.view.Cadence == Cadence{}:
		return stepFetch, now.Add(jitter(refresh, rng))
	}
	cad := cur.view.Cadence
	from := now
	if cur.seal.ValidAfter.After(from) {
		from = cur.seal.ValidAfter // our clock is slow
	}
	boundary := cad.Next(from, cur.view.Schedule)
	issued := boundary.Add(-cad.Lead)
	margin := cad.Lead / 8
	earliest, latest := issued.Add(margin), boundary.Add(-margin)
	if now.After(earliest) {
		earliest = now
	}
	if asked || !earliest.Before(latest) {
		return stepFetch, boundary.Add(margin + rand0(2*margin, rng))
	}
	return stepNext, earliest.Add(rand0(latest.Sub(earliest), rng))
}

// jitter gives three quarters to five quarters of d (H05).
func jitter(d time.Duration, rng *rand.Rand) time.Duration { return d*3/4 + rand0(d/2, rng) }

// rand0 draws a time below d.
func rand0(d time.Duration, rng *rand.Rand) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(rng.Int64N(int64(d)))
}

// backoff is how long to wait after n failures in a row.
func backoff(n int, rng *rand.Rand) time.Duration {
	return jitter(min(maxBackoff, time.Second<<min(n, 10)), rng)
}
