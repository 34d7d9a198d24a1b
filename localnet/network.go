package localnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sync/errgroup"

	"nym-socks5/endpoint"
	"nym-socks5/localnet/trace"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/topology"
	"nym-socks5/proxy/requester"
	"nym-socks5/proxy/socks"
)

// A Network is a mixnet in one process.
type Network struct {
	spec  Spec
	nodes []*node
	ready chan struct{}

	// Set before ready is closed.
	topology      *topology.Network
	tracer        *trace.Tracer // nil: nobody asked
	socksAddr     net.Addr
	directoryAddr net.Addr           // nil: there is none
	directory     net.Listener       // open and not yet served; nil likewise
	lister        *dirserver.Server  // answers there
	front         *endpoint.Endpoint // the SOCKS side
	back          *endpoint.Endpoint // the requester's side
	requester     *requester.Requester
	socks         *socks.Server

	mu  sync.Mutex
	run *errgroup.Group // nil unless running
	ctx context.Context
	// ends runs endpoints until above ends; nil before and after.
	ends  *errgroup.Group
	above context.Context
}

// rotation is the number of the one key rotation such a network has.
const rotation = 1

// New makes a network and draws its keys. It opens nothing; see [Network.Run].
func New(spec Spec) (*Network, error) {
	spec, err := spec.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Network{spec: spec, ready: make(chan struct{})}
	for layer := 1; layer <= topology.Layers; layer++ {
		for i := range spec.MixesPerLayer {
			n.nodes = append(n.nodes, newNode(n, fmt.Sprintf("mix-%d-%d", layer, i+1), topology.Role(layer)))
		}
	}
	for i := range spec.Gateways {
		n.nodes = append(n.nodes, newNode(n, fmt.Sprintf("gateway-%d", i+1), topology.RoleGateway))
	}
	for i, nd := range n.nodes {
		nd.id = uint32(i + 1)
	}
	return n, nil
}

// Run opens every port, runs the network until ctx ends, and returns nil.
// Everything it started has returned before it does. It can be called once.
func (n *Network) Run(ctx context.Context) error {
	front, err := n.open()
	if err != nil {
		n.close()
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	// The nodes outlive the endpoints, whose streams say goodbye through them.
	nodes, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	n.mu.Lock()
	n.run, n.ctx = g, nodes
	for _, nd := range n.nodes {
		nd.start()
	}
	n.mu.Unlock()
	g.Go(func() error {
		defer stop()
		return n.endpoints(ctx, front)
	})
	if ln := n.directory; ln != nil {
		g.Go(func() error { return n.serveDirectory(ctx, n.lister, ln) })
	}
	err = g.Wait()
	if n.tracer != nil {
		n.tracer.Flush()
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// open opens all ports and draws the snapshot of the network.
func (n *Network) open() (front net.Listener, err error) {
	p := topology.Snapshot{Rotation: rotation, Epoch: 1}
	for _, nd := range n.nodes {
		if err := nd.open(); err != nil {
			return nil, err
		}
		p.Nodes = append(p.Nodes, nd.entry())
	}
	if n.topology, err = topology.New(p); err != nil {
		return nil, err
	}
	if n.spec.Trace != nil {
		n.tracer = n.newTracer()
	}
	if n.spec.Directory != "" {
		if n.directory, err = n.spec.Listen(n.spec.Directory); err != nil {
			return nil, fmt.Errorf("localnet: %w", &PortError{Part: "directory", Addr: n.spec.Directory, Err: err})
		}
		n.directoryAddr = n.directory.Addr()
		if n.lister, err = n.newDirectory(); err != nil {
			return nil, fmt.Errorf("localnet: %w", err)
		}
	}
	front, err = n.spec.Listen(n.spec.SOCKS)
	if err != nil {
		return nil, fmt.Errorf("localnet: %w", &PortError{Part: "SOCKS", Addr: n.spec.SOCKS, Err: err})
	}
	n.socksAddr = front.Addr()
	return front, nil
}

// A PortError reports a port of the Spec that could not be opened.
type PortError struct {
	Part string // "SOCKS" or "directory"
	Addr string
	Err  error
}

// Error names the port.
func (e *PortError) Error() string { return e.Part + " port " + e.Addr + ": " + e.Err.Error() }

// Unwrap gives why.
func (e *PortError) Unwrap() error { return e.Err }

// close closes what open opened before it failed.
func (n *Network) close() {
	for _, nd := range n.nodes {
		nd.closeListeners()
	}
	if n.directory != nil {
		n.directory.Close()
	}
}

// endpoints runs the two endpoints and what stands before and behind them.
func (n *Network) endpoints(ctx context.Context, ln net.Listener) (err error) {
	defer ln.Close()
	gateways := n.topology.Gateways()
	back, front := newKeys(), newKeys()
	to := mixnet.Recipient{
		Identity: back.Identity.Public(), Encryption: back.Encryption.Public(), Gateway: gateways[len(gateways)-1].Identity,
	}
	n.Name(back.Identity.Public(), "requester")
	n.Name(front.Identity.Public(), "socks")
	traffic := n.spec.Traffic
	traffic.FollowDemand = true
	if n.back, err = n.NewEndpoint(endpoint.Config{Keys: back, Gateway: to.Gateway, Traffic: traffic, Egress: true, Peers: true}); err != nil {
		return err
	}
	n.front, err = n.NewEndpoint(endpoint.Config{
		Keys: front, Gateway: gateways[0].Identity, Requesters: []mixnet.Recipient{to},
	})
	if err != nil {
		return err
	}
	lookup := requester.Lookup("")
	if n.spec.Lookup != nil {
		lookup = requester.BothFamilies(n.spec.Lookup)
	}
	n.requester = requester.New(requester.Config{
		Accept: requester.Streams(n.back),
		Allow:  n.spec.Allow,
		Lookup: lookup,
		Dial:   n.spec.DialTarget,
		Log:    n.spec.Log,
	})
	n.socks = socks.New(socks.Config{Optimistic: n.spec.Optimistic, Dial: socks.Dialer(n.front.Dial), Log: n.spec.Log})
	g, ctx := errgroup.WithContext(ctx)
	n.mu.Lock()
	n.ends, n.above = g, ctx
	n.mu.Unlock()
	g.Go(func() error { // nobody joins any more while the others are waited for
		<-ctx.Done()
		n.mu.Lock()
		n.ends = nil
		n.mu.Unlock()
		return nil
	})
	g.Go(func() error { return n.back.Run(ctx) })
	g.Go(func() error { return n.requester.Run(ctx) })
	g.Go(func() error { return n.front.Run(ctx) })
	g.Go(func() error { return n.socks.Run(ctx, ln) })
	g.Go(func() error {
		if await(ctx, n.back.Ready()) && await(ctx, n.front.Ready()) && (n.lister == nil || await(ctx, n.lister.Ready())) {
			close(n.ready)
		}
		return nil
	})
	return g.Wait()
}

func newKeys() endpoint.Keys {
	return endpoint.Keys{Identity: keys.NewIdentityKey(), Encryption: keys.NewEncryptionKey(), Ack: keys.NewAck()}
}

// await waits for a channel to be closed; false: ctx ended first.
func await(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// NewEndpoint makes a further endpoint in the network, to be run by the caller. Of
// cfg everything but the network, the way to dial and the log is taken over; a
// Traffic that is zero is that of the network. Call it after Ready.
func (n *Network) NewEndpoint(cfg endpoint.Config) (*endpoint.Endpoint, error) {
	cfg.Network = endpoint.Snapshots(func() *topology.Network { return n.topology })
	cfg.Dial, cfg.Log = n.spec.Dial, n.spec.Log
	if cfg.Traffic == (client.Traffic{}) {
		cfg.Traffic = n.spec.Traffic
	}
	return endpoint.New(cfg)
}

// Join makes a further endpoint, runs it as long as the network, and waits until
// it is ready. Streams of it say goodbye before the nodes stop.
func (n *Network) Join(ctx context.Context, cfg endpoint.Config) (*endpoint.Endpoint, error) {
	if !await(ctx, n.ready) {
		return nil, ctx.Err()
	}
	e, err := n.NewEndpoint(cfg)
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	n.mu.Lock()
	running := n.ends != nil
	if running {
		n.ends.Go(func() error { ended <- e.Run(n.above); return nil })
	}
	n.mu.Unlock()
	if !running {
		return nil, errors.New("localnet: the network does not run")
	}
	select {
	case <-e.Ready():
		return e, nil
	case err := <-ended:
		return nil, errors.Join(errors.New("localnet: the endpoint has ended"), err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// NewClient makes a further client of the network, to be run by the caller. Of
// cfg everything but the topology and the way to dial is taken over.
func (n *Network) NewClient(cfg client.Config) (*client.Client, error) {
	cfg.Topology = func(context.Context) (*topology.Network, error) { return n.topology, nil }
	cfg.Dial = func(ctx context.Context, url string) (session.MessageConn, error) {
		return session.Dial(ctx, url, n.spec.Dial)
	}
	cfg.Log = n.spec.Log
	return client.New(cfg)
}

// Ready is closed when the whole network is up, its directory too, and both
// clients are connected.
func (n *Network) Ready() <-chan struct{} { return n.ready }

// Topology is the snapshot of the network. Call it after Ready.
func (n *Network) Topology() *topology.Network { return n.topology }

// SOCKSAddr is where applications connect to. Call it after Ready.
func (n *Network) SOCKSAddr() net.Addr { return n.socksAddr }

// Requester is the address of the network's requester. Call it after Ready.
func (n *Network) Requester() mixnet.Recipient { return n.back.Address() }

// A Load says what a network does for the applications at its SOCKS port.
type Load struct {
	Streams  int    // open now
	Up, Down uint64 // bytes since the start
	Denied   uint64 // streams since the start that the requester's rules refused
	Cover    uint64 // packets of cover since the start, of both endpoints
}

// Load gives the counts of the moment. Call it after Ready.
func (n *Network) Load() Load {
	front, back := n.front.Status(), n.back.Status()
	return Load{
		Streams: int(front.Streams.Streams),
		Up:      front.Streams.Sent,
		Down:    front.Streams.Received,
		Denied:  n.requester.Stats().Denied,
		Cover:   front.Packets.SentCover + back.Packets.SentCover,
	}
}

// addrPort gives the address of a listener.
func addrPort(ln net.Listener) (netip.AddrPort, error) {
	a, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("localnet: listener has no TCP address but %T", ln.Addr())
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}
