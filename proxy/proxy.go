package proxy

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// Errors of a Proxy. A stream that could not be opened gives an [*OpenError].
var (
	ErrReset   = errors.New("proxy: stream reset by peer")
	ErrIdle    = errors.New("proxy: nothing heard of the peer")
	ErrClosed  = errors.New("proxy: not running")
	ErrSilent  = errors.New("proxy: the requester's gateway has the question, and the requester does not answer")
	errHole    = errors.New("proxy: a message is missing for good")
	errFlood   = errors.New("proxy: peer sends more than can be held")
	errMemory  = errors.New("proxy: too many unread bytes in all streams")
	errGone    = errors.New("proxy: peer gave up")
	errAborted = errors.New("proxy: stream aborted")
	errCrowded = errors.New("proxy: an idle stream gave way to one of another tag")
)

// key is what a stream is found by.
type key struct {
	tag    mixnet.SenderTag // dialed: our tag; else the stranger's; zero: none
	dialed bool
	id     protocol.StreamID
}

// A Proxy opens and accepts streams over one Messenger. All its methods may be
// called by many goroutines at once.
type Proxy struct {
	m        mixnet.Messenger
	cfg      Config
	boot     uint64    // drawn: another one says that all streams before are gone
	made     time.Time // when
	count    counters
	queue    controlQueue
	lanes    atomic.Uint64 // the last lane given out
	incoming chan *Incoming

	started chan struct{}   // closed once base is set
	base    context.Context // ends when streams must end, at the latest
	stop    context.CancelFunc
	ended   chan struct{} // closed when Run begins to end

	mu         sync.RWMutex // guards the following
	running    bool
	closing    bool
	drained    chan struct{} // nil: streams are welcome; closed when the last has ended
	conns      map[key]*Conn
	unread     map[*Conn]struct{} // streams that are over but for what was not read
	closed     recent[key]
	early      pending
	remotes    map[mixnet.SenderTag]*remotePeer
	pinned     map[mixnet.SenderTag]bool // strangers with streams, and for a while those who had some
	knownPeers recent[mixnet.SenderTag]  // strangers that are ours
	identities map[isolation]*identity
	byTag      map[mixnet.SenderTag]*identity
	pastTags   recent[mixnet.SenderTag] // that were in byTag
	requesters map[mixnet.Recipient]*requester
	notices    notice                  // of further tags
	limits     notice                  // of requesters without room
	spent      [spentLanes]mixnet.Lane // a ring
	nextSpent  int

	pumps sync.WaitGroup // grows only while closing is false, or in Run
}

// New makes a Proxy over m, whose only reader it becomes when Run is called.
func New(m mixnet.Messenger, cfg Config) *Proxy {
	p := &Proxy{
		m:          m,
		cfg:        cfg.withDefaults(),
		boot:       drawBoot(),
		made:       time.Now(),
		queue:      controlQueue{wake: make(chan struct{}, 1)},
		incoming:   make(chan *Incoming, acceptQueue),
		started:    make(chan struct{}),
		ended:      make(chan struct{}),
		conns:      make(map[key]*Conn),
		unread:     make(map[*Conn]struct{}),
		closed:     recent[key]{ttl: recentAge, limit: recentStreams},
		remotes:    make(map[mixnet.SenderTag]*remotePeer),
		pinned:     make(map[mixnet.SenderTag]bool),
		knownPeers: recent[mixnet.SenderTag]{ttl: kindAge, limit: knownPeerTags},
		identities: make(map[isolation]*identity),
		byTag:      make(map[mixnet.SenderTag]*identity),
		pastTags:   recent[mixnet.SenderTag]{ttl: recentAge, limit: recentStreams},
		requesters: make(map[mixnet.Recipient]*requester),
	}
	p.early.total = &p.count.buffered
	return p
}

// Run reads the Messenger and serves the streams until ctx ends or the
// Messenger fails. Then it closes every stream, which takes at most three
// seconds if the Messenger still works, and returns when all goroutines of the
// Proxy have. It returns nil if ctx ended. It can be called once.
func (p *Proxy) Run(ctx context.Context) error {
	p.mu.Lock()
	if p.running {
		p.mu.Unlock()
		return errors.New("proxy: run twice")
	}
	p.running = true
	p.base, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	p.mu.Unlock()
	close(p.started)

	aides, dismiss := context.WithCancel(p.base)
	var wg sync.WaitGroup
	wg.Go(func() { p.queue.run(aides) })
	wg.Go(func() { p.keepHouse(aides) })
	err := p.read(ctx)
	p.closeAll()
	dismiss()
	wg.Wait()
	p.stop()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// read hands every message to its stream. It never waits for one.
func (p *Proxy) read(ctx context.Context) error {
	for {
		m, err := p.m.Receive(ctx)
		if err != nil {
			return err
		}
		p.dispatch(m)
	}
}

// keepHouse lets streams and memories grow old.
func (p *Proxy) keepHouse(ctx context.Context) {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		p.mu.Lock()
		p.early.expire(now)
		for tag := range p.remotes {
			p.tidyRemote(tag)
		}
		p.expireIdentities(now)
		p.mu.Unlock()
		p.unpin()
		for _, c := range p.streams() {
			c.do(c.s.age)
		}
	}
}

// unpin tells the Messenger which strangers have no stream any more.
func (p *Proxy) unpin() {
	var idle []mixnet.SenderTag
	p.mu.Lock()
	for tag := range p.pinned {
		if p.remotes[tag] == nil {
			delete(p.pinned, tag)
			idle = append(idle, tag)
		}
	}
	p.mu.Unlock()
	for _, tag := range idle {
		p.m.Pin(tag, false)
		p.mu.RLock()
		again := p.pinned[tag]
		p.mu.RUnlock()
		if again { // a stream has begun in between
			p.m.Pin(tag, true)
		}
	}
}

// closeAll closes every stream and waits for them, but not for long.
func (p *Proxy) closeAll() {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	close(p.ended)
	for _, c := range p.streams() {
		c.shutdown()
	}
	limit := time.AfterFunc(shutdownLimit, p.stop)
	p.pumps.Wait()
	limit.Stop()
	p.mu.Lock()
	for _, t := range p.early.tags {
		p.early.dropTag(t)
	}
	p.mu.Unlock()
}

// streams lists the streams there are.
func (p *Proxy) streams() []*Conn {
	p.mu.RLock()
	defer p.mu.RUnlock()
	list := make([]*Conn, 0, len(p.conns))
	for _, c := range p.conns {
		list = append(list, c)
	}
	return list
}

// drawBoot draws the number that tells this Proxy from one before it. Not zero.
func drawBoot() (n uint64) {
	for n == 0 {
		var b [8]byte
		rand.Read(b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	return n
}

// lane gives out a fresh lane.
func (p *Proxy) lane() mixnet.Lane { return mixnet.Lane(p.lanes.Add(1)) }

// closeLaneLater closes a lane some time later, when what was put on it has left.
func (p *Proxy) closeLaneLater(l mixnet.Lane) {
	p.mu.Lock()
	old := p.spent[p.nextSpent]
	p.spent[p.nextSpent] = l
	p.nextSpent = (p.nextSpent + 1) % spentLanes
	p.mu.Unlock()
	if old != 0 {
		p.m.CloseLane(old)
	}
}

// freshID draws an id that was not used lately. The lock is held.
func (p *Proxy) freshID(now time.Time, tag mixnet.SenderTag) key {
	for {
		var b [8]byte
		rand.Read(b[:])
		k := key{tag: tag, dialed: true, id: protocol.StreamID(binary.BigEndian.Uint64(b[:]))}
		if k.id != 0 && p.conns[k] == nil && !p.closed.has(now, k) {
			return k
		}
	}
}

// remove forgets a stream that is over.
func (p *Proxy) remove(c *Conn) {
	c.do(func(time.Time) effects { return c.s.finish() })
	now := time.Now()
	p.mu.Lock()
	if p.conns[c.key] != c {
		p.mu.Unlock()
		return
	}
	delete(p.conns, c.key)
	p.noteDrained()
	p.closed.add(now, c.key)
	if c.held() > 0 {
		p.unread[c] = struct{}{}
	}
	if c.ident != nil {
		p.leaveIdentity(now, c.ident)
	}
	if o := c.remote; o != nil {
		o.streams--
		delete(o.conns, c)
		p.tidyRemote(c.key.tag)
	}
	p.mu.Unlock()
	c.leavePause()
	c.cancel()
	p.m.CloseLane(c.lane)
	p.closeLaneLater(c.notes)
	close(c.done)
}

// tidyRemote forgets a stranger of whom nothing is held. The lock is held.
func (p *Proxy) tidyRemote(tag mixnet.SenderTag) {
	if o := p.remotes[tag]; o != nil && o.streams == 0 && p.early.tags[tag] == nil {
		delete(p.remotes, tag)
	}
}

// shutdown closes the stream because the Proxy ends.
func (c *Conn) shutdown() {
	start := false
	c.do(func(now time.Time) effects {
		start = c.s.early()
		return c.s.shutdown(now)
	})
	if start {
		c.p.pumps.Go(c.pump)
	}
}
