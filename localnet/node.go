package localnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/mixnet/topology"
)

// A node is one mix node or gateway, which may be stopped and started again.
// Its keys, its addresses and what a gateway stores stay.
type node struct {
	net  *Network
	name string
	role topology.Role
	id   uint32

	identity *keys.IdentityKey
	sphinx   *keys.SphinxKey
	noise    *keys.NoiseKey // nil: links are plain
	accounts gateway.Accounts
	inbox    gateway.Inbox

	mixAddr, wsAddr netip.AddrPort
	mix, ws         net.Listener // open and not yet served

	// Guarded by the network's mutex.
	mixnode *mixnode.Node
	gateway *gateway.Server
	cancel  context.CancelFunc // nil: stopped
	done    chan struct{}
}

func newNode(n *Network, name string, role topology.Role) *node {
	nd := &node{
		net: n, name: name, role: role,
		identity: keys.NewIdentityKey(),
		sphinx:   keys.NewSphinxKey(),
	}
	if !n.spec.PlainLinks {
		nd.noise = keys.NewNoiseKey()
	}
	if role == topology.RoleGateway {
		nd.accounts = gateway.NewMemoryAccounts()
		nd.inbox = gateway.NewMemoryInbox(gateway.Limits{})
	}
	return nd
}

// open opens the node's ports: where they were before, if they were.
func (nd *node) open() (err error) {
	if nd.mix, nd.mixAddr, err = nd.listen(nd.name, nd.mixAddr); err != nil {
		return err
	}
	if nd.role == topology.RoleGateway {
		nd.ws, nd.wsAddr, err = nd.listen(nd.name+"-clients", nd.wsAddr)
	}
	return err
}

func (nd *node) listen(part string, before netip.AddrPort) (net.Listener, netip.AddrPort, error) {
	addr := nd.net.spec.Addr(part)
	if before.IsValid() {
		addr = before.String()
	}
	ln, err := nd.net.spec.Listen(addr)
	if err != nil {
		return nil, before, fmt.Errorf("localnet: %s: %w", part, err)
	}
	ap, err := addrPort(ln)
	return ln, ap, err
}

func (nd *node) closeListeners() {
	for _, ln := range []net.Listener{nd.mix, nd.ws} {
		if ln != nil {
			ln.Close()
		}
	}
}

// entry is what the snapshot of the network says of the node.
func (nd *node) entry() topology.Node {
	e := topology.Node{
		ID: nd.id, Role: nd.role, Identity: nd.identity.Public(), Sphinx: nd.sphinx.Public(),
		Addr: mixnet.NodeAddrFrom(nd.mixAddr),
	}
	if nd.noise != nil {
		e.Noise = nd.noise.Public()
	}
	if nd.role == topology.RoleGateway {
		e.Clients = "ws://" + nd.wsAddr.String()
	}
	return e
}

// start runs the node on its open ports. The network's mutex is held, and the
// network is running.
func (nd *node) start() {
	ctx, cancel := context.WithCancel(nd.net.ctx)
	nd.cancel, nd.done = cancel, make(chan struct{})
	mix, ws := nd.mix, nd.ws
	nd.mix, nd.ws = nil, nil
	run, err := nd.build(mix, ws)
	done := nd.done
	nd.net.run.Go(func() error {
		defer close(done)
		defer cancel()
		if err != nil {
			return err
		}
		if err := run(ctx); err != nil {
			return fmt.Errorf("localnet: %s: %w", nd.name, err)
		}
		return nil
	})
}

// build makes the engine.
func (nd *node) build(mix, ws net.Listener) (run func(context.Context) error, err error) {
	spec := &nd.net.spec
	cfg := mixnode.Config{
		Keys:     mixnode.Keys{Primary: mixnode.Key{Rotation: rotation, Key: nd.sphinx}},
		Noise:    nd.noise,
		Topology: nd.net.snapshot,
		Addr:     mixnet.NodeAddrFrom(nd.mixAddr),
		Server:   link.ServerConfig{ExemptLoopback: true},
		Pool:     link.PoolConfig{Dial: spec.Dial, Version: frameVersion, Filter: nd.filter()},
		Log:      spec.Log.With().Str("node", nd.name).Logger(),

		AllowLegacy: spec.AllowLegacy,
	}
	if nd.role == topology.RoleGateway {
		nd.gateway, err = gateway.New(gateway.Config{
			Node: cfg, Identity: nd.identity, Accounts: nd.accounts, Inbox: nd.inbox,
			AllowLegacy: spec.AllowLegacy, Log: cfg.Log,
		})
		gw := nd.gateway
		return func(ctx context.Context) error { return gw.Run(ctx, mix, ws) }, err
	}
	nd.mixnode, err = mixnode.New(cfg)
	mx := nd.mixnode
	return func(ctx context.Context) error { return mx.Run(ctx, mix) }, err
}

func (n *Network) snapshot() *topology.Network { return n.topology }

func (n *Network) node(name string) (*node, error) {
	for _, nd := range n.nodes {
		if nd.name == name {
			return nd, nil
		}
	}
	return nil, fmt.Errorf("localnet: there is no node %q", name)
}

// Stop ends a node, and waits until it has.
func (n *Network) Stop(name string) error {
	nd, err := n.node(name)
	if err != nil {
		return err
	}
	n.mu.Lock()
	cancel, done := nd.cancel, nd.done
	nd.cancel = nil
	n.mu.Unlock()
	if cancel == nil {
		return fmt.Errorf("localnet: %s is not running", name)
	}
	cancel()
	<-done
	return nil
}

// Start runs a node again that was stopped.
func (n *Network) Start(name string) error {
	nd, err := n.node(name)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if nd.cancel != nil || n.ctx == nil {
		return fmt.Errorf("localnet: %s cannot be started now", name)
	}
	if err := nd.open(); err != nil {
		return err
	}
	nd.start()
	return nil
}

// A NodeInfo describes a node for people.
type NodeInfo struct {
	Name    string
	Role    topology.Role
	Addr    netip.AddrPort // mix port
	Clients string         // gateway: URL of the client port
	Running bool
	// Mixed is how many packets the node took a layer off since it was started.
	Mixed uint64
	// Dropped is how many it did not pass on, for whatever reason.
	Dropped uint64
}

// Nodes describes all nodes.
func (n *Network) Nodes() []NodeInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []NodeInfo
	for _, nd := range n.nodes {
		i := NodeInfo{Name: nd.name, Role: nd.role, Addr: nd.mixAddr, Running: nd.cancel != nil}
		var s mixnode.Stats
		switch {
		case nd.gateway != nil:
			i.Clients = nd.entry().Clients
			s = nd.gateway.Stats().Node
		case nd.mixnode != nil:
			s = nd.mixnode.Stats()
		}
		i.Mixed = s.Forwarded + s.Delivered
		for _, d := range s.Dropped {
			i.Dropped += d
		}
		all = append(all, i)
	}
	return all
}
