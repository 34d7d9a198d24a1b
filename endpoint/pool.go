package endpoint

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/proxy"
)

// PoolConfig is what a Pool is made of.
type PoolConfig struct {
	// New makes an endpoint, with a Network and a Store of its own. It is called from
	// several goroutines. Required.
	New func() (*Endpoint, error)
	// Size is how many endpoints are kept ready. If zero, it is 2.
	Size int
	// Log receives the pool's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// A Pool keeps endpoints ready that nobody has used, so that each task can have one of
// its own, unlinked to the others, without waiting until it is connected.
//
//	New ──▶ Run ──▶ ready, Size of them ──Get──▶ the caller's, until it calls Shutdown
//
// An endpoint that is handed out is never handed out again. Each connects to gateways
// and sends cover like any other, whether it is used or not.
type Pool struct {
	cfg   PoolConfig
	ready chan *Endpoint // unbuffered: whoever keeps an endpoint ready waits here
	ended chan struct{}

	mu      sync.Mutex // guards the following
	running bool
}

// NewPool makes a pool. It starts nothing; see [Pool.Run].
func NewPool(cfg PoolConfig) (*Pool, error) {
	switch {
	case cfg.New == nil:
		return nil, errors.New("endpoint: pool: New is not set")
	case cfg.Size < 0:
		return nil, errors.New("endpoint: pool: the size is negative")
	case cfg.Size == 0:
		cfg.Size = 2
	}
	cfg.Log = cfg.Log.With().Str("component", "pool").Logger()
	return &Pool{cfg: cfg, ready: make(chan *Endpoint), ended: make(chan struct{})}, nil
}

// Run keeps endpoints ready until ctx ends, and runs those that were handed out until
// then or until they are shut down, whichever is first. It returns nil when all have
// ended, or the first error of New. It can be called once.
func (p *Pool) Run(ctx context.Context) error {
	p.mu.Lock()
	again := p.running
	p.running = true
	p.mu.Unlock()
	if again {
		return errors.New("endpoint: pool run twice")
	}
	defer close(p.ended)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var keepers, out sync.WaitGroup
	for range p.cfg.Size {
		keepers.Go(func() {
			if err := p.keep(ctx, &out); err != nil {
				cancel(err)
			}
		})
	}
	keepers.Wait()
	out.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// keep keeps one endpoint ready, and makes the next when it has been handed out.
func (p *Pool) keep(ctx context.Context, out *sync.WaitGroup) error {
	for pause := poolPause; ctx.Err() == nil; {
		e, err := p.cfg.New()
		if err != nil {
			return err
		}
		over := make(chan error, 1)
		out.Go(func() { over <- e.Run(ctx) })
		if err := p.offer(ctx, e, over); err == nil {
			pause = poolPause
			continue
		} else if ctx.Err() != nil {
			return nil
		} else {
			p.cfg.Log.Warn().Err(err).Int("pause_s", int(pause.Seconds())).Msg("an endpoint of the pool ended by itself; another takes its place")
		}
		rest := time.NewTimer(pause)
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
		}
		pause = min(2*pause, poolPauseMost)
	}
	return nil
}

// offer hands out an endpoint once it is ready; an error: it has ended before.
func (p *Pool) offer(ctx context.Context, e *Endpoint, over <-chan error) error {
	ended := func(err error) error {
		if err == nil {
			err = proxy.ErrClosed
		}
		return err
	}
	select {
	case <-e.Ready():
	case err := <-over:
		return ended(err)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case p.ready <- e:
		return nil
	case err := <-over:
		return ended(err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get gives an endpoint that is ready and that nobody has used, and waits for one if
// none is. It is the caller's, who calls its Shutdown when it is not needed any more.
// Once Run has ended, the error is [proxy.ErrClosed].
func (p *Pool) Get(ctx context.Context) (*Endpoint, error) {
	select {
	case e := <-p.ready:
		return e, nil
	case <-p.ended:
		return nil, proxy.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
