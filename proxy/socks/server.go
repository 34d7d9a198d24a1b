package socks

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/admit"
	"nym-socks5/proxy"
)

// A DialFunc opens a stream to target: "host:port", IPv6 in brackets. It fails
// with a *proxy.OpenError where the outcome is known, and honours ctx, which ends
// no stream once opened.
type DialFunc func(ctx context.Context, target string, o proxy.DialOptions) (proxy.Stream, error)

// Dialer makes a DialFunc of a function that returns a concrete stream, such as
// a closure around (*proxy.Proxy).Dial. On failure the proxy.Stream is nil, not a nil
// pointer of type S.
func Dialer[S proxy.Stream](dial func(ctx context.Context, target string, o proxy.DialOptions) (S, error)) DialFunc {
	return func(ctx context.Context, target string, o proxy.DialOptions) (proxy.Stream, error) {
		s, err := dial(ctx, target, o)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// Config says how a Server behaves. Only Dial must be set.
type Config struct {
	// Dial opens streams.
	Dial DialFunc
	// Optimistic answers "succeeded" at once. If false, the answer waits for the
	// outcome (strict).
	Optimistic bool
	// IsolateTargets makes the target part of the isolation key, beside the
	// listener and the credentials.
	IsolateTargets bool
	// HandshakeTimeout limits how long an application may take to say where it
	// wants to go. If zero, it is 15 seconds.
	HandshakeTimeout time.Duration
	// DialTimeout limits how long Dial may take. If zero, it is 19 seconds
	// (socks.md §21.2).
	DialTimeout time.Duration
	// MaxConns limits the connections that wait for a stream or have one. If
	// zero, it is 1024. One more is answered with a general failure.
	MaxConns int
	// MaxHandshakes limits the connections that have not said where they want
	// to go. If zero, it is 512. When one more comes, the oldest is closed.
	MaxHandshakes int
	// MaxHandshakesPerSource limits those of one IPv4 address or IPv6 /56; this
	// machine's own are not limited. If zero, it is 32. One more is closed.
	MaxHandshakesPerSource int
	// Log receives the server's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// Stats are the counters of a Server since it was made, and one gauge.
type Stats struct {
	Active   int    // connections accepted and not yet closed
	Accepted uint64 // connections accepted
	Dropped  uint64 // closed because of limits on handshakes

	Connected   uint64 // answered: succeeded (if optimistic, whatever came later)
	Failed      uint64 // general failure, limits
	Denied      uint64 // refused by policy
	NoNetwork   uint64 // no way into the mixnet
	Unreachable uint64 // unknown name, or the connect failed
	Refused     uint64 // the target refused
	NoAnswer    uint64 // no answer in time
	Unsupported uint64 // unsupported command or address type
}

// A Server is a SOCKS proxy. Make it with New.
type Server struct {
	cfg        Config
	handshakes *handshakes
	conns      chan struct{} // a token per connection beyond its handshake; full: refused
	total      admit.Slots   // one per goroutine; full: Accept waits

	active            atomic.Int64
	accepted, dropped atomic.Uint64
	replies           [codes]atomic.Uint64
}

// New makes a Server. It starts nothing.
func New(cfg Config) *Server {
	if cfg.Dial == nil {
		panic("socks: Config.Dial is nil")
	}
	setDefault(&cfg.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&cfg.DialTimeout, defaultDialTimeout)
	setDefault(&cfg.MaxConns, defaultMaxConns)
	setDefault(&cfg.MaxHandshakes, defaultMaxHandshakes)
	setDefault(&cfg.MaxHandshakesPerSource, defaultPerSource)
	cfg.Log = cfg.Log.With().Str("component", "socks").Logger()
	cpus := runtime.GOMAXPROCS(0)
	return &Server{
		cfg: cfg,
		handshakes: newHandshakes(cfg.MaxHandshakes, admit.Limits{
			PlacesPerPrefix: cfg.MaxHandshakesPerSource, Rate: cpus * connsPerCPU,
		}),
		conns: make(chan struct{}, cfg.MaxConns),
		total: admit.NewSlots(cfg.MaxConns + cfg.MaxHandshakes),
	}
}

func setDefault[T time.Duration | int](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Stats copies the counters out.
func (s *Server) Stats() Stats {
	n := func(c code) uint64 { return s.replies[c].Load() }
	return Stats{
		Active:      int(s.active.Load()),
		Accepted:    s.accepted.Load(),
		Dropped:     s.dropped.Load(),
		Connected:   n(codeSucceeded),
		Failed:      n(codeFailure),
		Denied:      n(codeDenied),
		NoNetwork:   n(codeNoNetwork),
		Unreachable: n(codeUnreachable),
		Refused:     n(codeRefused),
		NoAnswer:    n(codeNoAnswer),
		Unsupported: n(codeCommand) + n(codeAddressType),
	}
}

// Run serves connections from ln until ctx ends, then returns nil. It closes
// ln, and every connection and goroutine it started has ended before it returns.
// It may run for several listeners at once; each has isolation keys of its own.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	s.cfg.Log.Info().Stringer("addr", ln.Addr()).Msg("listening")
	err := admit.Accept(ctx, ln, s.cfg.Log, func(app net.Conn) {
		s.accepted.Add(1)
		h, oldest := s.handshakes.enter(app)
		if oldest != nil {
			s.dropped.Add(1)
			oldest.Close()
		}
		if h == nil {
			s.dropped.Add(1)
			app.Close()
			return
		}
		// Waits only for handshakes that gave way and are about to end.
		if s.total.Take(ctx) != nil {
			s.handshakes.leave(h)
			app.Close()
			return
		}
		s.active.Add(1)
		wg.Go(func() {
			s.serve(ctx, app, h, ln.Addr().String())
			s.active.Add(-1)
			s.total.Give()
		})
		s.handshakes.limits.Wait(ctx) // fails only when the next Accept does too
	})
	if err != nil {
		return fmt.Errorf("socks: %w", err)
	}
	return nil
}
