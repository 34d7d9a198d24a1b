package assembly

import (
	"context"
	"net/netip"
	"net/url"
	"strings"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// A Source is where a program learns what nodes there are: a file, or
// directories.
type Source struct {
	*endpoint.Network
	file *cli.File[inFile] // nil: directories
	web  *dirhttp.Client   // asks the directories; nil: a file
	key  keys.Identity     // of the directories; zero: not pinned
}

// inFile is what a file says of a network.
type inFile struct {
	nodes *topology.Network
	addrs map[netip.Addr]bool // of all nodes that it lists: further ones, and nodes without a role, too
}

// OpenSource reads the file, or gets ready to ask directories. What a directory
// showed last is kept in the state folder, which may be nil. noise: the Noise keys
// of the nodes are needed.
func OpenSource(n config.Network, state *cli.State, noise bool, log zerolog.Logger) (*Source, error) {
	return openSource(n, state, noise, nil, log)
}

// openSource does so; failed is told of each look at the directories that failed.
func openSource(n config.Network, state *cli.State, noise bool, failed func(error), log zerolog.Logger) (*Source, error) {
	if n.Topology != "" {
		f, err := cli.OpenFile(string(n.Topology), parseTopology)
		if err != nil {
			return nil, err
		}
		nodes := func() *topology.Network { return f.Value().nodes }
		return &Source{Network: endpoint.Snapshots(nodes), file: f}, nil
	}
	src := &Source{web: dirhttp.New(nil)}
	if n.Key != "" {
		var err error
		if src.key, err = directory.ParseKey(n.Key); err != nil {
			return nil, cli.Invalid("network.key: %s", strings.TrimPrefix(err.Error(), "directory: "))
		}
	}
	if open := overHTTP(n); len(open) > 0 && n.Key == "" {
		log.Warn().Strs("directories", open).Str("hint", "pin the directory's key (--directory-key), or ask by https").
			Msg("what these directories say is not signed and not encrypted: whoever is on the way decides which nodes are used")
	}
	var records endpoint.Store
	if state != nil {
		records = Records(state)
	}
	var err error
	src.Network, err = endpoint.Directories(directory.ClientConfig{
		Fetch: src.web.Fetch, URLs: n.Directories, Key: src.key, Network: n.Name, Noise: noise, Failed: failed, Log: log,
	}, records)
	if err != nil {
		return nil, cli.Invalid("network.directories: %v", Explain(err))
	}
	return src, nil
}

// overHTTP lists the directories that are asked without TLS, and not on this machine.
func overHTTP(n config.Network) (open []string) {
	for _, d := range n.Directories {
		u, err := url.Parse(d)
		if err != nil || u.Scheme != "http" {
			continue
		}
		if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
			open = append(open, d)
		}
	}
	return open
}

func parseTopology(b []byte) (inFile, error) {
	v, err := directory.ParseFile(b)
	if err != nil {
		return inFile{}, err
	}
	f := inFile{addrs: make(map[netip.Addr]bool)}
	for _, node := range v.Nodes {
		for _, host := range node.Hosts {
			f.addrs[host.Unmap().WithZone("")] = true
		}
	}
	f.nodes, err = v.Topology()
	return f, err
}

// CheckNetwork reports what is wrong with what the settings name.
func CheckNetwork(n config.Network) error {
	_, err := OpenSource(n, nil, false, zerolog.Nop())
	return err
}

// HasAddr reports whether an address is that of a node, or of a directory that was
// asked (H30).
func (s *Source) HasAddr(a netip.Addr) bool {
	if s.file != nil && s.file.Value().addrs[a.Unmap().WithZone("")] {
		return true
	}
	return s.Network.HasAddr(a) || s.web != nil && s.web.Asked(a)
}

// Files keeps what stands in files fresh until ctx ends: it reads them again, the
// topology among them, when reload says so.
func (s *Source) Files(ctx context.Context, reload <-chan struct{}, log zerolog.Logger, files ...cli.Rereader) error {
	if s.file != nil {
		files = append(files, s.file)
	}
	cli.Reread(ctx, reload, log, files...)
	return nil
}

// Run does so, and keeps the nodes fresh; for programs without an endpoint, which
// does that by itself.
func (s *Source) Run(ctx context.Context, reload <-chan struct{}, log zerolog.Logger, files ...cli.Rereader) error {
	if s.web != nil {
		defer s.web.Close()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Network.Run(ctx) })
	g.Go(func() error { return s.Files(ctx, reload, log, files...) })
	return g.Wait()
}
