package directory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"nym-socks5/mixnet/topology"
)

// Errors of a chain of documents.
var (
	// ErrFork reports two documents under one sequence number, both signed, or
	// documents that were kept from us: the directory shows different networks to
	// different people. A client stops.
	ErrFork = errors.New("directory: the directory signed two different histories")
	// ErrContinuity reports that the directory does not show what connects a
	// document with those we know. It may be honest: nothing is kept for ever.
	ErrContinuity = errors.New("directory: continuity not shown")
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
	body []byte // as it was served; nil where nothing is kept
	path string // that the seal covers
}

// An entry is what is remembered of one document. What is not known is zero.
type entry struct {
	topology Hash
	chain    Hash // of the history up to it
	at       time.Time
}

// A claim is a head that somebody stated before we knew its document.
type claim struct {
	Head
	noted time.Time
}

// A chain is what a client holds of a directory's documents: the one in force,
// the one that follows, and the history that it saw (H24). The client guards it
// with a mutex.
//
//	     first            tip = newest
//	───────┼────────────────┼ ─ ─ ─ ─ ─ ─┼─────▶ numbers
//	       └── own range ───┘  lacks      n: extend with the links between, then check
//
// Every number in the own range was seen, or its link was shown: so a document
// that others were given under one of them cannot be another.
type chain struct {
	known    map[uint64]entry
	order    []uint64 // of known, as they came
	first    uint64   // where the own range begins
	began    time.Time
	newest   uint64    // highest sequence seen
	accepted uint64    // highest of those whose document was accepted, not only its link
	issued   time.Time // when that was; zero if only its head is known
	tip      uint64    // the last number that tipChain covers
	tipChain Hash
	hasTip   bool
	forked   error
	lost     uint64 // the number before which continuity was not shown last; zero: none

	claims   []claim
	hidden   int       // documents in a row that were kept from us
	answered time.Time // when the directory gave a document last

	current, next *snapshot
}

func newChain(seen Head) *chain {
	c := &chain{known: make(map[uint64]entry)}
	if !seen.IsZero() {
		c.note(seen.Sequence, entry{topology: seen.Topology, chain: seen.Chain})
		c.first, c.accepted = seen.Sequence, seen.Sequence
		if seen.Chain != (Hash{}) {
			c.tip, c.tipChain, c.hasTip = seen.Sequence, seen.Chain, true
		}
	}
	return c
}

func (c *chain) fork(format string, args ...any) error {
	if c.forked == nil {
		c.forked = fmt.Errorf("%w: "+format, append([]any{ErrFork}, args...)...)
	}
	return c.forked
}

// note remembers what stands under a sequence number, and fails with ErrFork if
// something else did.
func (c *chain) note(sequence uint64, e entry) error {
	if c.forked != nil {
		return c.forked
	}
	k, ok := c.known[sequence]
	switch {
	case ok && k.topology != e.topology:
		return c.fork("two documents of sequence %d", sequence)
	case ok && k.chain != (Hash{}) && e.chain != (Hash{}) && k.chain != e.chain:
		return c.fork("two histories up to document %d", sequence)
	case ok:
		if k.chain == (Hash{}) {
			k.chain = e.chain
		}
		if k.at.IsZero() {
			k.at = e.at
		}
		c.known[sequence] = k
		return nil
	}
	c.known[sequence] = e
	c.order = append(c.order, sequence)
	c.newest = max(c.newest, sequence)
	if len(c.order) > maxKnown {
		delete(c.known, c.order[0])
		c.order = c.order[1:]
	}
	return nil
}

// lacks says from which number on the history must be shown before document n
// can be judged; false: there is no gap.
func (c *chain) lacks(n uint64) (from uint64, ok bool) {
	switch {
	case n <= c.newest || n == 1:
		return 0, false
	case c.hasTip:
		return c.tip + 1, n > c.tip+1
	case c.newest != 0: // its document is known, the history up to it is not
		return c.newest, true
	}
	return n, true
}

// extend takes a piece of history that was asked for from a number on, for the
// sake of document n. more says where to go on asking; zero: nowhere.
func (c *chain) extend(h *History, from, n uint64, now time.Time) (more uint64, err error) {
	if c.forked != nil {
		return 0, c.forked
	}
	before := h.Before
	switch {
	case h.From == from && c.hasTip && c.tip+1 == from && before != c.tipChain:
		return 0, c.fork("two histories up to document %d", c.tip)
	case h.From > n || h.From < from:
		return 0, fmt.Errorf("%w: the history begins at document %d, and %d was asked for", ErrContinuity, h.From, from)
	case h.From > from: // what is between is shown no longer
		if at := c.known[c.newest].at; !at.IsZero() && now.Sub(at) < demandHistory {
			return 0, fmt.Errorf("%w: document %d of %s is shown no longer, after %v", ErrContinuity, c.newest, at.Format(time.RFC3339), now.Sub(at).Round(time.Minute))
		}
		c.lost, c.first, c.began = h.From, h.From, time.Time{}
		c.tip, c.tipChain, c.hasTip = h.From-1, before, true
	case !c.hasTip:
		c.tip, c.tipChain, c.hasTip = h.From-1, before, true
	}
	if c.tip+1 != h.From {
		return 0, fmt.Errorf("%w: links from %d after document %d", ErrContinuity, h.From, c.tip)
	}
	for i, l := range h.Links {
		at := h.From + uint64(i)
		if at >= n {
			break
		}
		next := Chain(c.tipChain, at, l)
		if err := c.note(at, entry{l.Topology, next, l.ValidAfter}); err != nil {
			return 0, err
		}
		c.tip, c.tipChain = at, next
	}
	switch {
	case c.tip+1 >= n:
		return 0, nil
	case len(h.Links) == 0:
		return 0, fmt.Errorf("%w: the history ends before document %d", ErrContinuity, n)
	}
	return c.tip + 1, nil
}

// restart gives up what came before document n: that is too much to be shown.
func (c *chain) restart(h *History) {
	c.lost, c.first, c.began = h.From, h.From, time.Time{}
	c.tip, c.tipChain, c.hasTip = h.From-1, h.Before, true
}

// check judges a topology document whose seal is verified, after extend closed
// the gap before it. inForce says that the directory gave it as the one of this
// moment.
func (c *chain) check(s *Seal, h Hash, inForce bool, now time.Time) error {
	switch {
	case c.forked != nil:
		return c.forked
	case s.Sequence == 0:
		return fmt.Errorf("%w: sequence 0", ErrMalformed)
	case now.After(s.ValidUntil.Add(clockSkew)), inForce && now.Before(s.ValidAfter.Add(-clockSkew)):
		return ErrTime
	}
	n := s.Sequence
	if _, ok := c.known[n]; !ok && n < c.newest {
		if !c.issued.IsZero() && s.Issued.After(c.issued) { // an old one is older
			return c.fork("document %d was issued after document %d", n, c.newest)
		}
		return ErrRollback
	}
	if before, ok := c.known[n-1]; ok && before.topology != (Hash{}) && before.topology != s.Previous {
		return c.fork("what came before document %d differs", n)
	}
	if n > c.newest || n == 1 {
		if n == 1 && !c.hasTip {
			c.hasTip = true // the history of nothing
		}
		if !c.hasTip || c.tip+1 < n {
			return fmt.Errorf("%w: nothing connects document %d with document %d", ErrContinuity, n, c.newest)
		}
	}
	e := entry{topology: h, at: s.ValidAfter}
	if c.hasTip && c.tip+1 == n {
		e.chain = Chain(c.tipChain, n, Link{s.ValidAfter, h})
	}
	if err := c.note(n, e); err != nil {
		return err
	}
	if e.chain != (Hash{}) {
		c.tip, c.tipChain = n, e.chain
	}
	if c.first == 0 {
		c.first = n
	}
	if c.began.IsZero() {
		c.began = s.ValidAfter
	}
	if n == c.newest {
		c.issued = s.Issued
	}
	return c.settle(s, now)
}

// settle holds the claims of others against a document that was accepted.
func (c *chain) settle(s *Seal, now time.Time) error {
	kept := c.claims[:0]
	for _, cl := range c.claims {
		k, ok := c.known[cl.Sequence]
		switch {
		case ok:
			if err := c.same(cl.Head, k); err != nil {
				return err
			}
		case cl.Sequence > s.Sequence && s.Issued.After(cl.noted.Add(2*clockSkew)):
			return c.fork("document %d was issued after others were shown document %d", s.Sequence, cl.Sequence)
		case cl.Sequence > c.newest:
			kept = append(kept, cl)
		}
	}
	c.claims = kept
	return nil
}

// follow counts documents that came into force between ours although the
// directory was asked all the time. Document n was accepted now.
func (c *chain) follow(n uint64, now time.Time) error {
	before := c.accepted
	c.accepted = max(before, n)
	asked := c.current != nil && !c.answered.IsZero() && now.Sub(c.answered) <= c.current.view.Cadence.Period*3/2
	c.answered = now
	switch {
	case before == 0 || n <= before:
	case n == before+1:
		c.hidden = 0
	case asked:
		if c.hidden++; c.hidden >= maxHidden {
			return c.fork("documents between ours were shown to others, %d times in a row", c.hidden)
		}
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

// compare holds another's head, whose signature is verified, against what we
// saw. ask says that its number lies before the newest and is not remembered:
// the history must be asked for.
func (c *chain) compare(h Head, now time.Time) (ask bool, err error) {
	if c.forked != nil {
		return false, c.forked
	}
	k, ok := c.known[h.Sequence]
	switch {
	case ok:
		return false, c.same(h, k)
	case h.Sequence < c.newest:
		return true, nil
	}
	for _, cl := range c.claims {
		if cl.Sequence == h.Sequence {
			return false, c.same(h, entry{topology: cl.Topology, chain: cl.Chain})
		}
	}
	if len(c.claims) == maxClaims {
		c.claims = append(c.claims[:0], c.claims[1:]...)
	}
	c.claims = append(c.claims, claim{h, now})
	return false, nil
}

// same fails with ErrFork if a head is not what we know.
func (c *chain) same(h Head, k entry) error {
	switch {
	case k.topology != h.Topology:
		return c.fork("two documents of sequence %d", h.Sequence)
	case k.chain != (Hash{}) && h.Chain != (Hash{}) && k.chain != h.Chain:
		return c.fork("two histories up to document %d", h.Sequence)
	}
	return nil
}

// above gives the first number after n whose history is known.
func (c *chain) above(n uint64) (k uint64, ok bool) {
	for s, e := range c.known {
		if s > n && e.chain != (Hash{}) && (!ok || s < k) {
			k, ok = s, true
		}
	}
	return k, ok
}

// A proof connects a number that is not remembered with one that is, by links
// that the directory shows.
type proof struct {
	head Head   // that somebody stated
	to   uint64 // number whose history is known
	at   uint64 // the last link folded in
	told entry  // what the directory shows under the head's number
	sum  Hash
}

// fold takes a piece of history that begins after p.at. It reports whether the
// proof is complete.
func (p *proof) fold(h *History) (done bool, err error) {
	if p.at == 0 {
		p.at, p.sum = h.From-1, h.Before
	}
	if h.From != p.at+1 || h.Before != p.sum || len(h.Links) == 0 {
		return false, fmt.Errorf("%w: the history is not shown from document %d to %d", ErrContinuity, p.head.Sequence, p.to)
	}
	for _, l := range h.Links {
		p.at++
		p.sum = Chain(p.sum, p.at, l)
		if p.at == p.head.Sequence {
			p.told = entry{l.Topology, p.sum, l.ValidAfter}
		}
		if p.at == p.to {
			return true, nil
		}
	}
	return false, nil
}

// prove judges a complete proof.
func (c *chain) prove(p *proof) error {
	if c.forked != nil {
		return c.forked
	}
	if k, ok := c.known[p.to]; ok && k.chain != p.sum {
		return c.fork("two histories up to document %d", p.to)
	}
	return c.same(p.head, p.told)
}

// unproved judges a head whose document the directory does not show.
func (c *chain) unproved(h Head, now time.Time) error {
	if c.forked != nil {
		return c.forked
	}
	if h.Sequence >= c.first && !c.began.IsZero() && now.Sub(c.began) < demandHistory {
		return c.fork("document %d, which others were shown, is kept from us", h.Sequence)
	}
	return fmt.Errorf("%w: document %d is older than what the directory shows", ErrContinuity, h.Sequence)
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
