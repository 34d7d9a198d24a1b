package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/topology"
	"nym-socks5/proxy"
)

// The record of the requesters that were drawn from those of the directories: an
// address a line. Version 1 has one line.
const (
	requesterName    = "requester"
	requesterVersion = 2
)

// ErrNoRequester reports that nobody is there to connect to targets.
var ErrNoRequester = errors.New("endpoint: no requester")

// A requesters is the pool of those that may connect to targets for an endpoint. Its
// methods may be called by many goroutines.
//
//	named, or drawn from those listed ──▶ candidates ◀── questions, what streams hear
//	                                          │
//	who asks ──stays with──▶ one of those that answer, drawn among the near (H28)
//
// Who asks is the isolation key of a stream. Several addresses with one encryption key
// are one requester, reached at several gateways.
type requesters struct {
	named   []mixnet.Recipient // by the Config; none: listed
	network *Network
	store   Store
	log     zerolog.Logger
	changed func()
	proxy   *proxy.Proxy
	wake    chan struct{} // has the pool look again; full: it will

	mu     sync.Mutex // guards the following
	all    []*candidate
	askers map[string]*asker
	news   chan struct{} // closed at the next change of a standing
}

// An asker is an isolation key, with the requester that its streams go through.
type asker struct {
	c    *candidate
	used time.Time
}

// choose finds the candidates: those that are named or, if none is, some of those that
// the directories list, drawn when the endpoint was new.
func (r *requesters) choose(ctx context.Context) error {
	n, err := r.network.Topology(ctx)
	if err != nil {
		return err
	}
	kept, err := r.load(ctx)
	if err != nil {
		return err
	}
	r.wake, r.news = make(chan struct{}, 1), make(chan struct{})
	r.askers = make(map[string]*asker)
	now := time.Now()
	listed := r.network.listed()
	if len(r.named) > 0 {
		for _, a := range r.named {
			r.add(n, now, false, alias(listed, a))
		}
	} else {
		for _, a := range kept {
			r.add(n, now, true, alias(listed, a)) // whether or not it is listed just now
		}
		r.fill(n, now)
	}
	switch {
	case len(r.all) > 0:
		return r.save(ctx)
	case len(r.named) == 1:
		return fmt.Errorf("%w: its gateway %v is not in the topology; is the address right, and is it one of this network?", ErrNoRequester, r.named[0].Gateway)
	case len(r.named) > 0:
		return fmt.Errorf("%w: the gateways of all %d that are named are not in the topology; are the addresses right, and are they of this network?", ErrNoRequester, len(r.named))
	}
	return fmt.Errorf("%w: the directories list none; name one, or have one register: it is listed within a minute", ErrNoRequester)
}

// alias gives the addresses of the listed requester that has one; or it alone.
func alias(listed [][]mixnet.Recipient, a mixnet.Recipient) []mixnet.Recipient {
	all := []mixnet.Recipient{a}
	for _, l := range listed {
		if slices.Contains(l, a) {
			all = append(all, l...)
		}
	}
	return all
}

// add adds a candidate, if it can be reached in the network, or to one that has the same
// encryption key its further addresses. The lock is held, or nobody else has it yet.
func (r *requesters) add(n *topology.Network, now time.Time, kept bool, addrs []mixnet.Recipient) {
	for _, c := range r.all {
		if c.addrs[0].Encryption == addrs[0].Encryption {
			c.learn(addrs)
			return
		}
	}
	usable := withGatewayIn(n, addrs)
	if len(usable) == 0 {
		return
	}
	c := newCandidate(now, usable[0])
	c.learn(addrs)
	c.kept = kept
	r.all = append(r.all, c)
}

// fill draws from those listed until there are as many as wanted. It reports whether
// there is a new one. The lock is held, or nobody else has it yet.
func (r *requesters) fill(n *topology.Network, now time.Time) (more bool) {
	well := 0
	for _, c := range r.all {
		if !c.lost(now) {
			well++
		}
	}
	var open [][]mixnet.Recipient
	for _, l := range r.network.listed() {
		known := slices.ContainsFunc(r.all, func(c *candidate) bool { return c.addrs[0].Encryption == l[0].Encryption })
		if !known && len(withGatewayIn(n, l)) > 0 {
			open = append(open, l)
		}
	}
	for ; well < listedMost && len(open) > 0 && len(r.all) < 3*listedMost; well++ {
		one := draw(open)
		r.add(n, now, false, one)
		open = slices.DeleteFunc(open, func(l []mixnet.Recipient) bool { return l[0] == one[0] })
		more = true
	}
	return more
}

// withGatewayIn picks the addresses that can be reached in a network.
func withGatewayIn(n *topology.Network, all []mixnet.Recipient) (usable []mixnet.Recipient) {
	for _, a := range all {
		if _, ok := n.Gateway(a.Gateway); ok {
			usable = append(usable, a)
		}
	}
	return usable
}

// load gives those that were drawn earlier from those of the directories.
func (r *requesters) load(ctx context.Context) (kept []mixnet.Recipient, err error) {
	if len(r.named) > 0 {
		return nil, nil
	}
	text, err := Text(ctx, r.store, requesterName, requesterVersion)
	if err != nil || text == "" {
		return nil, err
	}
	for line := range strings.Lines(text) {
		a, err := mixnet.ParseRecipientText(strings.TrimSuffix(line, "\n"))
		if err != nil || len(kept) >= listedMost {
			return nil, fmt.Errorf("%w: %s: want at most %d addresses, one a line: %v", ErrDamaged, requesterName, listedMost, err)
		}
		kept = append(kept, a)
	}
	return kept, nil
}

// save keeps the candidates, those that are lost last, for the next start. The lock is
// held, or nobody else has it yet.
func (r *requesters) save(ctx context.Context) error {
	if len(r.named) > 0 {
		return nil
	}
	now := time.Now()
	all := slices.Clone(r.all)
	slices.SortStableFunc(all, func(a, b *candidate) int {
		switch {
		case a.lost(now) == b.lost(now):
			return 0
		case b.lost(now):
			return -1
		}
		return 1
	})
	var lines []string
	for _, c := range all[:min(len(all), listedMost)] {
		lines = append(lines, c.addrs[0].String())
	}
	return r.store.Save(ctx, requesterName, Record{min(len(lines), requesterVersion), []byte(strings.Join(lines, "\n"))})
}

// tell has those who wait for a change of a standing look again. The lock is held.
func (r *requesters) tell() {
	close(r.news)
	r.news = make(chan struct{})
}

// look has the pool look again.
func (r *requesters) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// pick chooses the requester for a stream of somebody who asks, not one of those to
// avoid; nil: none is worth it. The lock is held.
func (r *requesters) pick(now time.Time, who string, avoid []*candidate) *candidate {
	for _, c := range r.all {
		c.hear(now, r.proxy.Heard(c.addrs[0]))
	}
	usable := func(worst standing) (some []*candidate) {
		for _, c := range r.all {
			if (c.standing == standingAnswers || worst > standingAnswers && !c.lost(now)) && !slices.Contains(avoid, c) {
				some = append(some, c)
			}
		}
		return some
	}
	some := usable(standingAnswers)
	if len(some) == 0 {
		some = usable(standingSilent)
	}
	if len(some) == 0 {
		return nil
	}
	a := r.askers[who]
	if a == nil || now.Sub(a.used) > stickFor || !slices.Contains(some, a.c) {
		why := WhyDrawn
		if a != nil && now.Sub(a.used) <= stickFor {
			why = WhySilent
		}
		a = &asker{c: draw(near(some))}
		if a.c.why == "" {
			if a.c.kept && why == WhyDrawn {
				why = WhyKept
			}
			a.c.why, a.c.used = why, now
		}
		r.stick(now, who, a)
	}
	a.used = now
	return a.c
}

// stick remembers who goes through whom. The lock is held.
func (r *requesters) stick(now time.Time, who string, a *asker) {
	if len(r.askers) >= askersMost {
		for k, o := range r.askers {
			if now.Sub(o.used) > stickFor {
				delete(r.askers, k)
			}
		}
		for k := range r.askers { // any, if all are in use
			if len(r.askers) < askersMost {
				break
			}
			delete(r.askers, k)
		}
	}
	r.askers[who] = a
}

// near picks those that take at most twice as long as the best. The first answer of
// some may be still to come: then they count as near.
func near(all []*candidate) (some []*candidate) {
	best := time.Duration(0)
	for _, c := range all {
		if c.trip > 0 && (best == 0 || c.trip < best) {
			best = c.trip
		}
	}
	for _, c := range all {
		if c.trip <= farFactor*max(best, leastTrip) {
			some = append(some, c)
		}
	}
	return some
}

// errElsewhere ends a dial through a requester that stopped to answer while another one
// does.
var errElsewhere = errors.New("endpoint: the requester does not answer, and another does")

// dial opens a stream through one of the requesters. While it is not known whether that
// lives, it is asked; if it does not answer, and another does, that one opens the stream.
func (r *requesters) dial(ctx context.Context, target string, o proxy.DialOptions) (*proxy.Conn, error) {
	var avoid []*candidate
	for {
		c, err := r.await(ctx, o.Isolation, avoid)
		if err != nil {
			return nil, err
		}
		conn, err := r.through(ctx, c, target, o)
		if !errors.Is(err, errElsewhere) {
			return conn, err
		}
		avoid = append(avoid, c)
	}
}

// await picks a requester and, if none is worth it, waits a moment for one that returns.
func (r *requesters) await(ctx context.Context, who string, avoid []*candidate) (*candidate, error) {
	limit := time.NewTimer(returnWithin)
	defer limit.Stop()
	for {
		r.mu.Lock()
		c, news := r.pick(time.Now(), who, avoid), r.news
		if c == nil && len(avoid) > 0 {
			c = r.pick(time.Now(), who, nil)
		}
		for _, lost := range r.all {
			if c == nil && time.Since(lost.asked) > askAgain { // it may just be back
				lost.asked = time.Time{}
			}
		}
		r.mu.Unlock()
		if c != nil {
			return c, nil
		}
		r.look()
		select {
		case <-news:
		case <-limit.C:
			return nil, &proxy.OpenError{Reason: proxy.ReasonNoAnswer}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// through opens a stream through a requester. It fails with errElsewhere when that stops
// to answer and another one answers.
func (r *requesters) through(ctx context.Context, c *candidate, target string, o proxy.DialOptions) (*proxy.Conn, error) {
	now := time.Now()
	r.mu.Lock()
	c.spoken = now
	to, doubt := c.addrs[0], c.doubt
	wait := max(dialQuiet, time.Duration(dialTrips*float64(c.roundTrip())))
	r.mu.Unlock()
	r.look()
	dialing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	leave := func() {
		if r.others(c) {
			cancel(errElsewhere)
		}
	}
	if !o.Optimistic {
		defer context.AfterFunc(doubt, leave)()
		ask := time.AfterFunc(wait, func() { r.inquire(c) })
		defer ask.Stop()
	}
	conn, err := r.proxy.Dial(dialing, to, target, o)
	if err != nil && ctx.Err() == nil && context.Cause(dialing) == errElsewhere {
		return nil, errElsewhere
	}
	return conn, err
}

// others reports whether another requester answers.
func (r *requesters) others(than *candidate) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.all, func(c *candidate) bool { return c != than && c.standing == standingAnswers })
}

// inquire has a requester asked that a dial waits for, unless it is being asked.
func (r *requesters) inquire(c *candidate) {
	now := time.Now()
	r.mu.Lock()
	c.hear(now, r.proxy.Heard(c.addrs[0]))
	asked := slices.ContainsFunc(c.open, func(q *question) bool { return c.counts(q) && now.Sub(q.sent) < c.silentAfter() })
	if !asked {
		c.asked = time.Time{}
	}
	r.mu.Unlock()
	if !asked {
		r.look()
	}
}

// answering counts the requesters that answer.
func (r *requesters) answering() (n int, news <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.all {
		if c.standing == standingAnswers {
			n++
		}
	}
	return n, r.news
}

// any gives the address of one that answers, if any does, for a stream of our own.
func (r *requesters) any() mixnet.Recipient {
	r.mu.Lock()
	defer r.mu.Unlock()
	some := slices.DeleteFunc(slices.Clone(r.all), func(c *candidate) bool { return c.standing != standingAnswers })
	if len(some) == 0 {
		some = r.all
	}
	return draw(near(some)).addrs[0]
}
