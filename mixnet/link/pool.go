package link

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

// Why a frame was not queued.
var (
	ErrQueueFull   = errors.New("link: queue of the next hop is full")
	ErrUnreachable = errors.New("link: next hop does not answer")
	ErrTooMany     = errors.New("link: too many next hops")
	ErrClosed      = errors.New("link: pool has ended")
)

// A PoolConfig configures a Pool.
type PoolConfig struct {
	// Dial opens connections. If nil, a zero net.Dialer is used, which sets
	// TCP_NODELAY; links suffer from Nagle's algorithm.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Key is our static Noise key. If nil, Noise is off and all links are plain.
	Key *keys.NoiseKey
	// Own gives the key to use in place of Key, where others still know us by the one
	// before. If nil, it is Key.
	Own func() *keys.NoiseKey
	// NoiseKey gives the key that the node at an address announces, zero for
	// none: then the link is plain. If nil, nobody announces any.
	NoiseKey func(mixnet.NodeAddr) keys.Noise
	// Version is the frame version sent. If zero, it is 8.
	Version wire.FrameVersion

	// QueuePackets bounds the packets waiting for one next hop. If zero, it is 2000.
	QueuePackets int
	// QueueBytes bounds their bytes. If zero, it is 8 MiB.
	QueueBytes int
	// MaxBytes bounds the memory of all queues together. If zero, it is 256 MiB.
	MaxBytes int
	// MaxPeers bounds the next hops known at once. If zero, it is 4096.
	MaxPeers int
	// ConnectTimeout is for connecting and the handshake together. If zero, it
	// is 1.5 seconds.
	ConnectTimeout time.Duration
	// MinBackoff and MaxBackoff bound how long a next hop is left alone after a
	// connection attempt that took too long or a handshake that failed; the
	// time doubles with each failure. If zero, they are 0.5 and 30 seconds. One
	// that completes the handshake and then closes is connected to again at once,
	// then at most once a second.
	MinBackoff, MaxBackoff time.Duration
	// WriteTimeout is how long one write may take; then the connection is
	// given up. If zero, it is 5 seconds.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection stays open unused. If zero, it is
	// 30 minutes.
	IdleTimeout time.Duration
	// Filter, if set, is asked before a frame is queued; one for which it says
	// false is lost, as the network would lose it. It is for fault injection
	// and may be called by many goroutines at once.
	Filter func(next mixnet.NodeAddr, f wire.Frame) bool
	// Log receives the pool's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// PoolStats count since the start, save Open and Queued.
type PoolStats struct {
	Open     int    // connections now open
	Peers    int    // next hops with a queue
	Queued   int    // packets now waiting
	Sent     uint64 // packets written
	Writes   uint64 // writes they took
	Lost     uint64 // packets queued for a connection that could not be made or broke
	Connects uint64 // connections made
	Failures uint64 // connections that could not be made
}

// A Pool sends frames to any number of next hops. Its methods may be called by
// many goroutines at once.
type Pool struct {
	cfg    PoolConfig
	chunks sync.Pool // of *chunk

	inUse                                  atomic.Int64 // bytes of chunks handed out
	open                                   atomic.Int64
	sent, writes, lost, connects, failures atomic.Uint64

	mu    sync.RWMutex
	run   context.Context // that of Run; nil before
	ended bool
	wg    sync.WaitGroup // the peers' goroutines
	peers map[mixnet.NodeAddr]*peer
}

// NewPool makes a Pool.
func NewPool(cfg PoolConfig) *Pool {
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	def(&cfg.Version, wire.V8)
	def(&cfg.QueuePackets, queuePackets)
	def(&cfg.QueueBytes, queueBytes)
	def(&cfg.MaxBytes, maxQueued)
	def(&cfg.MaxPeers, maxPeers)
	def(&cfg.ConnectTimeout, handshakeTimeout)
	def(&cfg.MinBackoff, minBackoff)
	def(&cfg.MaxBackoff, maxBackoff)
	def(&cfg.WriteTimeout, writeTimeout)
	def(&cfg.IdleTimeout, idleTimeout)
	cfg.Log = cfg.Log.With().Str("component", "link").Logger()
	p := &Pool{cfg: cfg, peers: make(map[mixnet.NodeAddr]*peer)}
	p.chunks.New = func() any { return new(chunk) }
	return p
}

// Run sends what is queued, now and from now on, until ctx ends, then gives the connections a moment
// to take what is queued, closes them and returns nil.
func (p *Pool) Run(ctx context.Context) error {
	p.mu.Lock()
	p.run = ctx
	for _, pr := range p.peers {
		p.wg.Go(func() { pr.run(ctx) })
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.ended = true // no new peers from here on
	p.mu.Unlock()
	p.wg.Wait()
	return nil
}

// Stats copies the counters out.
func (p *Pool) Stats() PoolStats {
	s := PoolStats{
		Open: int(p.open.Load()), Sent: p.sent.Load(), Writes: p.writes.Load(), Lost: p.lost.Load(),
		Connects: p.connects.Load(), Failures: p.failures.Load(),
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	s.Peers = len(p.peers)
	for _, pr := range p.peers {
		pr.mu.Lock()
		s.Queued += pr.queue.packets
		pr.mu.Unlock()
	}
	return s
}

// Send queues a copy of a frame for the next hop and returns at once. It fails
// with an error of package wire for a frame that has no encoding, and with
// ErrQueueFull, ErrUnreachable, ErrTooMany or ErrClosed if the frame is dropped.
func (p *Pool) Send(next mixnet.NodeAddr, f wire.Frame) error {
	pr, wake, err := p.push(next, f)
	if wake {
		pr.poke()
	}
	return err
}

// A Batch sends many frames and wakes each writer once, so that frames for one
// next hop leave in one write. The zero Batch needs its Pool; one goroutine may
// use it at a time.
type Batch struct {
	Pool  *Pool
	woken []*peer
}

// Send queues as Pool.Send does. The frame leaves at the next Flush at the latest.
func (b *Batch) Send(next mixnet.NodeAddr, f wire.Frame) error {
	pr, wake, err := b.Pool.push(next, f)
	if wake {
		b.woken = append(b.woken, pr)
	}
	return err
}

// Flush lets the writers go.
func (b *Batch) Flush() {
	for i, pr := range b.woken {
		pr.poke()
		b.woken[i] = nil
	}
	b.woken = b.woken[:0]
}

// push queues a frame. The caller must poke the peer if wake is true.
func (p *Pool) push(next mixnet.NodeAddr, f wire.Frame) (pr *peer, wake bool, err error) {
	if _, ok := mixnet.PacketSizeOf(len(f.Packet)); !ok || !f.Rotation.Valid() {
		_, err := wire.AppendFrame(nil, p.cfg.Version, f)
		return nil, false, err
	}
	if p.cfg.Filter != nil && !p.cfg.Filter(next, f) {
		return nil, false, nil
	}
	for {
		if pr, err = p.peer(next); err != nil {
			return nil, false, err
		}
		wake, err = pr.push(p.cfg.Version, f)
		if err != errGone {
			return pr, wake, err
		}
	}
}

// peer finds the next hop's peer, or starts one.
func (p *Pool) peer(next mixnet.NodeAddr) (*peer, error) {
	p.mu.RLock()
	pr, ended := p.peers[next], p.ended
	p.mu.RUnlock()
	if ended {
		return nil, ErrClosed
	}
	if pr != nil {
		return pr, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
		return nil, ErrClosed
	case p.peers[next] != nil:
		return p.peers[next], nil
	case len(p.peers) >= p.cfg.MaxPeers:
		return nil, ErrTooMany
	}
	pr = newPeer(p, next)
	p.peers[next] = pr
	if ctx := p.run; ctx != nil {
		p.wg.Go(func() { pr.run(ctx) })
	}
	return pr, nil
}

// chunk hands out an empty chunk, or nil when all queues together are full.
func (p *Pool) chunk() *chunk {
	if p.inUse.Add(chunkSize) > int64(p.cfg.MaxBytes) {
		p.inUse.Add(-chunkSize)
		return nil
	}
	return p.chunks.Get().(*chunk)
}

func (p *Pool) recycle(c *chunk) {
	p.inUse.Add(-chunkSize)
	p.chunks.Put(c)
}

// forget removes a peer that ends.
func (p *Pool) forget(pr *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.peers, pr.addr)
}
