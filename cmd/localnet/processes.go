package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"nym-socks5/allowlist"
	"nym-socks5/internal/fleet"
	"nym-socks5/localnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// runProcesses is "localnet run --processes".
func runProcesses(c *cli.Context, o options, list *allowlist.List) (err error) {
	spec, err := fleetSpec(c, o, list)
	if err != nil {
		return err
	}
	if spec.Dir == "" {
		if spec.Dir, err = os.MkdirTemp("", "localnet-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(spec.Dir)) }()
	}
	n, err := fleet.Make(c.Context, spec)
	if err != nil {
		return stopped(c.Context, err)
	}
	return withProcesses(c.Context, n, func(ctx context.Context) (err error) {
		if err := pointTo(n.Dir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pointAway(n.Dir)) }()
		view, err := look(ctx, n)
		if err != nil {
			return stopped(ctx, err)
		}
		over := overviewOf(n, view)
		over.passes = c.String("dir") == ""
		over.write(c.App.Writer, o, list)
		tryIt(c.App.Writer, n.SOCKS, list)
		<-ctx.Done()
		return nil
	})
}

// fleetSpec makes of the flags what package fleet wants.
func fleetSpec(c *cli.Context, o options, list *allowlist.List) (s fleet.Spec, err error) {
	s = fleet.Spec{
		Dir:            c.String("dir"),
		MixesPerLayer:  o.spec.MixesPerLayer,
		BeyondLoopback: c.Bool("beyond-loopback"),
		Traffic:        o.traffic(),
		LogLevel:       c.String("log-level"),
		Log:            o.spec.Log,
		Rules:          fleet.Rules{Allow: c.StringSlice("allow"), Open: list.Open()},
	}
	if file := c.String("allowlist"); file != "" {
		if s.Rules.File, err = filepath.Abs(file); err != nil {
			return s, err
		}
	}
	client := c.String("client")
	if client != "" {
		if client, err = parsePort("client", client, c.Bool("beyond-loopback")); err != nil {
			return s, err
		}
	}
	for _, port := range []struct {
		part, at string
		into     *netip.AddrPort
	}{{"SOCKS", o.spec.SOCKS, &s.SOCKS}, {"directory", o.spec.Directory, &s.Directory}, {"client", client, &s.Client}} {
		if port.at == "" {
			continue
		}
		// Found out now, it can be said better than by the program later.
		ln, err := net.Listen("tcp", port.at)
		if err != nil {
			return s, explain(&localnet.PortError{Part: port.part, Addr: port.at, Err: err})
		}
		ln.Close()
		*port.into = netip.MustParseAddrPort(port.at)
	}
	s.Programs, err = fleet.Find(c.String("programs"))
	return s, err
}

// withProcesses runs a network. Once it is up, use is called; when use has
// returned, or ctx has ended, it is stopped.
func withProcesses(ctx context.Context, n *fleet.Network, use func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer stop()
		ended <- n.Run(ctx)
	}()
	var err error
	select {
	case <-n.Ready():
		err = use(ctx)
	case <-ctx.Done():
	}
	stop()
	return errors.Join(err, <-ended)
}

// stopped makes no error of one that came from being asked to end.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// look asks the network's directory for its topology.
func look(ctx context.Context, n *fleet.Network) (*directory.View, error) {
	ctx, stop := context.WithTimeout(ctx, startTimeout)
	defer stop()
	key, err := keys.ParseIdentityText(n.DirectoryKey)
	if err != nil {
		return nil, err
	}
	web := dirhttp.New(nil)
	defer web.Close()
	c, err := directory.NewClient(directory.ClientConfig{Fetch: web.Fetch, URLs: []string{n.DirectoryURL}, Key: key, Network: n.Name})
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	inner, end := context.WithCancel(ctx)
	go func() { ended <- c.Run(inner) }()
	_, err = c.Network(ctx)
	end()
	if err = errors.Join(err, <-ended); err != nil {
		return nil, fmt.Errorf("the directory lists no network: %w", err)
	}
	return c.View(), nil
}

// overviewOf describes a network of processes. In which layer a mix is, only the
// directory knows.
func overviewOf(n *fleet.Network, view *directory.View) overview {
	o := overview{
		requester: n.Requester, directory: n.DirectoryURL, socks: n.SOCKS.String(),
		folder: n.Dir, pids: make(map[string]int),
	}
	roles := make(map[string]topology.Role)
	for _, nd := range view.Nodes {
		roles[nd.Identity.String()] = nd.Role
	}
	for _, p := range n.Parts {
		if p.Name == "client" {
			o.client = "ws://" + p.Addr.String()
		}
		if role, ok := roles[p.Identity]; ok {
			nd := localnet.NodeInfo{Name: p.Name, Role: role, Addr: p.Addr}
			if p.Clients.IsValid() {
				nd.Clients = "ws://" + p.Clients.String()
			}
			o.nodes = append(o.nodes, nd)
		}
	}
	for _, i := range n.List() {
		o.pids[i.Name] = i.PID
	}
	return o
}
