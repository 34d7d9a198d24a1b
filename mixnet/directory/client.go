package directory

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
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

// Compare holds a head that somebody else states against what we saw. Where it
// names a document that is not remembered, the directory is asked for the links
// to those that are. Compare fails with [ErrFork] if the directory showed us
// something else, and then Run ends too; with [ErrSignature] if the head is not
// the directory's; with [ErrContinuity] if it is older than what the directory
// shows. A head that is news to us is remembered, until its document comes.
func (c *Client) Compare(ctx context.Context, h Head) error {
	if c.cfg.Key.IsZero() {
		return nil
	}
	if !h.Verify(c.cfg.Key) {
		return ErrSignature
	}
	c.mu.Lock()
	ask, err := c.chain.compare(h, time.Now())
	c.mu.Unlock()
	if ask {
		err = c.prove(ctx, h)
	}
	if errors.Is(err, ErrFork) {
		select {
		case c.forks <- struct{}{}:
		default:
		}
	}
	return err
}

// prove asks for the links between a head that is not remembered and a document
// that is. Only one is asked for at a time.
func (c *Client) prove(ctx context.Context, h Head) error {
	select {
	case c.proving <- struct{}{}:
		defer func() { <-c.proving }()
	case <-ctx.Done():
		return ctx.Err()
	}
	servers := Servers{bases: c.servers.bases, fetch: c.servers.fetch}
	return servers.each(ctx, func(base string) error {
		c.mu.Lock()
		to, ok := c.chain.above(h.Sequence)
		c.mu.Unlock()
		if !ok || to-h.Sequence > maxPages*MaxLinks {
			return fmt.Errorf("%w: document %d is too far from those that are remembered", ErrContinuity, h.Sequence)
		}
		p := &proof{head: h, to: to}
		for from := h.Sequence; ; from = p.at + 1 {
			piece, err := c.history(ctx, &servers, base, from)
			switch {
			case errors.Is(err, errNotFound), err == nil && from == h.Sequence && piece.From != from:
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.chain.unproved(h, time.Now())
			case err != nil:
				return err
			}
			done, err := p.fold(piece)
			if err != nil {
				return err
			}
			if done {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.chain.prove(p)
			}
		}
	})
}

// history asks a directory for a piece of its history.
func (c *Client) history(ctx context.Context, s *Servers, base string, from uint64) (*History, error) {
	a, err := s.get(ctx, base, PathHistory(from), Hash{})
	if err != nil {
		return nil, err
	}
	if _, err := a.verify(c.cfg.Key); err != nil {
		return nil, err
	}
	h := new(History)
	if err := decode(a.body, h); err != nil {
		return nil, err
	}
	if c.cfg.Network != "" && h.Network != c.cfg.Network {
		return nil, fmt.Errorf("%w: history of another network", ErrMalformed)
	}
	return h, nil
}

// connect has a directory show what lies between the documents that we know and
// document n.
func (c *Client) connect(ctx context.Context, base string, n uint64) error {
	c.mu.Lock()
	from, ok := c.chain.lacks(n)
	c.mu.Unlock()
	restart := ok && n-from > maxPages*MaxLinks
	if restart {
		from = n
	}
	for page := 0; ok; page++ {
		if page > maxPages {
			return fmt.Errorf("%w: the history up to document %d has no end", ErrContinuity, n)
		}
		h, err := c.history(ctx, c.servers, base, from)
		if errors.Is(err, errNotFound) {
			return fmt.Errorf("%w: it shows no history", ErrContinuity)
		}
		if err != nil {
			return err
		}
		c.mu.Lock()
		if restart && h.From == n {
			c.chain.restart(h)
		}
		from, err = c.chain.extend(h, from, n, time.Now())
		c.mu.Unlock()
		if err != nil {
			return err
		}
		ok = from != 0
	}
	return nil
}

// SignedHead asks the directories for the head that they state, and gives it if
// it names a document we have seen: that is what we can vouch for to others. It
// fails with [ErrFork] as Compare does, and with an error where it is news to us.
func (c *Client) SignedHead(ctx context.Context) (h Head, err error) {
	if c.cfg.Key.IsZero() {
		return h, errors.New("directory: no key is pinned")
	}
	servers := Servers{bases: c.servers.bases, fetch: c.servers.fetch}
	err = servers.each(ctx, func(base string) error {
		a, err := servers.get(ctx, base, PathHead, Hash{})
		if err != nil {
			return err
		}
		h = Head{}
		if err := json.Unmarshal(a.body, &h); err != nil {
			return err
		}
		return c.Compare(ctx, h)
	})
	if err != nil {
		return Head{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chain.known[h.Sequence].topology != h.Topology {
		return Head{}, errors.New("directory: the head is newer than what was seen")
	}
	return h, nil
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

// lookSigned follows a directory whose key is pinned.
func (c *Client) lookSigned(ctx context.Context) error {
	failed, asked := 0, false
	var boundary *snapshot // that asked belongs to
	for {
		now := time.Now()
		c.mu.Lock()
		if c.chain.forked != nil {
			defer c.mu.Unlock()
			return c.chain.forked
		}
		if c.chain.current != boundary {
			asked, boundary = false, c.chain.current
		}
		what, at := c.chain.plan(now, asked, c.cfg.Refresh, c.rng)
		if c.stale {
			what, at = stepFetch, now
		}
		c.mu.Unlock()
		if failed > 0 {
			at = now.Add(backoff(failed, c.rng))
		}
		if !c.sleep(ctx, at) {
			return nil
		}
		var err error
		switch what {
		case stepFetch:
			asking, cancel := ctx, context.CancelFunc(func() {})
			if c.kept != nil {
				asking, cancel = context.WithTimeout(ctx, keptPatience)
			}
			err = c.fetchTopology(asking, PathTopology)
			cancel()
			asked = asked && err != nil
			if err == nil {
				c.kept, c.stale = nil, false
				c.staleShown.Store(false)
			} else if ctx.Err() == nil && !errors.Is(err, ErrFork) {
				c.fallBack(time.Now())
			}
		case stepNext:
			asked = true
			if err = c.fetchTopology(ctx, PathNext); !errors.Is(err, ErrFork) {
				err = nil // the document in force will be asked for
			}
		case stepSwitch:
			c.mu.Lock()
			c.chain.advance(time.Now())
			c.mu.Unlock()
			c.show()
		}
		switch {
		case errors.Is(err, ErrFork):
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failed++
			c.complain("directory not read", err, failed)
		default:
			c.recovered("the directory is read again", &failed)
			c.save(time.Now(), false)
		}
	}
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

// fetchTopology asks for a topology document and takes it into the chain.
func (c *Client) fetchTopology(ctx context.Context, path string) error {
	c.mu.Lock()
	base := c.chain.current
	c.mu.Unlock()
	if base == nil {
		base = c.kept // it may still be the same
	}
	var have Hash
	if base != nil {
		have = base.hash
	}
	return c.servers.each(ctx, func(url string) error {
		a, err := c.servers.get(ctx, url, path, have)
		if errors.Is(err, errNotFound) && path == PathTopology {
			return &AskError{Cause: err, Remedy: "is it the URL that the directory prints at its start, with or without /api at the end?"}
		}
		if err != nil {
			return err
		}
		p, err := c.open(a, base)
		if err != nil {
			return err
		}
		if err := c.connect(ctx, url, p.seal.Sequence); err != nil {
			return err
		}
		return c.take(p, path == PathTopology)
	})
}

// open verifies an answer and reads it, or takes over what was read of the same
// body before.
func (c *Client) open(a *answer, before *snapshot) (*snapshot, error) {
	seal, err := a.verify(c.cfg.Key)
	if err != nil {
		return nil, err
	}
	p := &snapshot{seal: *seal, hash: a.hash, path: a.path}
	if !seal.Verify(c.cfg.Key, p.path, p.hash) {
		p.path = a.uri
	}
	if a.body == nil {
		p.view, p.net, p.body = before.view, before.net, before.body
		return p, nil
	}
	if c.cfg.Save != nil {
		p.body = a.body
	}
	if p.view, err = ParseFile(a.body); err != nil {
		return nil, err
	}
	if c.cfg.Network != "" && p.view.Network != c.cfg.Network {
		return nil, &AskError{
			Cause:  fmt.Errorf("it is the directory of network %q, not of %q", p.view.Network, c.cfg.Network),
			Remedy: "check the network's name",
		}
	}
	if p.view.Epoch != seal.Epoch {
		return nil, fmt.Errorf("%w: document of another epoch than its seal", ErrMalformed)
	}
	p.net, err = p.view.Topology()
	if err != nil && !errors.Is(err, topology.ErrInsufficient) {
		return nil, err
	}
	return p, nil // without a net where packets cannot cross the network
}

func (c *Client) take(p *snapshot, inForce bool) error {
	c.mu.Lock()
	now, before := time.Now(), c.chain.accepted
	err := c.chain.check(&p.seal, p.hash, inForce, now)
	if err == nil {
		err = c.chain.follow(p.seal.Sequence, now)
	}
	if err == nil {
		c.chain.take(p, inForce)
	}
	lost := c.chain.lost
	c.chain.lost = 0
	c.mu.Unlock()
	if lost != 0 && before != 0 {
		c.cfg.Log.Warn().Uint64("before", lost).Uint64("seen", before).
			Msg("continuity not shown: the directory no longer shows what came between what was seen before and now")
	}
	if err == nil && inForce {
		c.show()
	}
	return err
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

// lookNym follows a directory that speaks to Nym's clients.
func (c *Client) lookNym(ctx context.Context) error {
	held := make(map[string]*answer)
	failed := 0
	for {
		err := c.servers.each(ctx, func(base string) error {
			err := c.fetchNym(ctx, base, held)
			if errors.Is(err, errMixed) { // it changed between two answers
				err = c.fetchNym(ctx, base, held)
			}
			return err
		})
		wait := jitter(c.cfg.Refresh, c.rng)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failed++
			c.complain("directory not read", err, failed)
			wait = backoff(failed, c.rng)
		default:
			c.recovered("the directory is read again", &failed)
		}
		if !c.sleep(ctx, time.Now().Add(wait)) {
			return nil
		}
	}
}

// fetchNym asks for all lists of one moment. held keeps bodies for when the
// directory says that they are the same.
func (c *Client) fetchNym(ctx context.Context, base string, held map[string]*answer) error {
	var lists nymAnswers
	for _, l := range []struct {
		path string
		to   *[]byte
		want bool
	}{
		{pathRewardedSet, &lists.rewarded, true},
		{pathMixnodes + "?page=0", &lists.mixnodes, true},
		{pathGateways + "?page=0", &lists.gateways, true},
		{PathRotation, &lists.rotation, true},
		{pathSemiSkimmed + "?page=0", &lists.semi, c.cfg.Noise},
	} {
		if !l.want {
			continue
		}
		key, have := base+l.path, Hash{}
		if h := held[key]; h != nil {
			have = h.hash
		}
		a, err := c.servers.get(ctx, base, l.path, have)
		switch {
		case errors.Is(err, errNotFound) && l.path == PathRotation:
			continue // only says when the next rotation comes
		case err != nil:
			return err
		case a.body != nil:
			held[key] = a
		}
		*l.to = held[key].body
	}
	v, err := lists.view()
	if err != nil {
		return err
	}
	n, err := v.Topology()
	if err != nil {
		return err
	}
	c.install(v, n)
	return nil
}
