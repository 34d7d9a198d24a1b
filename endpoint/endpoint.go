package endpoint

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/proxy"
)

// An Endpoint is one user of a mixnet. Its methods may be called by many
// goroutines.
type Endpoint struct {
	cfg   Config
	made  chan struct{} // closed when the following are set
	ready chan struct{}
	ended chan struct{} // closed when Run has ended

	client     *client.Client
	proxy      *proxy.Proxy  // nil: messages only
	sdk        *proxy.SDK    // nil like proxy
	letters    *letters      // nil: streams only
	requesters *requesters   // nil: none
	preferred  keys.Identity // entry gateway

	incoming chan *proxy.Incoming // full: further streams are refused
	ports    ports
	failures *failures
	outage   outage

	mu      sync.Mutex // guards the following
	running bool
	stop    context.CancelFunc // of Run, once it has begun
	shut    bool               // Shutdown was called
	entry   EntryStatus
	changed chan struct{}
}

// New makes an endpoint. It starts nothing and asks nobody; see [Endpoint.Run].
func New(cfg Config) (*Endpoint, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Endpoint{
		cfg:      cfg,
		made:     make(chan struct{}),
		ready:    make(chan struct{}),
		ended:    make(chan struct{}),
		incoming: make(chan *proxy.Incoming, backlog),
		ports:    ports{byNumber: make(map[uint16]*Listener)},
		failures: newFailures(cfg.Log),
		changed:  make(chan struct{}),
	}, nil
}

// Run keeps the endpoint connected and serves its streams until ctx ends or
// [Endpoint.Shutdown] has done its work, then returns nil. When ctx ends, streams have
// three seconds to say goodbye. Everything it started has returned before it does. It
// can be called once.
func (e *Endpoint) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	e.mu.Lock()
	again, shut := e.running, e.shut
	e.running, e.stop = true, stop
	e.mu.Unlock()
	if again {
		return errors.New("endpoint: run twice")
	}
	defer close(e.ended)
	if haveStreams {
		defer e.ports.close()
	}
	if shut {
		return nil
	}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error { return e.cfg.Network.Run(inner) })
	g.Go(func() error {
		if err := e.make(inner); err != nil {
			return err
		}
		return e.serve(inner)
	})
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// make makes the client, as soon as the nodes are known, and what stands on it.
func (e *Endpoint) make(ctx context.Context) (err error) {
	k := e.cfg.Keys
	if k.Identity == nil {
		if k, err = loadKeys(ctx, e.cfg.Store); err != nil {
			return err
		}
	}
	entries, err := e.entries(ctx, k.Identity)
	if err != nil {
		return err
	}
	e.preferred = entries[0].Gateway
	e.client, err = client.New(client.Config{
		Entries:    entries,
		Everywhere: e.cfg.Egress && len(entries) > 1,
		Encryption: k.Encryption,
		Ack:        k.Ack,
		Store:      e.cfg.Registrations,
		Topology:   e.cfg.Network.Topology,
		Refresh:    refresh,
		Dial: func(ctx context.Context, url string) (session.MessageConn, error) {
			return session.Dial(ctx, url, dialGateways(e.cfg.Network.Current, e.cfg.Dial))
		},
		OnSession:     e.onSession,
		OnNetwork:     e.outage.network,
		Traffic:       e.cfg.Traffic,
		SolicitedOnly: !e.cfg.reachable(),
		NeverStop:     e.cfg.NeverStop,
		Log:           e.cfg.Log,
	})
	if err != nil {
		return err
	}
	e.newStreams()
	if haveStreams && e.cfg.leaves() {
		e.requesters = &requesters{
			named: e.cfg.Requesters, network: e.cfg.Network, store: e.cfg.Store, log: e.cfg.Log, changed: e.notify, proxy: e.proxy,
		}
		if err := e.chooseRequesters(ctx); err != nil {
			return err
		}
	}
	close(e.made)
	return nil
}

// serve runs it all until ctx ends. The client goes last: streams say goodbye
// through it.
//
//	ctx ──▶ streams, listeners, fork check ──▶ below ──▶ client
func (e *Endpoint) serve(ctx context.Context) error {
	below, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	over := make(chan error, 1)
	go func() { over <- e.client.Run(below) }()

	g, ctx := errgroup.WithContext(ctx)
	failed := make(chan error, 1) // of the client, before its time
	g.Go(func() error {
		select {
		case err := <-over:
			failed <- err
			return errors.Join(errors.New("endpoint: the client ended by itself"), err)
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		watchMachine(ctx, ownAddrs, wallClock, e.client.NetworkChanged)
		return nil
	})
	if haveStreams && e.proxy != nil {
		g.Go(func() error { return e.sdk.Run(ctx) })
		g.Go(func() error { return e.proxy.Run(ctx) })
	}
	if haveStreams && e.cfg.Streams.Serve {
		g.Go(func() error { return e.accept(ctx) })
	}
	if haveStreams && e.requesters != nil && e.cfg.Network.signed() {
		g.Go(func() error {
			checkFork(ctx, e.probe, e.cfg.Network.Compare, e.cfg.Log)
			return nil
		})
	}
	if e.requesters != nil {
		g.Go(func() error {
			e.requesters.run(ctx)
			return nil
		})
	}
	g.Go(func() error {
		e.getReady(ctx)
		return nil
	})
	err := g.Wait()
	stop()
	select {
	case <-failed: // said already
		return err
	default:
		return errors.Join(err, <-over)
	}
}

// getReady closes ready when the endpoint is of use.
func (e *Endpoint) getReady(ctx context.Context) {
	select {
	case <-e.client.Ready():
	case <-ctx.Done():
		return
	}
	if haveStreams && e.requesters != nil && !e.findRequester(ctx) {
		return
	}
	close(e.ready)
	e.notify()
}

// findRequester waits until a requester has answered; false: ctx ended.
func (e *Endpoint) findRequester(ctx context.Context) bool {
	began, wait := time.Now(), complainFirst
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		n, news := e.requesters.answering()
		if n > 0 {
			return true
		}
		select {
		case <-news:
		case <-t.C:
			e.cfg.Log.Warn().Int("waited_s", int(time.Since(began).Seconds())).Str("hint", "is its address right, and does it run?").
				Msg("the requester does not answer")
			wait = min(2*wait, complainMost)
			t.Reset(wait)
		case <-ctx.Done():
			return false
		}
	}
}

// Ready is closed when the endpoint is of use for the first time: it has reached a
// gateway and, if it has requesters, one of them has answered.
func (e *Endpoint) Ready() <-chan struct{} { return e.ready }

// NetworkChanged says that the network below may have changed, or that the machine
// slept: for who knows that earlier than the endpoint, which looks at the addresses of
// its machine and at the clock, does. A session must show then that it lives, and one that
// is away is tried at once.
func (e *Endpoint) NetworkChanged() {
	select {
	case <-e.made:
		e.client.NetworkChanged()
	default: // it will look for a network anyway
	}
}

// Address is where the endpoint is reached now, which changes with its gateway;
// zero while it has none.
func (e *Endpoint) Address() mixnet.Recipient {
	select {
	case <-e.made:
		return e.client.Address()
	default:
		return mixnet.Recipient{}
	}
}

// Addresses is where the endpoint is reached, all at once; none while it has no
// gateway. The first stays the same.
func (e *Endpoint) Addresses() []mixnet.Recipient {
	select {
	case <-e.made:
		return e.client.Addresses()
	default:
		return nil
	}
}

// Messenger sends messages and, with Config.Messages, receives them. Call it
// after Ready.
func (e *Endpoint) Messenger() mixnet.Messenger {
	if e.cfg.Messages {
		return e.letters
	}
	return e.client
}

// DialContext opens a stream to target ("host:port") through a requester. The
// network is tcp, tcp4 or tcp6, whatever the requester makes of the name: it
// goes there as it is. It fits [net/http.Transport]. A requester can tell that such
// streams come from one endpoint; [Endpoint.Dial] with isolation keys keeps them
// apart.
func (e *Endpoint) DialContext(ctx context.Context, network, target string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, fmt.Errorf("endpoint: dial: %w", net.UnknownNetworkError(network))
	}
	c, err := e.Dial(ctx, target, proxy.DialOptions{})
	if err != nil {
		return nil, err // and no typed nil beside it
	}
	return c, nil
}

// Dial opens a stream to target through a requester, as [proxy.Proxy.Dial] does.
// It waits until the endpoint is connected.
func (e *Endpoint) Dial(ctx context.Context, target string, o proxy.DialOptions) (*proxy.Conn, error) {
	if err := e.await(ctx); err != nil {
		return nil, err
	}
	if e.requesters == nil {
		return nil, fmt.Errorf("%w: the Config names none", ErrNoRequester)
	}
	began := time.Now()
	c, err := e.outage.guard(ctx, func(ctx context.Context) (*proxy.Conn, error) { return e.requesters.dial(ctx, target, o) })
	e.failures.note(err, time.Since(began))
	return c, err
}

// probe opens a stream of our own through the requester, under a tag that
// nothing else has (H28).
func (e *Endpoint) probe(ctx context.Context, target string) (net.Conn, error) {
	c, err := e.proxy.Dial(ctx, e.requesters.any(), target, proxy.DialOptions{Isolation: "probe " + crand.Text()})
	if err != nil {
		return nil, err // and no typed nil beside it
	}
	return c, nil
}

// await waits until there is a client with streams over it.
func (e *Endpoint) await(ctx context.Context) error {
	select {
	case <-e.made:
	case <-e.ended:
		return &proxy.OpenError{Reason: proxy.ReasonNoNetwork}
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &proxy.OpenError{Reason: proxy.ReasonNoNetwork}
		}
		return ctx.Err()
	}
	if e.proxy == nil {
		return errors.New("endpoint: there are no streams: Config.Messages is set, and Config.Peers is not")
	}
	return nil
}
