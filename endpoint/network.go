package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// A Network says which nodes there are, as of now. Its methods may be called by
// many goroutines.
type Network struct {
	snapshot func() *topology.Network // of the moment, if nobody needs to be asked
	dir      *directory.Client        // nil: snapshot
	key      keys.Identity            // of the directories; zero: not pinned
	head     headRecord

	mu     sync.Mutex // guards the following
	of     *topology.Network
	ofView *directory.View
	addrs  map[netip.Addr]bool // of its nodes
}

// Snapshots makes a Network of a function that gives the nodes of the moment,
// such as those of a file.
func Snapshots(current func() *topology.Network) *Network { return &Network{snapshot: current} }

// Directories makes a Network that asks directories. What they showed last is
// kept in the store, so that an older state of the network is refused after a
// restart (H24), and that a restart needs no directory until what is kept ends;
// with a nil store it is forgotten.
func Directories(cfg directory.ClientConfig, s Store) (*Network, error) {
	head := headRecord{store: s}
	if err := head.load(); err != nil {
		return nil, err
	}
	cfg.Seen = head.kept
	if s != nil {
		kept, err := s.Load(context.Background(), topologyName)
		if err != nil {
			return nil, err
		}
		if kept.Version == topologyVersion { // another one is fetched anew
			cfg.Saved = kept.Body
		}
		cfg.Save = func(b []byte) error {
			return s.Save(context.Background(), topologyName, Record{topologyVersion, b})
		}
	}
	dir, err := directory.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	return &Network{dir: dir, key: cfg.Key, head: head}, nil
}

// Run keeps the Network fresh until ctx ends, then returns nil. It fails with
// [directory.ErrFork] only.
func (n *Network) Run(ctx context.Context) error {
	if n.dir == nil {
		<-ctx.Done()
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	kept := make(chan error, 1)
	go func() { kept <- n.head.keep(ctx, n.dir.Head) }()
	err := n.dir.Run(ctx)
	cancel()
	if err = errors.Join(err, <-kept); err != nil {
		return fmt.Errorf("endpoint: network: %w", err)
	}
	return nil
}

// Topology gives the nodes of the moment, and waits until they are known.
func (n *Network) Topology(ctx context.Context) (*topology.Network, error) {
	if n.dir == nil {
		return n.snapshot(), nil
	}
	return n.dir.Network(ctx)
}

// Current gives the nodes of the moment; nil while they are not known.
func (n *Network) Current() *topology.Network {
	if n.dir == nil {
		return n.snapshot()
	}
	return n.dir.Current()
}

// Requesters lists the network requesters in the directories; call it when the
// nodes are known.
func (n *Network) Requesters() (all []mixnet.Recipient) {
	if n.dir == nil || n.dir.View() == nil {
		return nil
	}
	for _, r := range n.dir.View().Requesters {
		all = append(all, r.Addresses...)
	}
	return all
}

// listed groups what Requesters lists: the addresses of each together.
func (n *Network) listed() (all [][]mixnet.Recipient) {
	if n.dir == nil || n.dir.View() == nil {
		return nil
	}
	for _, r := range n.dir.View().Requesters {
		if len(r.Addresses) > 0 {
			all = append(all, r.Addresses)
		}
	}
	return all
}

// Stale reports whether the nodes are those that an earlier run kept, because no
// directory has answered yet.
func (n *Network) Stale() bool { return n.dir != nil && n.dir.Stale() }

// Schedule is the network's schedule of epochs; zero: it is not known.
func (n *Network) Schedule() directory.Schedule {
	if n.dir == nil || n.dir.View() == nil {
		return directory.Schedule{}
	}
	return n.dir.View().Schedule
}

// HasAddr reports whether an address is one of a node's: those that packets go
// to, and, as far as directories list them, its further ones and those of nodes
// that have no role at the moment (H30).
func (n *Network) HasAddr(a netip.Addr) bool {
	current, listed := n.Current(), n.view()
	n.mu.Lock()
	defer n.mu.Unlock()
	if current != n.of || listed != n.ofView || n.addrs == nil {
		n.of, n.ofView, n.addrs = current, listed, nodeAddrs(current, listed)
	}
	return n.addrs[a.Unmap().WithZone("")]
}

// nodeAddrs gathers the addresses of the nodes that packets go to, and of those
// that directories list, if there are any.
func nodeAddrs(current *topology.Network, listed *directory.View) map[netip.Addr]bool {
	addrs := make(map[netip.Addr]bool)
	for _, node := range current.Nodes() {
		addrs[node.Addr.AddrPort().Addr().Unmap()] = true
	}
	if listed == nil {
		return addrs
	}
	for _, node := range listed.Nodes {
		for _, host := range node.Hosts {
			addrs[host.Unmap().WithZone("")] = true
		}
	}
	return addrs
}

// view gives what directories list at the moment; nil if there are none.
func (n *Network) view() *directory.View {
	if n.dir == nil {
		return nil
	}
	return n.dir.View()
}

// signed reports whether what directories show is signed by a key that is pinned.
func (n *Network) signed() bool { return n.dir != nil && !n.key.IsZero() }

// Compare holds a head that somebody else states against what was shown to us.
// It fails with [directory.ErrFork] if the two contradict each other; then Run
// ends too. With [directory.ErrContinuity] it is too old to be held against
// anything.
func (n *Network) Compare(ctx context.Context, h directory.Head) error {
	if !n.signed() {
		return nil
	}
	return n.dir.Compare(ctx, h)
}

// The record of the signed topology, in the form of [directory.ClientConfig].
const (
	topologyName    = "topology"
	topologyVersion = 1
)

// The record of the newest document that was seen.
const (
	headName    = "head"
	headVersion = 1
)

// A headRecord is the newest document seen, also in earlier lives: a directory
// that shows an older one is refused (H24).
type headRecord struct {
	store Store // nil: nothing is kept
	kept  directory.Head
}

func (r *headRecord) load() error {
	if r.store == nil {
		return nil
	}
	text, err := Text(context.Background(), r.store, headName, headVersion)
	if err != nil || text == "" {
		return err
	}
	if err := json.Unmarshal([]byte(text), &r.kept); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrDamaged, headName, err)
	}
	return nil
}

// keep writes down what is newest, now and then and at the end.
func (r *headRecord) keep(ctx context.Context, newest func() directory.Head) error {
	if r.store == nil {
		return nil
	}
	t := time.NewTicker(headEvery)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		head := newest()
		if head.IsZero() || head == r.kept {
			continue
		}
		text, err := json.Marshal(head)
		if err != nil {
			return err
		}
		if err := r.store.Save(context.WithoutCancel(ctx), headName, Record{headVersion, text}); err != nil {
			return fmt.Errorf("keep what the directory showed: %w", err)
		}
		r.kept = head
	}
	return nil
}
