package service

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/broadcast/chain"
)

// take takes a request.
func (l *loop) take(t taken) {
	now := time.Now()
	from, wait := l.clients.admit(t.from, now)
	if from == nil {
		return
	}
	a := broadcast.Answer{ID: t.req.ID, Chain: t.req.Chain}
	say := func(r broadcast.Result, reason string) {
		a.Result, a.Reason = r, reason
		l.answer(from, a)
	}
	c := l.chains[t.req.Chain]
	if c != nil {
		a.Kind = c.Kind
	}
	switch {
	case wait > 0:
		a.After = wait.Truncate(time.Second) + time.Second
		say(broadcast.Limited, "too many requests in too short a time")
	case errors.Is(t.err, broadcast.ErrVersion):
		say(broadcast.Invalid, fmt.Sprintf("this broadcaster speaks version %d only", broadcast.Version))
	case t.err != nil:
		say(broadcast.Invalid, strings.TrimPrefix(t.err.Error(), broadcast.ErrMalformed.Error()+": "))
	case t.req.Do == broadcast.Info:
		a.Info = &l.info
		say(broadcast.Served, "")
	case c == nil:
		say(broadcast.Denied, "this broadcaster does not serve such a chain; info tells which it does")
	case len(t.req.Tx) > l.cfg.MaxTx:
		say(broadcast.Invalid, fmt.Sprintf("a transaction of %d bytes, the most are %d", len(t.req.Tx), l.cfg.MaxTx))
	case t.req.Do == broadcast.Check && !c.Kind.Checks():
		say(broadcast.Denied, "nodes of this chain cannot check a transaction without broadcasting it")
	case t.req.Do == broadcast.Check:
		a.Hash = t.hash
		l.check(c, from, a, t.req.Tx)
	case t.req.Do == broadcast.Status:
		a.Hash = t.req.Hash
		l.status(c, from, a, t.req.Receipt && c.Kind.Looks(), now)
	default:
		a.Hash = t.hash
		l.broadcast(from, a, t.req, now)
	}
}

// ask has a client's question wait for a node.
func (l *loop) ask(c *served, from *clientState, a broadcast.Answer, do func() event) {
	c.turns.add(task{of: from, do: do, lost: func() {
		a.Result, a.Reason, a.After = broadcast.Limited, "too many questions wait for the node, and most of them are yours", 10*time.Second
		l.answer(from, a)
	}})
}

// check asks whether the node would take a transaction.
func (l *loop) check(c *served, from *clientState, a broadcast.Answer, tx []byte) {
	l.ask(c, from, a, func() event {
		o, err := c.Node.Check(l.ctx, tx, a.Hash)
		at := time.Now()
		return func() {
			l.fares(c, err)
			if a.Result = o.Result; err != nil {
				a.Result, a.Reason = broadcast.Unavailable, unavailable(err)
			} else {
				a.Reply, a.At = o.Reply, at
			}
			l.answer(from, a)
		}
	})
}

// unavailable says for a stranger why there is no answer.
func unavailable(err error) string {
	switch c := chain.ClassOf(err); c {
	case chain.Slow, chain.Busy:
		return "the node gives no answer: " + string(c)
	}
	return "the node gives no answer"
}

// status tells what became of a transaction.
func (l *loop) status(c *served, from *clientState, a broadcast.Answer, receipt bool, now time.Time) {
	k := Key{c.Name, a.Hash}
	if j := l.jobs[k]; j != nil { // and the node does not hear of it before its time
		j.tell(&a)
		l.answer(from, a)
		return
	}
	r, there, err := l.cfg.Store.Load(l.ctx, k)
	switch {
	case err != nil:
		l.kept(err)
		a.Result, a.Reason = broadcast.Unavailable, "the record cannot be read"
		receipt = false
	case there:
		r.tell(&a)
	default:
		a.Result = broadcast.Unknown
	}
	if !receipt {
		l.answer(from, a)
		return
	}
	l.ask(c, from, a, func() event {
		s, err := c.Node.Look(l.ctx, a.Hash)
		return func() {
			l.fares(c, err)
			switch {
			case err != nil && !there:
				a.Result, a.Reason = broadcast.Unavailable, unavailable(err)
			case err != nil:
				a.Reason = unavailable(err)
			default:
				a.Receipt, a.Confirmed = s.Reply, s.Confirmed
				if s.Found && !r.lasts() {
					a.Result, a.Reason = broadcast.Known, ""
				}
			}
			l.answer(from, a)
		}
	})
}

// tell puts what is known into an answer.
func (r *Record) tell(a *broadcast.Answer) {
	a.Result, a.Reply, a.Cut, a.At = r.Result, r.Reply, r.Cut, r.At
	if r.Result == broadcast.Unavailable {
		a.At, a.Reason = time.Time{}, "the node gave no answer in time, and is not asked any more"
	}
}

// tell puts what is known of a job into an answer.
func (j *job) tell(a *broadcast.Answer) {
	switch {
	case j.done != nil:
		j.done.tell(a)
	case j.tries > 0:
		a.Result, a.Reason = broadcast.Queued, "the node gives no answer; it is asked again"
	default:
		a.Result = broadcast.Queued
	}
}

// broadcast has a transaction broadcast, unless that has been done.
func (l *loop) broadcast(from *clientState, a broadcast.Answer, req broadcast.Request, now time.Time) {
	k := Key{a.Chain, a.Hash}
	of := digest(req.Tx)
	say := func(r broadcast.Result, reason string) {
		a.Result, a.Reason = r, reason
		l.answer(from, a)
	}
	j := l.jobs[k]
	if j == nil {
		r, there, err := l.cfg.Store.Load(l.ctx, k)
		switch {
		case err != nil:
			l.kept(err)
			say(broadcast.Unavailable, "the record cannot be read")
			return
		case there && r.lasts(), there && r.Result == broadcast.Refused && r.Digest == of && now.Sub(r.At) < refusedFor:
			r.tell(&a)
			l.answer(from, a)
			return
		}
	}
	switch {
	case j != nil && j.rec.Digest != of:
		a.After = retryFirst
		say(broadcast.Limited, "another form of this transaction, with another witness, waits for the node")
	case j != nil && j.state == jobWaiting && j.tries == 0 && l.mean(req) < j.rec.Mean:
		l.hasten(j, asked{from, req.ID}, l.mean(req), now)
	case j != nil && (j.state == jobWaiting || len(j.asked) >= maxAsked):
		j.tell(&a)
		l.answer(from, a)
	case j != nil:
		j.asked = append(j.asked, asked{from, req.ID})
	case !l.room.has(from, len(req.Tx)):
		a.After = time.Minute
		say(broadcast.Limited, "too much waits to be broadcast, and too much of that is yours")
	default:
		l.begin(k, from, req, of, now)
	}
}

// begin makes a job of a request.
func (l *loop) begin(k Key, from *clientState, req broadcast.Request, of [32]byte, now time.Time) {
	mean := l.mean(req)
	due := now.Add(l.chance(mean))
	j := &job{key: k, of: from, asked: []asked{{from, req.ID}}, rec: Record{
		Result: broadcast.Queued, Digest: of, Tx: req.Tx, Due: due, Until: due.Add(l.cfg.RetryFor), Mean: mean,
	}}
	l.jobs[k] = j
	l.room.take(from, len(req.Tx))
	l.save(j, func() {
		l.tellAll(j, broadcast.Answer{Result: broadcast.Unavailable, Reason: "it cannot be kept"})
		l.end(j)
	})
}

// hasten has a job wait for less, because somebody asks for a shorter delay now. Asking
// again for the same one changes nothing, since the least of many is short.
func (l *loop) hasten(j *job, by asked, mean time.Duration, now time.Time) {
	before := j.rec
	l.agenda.remove(j)
	j.state, j.asked = jobSaving, append(j.asked, by)
	if due := now.Add(l.chance(mean)); due.Before(j.rec.Due) {
		j.rec.Due, j.rec.Until = due, due.Add(l.cfg.RetryFor)
	}
	j.rec.Mean = mean
	l.save(j, func() { // then all is as it was
		j.rec = before
		l.agenda.add(j)
		l.tellAll(j, broadcast.Answer{})
	})
}

// save writes a job, which then waits until it is due. If the disk does not take it,
// failed says what happens.
func (l *loop) save(j *job, failed func()) {
	k, rec := j.key, j.rec
	l.run(func() event {
		err := l.cfg.Store.Save(l.ctx, k, rec)
		return func() {
			l.kept(err)
			if err != nil {
				failed()
				return
			}
			l.agenda.add(j)
			if j.rec.Mean > 0 {
				l.tellAll(j, broadcast.Answer{})
			}
		}
	})
}

// mean is that of the random delay that a request asks for.
func (l *loop) mean(req broadcast.Request) time.Duration {
	if req.Delay != nil {
		return *req.Delay
	}
	return l.cfg.Delay
}

// chance draws a random delay: exponential, and drawn again where it is too long.
func (l *loop) chance(mean time.Duration) time.Duration {
	for mean > 0 {
		if d := l.rng.ExpFloat64(); d <= delaysAtMost {
			return time.Duration(d * float64(mean))
		}
	}
	return 0
}

// again makes a job of a record.
func (l *loop) again(k Key, r Record) *job {
	j := &job{key: k, of: l.before, rec: r}
	l.jobs[k] = j
	l.room.take(j.of, len(r.Tx))
	l.agenda.add(j)
	return j
}

// resume makes jobs of what was queued when the process before this one ended. What is
// overdue waits anew, else all of it would go at once and show that it was together.
func (l *loop) resume() error {
	now := time.Now()
	return l.cfg.Store.Queued(l.ctx, func(k Key, r Record) {
		if l.chains[k.Chain] == nil {
			return // until the operator serves it again
		}
		latest := now.Add(delaysAtMost * r.Mean)
		if r.Due.Before(now) || r.Due.After(latest) { // or the clock went back
			r.Due = now.Add(l.chance(r.Mean))
			r.Until = r.Due.Add(l.cfg.RetryFor)
		}
		l.again(k, r)
	})
}

// ready has a job wait for its turn.
func (l *loop) ready(j *job) {
	j.state = jobReady
	if j.done != nil {
		l.record(j)
		return
	}
	c, rec := l.chains[j.key.Chain], j.rec
	c.turns.add(task{of: j.of, do: func() event { return l.send(c, j, rec) }, lost: func() {
		l.later(j)
		l.tellAll(j, broadcast.Answer{})
	}})
}

// send hands the transaction of a job to the node, beside the loop, and records what
// it says. A job's key does not change.
func (l *loop) send(c *served, j *job, rec Record) event {
	o, err := c.Node.Send(l.ctx, rec.Tx, j.key.Hash)
	if err != nil {
		return func() {
			if l.ctx.Err() != nil {
				return // it is asked again after the next start
			}
			l.fares(c, err)
			l.inVain(j)
		}
	}
	done := Record{Result: o.Result, Digest: rec.Digest, Reply: o.Reply, At: time.Now()}
	if len(done.Reply) > broadcast.MaxReply {
		done.Reply, done.Cut = done.Reply[:broadcast.MaxReply], true
	}
	kept := l.cfg.Store.Save(l.ctx, j.key, done)
	return func() {
		l.fares(c, nil)
		l.recorded(j, done, kept)
	}
}

// inVain decides on a job whose node gave no answer.
func (l *loop) inVain(j *job) {
	j.tries++
	if time.Now().Before(j.rec.Until) {
		l.later(j)
		l.tellAll(j, broadcast.Answer{})
		return
	}
	j.done = &Record{Result: broadcast.Unavailable, Digest: j.rec.Digest, At: time.Now()}
	l.record(j)
}

// record writes the outcome of a job.
func (l *loop) record(j *job) {
	k, done := j.key, *j.done
	l.run(func() event {
		err := l.cfg.Store.Save(l.ctx, k, done)
		return func() { l.recorded(j, done, err) }
	})
}

// recorded tells those who asked of an outcome, and ends the job if the disk has it. If
// not, the job stays, so that nobody is told anything else.
func (l *loop) recorded(j *job, done Record, err error) {
	l.kept(err)
	j.done = &done
	l.tellAll(j, broadcast.Answer{})
	if err != nil {
		j.tries++
		l.later(j)
		return
	}
	l.grown += done.Size()
	l.end(j)
}

// later has a job wait a while. On disk it keeps the time at which it was due.
func (l *loop) later(j *job) {
	j.rec.Due = time.Now().Add(pause(max(1, j.tries), l.rng.Float64))
	l.agenda.add(j)
}

// tellAll tells those who asked for a job: what a says or, if it says nothing, how the
// job stands.
func (l *loop) tellAll(j *job, a broadcast.Answer) {
	a.Chain, a.Kind, a.Hash = j.key.Chain, l.chains[j.key.Chain].Kind, j.key.Hash
	if a.Result == "" {
		j.tell(&a)
	}
	for _, q := range j.asked {
		a.ID = q.id
		l.answer(q.of, a)
	}
	j.asked = nil
}

// end forgets a job.
func (l *loop) end(j *job) {
	delete(l.jobs, j.key)
	l.room.give(j.of, len(j.rec.Tx))
}

// fares notes whether a node answers, in the log when that changes.
func (l *loop) fares(c *served, err error) {
	switch {
	case err == nil && c.down:
		c.down = false
		l.cfg.Log.Info().Str("chain", c.Name).Msg("the node answers again")
	case err != nil && !c.down && l.ctx.Err() == nil:
		c.down = true
		l.cfg.Log.Warn().Str("chain", c.Name).Str("reason", string(chain.ClassOf(err))).Msg("the node gives no answer")
	}
}
