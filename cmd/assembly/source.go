package assembly

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// A Source is where a program's picture of the network comes from: a file, or
// directories.
type Source struct {
	file *cli.File[*topology.Network] // nil: directories
	dir  *directory.Client            // nil: a file
	web  *dirhttp.Client              // asks the directories
	key  keys.Identity                // of the directories; zero: not pinned
	seen seen

	mu    sync.Mutex // guards the following
	of    *topology.Network
	addrs map[netip.Addr]bool // of its nodes
}

// OpenSource reads the file, or gets ready to ask directories. What a directory
// said last is remembered in the state folder, which may be nil. noise: the
// Noise keys of the nodes are needed.
func OpenSource(n config.Network, state *cli.State, noise bool, log zerolog.Logger) (*Source, error) {
	if n.Topology != "" {
		f, err := cli.OpenFile(string(n.Topology), parseTopology)
		return &Source{file: f}, err
	}
	var key keys.Identity
	if n.Key != "" {
		var err error
		if key, err = keys.ParseIdentityText(n.Key); err != nil {
			return nil, cli.Invalid("network.key: %v", err)
		}
	}
	seen := seen{state: state}
	if err := seen.load(); err != nil {
		return nil, err
	}
	web := dirhttp.New(nil)
	dir, err := directory.NewClient(directory.ClientConfig{
		Fetch: web.Fetch, URLs: n.Directories, Key: key, Network: n.Name, Seen: seen.head, Noise: noise, Log: log,
	})
	if err != nil {
		return nil, cli.Invalid("network.directories: %v", err)
	}
	return &Source{dir: dir, web: web, key: key, seen: seen}, nil
}

func parseTopology(b []byte) (*topology.Network, error) {
	v, err := directory.ParseFile(b)
	if err != nil {
		return nil, err
	}
	return v.Topology()
}

// CheckNetwork reports what is wrong with what the settings name.
func CheckNetwork(n config.Network) error {
	_, err := OpenSource(n, nil, false, zerolog.Nop())
	return err
}

// Network gives the picture of the moment, and waits for the first one.
func (s *Source) Network(ctx context.Context) (*topology.Network, error) {
	if s.file != nil {
		return s.file.Value(), nil
	}
	return s.dir.Network(ctx)
}

// Current gives the picture of the moment; nil while there is none.
func (s *Source) Current() *topology.Network {
	if s.file != nil {
		return s.file.Value()
	}
	return s.dir.Current()
}

// Requesters lists those in the directories; call it when there is a picture.
func (s *Source) Requesters() []directory.Requester {
	if s.dir == nil || s.dir.View() == nil {
		return nil
	}
	return s.dir.View().Requesters
}

// HasAddr reports whether an address is that of a node.
func (s *Source) HasAddr(a netip.Addr) bool {
	n := s.Current()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n != s.of {
		s.of, s.addrs = n, make(map[netip.Addr]bool)
		for _, node := range nodes(n) {
			s.addrs[node.Addr.AddrPort().Addr().Unmap()] = true
		}
	}
	return s.addrs[a.Unmap().WithZone("")]
}

// nodes lists all nodes of a picture, which may be nil.
func nodes(n *topology.Network) (all []topology.Node) {
	if n == nil {
		return nil
	}
	for layer := 1; layer <= topology.Layers; layer++ {
		all = append(all, n.Layer(layer)...)
	}
	return append(all, n.Gateways()...)
}

// Run keeps the picture fresh until ctx ends: by asking directories, or by
// reading files again, the topology among them, when reload says so.
func (s *Source) Run(ctx context.Context, reload <-chan struct{}, log zerolog.Logger, files ...cli.Rereader) error {
	if s.file != nil {
		cli.Reread(ctx, reload, log, append(files, s.file)...)
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { cli.Reread(ctx, reload, log, files...) })
	wg.Go(func() {
		if err := s.seen.keep(ctx, s.dir.Head); err != nil {
			log.Error().Err(err).Msg("cannot remember what the directory said")
		}
	})
	defer s.web.Close()
	if err := s.dir.Run(ctx); err != nil {
		return fmt.Errorf("assembly: picture of the network: %w", err)
	}
	return nil
}

// headFile is where a program remembers the newest document of its directories.
const headFile = "directory-head"

// seen is the newest document seen, also in earlier lives: a directory that
// shows an older one is refused (H24).
type seen struct {
	state *cli.State // nil: nothing is remembered
	head  directory.Head
}

func (s *seen) load() error {
	if s.state == nil {
		return nil
	}
	text, err := s.state.ReadText(headFile)
	if err != nil || text == "" {
		return err
	}
	if err := json.Unmarshal([]byte(text), &s.head); err != nil {
		return cli.Invalid("%s: %v", s.state.Path(headFile), err)
	}
	return nil
}

// keep writes down what is newest, once a minute and at the end.
func (s *seen) keep(ctx context.Context, newest func() directory.Head) error {
	if s.state == nil {
		return nil
	}
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		head := newest()
		if head.IsZero() || head == s.head {
			continue
		}
		text, err := json.Marshal(head)
		if err != nil {
			return err
		}
		if err := s.state.WriteText(headFile, string(text)); err != nil {
			return err
		}
		s.head = head
	}
	return nil
}
