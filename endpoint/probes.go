package endpoint

import (
	"context"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy"
)

// run asks the requesters who they are, again and again, each time under a tag of
// its own (H28), and follows what they answer, until ctx ends.
//
//	quiet streams, dials that wait, time ──▶ question ──▶ answers, silent, gone
//	                              │                          │       └──▶ streams are reset
//	     another number of its boot ──▶ streams before are reset
//	                                         └──▶ answers at another address: sent there
func (r *requesters) run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		t.Reset(time.Until(r.step(ctx, &asking)))
		select {
		case <-t.C:
		case <-r.wake:
		case <-ctx.Done():
			return
		}
	}
}

// step judges all candidates and asks those that are to be asked. It says when there is
// something to do next.
func (r *requesters) step(ctx context.Context, asking *sync.WaitGroup) (next time.Time) {
	now := time.Now()
	next = now.Add(askIdle)
	var gone []mixnet.Recipient
	news, more := false, false
	r.mu.Lock()
	for _, c := range r.all {
		before := c.standing
		c.hear(now, r.proxy.Heard(c.addrs[0]))
		if c.judge(now) {
			gone = append(gone, c.addrs[0])
		}
		streams := r.proxy.StreamsOf(c.addrs[0]) > 0
		if !c.due(now, streams).After(now) {
			r.question(ctx, now, c, asking)
		}
		if c.standing != before {
			news = true
			r.say(c, before)
		}
		for _, at := range []time.Time{c.due(now, streams), c.verdictAt()} {
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
	}
	if n := r.network.Current(); news && len(r.named) == 0 && n != nil {
		if more = r.fill(n, now); more {
			next = now
			if err := r.save(ctx); err != nil {
				r.log.Error().Err(err).Msg("the new requester cannot be remembered")
			}
		}
	}
	if news {
		r.tell()
	}
	r.mu.Unlock()
	for _, to := range gone {
		r.proxy.ResetStreams(to, time.Time{})
	}
	if news {
		r.changed()
	}
	return next
}

// say logs that a candidate's standing has changed.
func (r *requesters) say(c *candidate, before standing) {
	switch {
	case c.standing == standingGone:
		r.log.Warn().Str("hint", "does it run?").Msg("a requester is gone: its gateway has our questions, and no answer comes")
	case c.standing == standingSilent && before == standingAnswers:
		r.log.Info().Msg("a requester does not answer")
	case c.standing == standingAnswers && before > standingAnswers:
		r.log.Info().Msg("a requester answers again")
	}
}

// question asks a candidate: where it is reached or, if it does not answer there, at all
// its addresses. The lock is held.
func (r *requesters) question(ctx context.Context, now time.Time, c *candidate, asking *sync.WaitGroup) {
	n := r.network.Current()
	for at, to := range c.addrs {
		if at != c.at && c.standing == standingAnswers {
			continue
		}
		if n != nil && len(withGatewayIn(n, []mixnet.Recipient{to})) == 0 {
			continue
		}
		one, cancel := context.WithCancel(ctx)
		q := c.ask(now, at, cancel)
		asking.Go(func() {
			defer cancel()
			g, err := r.proxy.Ask(one, to, func() { r.acked(q) })
			r.over(c, q, g, err)
		})
	}
	c.asked = now // also if no address can be reached
}

// acked notes that a gateway has a question.
func (r *requesters) acked(q *question) {
	r.mu.Lock()
	q.acked = time.Now()
	r.mu.Unlock()
	r.look()
}

// over notes what became of a question.
func (r *requesters) over(c *candidate, q *question, g proxy.Greeting, err error) {
	now := time.Now()
	r.mu.Lock()
	if err != nil {
		c.close(q)
		r.mu.Unlock()
		return
	}
	before := c.standing
	moved := c.answered(now, q, g)
	to, at := c.addrs[0], c.addrs[c.at]
	if c.standing != before {
		r.say(c, before)
		r.tell()
	}
	r.mu.Unlock()
	if moved {
		r.proxy.Reroute(to, at)
		r.log.Info().Msg("a requester is reached at another of its gateways")
	}
	if before != standingAnswers {
		r.changed()
	}
	r.look()
}

// greeted takes in what a requester says of itself, under whichever tag. A number of its
// boot that is another than before says that it has forgotten the streams it had.
func (r *requesters) greeted(to mixnet.Recipient, g proxy.Greeting) {
	if g.Boot == 0 {
		return
	}
	var anew mixnet.Recipient
	r.mu.Lock()
	for _, c := range r.all {
		if !c.knows(to) {
			continue
		}
		if c.boot != 0 && c.boot != g.Boot {
			anew = c.addrs[0]
		}
		c.boot = g.Boot
		c.learn(g.Addresses)
	}
	r.mu.Unlock()
	if !anew.IsZero() {
		r.log.Info().Msg("a requester began anew")
		r.proxy.ResetStreams(anew, g.Began)
	}
}

// entryChanged notes that our own gateway has changed, or that the session with it is up
// again: what was asked before may not come home, and blames nobody.
func (r *requesters) entryChanged() {
	r.mu.Lock()
	for _, c := range r.all {
		c.excuse()
	}
	r.mu.Unlock()
	r.look()
}

func (r *requesters) status() (all []RequesterStatus) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	used := make(map[*candidate]bool)
	for _, a := range r.askers {
		used[a.c] = used[a.c] || now.Sub(a.used) <= stickFor
	}
	for _, inUse := range []bool{true, false} {
		for _, c := range r.all {
			if used[c] != inUse {
				continue
			}
			s := RequesterStatus{Address: c.addrs[c.at], InUse: inUse, Answers: c.standing == standingAnswers, RoundTrip: c.trip}
			if inUse {
				s.Since, s.Why = c.used, c.why
			}
			all = append(all, s)
		}
	}
	return all
}
