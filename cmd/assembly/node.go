package assembly

import (
	"strconv"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/node"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/mixnet/topology"
)

// NodeKeys are the keys that a mix node or gateway needs.
var NodeKeys = []cli.Key{cli.Identity, cli.Sphinx, cli.Noise}

// Node makes the Config of a mix node, and of the mix side of a gateway, with the
// Sphinx keys that it holds; previous is the Noise key that was renewed, or nil.
func Node(m config.Mix, ks cli.Keys, held mixnode.Keys, previous *keys.NoiseKey, src *Source, log zerolog.Logger) mixnode.Config {
	cfg := mixnode.Config{
		Keys:         held,
		Addr:         mixnet.NodeAddrFrom(m.Addr()),
		Topology:     src.Current,
		StrictLayers: m.StrictLayers,
		AllowLegacy:  m.AllowLegacy,
		MaxDelay:     m.MaxDelay.Std(),
		DelayBytes:   int(m.DelayMemory),
		ReplayBytes:  int(m.ReplayMemory),
		// Nodes on one machine are a test network: they share an address.
		Server: link.ServerConfig{ExemptLoopback: m.Addr().Addr().IsLoopback()},
		Log:    log,
	}
	if m.Noise {
		cfg.Noise, cfg.PreviousNoise = ks.Noise, previous
	}
	return cfg
}

// Previous are keys of a node that were renewed, and are used a while longer.
type Previous struct {
	Sphinx keys.Sphinx
	Noise  *keys.NoiseKey
}

// CheckSelf reports a topology that has another node at our address: then no
// packet for us could be opened, or nobody could speak with us. A topology that
// does not have us at all, or that is not known yet, is fine: it may have us soon.
func CheckSelf(n *topology.Network, m config.Mix, ks cli.Keys, before Previous, gateway bool) error {
	for _, node := range n.Nodes() {
		if node.Addr != mixnet.NodeAddrFrom(m.Addr()) {
			continue
		}
		switch {
		case node.Identity != ks.Identity.Public():
			return cli.Invalid("the topology has another identity at our address %v", m.Addr())
		case node.Sphinx != ks.Sphinx.Public() && node.Sphinx != before.Sphinx:
			return cli.Invalid("the topology has another Sphinx key for us")
		case !node.Noise.IsZero() && !m.Noise:
			return cli.Invalid("the topology has a Noise key for us, and mix.noise is off")
		case !node.Noise.IsZero() && node.Noise != ks.Noise.Public() && (before.Noise == nil || node.Noise != before.Noise.Public()):
			return cli.Invalid("the topology has another Noise key for us")
		case gateway != (node.Role == topology.RoleGateway):
			return cli.Invalid("the topology has us as %v", node.Role)
		}
	}
	return nil
}

// NodeDetails tells what a topology needs to know of a node. The names are those
// of a topology file (nodes.md §4.8, §4.11).
func NodeDetails(m config.Mix, ks cli.Keys) []cli.Detail {
	d := []cli.Detail{
		{Name: "identity_key", Value: ks.Identity.Public().String()},
		{Name: "sphinx_key", Value: ks.Sphinx.Public().String()},
	}
	if m.Noise {
		d = append(d, cli.Detail{Name: "noise_key", Value: ks.Noise.Public().String()})
	}
	if a := m.Addr(); a.IsValid() {
		d = append(d, cli.Detail{Name: "mix_host", Value: a.String()})
	}
	return d
}

// Port writes a port as a detail.
func Port(name string, port uint16) cli.Detail {
	return cli.Detail{Name: name, Value: strconv.Itoa(int(port))}
}

// PreviousNoise is the Noise key that was renewed, and is used a while longer; nil:
// there is none.
func PreviousNoise(s *cli.State) (*keys.NoiseKey, error) {
	k, err := node.PreviousNoise(Records(s))
	return k, Explain(err)
}
