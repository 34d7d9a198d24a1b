package directory

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// ClientConfig is what a [Client] is made of.
type ClientConfig struct {
	// URLs are those of the network's directories, which all say the same; with
	// or without /api at the end. At least one.
	URLs []string
	// Key is the directory's key, pinned. If zero, the directory is any that
	// speaks to Nym's clients, and whoever controls it or the way to it controls
	// all routes.
	Key keys.Identity
	// Network is the network's name, checked where Key is set; empty for any.
	Network string
	// Seen is the head this client saw last in an earlier life; older documents
	// are refused. The zero Head is none.
	Seen Head
	// Saved is what Save was given last in an earlier life; nil: nothing. While no
	// directory answers, the client starts with it, until it ends.
	Saved []byte
	// Save keeps the signed topology, of up to 17 MB, for the next life. Run calls
	// it now and then, and at its end. If nil, nothing is kept.
	Save func(topology []byte) error
	// Noise asks for the nodes' Noise keys where Key is zero; nodes need them.
	Noise bool
	// Refresh is the mean time between two looks at a directory that does not
	// say when it publishes. If zero, it is 5 minutes.
	Refresh time.Duration
	// Fetch makes the requests. Required.
	Fetch Fetch
	// Failed, if set, is told of each look that failed, by Run: for those who want to
	// say why there is no network yet. It must not block.
	Failed func(error)
	// Log receives the client's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// A Client keeps a snapshot of the network fresh.
//
//	directory ──▶ verify ──▶ chain: [current][next] ──▶ Network, Current
//
// A directory that is down changes nothing: what is known is kept.
type Client struct {
	cfg     ClientConfig
	servers *Servers // asked by the loop

	// Owned by the loop.
	rng     *rand.Rand
	lacking int       // snapshots in a row by which nothing can be routed
	kept    *snapshot // of an earlier life, not shown; nil: none
	stale   bool      // what an earlier life kept is shown
	saved   struct {  // what is kept for the next life
		at       time.Time
		hash     Hash
		sequence uint64
	}

	shown      atomic.Pointer[shown]
	staleShown atomic.Bool   // stale, for others
	ready      chan struct{} // closed when there is a first snapshot
	stopped    chan struct{} // closed when Run has ended
	forks      chan struct{} // room for one: a fork was found by comparing heads
	proving    chan struct{} // holds a token while links are asked for

	mu    sync.Mutex
	chain *chain
	err   error // why Run ended
}

// shown is what others see.
type shown struct {
	view *View
	net  *topology.Network
}

// NewClient checks the configuration and makes a Client. It asks nothing; see
// [Client.Run].
func NewClient(cfg ClientConfig) (*Client, error) {
	servers, err := NewServers(cfg.URLs, cfg.Fetch)
	if err != nil {
		return nil, err
	}
	if cfg.Refresh < 0 {
		return nil, errors.New("directory: negative refresh")
	}
	if cfg.Refresh == 0 {
		cfg.Refresh = DefaultRefresh
	}
	cfg.Log = cfg.Log.With().Str("component", "directory-client").Logger()
	c := &Client{
		cfg: cfg, servers: servers, rng: newRand(), chain: newChain(cfg.Seen),
		ready: make(chan struct{}), stopped: make(chan struct{}), forks: make(chan struct{}, 1), proving: make(chan struct{}, 1),
	}
	c.restore()
	c.cfg.Saved = nil
	return c, nil
}

func newRand() *rand.Rand {
	var seed [32]byte
	crand.Read(seed[:])
	return rand.New(rand.NewChaCha8(seed))
}

// Network waits for the first snapshot and gives the current one. It fails when
// ctx ends or the client has stopped, and with [ErrFork] for ever once the
// directory was found lying. It may be used as a client's source of topologies.
func (c *Client) Network(ctx context.Context) (*topology.Network, error) {
	select {
	case <-c.ready:
	default:
		select {
		case <-c.ready:
		case <-c.stopped:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c.mu.Lock()
	err := errors.Join(c.chain.forked, c.err)
	c.mu.Unlock()
	if s := c.shown.Load(); s != nil && err == nil {
		return s.net, nil
	}
	if err == nil {
		err = errors.New("directory: stopped before there was a snapshot of the network")
	}
	return nil, err
}

// Current gives the current snapshot; nil while there is none.
func (c *Client) Current() *topology.Network {
	if s := c.shown.Load(); s != nil {
		return s.net
	}
	return nil
}

// View gives all that the directory says of the network; nil while nothing is
// known. The caller must not change it.
func (c *Client) View() *View {
	if s := c.shown.Load(); s != nil {
		return s.view
	}
	return nil
}

// Head names the newest document seen, without a signature; to be kept, and
// given as Seen to the next Client. It is zero without a pinned key.
func (c *Client) Head() Head {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chain.newest == 0 {
		return Head{}
	}
	e := c.chain.known[c.chain.newest]
	return Head{Network: c.cfg.Network, Sequence: c.chain.newest, Topology: e.topology, Chain: e.chain}
}

// Run keeps the snapshot fresh until ctx ends, then returns nil. It fails only
// with [ErrFork].
func (c *Client) Run(ctx context.Context) error {
	defer close(c.stopped)
	look := c.lookNym
	if !c.cfg.Key.IsZero() {
		look = c.lookSigned
	}
	err := look(ctx)
	c.save(time.Now(), true)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, ErrFork):
		c.err = err
		c.cfg.Log.Error().Msg("the directory signed two different histories")
		return err
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// sleep waits until at; false: ctx ended. It ends early for a fork.
func (c *Client) sleep(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.forks:
	case <-ctx.Done():
		return false
	}
	return true
}

// recovered logs that a row of failures has ended.
func (c *Client) recovered(what string, n *int) {
	if *n > 0 {
		c.cfg.Log.Info().Int("attempts", *n).Msg(what)
	}
	*n = 0
}

// complain logs a failure, the first of a row of n and then ever fewer.
func (c *Client) complain(what string, err error, n int) {
	if c.cfg.Failed != nil {
		c.cfg.Failed(err)
	}
	if n&(n-1) == 0 {
		c.cfg.Log.Warn().Err(err).Int("attempts", n).Bool("has_topology", c.shown.Load() != nil).Msg(what)
	}
}

// show lets others see the snapshot in force, if it is one to route by.
func (c *Client) show() {
	c.mu.Lock()
	p := c.chain.current
	c.mu.Unlock()
	if p.net == nil {
		c.lacking++
		if c.lacking&(c.lacking-1) == 0 { // as [Client.complain] does; a network that comes together is no fault
			c.cfg.Log.Info().Int("nodes", len(p.view.Nodes)).Int("attempts", c.lacking).Bool("has_topology", c.shown.Load() != nil).
				Msg("the network is not complete: a layer or the gateways are missing")
		}
		return
	}
	c.recovered("network complete", &c.lacking)
	c.install(p.view, p.net)
}

func (c *Client) install(v *View, n *topology.Network) {
	if c.shown.Swap(&shown{v, n}) == nil {
		close(c.ready)
	}
}
