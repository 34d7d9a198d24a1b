package requester

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/proxy"
)

// An Incoming is somebody's wish for a stream, as *proxy.Incoming is. It is
// answered with one of Accept and Reject, once.
type Incoming interface {
	Target() string           // "host:port" as it was sent
	Context() context.Context // ends when the peer gave up
	Accept() (proxy.Stream, error)
	Reject(proxy.Reason) // does not wait for the peer
}

// Streams gives the Config.Accept of a [proxy.Proxy], or of what has its Accept.
func Streams(p interface {
	Accept(context.Context) (*proxy.Incoming, error)
}) func(context.Context) (Incoming, error) {
	return func(ctx context.Context) (Incoming, error) {
		in, err := p.Accept(ctx)
		if err != nil {
			return nil, err
		}
		return incoming{in}, nil
	}
}

// incoming gives a *proxy.Incoming the signature of an Incoming.
type incoming struct{ *proxy.Incoming }

func (in incoming) Accept() (proxy.Stream, error) {
	c, err := in.Incoming.Accept()
	if err != nil {
		return nil, err // not a nil *proxy.Conn
	}
	return c, nil
}

// Config says how a Requester behaves. Accept and Allow must be set.
type Config struct {
	// Accept waits for the next stream. See [Streams].
	Accept func(context.Context) (Incoming, error)
	// Allow decides about a host and port: with the zero Addr before a look-up,
	// then with each address, then again while connecting. If no name led to the
	// address, host is the address in text form. Many goroutines call it.
	Allow func(host string, addr netip.Addr, port uint16) error
	// Refused is told of each stream that Allow refused, with the host as it was
	// asked for: for an operator who wants to know what the rules keep out. It must
	// not block. May be nil.
	Refused func(host string, port uint16, why error)
	// Lookup resolves an absolute name, without a trailing dot, to its addresses of
	// one family: the network is ip4 or ip6. Both are asked for at once. It ends
	// with ctx. If nil, it is Lookup("").
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Dial connects to "addr:port"; the network is tcp4 or tcp6. If nil, a
	// net.Dialer is used, which asks Allow once more when its socket exists.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Services are what the requester answers itself, by targets such as
	// "head.nym-socks5.invalid:80", which nobody else can have (socks.md §22).
	// Allow is not asked. Each serves one stream until it is done with it, or ctx
	// ends; the stream is closed then.
	Services map[string]func(ctx context.Context, stream net.Conn)
	// RefuseMixed denies a name as a whole if one of its addresses is denied.
	// If false, the denied ones are left out. It makes both families be waited for.
	RefuseMixed bool

	// LookupTimeout limits a look-up. If zero, it is 10 seconds.
	LookupTimeout time.Duration
	// AddrTimeout limits connecting to one address. If zero, it is 10 seconds.
	AddrTimeout time.Duration
	// DialTimeout limits connecting to all addresses of a name. If zero, it is
	// 30 seconds.
	DialTimeout time.Duration
	// Stagger is how long one address may take before the next is tried beside
	// it. If zero, it is 300 milliseconds.
	Stagger time.Duration

	// MaxStreams limits the streams being opened, open, or ending. If zero, it is
	// 8192: the Proxy they come from shares out fewer.
	MaxStreams int

	// Log receives the requester's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// A Requester serves streams. Make it with New.
type Requester struct {
	cfg     Config
	streams chan struct{} // a token per stream; full: refused
	count   counters
}

// New makes a Requester. It starts nothing.
func New(cfg Config) *Requester {
	if cfg.Accept == nil || cfg.Allow == nil {
		panic("requester: Config.Accept or Config.Allow is nil")
	}
	if cfg.Lookup == nil {
		cfg.Lookup = Lookup("")
	}
	setDefault(&cfg.LookupTimeout, defaultLookupTimeout)
	setDefault(&cfg.AddrTimeout, defaultAddrTimeout)
	setDefault(&cfg.DialTimeout, defaultDialTimeout)
	setDefault(&cfg.Stagger, defaultStagger)
	setDefault(&cfg.MaxStreams, defaultMaxStreams)
	cfg.Log = cfg.Log.With().Str("component", "requester").Logger()
	return &Requester{
		cfg:     cfg,
		streams: make(chan struct{}, cfg.MaxStreams),
	}
}

func setDefault[T time.Duration | int](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Run serves streams until ctx ends, then returns nil. Every connection it opened
// is closed and every goroutine it started has returned before it does. It fails
// if Config.Accept does.
func (r *Requester) Run(ctx context.Context) error {
	// Whether it was our caller who ended it is asked of its own context: what
	// streams come from may end with that one a moment before our own does.
	own, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	r.cfg.Log.Info().Msg("serving")
	for {
		in, err := r.cfg.Accept(own)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				in.Reject(proxy.ReasonInternal)
			}
			return nil
		case err != nil:
			return fmt.Errorf("requester: accept: %w", err)
		}
		r.count.incoming.Add(1)
		select {
		case r.streams <- struct{}{}:
			r.count.active.Add(1)
			wg.Go(func() {
				r.serve(own, in)
				r.count.active.Add(-1)
				<-r.streams
			})
		default:
			r.reject(in, proxy.ReasonLimit)
		}
	}
}

func (r *Requester) reject(in Incoming, why proxy.Reason) {
	r.count.rejected(why)
	in.Reject(why)
}

// serve answers one wish and copies until the stream has ended.
func (r *Requester) serve(ctx context.Context, in Incoming) {
	if service := r.cfg.Services[in.Target()]; service != nil {
		r.own(ctx, in, service)
		return
	}
	dialCtx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(in.Context(), cancel)
	conn, why, err := r.open(dialCtx, in.Target())
	stop()
	cancel()
	if err != nil {
		r.reject(in, why)
		return
	}
	stream, err := in.Accept()
	if err != nil {
		conn.Close()
		r.count.rejected(proxy.ReasonInternal)
		return
	}
	r.count.connected.Add(1)
	proxy.Splice(ctx, stream, conn, nil)
}

// own serves a stream itself.
func (r *Requester) own(ctx context.Context, in Incoming, service func(context.Context, net.Conn)) {
	stream, err := in.Accept()
	if err != nil {
		r.count.rejected(proxy.ReasonInternal)
		return
	}
	r.count.connected.Add(1)
	stop := context.AfterFunc(ctx, stream.Abort)
	defer stop()
	defer stream.Close()
	service(ctx, stream)
}

// open opens the connection to a target. If it fails, why is what to tell: what
// cannot be looked up is no matter of the policy.
func (r *Requester) open(ctx context.Context, text string) (c net.Conn, why proxy.Reason, err error) {
	t, err := parseTarget(text)
	if err != nil {
		return nil, proxy.ReasonDenied, err
	}
	r.count.port(t.port)
	if !t.addr.IsValid() {
		var ok bool
		if t.host, ok = proxy.HostName(t.host); !ok {
			return nil, proxy.ReasonDNS, errDNSName
		}
	}
	defer func() {
		if why == proxy.ReasonDenied && r.cfg.Refused != nil {
			r.cfg.Refused(t.host, t.port, err)
		}
	}()
	if err := r.cfg.Allow(t.host, netip.Addr{}, t.port); err != nil {
		return nil, proxy.ReasonDenied, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &resolution{pending: 1}
	if t.addr.IsValid() {
		known := make(chan family, 1)
		known <- family{six: t.addr.Is6(), addrs: []netip.Addr{t.addr}}
		s.answers = known
	} else {
		s.pending, s.answers = 2, r.lookup(ctx, t.host)
	}
	c, why, err = r.connect(ctx, t, s)
	cancel()
	for ; s.pending > 0; s.pending-- {
		<-s.answers // which end with ctx
	}
	return c, why, err
}
