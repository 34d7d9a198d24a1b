package dirserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nym-socks5/mixnet/directory"
)

// An offer is an announcement on its way from a handler to the loop.
type offer struct {
	said   *directory.Announcement
	signed []byte
	probed bool
	answer chan<- verdict // room for one
}

// A verdict is the loop's answer.
type verdict struct {
	lease      directory.Lease
	needsProbe bool
	err        error
}

// announce answers one announcement.
func (s *Server) announce(ctx context.Context, body []byte) ([]byte, error) {
	said, err := directory.OpenAnnouncement(body)
	if err != nil {
		s.counters.refused.Add(1)
		return nil, &directory.Refusal{Code: directory.CodeMalformed, Message: "the announcement is malformed or not signed by its identity"}
	}
	v := s.offer(ctx, offer{said: said, signed: body})
	if v.needsProbe {
		if err := s.probe(ctx, said); err != nil {
			v = verdict{err: err}
		} else {
			v = s.offer(ctx, offer{said: said, signed: body, probed: true})
		}
	}
	if v.err != nil {
		s.counters.refused.Add(1)
		return nil, v.err
	}
	s.counters.accepted.Add(1)
	return json.Marshal(v.lease)
}

func (s *Server) offer(ctx context.Context, o offer) verdict {
	answer := make(chan verdict, 1)
	o.answer = answer
	busy := verdict{err: &directory.Refusal{Code: directory.CodeBusy, Message: "the directory is stopping"}}
	select {
	case s.offers <- o:
	case <-s.ended:
		return busy
	case <-ctx.Done():
		return busy
	}
	select {
	case v := <-answer:
		return v
	case <-s.ended:
		return busy
	}
}

func (s *Server) probe(ctx context.Context, a *directory.Announcement) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := s.cfg.Probe(ctx, addrOf(a), a.Noise); err != nil {
		return &directory.Refusal{Code: directory.CodeUnreachable, Message: "nobody answers at the announced address with the announced Noise key"}
	}
	return nil
}

// Run publishes until ctx ends, then returns nil. It can be called once.
func (s *Server) Run(ctx context.Context) error {
	defer close(s.ended)
	reg := newRegistry(&s.cfg)
	records, err := s.cfg.Store.Records(ctx)
	if err != nil {
		return fmt.Errorf("directory: stored records: %w", err)
	}
	reg.load(records, time.Now())
	p := &publisher{pace: newPace(directory.Cadence{Period: s.cfg.Period, Lead: s.cfg.Lead}), schedule: s.cfg.Schedule, validity: s.cfg.ValidFor}
	if p.last, err = s.cfg.Store.Head(ctx); err != nil {
		return fmt.Errorf("directory: stored head: %w", err)
	}
	if err := s.publish(ctx, reg, p); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		wait := p.due(now).Sub(now)
		if wait <= 0 { // what is due could not be done
			wait = storeRetry
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case o := <-s.offers:
			o.answer <- s.take(ctx, reg, p, o)
		case <-timer.C:
		}
		err := s.publish(ctx, reg, p)
		if errors.Is(err, ErrMoved) {
			err = s.standBy(ctx, p)
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Error().Err(err).Msg("nothing published")
		}
	}
}

// take decides about one offer and stores what was accepted.
func (s *Server) take(ctx context.Context, reg *registry, p *publisher, o offer) verdict {
	if !p.standby.IsZero() {
		return verdict{err: &directory.Refusal{Code: directory.CodeBusy, Message: "another directory publishes this network now"}}
	}
	rec, needsProbe, err := reg.judge(o.said, o.signed, time.Now())
	switch {
	case err != nil:
		return verdict{err: err}
	case needsProbe && !o.probed:
		return verdict{needsProbe: true}
	}
	if err := reg.join(o.said); err != nil {
		return verdict{err: err}
	}
	if err := s.cfg.Store.PutRecord(ctx, rec); err != nil {
		s.cfg.Log.Error().Err(err).Msg("record not stored")
		return verdict{err: &directory.Refusal{Code: directory.CodeBusy, Message: "the directory cannot store the announcement"}}
	}
	reg.put(rec, o.said)
	return verdict{lease: directory.Lease{Length: s.cfg.Lease, Layer: rec.Layer, Head: p.last}}
}

// publish does what is due: brings a snapshot into force, issues the next.
func (s *Server) publish(ctx context.Context, reg *registry, p *publisher) error {
	now := time.Now()
	if !p.standby.IsZero() {
		if over, err := s.takeOver(ctx, reg, p, now); !over {
			return err
		}
	}
	p.advance(now)
	defer func() {
		if p.current != nil {
			s.published.Store(&published{p.current, p.next})
			s.once.Do(func() { close(s.ready) })
		}
	}()
	at, ok := p.wants(now)
	if !ok {
		return nil
	}
	for {
		rec, ok := reg.thin(now)
		if !ok {
			break
		}
		if err := s.cfg.Store.PutRecord(ctx, rec); err != nil {
			return fmt.Errorf("directory: store: %w", err)
		}
		reg.put(rec, reg.members[rec.Identity].said)
	}
	v := reg.view(now, at)
	v.Cadence = p.pace.of(v, now)
	v.Refreshed = p.refreshed(v, at)
	if p.pass(v, at) {
		return nil
	}
	snap, err := newSnapshot(v, p.seal(now, at, v.Epoch), p.last.Chain, s.cfg.Key, s.cfg.Legacy)
	if err != nil {
		return err
	}
	// On disk before anybody sees it: a directory never says two things under
	// one sequence number.
	if err := s.cfg.Store.PutHead(ctx, p.last, snap.head, snap.entry()); err != nil {
		return fmt.Errorf("directory: store: %w", err)
	}
	p.issue(snap, now)
	line := s.cfg.Log.Debug()
	if says := (summary{len(v.Nodes), len(v.Requesters), snap.routable}); says != p.said {
		p.said, line = says, s.cfg.Log.Info() // else it is one of many that say the same
	}
	line.Uint64("sequence", snap.head.Sequence).Uint32("epoch", v.Epoch).
		Int("nodes", len(v.Nodes)).Int("requesters", len(v.Requesters)).Bool("routable", snap.routable).Msg("topology issued")
	return nil
}

// standBy leaves the network to another directory, which published from the
// same store: of two only one may say what the next document is. Nothing is
// served until that one has been silent for a while.
func (s *Server) standBy(ctx context.Context, p *publisher) error {
	s.published.Store(nil)
	p.current, p.next = nil, nil
	p.standby = time.Now().Add(standbyPeriods * s.cfg.Period)
	var err error
	if p.last, err = s.cfg.Store.Head(ctx); err != nil {
		return fmt.Errorf("directory: stored head: %w", err)
	}
	s.cfg.Log.Warn().Uint64("sequence", p.last.Sequence).Int64("for_s", int64((standbyPeriods * s.cfg.Period).Seconds())).
		Msg("another directory publishes from this store: standing by")
	return nil
}

// takeOver publishes again, with what the other directory stored, if that has
// published nothing since it was looked at last.
func (s *Server) takeOver(ctx context.Context, reg *registry, p *publisher, now time.Time) (over bool, err error) {
	if now.Before(p.standby) {
		return false, nil
	}
	p.standby = now.Add(standbyPeriods * s.cfg.Period)
	head, err := s.cfg.Store.Head(ctx)
	if err != nil {
		return false, fmt.Errorf("directory: stored head: %w", err)
	}
	if !head.Same(p.last) {
		p.last = head
		return false, nil
	}
	records, err := s.cfg.Store.Records(ctx)
	if err != nil {
		return false, fmt.Errorf("directory: stored records: %w", err)
	}
	reg.load(records, now)
	p.standby = time.Time{}
	s.cfg.Log.Warn().Msg("the other directory publishes no more: taking over")
	return true, nil
}
