package client

import (
	"context"
	crand "crypto/rand"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
)

// A Client is one address on the mixnet. It implements [mixnet.Messenger].
type Client struct {
	cfg     Config
	traffic Traffic
	enc     *keys.EncryptionKey
	ack     *keys.Ack
	entries []*entry              // the first is preferred
	entry   atomic.Pointer[entry] // whose address is ours now

	network    atomic.Pointer[topology.Network] // the current snapshot; nil until there is one
	routes     atomic.Pointer[topology.Network] // the same without mixes that are left out; of the loop's
	session    sessionSlot
	inbox      *inbox
	buffers    *buffers
	tables     *sphinx.Tables
	surbMakers sync.Pool // of *surbMaker
	surbCache  surbCache // reply SURBs made ahead
	count      counters

	offers       chan *outgoing // unbuffered: the sender waits for the loop
	orders       chan order     // unbuffered: the caller waits for the loop
	pushed       chan []byte    // full: the session waits, and so the gateway
	grantJobs    chan grantJob  // full: the loop tries again later
	ready        chan struct{}  // closed when the first session is up
	changed      chan struct{}  // holds a token when the network below may have changed
	drops        chan *entry    // holds an entry that is to be left; full: it was said
	haveTopology chan struct{}  // closed when there is a first snapshot of the topology
	ended        chan struct{}  // closed when the loop has ended
	lingers      sync.WaitGroup // of sessions; the goroutine that connects waits for it
	noNetwork    bool           // OnNetwork was told so; of the goroutine that connects
}

// An order is something a caller has the loop do.
type order func(*loop)

var _ mixnet.Messenger = (*Client)(nil)

// New makes a client. It starts nothing; see [Client.Run].
func New(cfg Config) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Encryption == nil {
		cfg.Encryption = keys.NewEncryptionKey()
	}
	if cfg.Ack == nil {
		cfg.Ack = keys.NewAck()
	}
	if cfg.Store == nil {
		cfg.Store = NewMemoryStore()
	}
	if cfg.Refresh == 0 {
		cfg.Refresh = DefaultRefresh
	}
	cfg.Log = cfg.Log.With().Str("component", "client").Logger()
	c := &Client{
		cfg:          cfg,
		traffic:      cfg.Traffic.withDefaults(),
		enc:          cfg.Encryption,
		ack:          cfg.Ack,
		entries:      newEntries(cfg.Entries, cfg.Encryption.Public()),
		inbox:        newInbox(),
		offers:       make(chan *outgoing),
		orders:       make(chan order),
		pushed:       make(chan []byte, 64),
		grantJobs:    make(chan grantJob, 64),
		ready:        make(chan struct{}),
		changed:      make(chan struct{}, 1),
		drops:        make(chan *entry, 1),
		haveTopology: make(chan struct{}),
		ended:        make(chan struct{}),
	}
	c.entry.Store(c.entries[0])
	c.count.pace.Store(int64(c.traffic.SendEvery))
	c.session.init()
	c.surbCache.wake = make(chan struct{}, 1)
	c.buffers = newBuffers(c.traffic.Size, 2*unpacedCredits)
	c.tables = sphinx.NewTables()
	c.surbMakers.New = func() any {
		return &surbMaker{rng: newRand(), builder: sphinx.Builder{Tables: c.tables}}
	}
	return c, nil
}

// newRand makes the source of delays and routes.
func newRand() *rand.Rand {
	var seed [32]byte
	crand.Read(seed[:])
	return rand.New(rand.NewChaCha8(seed))
}

// Run keeps the client connected and sends and receives until ctx ends, then
// returns nil. Everything it started has returned before it does.
func (c *Client) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	l := newLoop(c)
	g.Go(func() error { return c.refresh(ctx, l.networks) })
	g.Go(func() error { return c.connect(ctx) })
	g.Go(func() error { l.main.run(ctx, c); return nil })
	if l.cover != nil {
		g.Go(func() error { l.cover.run(ctx, c); return nil })
	}
	g.Go(func() error { return c.grant(ctx) })
	g.Go(func() error {
		defer close(c.ended)
		l.run(ctx)
		return nil
	})
	err := g.Wait()
	c.inbox.close()
	if ctx.Err() != nil && err == ctx.Err() {
		return nil
	}
	return err
}

// Ready is closed when the client is connected to its gateway for the first time.
func (c *Client) Ready() <-chan struct{} { return c.ready }

// NetworkChanged says that the network below may have changed, or that the
// machine slept: a session that is up must show that it lives, and an attempt to
// open one is made at once.
func (c *Client) NetworkChanged() { signal(c.changed) }

// Address implements [mixnet.Messenger]. With several
// entries it may change.
func (c *Client) Address() mixnet.Recipient { return c.entry.Load().self }

// Receive implements [mixnet.Messenger].
func (c *Client) Receive(ctx context.Context) (mixnet.Message, error) { return c.inbox.get(ctx) }

// Send implements [mixnet.Messenger].
func (c *Client) Send(ctx context.Context, to mixnet.Recipient, body []byte, o mixnet.SendOptions) error {
	if len(body) > mixnet.MaxMessage {
		return mixnet.ErrTooLong
	}
	m := message.Message{Kind: message.Plain, Body: body}
	out := newOutgoing(o)
	out.to = to
	if !o.As.IsZero() {
		m.Kind, m.From, m.Legacy = message.Data, o.As, c.legacyLists()
		if err := c.attach(ctx, out, o, len(body)); err != nil {
			return err
		}
		m.SURBs = out.surbs
	}
	return c.offer(ctx, out, &m)
}

// attach makes the reply SURBs that a message with a body of that many bytes carries.
// It waits for the first snapshot of the topology, through which they lead.
func (c *Client) attach(ctx context.Context, out *outgoing, o mixnet.SendOptions, body int) error {
	out.tag = o.As
	if o.SURBs < 0 {
		return nil
	}
	select {
	case <-c.haveTopology:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return mixnet.ErrClosed
	}
	n := o.SURBs
	if n == 0 {
		c.order(func(l *loop) {
			n, out.further = l.granted.attach(o.As, c.spare(body), o.Expected, time.Now())
			out.counted, out.entry = n+out.further, l.entry
		})
	}
	if n == 0 {
		return nil
	}
	counted := out.entry
	var err error
	if out.surbs, out.entry, err = c.takeSURBs(n); err != nil || counted != out.entry {
		c.uncount(o.As, out.counted, counted)
		out.counted, out.further = 0, 0
	}
	return err
}

// spare says how many reply SURBs fit into the packets that a body takes anyway.
func (c *Client) spare(body int) int {
	size := c.traffic.Size.Fragment()
	used := message.Data.Overhead(0, topology.Hops, c.legacyLists()) + body
	return c.surbsIn(fragment.Capacity(fragment.Count(used, size), size) - used)
}

// surbsIn says how many reply SURBs fit into that many bytes of a list.
func (c *Client) surbsIn(room int) int {
	one := message.Data.Overhead(1, topology.Hops, c.legacyLists()) - message.Data.Overhead(0, topology.Hops, c.legacyLists())
	return room / one
}

// wholeGrant is how many reply SURBs fill the packets that so many take at least, and
// at most as many as one message of a grant brings.
func (c *Client) wholeGrant(n int) int {
	size := c.traffic.Size.Fragment()
	list := message.MoreSURBs.Overhead(0, topology.Hops, c.legacyLists())
	for packets := 1; ; packets++ {
		if most := c.surbsIn(fragment.Capacity(packets, size) - list); most >= min(n, perGrant) {
			return most
		}
	}
}

// legacyLists says that our SURBs go into lists of the first version: those
// with full keys fit no others (sphinx.md §5.7).
func (c *Client) legacyLists() bool { return c.traffic.Version == sphinx.Version258 }

// Reply implements [mixnet.Messenger].
func (c *Client) Reply(ctx context.Context, tag mixnet.SenderTag, body []byte, o mixnet.SendOptions) error {
	m := message.Message{Kind: message.Reply, Body: body}
	out := newOutgoing(o)
	out.tag, out.reply = tag, true
	return c.offer(ctx, out, &m)
}

// offer cuts a message up and hands it to the loop. It waits until the lane
// has room.
func (c *Client) offer(ctx context.Context, out *outgoing, m *message.Message) error {
	err := c.cut(out, m)
	if err == nil {
		err = ctx.Err() // an ended one sends nothing
	}
	if err == nil {
		select {
		case c.offers <- out:
		case <-ctx.Done():
			err = ctx.Err()
		case <-c.ended:
			err = mixnet.ErrClosed
		}
	}
	if err != nil {
		c.uncount(out.tag, out.counted, out.entry)
		return err
	}
	select {
	case <-out.accepted:
		return out.err
	case <-ctx.Done():
		if !out.state.CompareAndSwap(stateOffered, stateWithdrawn) {
			<-out.accepted // a lane has had room meanwhile
			return out.err
		}
		c.order(func(l *loop) { l.withdrawn(out) })
		return ctx.Err()
	}
}

// uncount has the loop count SURBs as under way no more.
func (c *Client) uncount(tag mixnet.SenderTag, n int, to *entry) {
	if n > 0 {
		c.order(func(l *loop) { l.uncount(tag, n, to) })
	}
}

// cut makes the fragments of a message.
func (c *Client) cut(out *outgoing, m *message.Message) error {
	b, err := m.AppendBinary(nil)
	if err != nil {
		return err
	}
	size := c.traffic.Size.Fragment()
	out.frags, err = fragment.Split(b, size, fragment.NewSets(fragment.Sets(len(b), size)))
	out.accepted = make(chan struct{})
	return err
}

// order has the loop do something, unless the client has ended.
func (c *Client) order(o order) {
	done := make(chan struct{})
	select {
	case c.orders <- func(l *loop) { o(l); close(done) }:
		<-done
	case <-c.ended:
	}
}

// CloseLane implements [mixnet.Messenger].
func (c *Client) CloseLane(id mixnet.Lane) {
	c.order(func(l *loop) { l.closeLane(id) })
}

// LaneLen implements [mixnet.Messenger].
func (c *Client) LaneLen(id mixnet.Lane) (n int) {
	c.order(func(l *loop) { n = l.lanes.load(id) })
	return n
}

// Room implements [mixnet.Messenger].
func (c *Client) Room(o mixnet.SendOptions, packets int) int {
	overhead := message.Reply.Overhead(0, 0, false)
	if !o.As.IsZero() {
		overhead = message.Data.Overhead(max(0, o.SURBs), topology.Hops, c.legacyLists())
	}
	return max(0, min(fragment.Capacity(packets, c.traffic.Size.Fragment())-overhead, mixnet.MaxMessage))
}

// Pause implements [mixnet.Messenger].
func (c *Client) Pause(tag mixnet.SenderTag, paused bool) {
	c.order(func(l *loop) { l.pause(tag, paused) })
}

// Pin implements [mixnet.Messenger].
func (c *Client) Pin(tag mixnet.SenderTag, pinned bool) {
	c.order(func(l *loop) {
		l.held.pin(tag, pinned)
		l.follow(pinned && l.demand.opened(time.Now()))
	})
}
