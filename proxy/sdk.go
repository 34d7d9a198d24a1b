package proxy

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// Errors of streams of Nym's SDK.
var (
	errSDKNumbers = errors.New("proxy: the stream has no numbers left")
	errSDKIdle    = ErrIdle
)

// SDKConfig is what an SDK is made of.
type SDKConfig struct {
	// Incoming is handed the streams that strangers open. It must not block, and
	// calls Accept of each that is wanted, now or later, and Abort of others. If nil,
	// none are taken.
	Incoming func(*SDKConn)
	// Lane is the first of the lanes that the streams use.
	Lane mixnet.Lane
}

// An SDK is the streams of one Messenger that Nym's SDK for Rust understands
// (sdk-streams.md): from client to client, without a requester and without a way to
// say that one has ended. Its owner hands it the messages, by [SDK.Take].
type SDK struct {
	m     mixnet.Messenger
	cfg   SDKConfig
	lanes atomic.Uint64
	held  atomic.Int64 // bytes that wait for applications or for what is missing before them

	started chan struct{}   // closed when Run has begun
	base    context.Context // ends when streams must end, at the latest
	stop    context.CancelFunc
	pumps   sync.WaitGroup // grows only while closing is false

	mu       sync.Mutex // guards the following
	running  bool
	closing  bool
	conns    map[key]*SDKConn
	byTag    map[mixnet.SenderTag]*SDKConn // dialed: each has a tag of its own
	pastTags recent[mixnet.SenderTag]
	past     recent[key]
	early    map[key]*sdkEarly
	earlySum int
	tags     map[mixnet.SenderTag]int // of strangers: streams
	drained  chan struct{}
}

// sdkEarly is what overtook the opening of its stream.
type sdkEarly struct {
	since  time.Time
	frames []protocol.SDKFrame
	bytes  int
}

// NewSDK makes the streams over m. It starts nothing; see [SDK.Run].
func NewSDK(m mixnet.Messenger, cfg SDKConfig) *SDK {
	base, stop := context.WithCancel(context.Background())
	return &SDK{
		m: m, cfg: cfg, started: make(chan struct{}), base: base, stop: stop,
		conns:    make(map[key]*SDKConn),
		byTag:    make(map[mixnet.SenderTag]*SDKConn),
		pastTags: recent[mixnet.SenderTag]{ttl: recentAge, limit: recentStreams},
		past:     recent[key]{ttl: recentAge, limit: recentStreams},
		early:    make(map[key]*sdkEarly),
		tags:     make(map[mixnet.SenderTag]int),
	}
}

// Run serves the streams until ctx ends. Then what was written still has three
// seconds to leave. It returns nil when all its goroutines have returned, and can be
// called once.
func (x *SDK) Run(ctx context.Context) error {
	x.mu.Lock()
	again := x.running
	x.running = true
	x.mu.Unlock()
	if again {
		return errors.New("proxy: run twice")
	}
	defer x.stop()
	close(x.started)
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case now := <-tick.C:
			x.age(now)
		case <-ctx.Done():
		}
	}
	x.mu.Lock()
	x.closing = true
	x.mu.Unlock()
	for _, c := range x.streams() {
		c.Close()
	}
	limit := time.AfterFunc(shutdownLimit, x.stop)
	defer limit.Stop()
	x.pumps.Wait()
	return nil
}

// Drain returns nil once each stream has ended by itself and all it wrote was
// acknowledged; from now on none is opened or accepted. If ctx ends first, it returns
// its error.
func (x *SDK) Drain(ctx context.Context) error {
	x.mu.Lock()
	if x.drained == nil {
		x.drained = make(chan struct{})
		x.noteDrained()
	}
	drained := x.drained
	x.mu.Unlock()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *SDK) noteDrained() {
	if x.drained != nil && len(x.conns) == 0 {
		select {
		case <-x.drained:
		default:
			close(x.drained)
		}
	}
}

func (x *SDK) streams() []*SDKConn {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := make([]*SDKConn, 0, len(x.conns))
	for _, c := range x.conns {
		list = append(list, c)
	}
	return list
}

// age ends streams of which nothing was heard, and forgets what came too early.
func (x *SDK) age(now time.Time) {
	x.mu.Lock()
	for k, e := range x.early {
		if now.Sub(e.since) >= earlyAge {
			x.forgetEarly(k)
		}
	}
	x.mu.Unlock()
	for _, c := range x.streams() {
		c.age(now)
	}
}

// Dial opens a stream. It returns when the recipient's gateway has been told: whether
// anybody takes it there is never said. If it cannot be opened, the error is an
// [*OpenError], or that of ctx.
func (x *SDK) Dial(ctx context.Context, to mixnet.Recipient) (*SDKConn, error) {
	select {
	case <-x.started:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	x.mu.Lock()
	if x.closing || x.drained != nil {
		x.mu.Unlock()
		return nil, &OpenError{ReasonNoNetwork}
	}
	if len(x.conns) >= sdkStreams {
		x.mu.Unlock()
		return nil, &OpenError{ReasonLimit}
	}
	k := key{tag: mixnet.NewSenderTag(), dialed: true, id: freshSDKID()}
	c := x.newConn(k, to)
	x.byTag[k.tag] = c
	x.pumps.Go(c.pump)
	x.mu.Unlock()
	timer := time.NewTimer(defaultDialTimeout)
	defer timer.Stop()
	select {
	case <-c.opened:
		return c, nil
	case <-c.done:
		return nil, c.why()
	case <-timer.C:
		c.fail(&OpenError{ReasonNoAnswer})
		return nil, &OpenError{ReasonNoAnswer}
	case <-ctx.Done():
		c.fail(ctx.Err())
		return nil, ctx.Err()
	}
}

// newConn makes a stream. The lock is held.
func (x *SDK) newConn(k key, to mixnet.Recipient) *SDKConn {
	c := &SDKConn{
		x: x, key: k, to: to, lane: x.cfg.Lane + mixnet.Lane(x.lanes.Add(1)),
		wake: make(chan struct{}, 1), readable: make(chan struct{}, 1), writable: make(chan struct{}, 1),
		opened: make(chan struct{}), done: make(chan struct{}),
		reading: make(turn, 1), writing: make(turn, 1),
		held: make(map[uint32][]byte), heard: time.Now(),
	}
	c.ctx, c.cancel = context.WithCancel(x.base)
	one := max(1, x.m.Room(c.options(), 1))
	c.chunk = x.m.Room(c.options(), max(sdkChunk/one, 4)) - protocol.SDKHeaderSize
	x.conns[k] = c
	return c
}

// MayTake reports, cheaply, whether Take may want to have a message.
func (x *SDK) MayTake(m mixnet.Message) bool { return protocol.MayBeSDKFrame(m.Body) }

// Take takes a message if it belongs to streams of the SDK, and reports whether it
// did. What a stranger sends is looked at only while somebody listens, or has a
// stream of that tag.
func (x *SDK) Take(m mixnet.Message, listening bool) bool {
	now := time.Now()
	f, err := protocol.ParseSDKFrame(m.Body)
	if !m.To.IsZero() {
		x.mu.Lock()
		c, past := x.byTag[m.To], x.pastTags.has(now, m.To)
		x.mu.Unlock()
		if c != nil && err == nil && f.ID == c.key.id && f.Kind == protocol.SDKData {
			c.receive(f)
		}
		return c != nil || past
	}
	if err != nil || m.From.IsZero() || x.cfg.Incoming == nil {
		return false
	}
	k := key{tag: m.From, id: f.ID}
	x.mu.Lock()
	c := x.conns[k]
	switch {
	case c != nil:
		x.mu.Unlock()
		if f.Kind == protocol.SDKData {
			c.receive(f)
		}
		return true
	case x.past.has(now, k):
		x.mu.Unlock()
		return true
	case !listening:
		x.mu.Unlock()
		return false
	case f.Kind == protocol.SDKData:
		x.keepEarly(now, k, f)
		x.mu.Unlock()
		return true
	}
	x.opened(k, f) // which unlocks
	return true
}

// opened takes in a stream that a stranger opens. The lock is held, and is not when it
// returns.
func (x *SDK) opened(k key, f protocol.SDKFrame) {
	if x.closing || x.drained != nil || len(x.conns) >= sdkStreams || x.tags[k.tag] >= sdkStreamsPerTag {
		x.mu.Unlock()
		return // there is no way to refuse
	}
	c := x.newConn(k, mixnet.Recipient{})
	close(c.opened)
	x.tags[k.tag]++
	first := x.tags[k.tag] == 1
	var early []protocol.SDKFrame
	if e := x.early[k]; e != nil {
		early = e.frames
		x.forgetEarly(k)
	}
	x.pumps.Go(c.pump)
	x.mu.Unlock()
	if first {
		x.m.Pin(k.tag, true)
	}
	c.mu.Lock()
	c.take(f.Data)
	c.mu.Unlock()
	x.count(len(f.Data))
	for _, f := range early {
		c.receive(f)
	}
	x.cfg.Incoming(c)
}

// keepEarly keeps data of a stream that has not been opened yet. The lock is held.
func (x *SDK) keepEarly(now time.Time, k key, f protocol.SDKFrame) {
	e := x.early[k]
	if e == nil {
		if len(x.early) >= earlyStreams {
			x.forgetEarly(x.mostEarly(func(e *sdkEarly) int { return int(now.Sub(e.since)) })) // the oldest
		}
		e = &sdkEarly{since: now}
		x.early[k] = e
	}
	if len(e.frames) >= earlyMessages || e.bytes+len(f.Data) > sdkEarlyBytes {
		return
	}
	for x.earlySum+len(f.Data) > earlyTotal {
		largest := x.mostEarly(func(e *sdkEarly) int { return e.bytes })
		if x.forgetEarly(largest); largest == k {
			return
		}
	}
	e.frames = append(e.frames, f)
	e.bytes += len(f.Data)
	x.earlySum += len(f.Data)
}

// mostEarly finds the stream with most of something. There is one.
func (x *SDK) mostEarly(of func(*sdkEarly) int) (most key) {
	best := -1
	for k, e := range x.early {
		if n := of(e); n > best {
			most, best = k, n
		}
	}
	return most
}

func (x *SDK) forgetEarly(k key) {
	x.earlySum -= x.early[k].bytes
	delete(x.early, k)
}

// remove forgets a stream that is over.
func (x *SDK) remove(c *SDKConn) {
	now := time.Now()
	x.mu.Lock()
	delete(x.conns, c.key)
	last := false
	if c.key.dialed {
		delete(x.byTag, c.key.tag)
		x.pastTags.add(now, c.key.tag)
	} else {
		x.past.add(now, c.key)
		if x.tags[c.key.tag]--; x.tags[c.key.tag] == 0 {
			delete(x.tags, c.key.tag)
			last = true
		}
	}
	x.noteDrained()
	x.mu.Unlock()
	c.cancel()
	x.m.CloseLane(c.lane)
	if last {
		x.m.Pin(c.key.tag, false)
		x.mu.Lock()
		again := x.tags[c.key.tag] > 0
		x.mu.Unlock()
		if again { // a stream has begun in between
			x.m.Pin(c.key.tag, true)
		}
	}
	close(c.done)
}

// count counts bytes that are held, and ends the stream that holds most when they are
// too many.
func (x *SDK) count(n int) {
	if n == 0 || x.held.Add(int64(n)) <= sdkMemory || n < 0 {
		return
	}
	var largest *SDKConn
	most := 0
	for _, c := range x.streams() {
		if n := c.holds(); n > most {
			largest, most = c, n
		}
	}
	if largest != nil {
		largest.fail(errMemory)
	}
}

// sdkNumbers is how many messages one direction of a stream has at most.
const sdkNumbers = math.MaxUint32
