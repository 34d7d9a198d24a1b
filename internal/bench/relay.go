package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// The figures of one mix node between a source and a sink on loopback TCP. The
// node is a process of its own, so that its CPU time, which includes the
// kernel's work for it, is exactly what it takes; what source and sink take is
// not in it. The kernel does the receiver's half of a loopback write in the
// sender's name, so the node pays for one such half and is given another.
var relayFigures = []Figure{
	{
		Name: "mix relay over plain TCP", Unit: "us CPU/packet", Goal: AtMostTimes(1.25),
		Measure: func(l *Lab) (Value, error) { return l.relayValue(false) },
	},
	{
		Name: "mix relay over Noise", Unit: "us CPU/packet", Goal: AtMostTimes(1.25),
		Measure: func(l *Lab) (Value, error) { return l.relayValue(true) },
	},
	{
		Name: "mix relay over plain TCP, throughput", Unit: "packets/s/core",
		Measure: func(l *Lab) (Value, error) { return l.relayThroughput(false) },
	},
	{
		Name: "mix relay over Noise, throughput", Unit: "packets/s/core",
		Measure: func(l *Lab) (Value, error) { return l.relayThroughput(true) },
	},
}

// relayOverhead is what the best parts take per packet for everything but
// unwrapping: reading and writing it among many on TCP, the replay filter, the
// delay.
const relayOverhead = 2300 * time.Nanosecond

// How a relay is measured: so many rounds, after one that warms up, of so many
// packets. At most relayWindow are under way, which is less than a link's queue
// in the node holds, so that none is dropped. Packets wait relayDelay on average.
const (
	relayRounds  = 9
	relayPackets = 2000
	relayWindow  = 512
	relayDelay   = 5 * time.Millisecond
)

// relayCost is what one packet costs the node, and what it costs merely to
// unwrap it, on one thread, measured between the rounds.
type relayCost struct{ node, unwrap time.Duration }

func (l *Lab) relayValue(noise bool) (Value, error) {
	c, err := l.relay(noise)
	return Value{
		Measured:  cost{CPU: c.node}.micros(),
		Yardstick: cost{CPU: c.unwrap + relayOverhead}.micros(),
	}, err
}

func (l *Lab) relayThroughput(noise bool) (Value, error) {
	c, err := l.relay(noise)
	if err != nil {
		return Value{}, err
	}
	return Value{Measured: float64(time.Second) / float64(c.node)}, nil
}

func (l *Lab) relay(noise bool) (relayCost, error) {
	return once(l, fmt.Sprint("relay ", noise), func() (relayCost, error) {
		r, err := newRelay(noise, relayRounds, relayPackets)
		if err != nil {
			return relayCost{}, err
		}
		return withChild(l, childRelay, func(p *pipe) (relayCost, error) { return r.measure(l.ctx, p) })
	})
}

// relaySpec is what the child must know.
type relaySpec struct {
	Sphinx      [keys.Size]byte // secret key of the node
	Noise       [keys.Size]byte // likewise; zero: plain links
	Source      keys.Noise      // the source's key
	Sink        netip.AddrPort
	SinkNoise   keys.Noise
	OtherSphinx keys.Sphinx // that of everybody else
	Flooded     bool        // strangers come too: to the node, and to a gateway in the same process
}

// relayReport is the child's answer: first its address, then its account.
type relayReport struct {
	Addr      netip.AddrPort
	Clients   netip.AddrPort // the gateway's, if there is one
	SOCKS     netip.AddrPort // the SOCKS port, if there is one
	Gateway   keys.Identity
	CPU       time.Duration // since the child began
	Forwarded uint64
	Dropped   uint64
	Resident  float64 // bytes
}

// topology is that of three nodes and a gateway: source, node, sink, nobody.
func (s *relaySpec) topology(node netip.AddrPort) (*topology.Network, error) {
	entry := func(id uint32, role topology.Role, at netip.AddrPort, noise keys.Noise) topology.Node {
		return topology.Node{
			ID: id, Role: role, Identity: keys.NewIdentityKey().Public(), Addr: mixnet.NodeAddrFrom(at),
			Sphinx: s.OtherSphinx, Noise: noise,
		}
	}
	nobody := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1789)
	source := netip.AddrPortFrom(node.Addr(), 1)
	var own keys.Noise
	if s.Noise != [keys.Size]byte{} {
		own = keys.NoiseKeyFromBytes(s.Noise).Public()
	}
	return topology.New(topology.Snapshot{Rotation: relayRotation, Epoch: 1, Nodes: []topology.Node{
		entry(1, topology.RoleGateway, source, s.Source),
		entry(2, topology.RoleMix1, node, own),
		entry(3, topology.RoleMix2, s.Sink, s.SinkNoise),
		entry(4, topology.RoleMix3, nobody, s.Source),
	}})
}

const relayRotation = 1

// A relay is the parent's side: source, sink, and what is sent.
type relay struct {
	rounds, packets int // packets are those of one round

	spec  relaySpec
	keys  [2]*keys.NoiseKey // of source and sink; nil: plain links
	ln    net.Listener      // of the sink
	node  mixnet.NodeAddr   // set when the child runs
	sent  int               // packets, in all rounds
	taken atomic.Int64      // packets that reached the sink
	news  chan struct{}     // something reached the sink; full: somebody will look anyway
}

func newRelay(noise bool, rounds, packets int) (r *relay, err error) {
	r = &relay{rounds: rounds, packets: packets, news: make(chan struct{}, 1)}
	r.spec.Sphinx = *keys.NewSphinxKey().Bytes()
	r.spec.OtherSphinx = keys.NewSphinxKey().Public()
	if noise {
		r.spec.Noise = keys.NewNoiseKey().Bytes()
		r.keys = [2]*keys.NoiseKey{keys.NewNoiseKey(), keys.NewNoiseKey()}
		r.spec.Source, r.spec.SinkNoise = r.keys[0].Public(), r.keys[1].Public()
	}
	r.ln, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r.spec.Sink = r.ln.Addr().(*net.TCPAddr).AddrPort()
	return r, nil
}

// measure runs source and sink around the child.
func (r *relay) measure(ctx context.Context, p *pipe) (c relayCost, err error) {
	packets, err := r.prepare((1 + r.rounds) * r.packets)
	if err != nil {
		return c, errors.Join(err, r.ln.Close())
	}
	unwrap, err := r.unwrapping(packets[0])
	if err != nil {
		return c, errors.Join(err, r.ln.Close())
	}
	err = r.around(ctx, p, func(ctx context.Context, source *link.Pool, _ relayReport) error {
		c, err = r.run(ctx, source, p, packets, unwrap)
		return err
	})
	return c, err
}

// around starts the child's node, and source and sink for as long as do takes.
func (r *relay) around(ctx context.Context, p *pipe, do func(context.Context, *link.Pool, relayReport) error) error {
	var hello relayReport
	if err := p.ask(r.spec, &hello); err != nil {
		return errors.Join(err, r.ln.Close())
	}
	r.node = mixnet.NodeAddrFrom(hello.Addr)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	source := link.NewPool(link.PoolConfig{Key: r.keys[0], NoiseKey: func(mixnet.NodeAddr) keys.Noise { return r.noise() }})
	sink := link.NewServer(link.ServerConfig{Key: r.keys[1], Serve: r.sink})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return source.Run(ctx) })
	g.Go(func() error { return sink.Run(ctx, r.ln) })
	g.Go(func() error {
		defer cancel()
		return do(ctx, source, hello)
	})
	return g.Wait()
}

// noise is the node's public Noise key; zero: plain links.
func (r *relay) noise() keys.Noise {
	if r.keys[0] == nil {
		return keys.Noise{}
	}
	return keys.NoiseKeyFromBytes(r.spec.Noise).Public()
}

// run measures. The first round opens connections and fills pools.
func (r *relay) run(ctx context.Context, source *link.Pool, p *pipe, packets [][]byte, unwrap operation) (relayCost, error) {
	var node, bare []time.Duration
	times := calibrate(unwrap)
	for round := range 1 + r.rounds {
		var before, after relayReport
		if err := p.ask("report", &before); err != nil {
			return relayCost{}, err
		}
		if err := r.round(ctx, source, packets[round*r.packets:][:r.packets]); err != nil {
			return relayCost{}, err
		}
		if err := p.ask("report", &after); err != nil {
			return relayCost{}, err
		}
		if n := after.Forwarded - before.Forwarded; n != uint64(r.packets) {
			return relayCost{}, fmt.Errorf("the relay passed on %d of %d packets and dropped %d", n, r.packets, after.Dropped)
		}
		if round > 0 {
			node = append(node, (after.CPU-before.CPU)/time.Duration(r.packets))
		}
		runtime.LockOSThread()
		for range sliceRounds / 4 {
			began := threadCPU()
			unwrap(times)
			bare = append(bare, (threadCPU()-began)/time.Duration(times)/sphinx.BatchSize)
		}
		runtime.UnlockOSThread()
	}
	return relayCost{node: median(node), unwrap: median(bare)}, nil
}

// relayPatience is how long a packet may be under way.
const relayPatience = 20 * time.Second

// round sends packets, a window at a time, and waits until all have arrived.
func (r *relay) round(ctx context.Context, source *link.Pool, packets [][]byte) error {
	timer := time.NewTimer(relayPatience)
	defer timer.Stop()
	wait := func(under int) error { // until so few are under way
		for r.sent-int(r.taken.Load()) > under {
			select {
			case <-r.news:
			case <-timer.C:
				return fmt.Errorf("the relay lost %d packets", r.sent-int(r.taken.Load()))
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	for _, p := range packets {
		if r.sent-int(r.taken.Load()) >= relayWindow {
			if err := wait(relayWindow / 2); err != nil {
				return err
			}
			timer.Reset(relayPatience)
		}
		if err := source.Send(r.node, wire.Frame{Rotation: mixnet.RotationOf(relayRotation), Packet: p}); err != nil {
			return err
		}
		r.sent++
	}
	return wait(0)
}

// sink counts what arrives.
func (r *relay) sink(_ context.Context, in *link.Inbound) {
	for {
		frames, err := in.Read()
		if err != nil {
			return
		}
		r.taken.Add(int64(len(frames)))
		select {
		case r.news <- struct{}{}:
		default:
		}
	}
}

// prepare builds n different packets that go to the sink by way of the node.
func (r *relay) prepare(n int) ([][]byte, error) {
	hops := []sphinx.Hop{
		{Addr: mixnet.NodeAddrFrom(r.spec.Sink), Key: keys.SphinxKeyFromBytes(r.spec.Sphinx).Public()},
		{Addr: mixnet.NodeAddrFrom(r.spec.Sink), Key: r.spec.OtherSphinx},
	}
	packets := make([][]byte, n)
	var g errgroup.Group
	parts := runtime.GOMAXPROCS(0)
	for part := range parts {
		g.Go(func() error {
			var b sphinx.Builder
			message := make([]byte, mixnet.Regular.Plaintext())
			for i := part; i < n; i += parts {
				packets[i] = make([]byte, mixnet.Regular.Total())
				j := sphinx.Job{Route: append([]sphinx.Hop(nil), hops...), Message: message, Packet: packets[i]}
				j.Route[0].Delay = topology.Delay(mrand.New(mrand.NewPCG(uint64(i), 1)), relayDelay)
				rand.Read(j.Secret[:])
				if err := b.Build([]sphinx.Job{j}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return packets, g.Wait()
}

// unwrapping is what the node does to each packet, in batches as large as a
// node's, by package sphinx alone.
func (r *relay) unwrapping(packet []byte) (operation, error) {
	s := &specimen{packet: packet}
	s.nodes[0] = keys.SphinxKeyFromBytes(r.spec.Sphinx)
	batch := s.unwrap(sphinx.BatchSize)
	if err := batch(); err != nil {
		return nil, err
	}
	return func(n int) {
		for range n {
			batch() // it went well before
		}
	}, nil
}
