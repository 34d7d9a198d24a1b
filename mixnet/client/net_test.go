package client

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/sessionserver"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// A fakeNet is all mixes and gateways of a network in one struct that knows
// every key: it opens a packet hop by hop as soon as a client hands it over,
// waits as long as the hops would have, and pushes what comes out. It is the
// gateway's end of every client's session.
type fakeNet struct {
	sessionserver.LegacyAccounts // never called: no client is one
	t                            testing.TB
	nodes                        map[mixnet.NodeAddr]*fakeNode
	nw                           *topology.Network
	ctx                          context.Context
	wg                           sync.WaitGroup

	mu       sync.Mutex
	accounts map[keys.Identity]*keys.Session
	live     map[keys.Identity]*sessionserver.Session
	work     sphinx.Workspace
	// lose says whether a packet is lost on its way into a hop.
	lose func(hop mixnet.NodeAddr, packet []byte) bool
	// drops says whether a gateway drops a packet that it has from a mix, or is to
	// pass on to one.
	drops func(gateway keys.Identity, mix mixnet.NodeAddr) bool
	// copies is how often each message is pushed; zero means once.
	copies int
	// seen is told of every packet that a client hands over, and when.
	seen func(client keys.Identity, p wire.MixPacket, at time.Time)
	// opened is told of every hop of a packet, as it is opened.
	opened func(p *sphinx.Packet)
	refuse error // of logins
	// mail is what waits for clients that are away, for which the gateways give
	// SURB-ACKs. If nil, they keep none.
	mail map[keys.Identity][][]byte
	// down is the gateways that nobody can connect to; dialed is told of every
	// attempt.
	down   map[keys.Identity]bool
	dialed func(gateway keys.Identity)
	// snapshot is what the topology is made of; rotates: its keys have changed,
	// and packets under keys that were dropped are lost.
	snapshot topology.Snapshot
	rotates  bool
}

// rotate gives every node a new Sphinx key. The old ones work until drop.
func (n *fakeNet) rotate() {
	n.snapshot.Rotation++
	n.redraw(func(f *fakeNode) { f.key, f.old = keys.NewSphinxKey(), f.key })
}

// drop has the nodes forget their old keys, an epoch later.
func (n *fakeNet) drop() { n.redraw(func(f *fakeNode) { f.old = nil }) }

func (n *fakeNet) redraw(change func(*fakeNode)) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rotates = true
	n.snapshot.Epoch++
	for i := range n.snapshot.Nodes {
		f := n.nodes[n.snapshot.Nodes[i].Addr]
		change(f)
		n.snapshot.Nodes[i].Sphinx = f.key.Public()
	}
	nw, err := topology.New(n.snapshot)
	if err != nil {
		n.t.Fatal(err)
	}
	n.nw = nw
}

type fakeNode struct {
	topology.Node
	key *keys.SphinxKey
	old *keys.SphinxKey // of the rotation before; nil: dropped
	id  *keys.IdentityKey
}

// newFakeNet makes a network of perLayer mixes a layer and two gateways. It
// ends with the test's context.
func newFakeNet(t testing.TB, ctx context.Context, perLayer int) *fakeNet {
	t.Helper()
	n := &fakeNet{
		t: t, ctx: ctx,
		nodes:    make(map[mixnet.NodeAddr]*fakeNode),
		accounts: make(map[keys.Identity]*keys.Session),
		live:     make(map[keys.Identity]*sessionserver.Session),
	}
	p := topology.Snapshot{Rotation: 7, Epoch: 168}
	add := func(role topology.Role) {
		i := len(p.Nodes) + 1
		f := &fakeNode{key: keys.NewSphinxKey(), id: keys.NewIdentityKey()}
		f.Node = topology.Node{
			ID: uint32(i), Role: role, Identity: f.id.Public(), Sphinx: f.key.Public(),
			Addr:    mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1789)),
			Clients: fmt.Sprintf("ws://10.0.0.%d:9000", i),
		}
		n.nodes[f.Addr] = f
		p.Nodes = append(p.Nodes, f.Node)
	}
	for range perLayer {
		add(topology.RoleMix1)
		add(topology.RoleMix2)
		add(topology.RoleMix3)
	}
	add(topology.RoleGateway)
	add(topology.RoleGateway)
	n.snapshot = p
	var err error
	if n.nw, err = topology.New(p); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *fakeNet) topology(context.Context) (*topology.Network, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.nw, nil
}

// dial connects to the gateway with a URL.
func (n *fakeNet) dial(ctx context.Context, url string) (session.MessageConn, error) {
	for _, f := range n.nodes {
		if f.Clients != url {
			continue
		}
		n.mu.Lock()
		down, dialed := n.down[f.Identity], n.dialed
		n.mu.Unlock()
		if dialed != nil {
			dialed(f.Identity)
		}
		if down {
			return nil, errors.New("refused")
		}
		srv, err := sessionserver.New(sessionserver.Config{Identity: f.id, Accounts: n, Handler: fakeGateway{n, f}})
		if err != nil {
			return nil, err
		}
		mine, theirs := session.Pipe()
		n.wg.Go(func() { srv.Serve(n.ctx, theirs) })
		return mine, nil
	}
	return nil, errors.New("nobody there")
}

// forward takes a packet through its hops.
func (n *fakeNet) forward(at mixnet.NodeAddr, packet []byte) {
	n.wg.Go(func() {
		var before mixnet.NodeAddr
		for {
			n.mu.Lock()
			node, lost := n.nodes[at], n.lose != nil && n.lose(at, packet)
			if node != nil && node.Role == topology.RoleGateway && !before.IsZero() {
				lost = lost || n.drops != nil && n.drops(node.Identity, before)
			}
			before = at
			if node == nil || lost {
				n.mu.Unlock()
				return
			}
			batch := []sphinx.Packet{{Data: packet, Keys: [2]*keys.SphinxKey{node.key, node.old}}}
			n.work.Open(batch)
			n.work.Strip(batch)
			p := &batch[0]
			if n.opened != nil {
				n.opened(p)
			}
			rotates := n.rotates
			n.mu.Unlock()
			if p.Err != nil {
				if !rotates {
					n.t.Errorf("a packet does not open: %v", p.Err)
				}
				return
			}
			if p.Final {
				n.deliver(node, p)
				return
			}
			if sleep(n.ctx, p.Delay) != nil {
				return
			}
			at = p.Next
		}
	})
}

func (n *fakeNet) deliver(at *fakeNode, p *sphinx.Packet) {
	n.mu.Lock()
	s, copies := n.live[p.Dest], max(1, n.copies)
	keeps := s == nil && n.mail != nil && n.accounts[p.Dest] != nil && !n.down[at.Identity]
	n.mu.Unlock()
	if s == nil && !keeps {
		return
	}
	msg, ack := p.Message, func() {}
	if len(msg) != surb.AckSize {
		first, packet, err := surb.ParseAck(msg[:mixnet.AckPrefixSize])
		if err != nil {
			n.t.Error(err)
			return
		}
		msg = msg[mixnet.AckPrefixSize:]
		ack = func() { n.passOn(at, first, packet) }
	}
	if keeps {
		n.mu.Lock()
		n.mail[p.Dest] = append(n.mail[p.Dest], append([]byte(nil), msg...))
		n.mu.Unlock()
		ack()
		return
	}
	for range copies {
		if _, err := s.DeliverWait(n.ctx, msg); err != nil {
			return // it is not online yet, or any more: the sender tries again
		}
	}
	ack()
}

func (n *fakeNet) Admit(context.Context, keys.Identity) error { return n.refuse }

func (n *fakeNet) Register(_ context.Context, client keys.Identity, key *keys.Session) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accounts[client] = key
	return nil
}

func (n *fakeNet) Lookup(_ context.Context, client keys.Identity) (sessionserver.Account, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if key := n.accounts[client]; key != nil {
		return sessionserver.Account{Key: key}, nil
	}
	return sessionserver.Account{}, sessionserver.ErrUnknownClient
}

func (n *fakeNet) Forget(_ context.Context, client keys.Identity) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.accounts, client)
	return nil
}

func (n *fakeNet) Seen(context.Context, keys.Identity, uint64) (bool, error) { return true, nil }

func (n *fakeNet) Claim(_ context.Context, s *sessionserver.Session) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.live[s.Client()] = s
	return nil
}

func (n *fakeNet) Online(s *sessionserver.Session) {
	n.mu.Lock()
	mail := n.mail[s.Client()]
	delete(n.mail, s.Client())
	n.mu.Unlock()
	n.wg.Go(func() {
		for _, msg := range mail {
			if _, err := s.DeliverWait(n.ctx, msg); err != nil {
				return
			}
		}
	})
}

func (n *fakeNet) Fresh(*sessionserver.Session) {}

func (n *fakeNet) Gone(s *sessionserver.Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.live[s.Client()] == s {
		delete(n.live, s.Client())
	}
}

// A fakeGateway is the gateway's end of one session.
type fakeGateway struct {
	*fakeNet
	at *fakeNode
}

func (g fakeGateway) Packet(s *sessionserver.Session, p wire.MixPacket) bool {
	n := g.fakeNet
	n.mu.Lock()
	seen := n.seen
	n.mu.Unlock()
	if seen != nil {
		seen(s.Client(), p, time.Now())
	}
	n.passOn(g.at, p.Next, p.Packet)
	return true
}

// passOn has a gateway pass a packet on to a mix.
func (n *fakeNet) passOn(gateway *fakeNode, to mixnet.NodeAddr, packet []byte) {
	n.mu.Lock()
	drops := n.drops != nil && n.drops(gateway.Identity, to)
	n.mu.Unlock()
	if !drops {
		n.forward(to, append([]byte(nil), packet...))
	}
}

// shut takes a gateway down, with the session of one of its clients, or up again.
func (n *fakeNet) shut(gateway, client keys.Identity, down bool) {
	n.mu.Lock()
	if n.down == nil {
		n.down = make(map[keys.Identity]bool)
	}
	n.down[gateway] = down
	live := n.live[client]
	n.mu.Unlock()
	if down && live != nil {
		live.End("test")
	}
}

// A testClient runs until its test's context ends.
type testClient struct {
	*Client
	t   testing.TB
	ctx context.Context
}

// entry is the one by a gateway of the net. If id is nil, the client draws it.
func (n *fakeNet) entry(gateway int, id *keys.IdentityKey) Entry {
	return Entry{Gateway: n.nw.Gateways()[gateway].Identity, Identity: id}
}

// client runs a client and waits until it is up. If cfg names no entries, the
// client has one, by the gateway.
func (n *fakeNet) client(gateway int, cfg Config) *testClient {
	n.t.Helper()
	if cfg.Entries == nil {
		cfg.Entries = []Entry{n.entry(gateway, nil)}
	}
	cfg.Topology, cfg.Dial = n.topology, n.dial
	c, err := New(cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	n.wg.Go(func() {
		if err := c.Run(n.ctx); err != nil {
			n.t.Errorf("client: %v", err)
		}
	})
	<-c.Ready()
	return &testClient{c, n.t, n.ctx}
}

// want waits for a message and compares its body.
func (c *testClient) want(body []byte) mixnet.Message {
	c.t.Helper()
	m, err := c.Receive(c.ctx)
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	if string(m.Body) != string(body) {
		c.t.Fatalf("received %d bytes, want %d others", len(m.Body), len(body))
	}
	return m
}

// send sends and fails the test if that fails.
func (c *testClient) send(to mixnet.Recipient, body []byte, o mixnet.SendOptions) {
	c.t.Helper()
	if err := c.Send(c.ctx, to, body, o); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c *testClient) reply(tag mixnet.SenderTag, body []byte, o mixnet.SendOptions) {
	c.t.Helper()
	if err := c.Reply(c.ctx, tag, body, o); err != nil {
		c.t.Fatalf("reply: %v", err)
	}
}
