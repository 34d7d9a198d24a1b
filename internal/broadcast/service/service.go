package service

import (
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"nym-socks5/internal/broadcast"
	"nym-socks5/mixnet"
)

// A Service is a broadcaster.
type Service struct{ cfg Config }

// New makes a Service. It starts nothing and asks nobody.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	for _, c := range cfg.Chains {
		if c.Node == nil || !broadcast.ValidChain(c.Name) || seen[c.Name] {
			return nil, fmt.Errorf("service: chain %q has no node, no right name, or that of another", c.Name)
		}
		seen[c.Name] = true
	}
	return &Service{cfg}, nil
}

// Run serves until ctx ends, then returns nil. What waits stays on disk. Everything it
// started has returned before it does.
func (s *Service) Run(ctx context.Context) error {
	var seed [32]byte
	crand.Read(seed[:])
	inner, stop := context.WithCancel(ctx)
	l := &loop{
		cfg:     s.cfg,
		ctx:     inner,
		chains:  make(map[string]*served),
		clients: newClients(s.cfg),
		before:  &clientState{},
		jobs:    make(map[Key]*job),
		room:    room{total: s.cfg.QueueBytes},
		rng:     rand.New(rand.NewChaCha8(seed)),
		events:  make(chan event, 64),
		taken:   make(chan taken),
	}
	defer l.wg.Wait()
	defer stop()
	for _, c := range s.cfg.Chains {
		l.chains[c.Name] = &served{Chain: c, turns: newTurns()}
		l.info.Chains = append(l.info.Chains, c.Chain)
	}
	l.info.Delay, l.info.MaxTx = s.cfg.Delay, s.cfg.MaxTx
	if err := l.resume(); err != nil {
		return fmt.Errorf("service: read what is queued: %w", err)
	}
	received := make(chan error, 1)
	l.wg.Go(func() { received <- l.receive() })
	return l.serve(received)
}

// An event is what became of something that was done beside the loop: what the loop does
// about it.
type event func()

// taken is a request as it came.
type taken struct {
	from mixnet.SenderTag
	req  broadcast.Request
	hash broadcast.Hash // of its transaction
	err  error          // what is wrong with it
}

// A served is a chain, and what waits for its node.
type served struct {
	Chain
	turns *turns
	calls int  // under way
	down  bool // the log says that the node gives no answer
}

// A loop decides everything. What it starts beside itself sends it events.
type loop struct {
	cfg     Config
	ctx     context.Context
	wg      sync.WaitGroup
	chains  map[string]*served
	info    broadcast.Service
	clients *clients
	before  *clientState // who asked before this process began
	jobs    map[Key]*job
	agenda  agenda
	room    room
	out     answers
	rng     *rand.Rand
	events  chan event // full: who sends waits
	taken   chan taken
	trimmed time.Time
	grown   int64 // bytes of records since then
	unkept  bool  // the log says that the store fails
}

// receive takes requests until the Messenger ends.
func (l *loop) receive() error {
	for {
		m, err := l.cfg.Messenger.Receive(l.ctx)
		if err != nil {
			return err
		}
		if m.From.IsZero() {
			continue // nobody could be answered
		}
		t := taken{from: m.From}
		if most := 2*l.cfg.MaxTx + requestOverhead; len(m.Body) > most {
			t.err = fmt.Errorf("a request of %d bytes, the most are %d", len(m.Body), most)
		} else if t.req, t.err = broadcast.ParseRequest(m.Body); t.err == nil && len(t.req.Tx) > 0 {
			if c, ok := l.chains[t.req.Chain]; ok { // the map does not change
				t.hash, t.err = c.Kind.Hash(t.req.Tx)
			}
		}
		select {
		case l.taken <- t:
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
}

// serve is the loop.
func (l *loop) serve(received <-chan error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case t := <-l.taken:
			l.take(t)
		case e := <-l.events:
			e()
		case <-timer.C:
		case err := <-received:
			if l.ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("service: receive: %w", err)
		case <-l.ctx.Done():
			return nil
		}
		now := time.Now()
		for j := l.agenda.due(now); j != nil; j = l.agenda.due(now) {
			l.ready(j)
		}
		if now.Sub(l.trimmed) >= trimEvery || l.grown > l.cfg.KeepBytes/trimShare {
			l.trim(now)
		}
		for _, c := range l.chains {
			l.start(c)
		}
		next := l.trimmed.Add(trimEvery)
		if at, ok := l.agenda.next(); ok && at.Before(next) {
			next = at
		}
		timer.Reset(time.Until(next))
	}
}

// run does something beside the loop.
func (l *loop) run(do func() event) {
	l.wg.Go(func() {
		select {
		case l.events <- do():
		case <-l.ctx.Done():
		}
	})
}

// start starts what waits for a node, as far as it may be asked more.
func (l *loop) start(c *served) {
	for c.calls < l.cfg.Calls {
		t, ok := c.turns.next()
		if !ok {
			return
		}
		c.calls++
		l.run(func() event {
			e := t.do()
			return func() {
				c.calls--
				e()
			}
		})
	}
}

// trim removes old records.
func (l *loop) trim(now time.Time) {
	l.trimmed, l.grown = now, 0
	l.run(func() event {
		err := l.cfg.Store.Trim(l.ctx, now.Add(-l.cfg.KeepFor), now.Add(-othersFor), l.cfg.KeepBytes)
		return func() { l.kept(err) }
	})
}

// kept notes whether the store could do what it was asked to.
func (l *loop) kept(err error) {
	switch {
	case err == nil && l.unkept:
		l.unkept = false
		l.cfg.Log.Info().Msg("records can be kept again")
	case err != nil && !l.unkept && l.ctx.Err() == nil:
		l.unkept = true
		l.cfg.Log.Error().Err(err).Msg("records cannot be kept: requests are refused until they can")
	}
}

// digest tells the bytes of a transaction from others that have its hash.
func digest(tx []byte) [32]byte { return sha256.Sum256(tx) }
