package mixnode

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/wire"
)

// A Node mixes packets. Run runs it, once; the other methods may be called by
// many goroutines at once, before, during and after that.
type Node struct {
	cfg       Config
	snapshots snapshots
	ring      keyring
	buffers   buffers
	sched     *scheduler
	recorder  *recorder
	delay     *delayer
	server    *link.Server
	pool      *link.Pool

	strangers source // all links of strangers together

	received, forwarded, delivered, injected atomic.Uint64
	dropped                                  [numReasons]atomic.Uint64
	alarmed                                  atomic.Int64 // when it was last logged that replays cannot be told, Unix seconds
}

// New checks the configuration and makes a Node.
func New(cfg Config) (*Node, error) {
	if cfg.Topology == nil {
		return nil, errors.New("mixnode: no topology")
	}
	cfg.fill()
	n := &Node{cfg: cfg, sched: newScheduler(cfg.QueueBytes, cfg.QueueTotal)}
	n.snapshots = snapshots{topology: cfg.Topology, self: cfg.Addr, gateway: cfg.Deliver != nil, strict: cfg.StrictLayers}
	n.ring.newFilter = func() *filter { return newFilter(cfg.ReplayBytes) }
	if err := n.ring.set(cfg.Keys); err != nil {
		return nil, err
	}
	n.recorder = &recorder{node: n, wake: make(chan struct{}, 1)}
	var seed [32]byte
	crand.Read(seed[:])
	n.delay = &delayer{
		node:  n,
		wake:  make(chan struct{}, 1),
		wheel: wheel{max: cfg.DelayBytes, quota: cfg.DelayQuota, rng: rand.New(rand.NewChaCha8(seed))},
	}
	in := cfg.Server
	in.Key, in.Previous, in.Log = cfg.Noise, cfg.PreviousNoise, cfg.Log
	in.Standing = func(ip netip.Addr) link.Standing { return n.snapshots.get().standing(ip) }
	in.Admit = func(k keys.Noise) bool { return n.snapshots.get().admits(k) }
	in.Serve = n.serve
	n.server = link.NewServer(in)
	out := cfg.Pool
	out.Key, out.Log = cfg.Noise, cfg.Log
	if before := cfg.PreviousNoise; before != nil {
		out.Own = func() *keys.NoiseKey {
			if n.snapshots.get().noiseKey(cfg.Addr) == before.Public() {
				return before // the others have not read the topology that has the new one
			}
			return cfg.Noise
		}
	}
	out.NoiseKey = func(a mixnet.NodeAddr) keys.Noise { return n.snapshots.get().noiseKey(a) }
	n.pool = link.NewPool(out)
	return n, nil
}

// Run mixes packets from ln until ctx ends, then lets the packets in the delay
// wheel go when they are due, and returns nil. It closes ln, and every
// goroutine it started has returned before it does. It fails when ln does.
func (n *Node) Run(ctx context.Context, ln net.Listener) error {
	// What comes later on a packet's way ends later.
	poolCtx, endPool := context.WithCancel(context.WithoutCancel(ctx))
	var pool, delay, recorder, workers, damage sync.WaitGroup
	pool.Go(func() { n.pool.Run(poolCtx) })

	n.delay.mu.Lock()
	n.delay.start = time.Now()
	n.delay.mu.Unlock()
	stopDelay := make(chan struct{})
	delay.Go(func() { n.delay.run(stopDelay) })
	stopRecorder := make(chan struct{})
	recorder.Go(func() { n.recorder.run(stopRecorder) })
	stopDamage := make(chan struct{})
	damage.Go(func() { n.tellDamage(stopDamage) })
	for range n.cfg.Workers {
		workers.Go(newWorker(n).run)
	}

	err := n.server.Run(ctx, ln)
	n.sched.close()
	workers.Wait()
	close(stopRecorder)
	recorder.Wait()
	close(stopDelay)
	delay.Wait()
	close(stopDamage)
	damage.Wait()
	endPool()
	pool.Wait()
	return err
}

// SetKeys changes the Sphinx keys. When it returns, no key that was left out is
// in use any more, and what was known of packets under it is forgotten; its
// replay log may be removed. It fails, and changes nothing, with [ErrTagsLost]
// if the log of a key is not clean.
func (n *Node) SetKeys(k Keys) error { return n.ring.set(k) }

// Forward sends a packet of one of the gateway's clients, or a SURB-ACK, to its
// first hop without delay. It copies the packet, and reports false if the
// packet is dropped: because of the topology, its size, or its next hop.
func (n *Node) Forward(next mixnet.NodeAddr, rotation mixnet.Rotation, packet []byte) bool {
	if why, ok := n.snapshots.get().next(next); !ok {
		n.dropped[why].Add(1)
		return false
	}
	err := n.pool.Send(next, wire.Frame{Rotation: rotation, Packet: packet})
	switch {
	case err == nil:
		n.injected.Add(1)
		return true
	case errors.Is(err, wire.ErrMalformed):
		n.dropped[DropHeader].Add(1)
	default:
		n.dropped[reasonNotSent(err)].Add(1)
	}
	return false
}

// Stats count since the start, save those marked as of now.
type Stats struct {
	Received  uint64 // packets read from links
	Forwarded uint64 // packets passed on; Pool.Lost counts those that never left
	Delivered uint64 // packets that ended here, at a gateway
	Injected  uint64 // packets passed to Forward and sent
	Dropped   [numReasons]uint64

	Delayed      int // now: packets in the delay wheel
	DelayedBytes int // now
	ReplayTags   int // now: packets remembered under the keys held
	ReplayBytes  int // now: memory that takes

	Server link.ServerStats
	Pool   link.PoolStats
}

// Stats copies the counters out.
func (n *Node) Stats() Stats {
	s := Stats{
		Received: n.received.Load(), Forwarded: n.forwarded.Load(), Delivered: n.delivered.Load(),
		Injected: n.injected.Load(), Server: n.server.Stats(), Pool: n.pool.Stats(),
	}
	for i := range s.Dropped {
		s.Dropped[i] = n.dropped[i].Load()
	}
	s.Delayed, s.DelayedBytes = n.delay.held()
	s.ReplayTags, s.ReplayBytes = n.ring.tags()
	return s
}

// alarm says, at most once a minute, that packets are refused because the node
// could not tell if they came again: the operator must give it more room.
func (n *Node) alarm(what string, err error) {
	now := time.Now().Unix()
	if last := n.alarmed.Load(); now-last >= 60 && n.alarmed.CompareAndSwap(last, now) {
		n.cfg.Log.Error().Err(err).Msg(what)
	}
}
