package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/rs/zerolog"

	"nym-socks5/config"
)

// networkName is the name of networks on one machine.
const networkName = "localnet"

// period is the time between two topologies on one machine, where nobody wants
// to wait.
const period = "1s"

// A Part is one program of a network.
type Part struct {
	Name    string // such as "mix-1-2"
	Program string // such as "mixnode"
	// Addr is where others connect: the mix port of a node, or the port of the
	// directory, proxy or client. The requester has none.
	Addr netip.AddrPort
	// Clients is where clients connect to a gateway.
	Clients netip.AddrPort
	// Identity is the public key of a node, requester or client, in text form.
	Identity string

	flags []string // of run, beside those of the instance
}

// A Network is a network on this machine, ready to run.
type Network struct {
	Dir   string // absolute
	Parts []Part // in the order in which they start

	Name         string // that the directory speaks of
	DirectoryURL string
	DirectoryKey string // in text form
	Requester    string // address of the requester
	SOCKS        netip.AddrPort

	programs Programs
	folder   folder
	log      zerolog.Logger
	limits   limits
	heard    func(part, status string) // nil: nobody wants to know
	super    *tree
}

// Make writes settings and keys of a network, or takes those that the folder
// has, unless its network is running. It starts nothing that stays.
func Make(ctx context.Context, spec Spec) (*Network, error) {
	spec, err := spec.withDefaults()
	if err != nil {
		return nil, err
	}
	if spec.Dir, err = filepath.Abs(spec.Dir); err != nil {
		return nil, err
	}
	m := &maker{
		ctx:  ctx,
		spec: spec,
		net: &Network{
			Dir: spec.Dir, Name: networkName, programs: spec.Programs, folder: folder(spec.Dir), limits: usualLimits, heard: spec.Heard,
			log: spec.Log.With().Str("component", "fleet").Logger(),
		},
	}
	if err := m.net.folder.idle(); err != nil {
		return nil, err
	}
	if err := m.net.folder.prepare(); err != nil {
		return nil, err
	}
	if err := m.all(); err != nil {
		return nil, err
	}
	if err := m.net.folder.checkSockets(m.net.Parts); err != nil {
		return nil, err
	}
	m.net.super = newTree(m.net)
	return m.net, nil
}

// A maker makes the parts of a network, one after the other: each is told what
// those before it said of themselves.
type maker struct {
	ctx        context.Context
	spec       Spec
	net        *Network
	ports      ports
	common     []string // flags of all parts but the directory
	requesters []string // flags of whoever has the requesters
}

func (m *maker) all() error {
	if err := m.directory(); err != nil {
		return err
	}
	for i := range m.spec.MixesPerLayer {
		for layer := 1; layer <= layers; layer++ {
			// The directory fills the emptiest layer first, so that in this order each
			// gets the layer it is named for.
			if err := m.mixnode(fmt.Sprintf("mix-%d-%d", layer, i+1)); err != nil {
				return err
			}
		}
	}
	for i := range m.spec.Gateways {
		if err := m.gateway(fmt.Sprintf("gateway-%d", i+1)); err != nil {
			return err
		}
	}
	for i := range m.spec.Requesters {
		if err := m.requester(i); err != nil {
			return err
		}
	}
	if err := m.socks(); err != nil || !m.spec.Client.IsValid() {
		return err
	}
	return m.client()
}

// instance makes the instance of a part, or takes the one that is there.
func (m *maker) instance(p Part, first ...string) (details map[string]string, err error) {
	return m.spec.Programs.instance(m.ctx, m.net.folder, p, first...)
}

// settle decides where a port is: at the wanted address or, if that has port 0,
// where the instance has it, or else at a free one.
func (m *maker) settle(part string, want netip.AddrPort, into config.Config, at func() netip.AddrPort) (netip.AddrPort, error) {
	if want.Port() != 0 {
		return want, nil
	}
	if there, err := m.net.folder.has(part); err != nil {
		return want, err
	} else if there {
		if err := config.Load(m.net.folder.settings(part), into); err != nil {
			return want, err
		}
		return at(), nil
	}
	return m.ports.free(want.Addr())
}

func (m *maker) directory() error {
	c := config.NewDirectory()
	at, err := m.settle("directory", m.spec.Directory, c, func() netip.AddrPort { return c.List.Listen })
	if err != nil {
		return err
	}
	p := Part{
		Name: "directory", Program: progDirectory, Addr: at,
		flags: []string{"--listen", at.String(), "--log-level", m.spec.LogLevel},
	}
	d, err := m.instance(p, "--network", networkName, "--period", period)
	if err != nil {
		return err
	}
	n := m.net
	if d["network"] != networkName {
		return fmt.Errorf("fleet: %s holds the network %s, which is not for one machine; choose another folder", n.Dir, d["network"])
	}
	n.Parts = append(n.Parts, p)
	n.DirectoryURL, n.DirectoryKey = d["directory"], d["directory_key"]
	m.common = []string{
		"--network", networkName, "--directory", n.DirectoryURL, "--directory-key", n.DirectoryKey,
		"--log-level", m.spec.LogLevel,
	}
	return nil
}

// join adds a part to the network, and to the directory's list.
func (m *maker) join(p Part, role string) error {
	m.net.Parts = append(m.net.Parts, p)
	return m.spec.Programs.allow(m.ctx, m.net.folder, p.Identity, role)
}

// anyPort is a free port of this machine.
var anyPort = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)

func (m *maker) mixnode(name string) error {
	c := config.NewMixnode()
	at, err := m.settle(name, anyPort, c, func() netip.AddrPort { return c.Mix.Listen })
	if err != nil {
		return err
	}
	p := Part{Name: name, Program: progMixnode, Addr: at, flags: m.registered()}
	d, err := m.instance(p, "--mix-listen", at.String())
	if err != nil {
		return err
	}
	p.Identity = d["identity_key"]
	return m.join(p, "mixnode")
}

func (m *maker) gateway(name string) error {
	c := config.NewGateway()
	at, err := m.settle(name, anyPort, c, func() netip.AddrPort { return c.Mix.Listen })
	if err != nil {
		return err
	}
	clients, err := m.settle(name, anyPort, c, func() netip.AddrPort { return c.Clients.Listen })
	if err != nil {
		return err
	}
	p := Part{Name: name, Program: progGateway, Addr: at, Clients: clients, flags: m.registered()}
	d, err := m.instance(p, "--mix-listen", at.String(), "--clients-listen", clients.String())
	if err != nil {
		return err
	}
	p.Identity = d["identity_key"]
	return m.join(p, "gateway")
}

// registered are the flags of a part that announces itself.
func (m *maker) registered(more ...string) []string {
	return slices.Concat(m.common, []string{"--register"}, more)
}

// gatewayOf gives the identity of a gateway.
func (m *maker) gatewayOf(i int) string {
	name := fmt.Sprintf("gateway-%d", i+1)
	return m.net.Parts[slices.IndexFunc(m.net.Parts, func(p Part) bool { return p.Name == name })].Identity
}

// requester makes a requester: the first at the last gateway, and so on.
func (m *maker) requester(i int) error {
	p := Part{Name: "requester", Program: progRequester}
	if i > 0 {
		p.Name = fmt.Sprintf("requester-%d", i+1)
	}
	p.flags = m.registered(slices.Concat(m.spec.clientFlags(), m.spec.Rules.flags())...)
	d, err := m.instance(p, "--gateway", m.gatewayOf(m.spec.Gateways-1-i%m.spec.Gateways))
	if err != nil {
		return err
	}
	p.Identity = d["identity_key"]
	if i == 0 {
		m.net.Requester = d["address"]
	}
	m.requesters = append(m.requesters, "--requester", d["address"])
	return m.join(p, "requester")
}

func (m *maker) socks() error {
	c := config.NewSOCKS()
	at, err := m.settle("socks", m.spec.SOCKS, c, func() netip.AddrPort { return c.Front.Listen })
	if err != nil {
		return err
	}
	p := Part{Name: "socks", Program: progSOCKS, Addr: at}
	p.flags = slices.Concat(m.common, m.spec.clientFlags(), []string{
		"--listen", at.String(), fmt.Sprintf("--beyond-loopback=%t", m.spec.BeyondLoopback),
	}, m.requesters)
	m.net.SOCKS = at
	m.net.Parts = append(m.net.Parts, p)
	there, err := m.net.folder.has(p.Name)
	if err != nil {
		return err
	}
	if _, err := m.instance(p); err != nil || there {
		return err
	}
	return m.spec.Programs.prefer(m.ctx, m.net.folder, p, m.gatewayOf(0))
}

func (m *maker) client() error {
	c := config.NewNymClient()
	at, err := m.settle("client", m.spec.Client, c, func() netip.AddrPort { return c.WebSocket.Listen })
	if err != nil {
		return err
	}
	p := Part{Name: "client", Program: progClient, Addr: at}
	p.flags = slices.Concat(m.common, m.spec.clientFlags(), []string{
		"--listen", at.String(), fmt.Sprintf("--beyond-loopback=%t", m.spec.BeyondLoopback),
	})
	d, err := m.instance(p, "--gateway", m.gatewayOf(0))
	p.Identity = d["identity_key"]
	m.net.Parts = append(m.net.Parts, p)
	return err
}
