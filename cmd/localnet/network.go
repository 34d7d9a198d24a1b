package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"nym-socks5/allowlist"
	"nym-socks5/localnet"
)

// withNetwork runs a network whose requester allows what list allows. Once it
// is up, use is called; when use has returned, or ctx has ended, it is stopped.
func withNetwork(ctx context.Context, spec localnet.Spec, list *allowlist.List, use func(context.Context, *localnet.Network) error) error {
	var guarded *allowlist.List
	spec.Allow = func(host string, addr netip.Addr, port uint16) error { return guarded.Allow(host, addr, port) }
	n, err := localnet.New(spec)
	if err != nil {
		return err
	}
	guarded = list.Guard(newGuard(n).has)

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1) // room: nobody may be listening any more
	go func() {
		defer stop()
		ended <- n.Run(ctx)
	}()
	err = whenReady(ctx, n, use)
	stopped := ctx.Err() != nil
	stop()
	select {
	case failure := <-ended:
		if failure != nil {
			return explain(failure)
		}
		if stopped && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	case <-time.After(stopTimeout):
		return errors.Join(err, fmt.Errorf("the network did not end within %v", stopTimeout))
	}
}

func whenReady(ctx context.Context, n *localnet.Network, use func(context.Context, *localnet.Network) error) error {
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	select {
	case <-n.Ready():
		return use(ctx, n)
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return fmt.Errorf("the network was not up within %v; --log-level debug tells more", startTimeout)
	}
}

// explain says what to do about an error of opening ports.
func explain(err error) error {
	var port *localnet.PortError
	if !errors.As(err, &port) {
		return err
	}
	flag := "--" + strings.ToLower(port.Part)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("the %s port %s is in use by another program; choose another with %s, or 127.0.0.1:0 for a free one", port.Part, port.Addr, flag)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("the %s port %s needs rights that this user lacks; choose one above 1023 with %s", port.Part, port.Addr, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("this machine does not have the address of the %s port %s; choose another with %s", port.Part, port.Addr, flag)
	}
	return err
}

// An overview is what there is to tell of a network.
type overview struct {
	nodes     []localnet.NodeInfo
	requester string // its address
	directory string // URL; empty: there is none
	socks     string

	client string         // URL of the WebSocket of a nym-client; empty: there is none
	folder string         // of a network of processes; else empty
	passes bool           // the folder is removed at the end
	pids   map[string]int // of its parts, by name
}

// describe prints where everything is.
func describe(w io.Writer, n *localnet.Network, o options, list *allowlist.List) {
	overview{
		nodes: n.Nodes(), requester: n.Requester().String(), directory: n.DirectoryURL(), socks: n.SOCKSAddr().String(),
	}.write(w, o, list)
}

func (v overview) write(w io.Writer, o options, list *allowlist.List) {
	fmt.Fprintf(w, "profile %s (%s)\n\n", o.profile.name, o.profile.about)
	line := func(part, format string, args ...any) {
		fmt.Fprintf(w, "  %-12s %s", part, fmt.Sprintf(format, args...))
		if pid, ok := v.pids[part]; ok {
			fmt.Fprintf(w, "  pid %d", pid)
		}
		fmt.Fprintln(w)
	}
	for _, nd := range v.nodes {
		clients := ""
		if nd.Clients != "" {
			clients = "  clients: " + nd.Clients
		}
		line(nd.Name, "%-8v  %v%s", nd.Role, nd.Addr, clients)
	}
	line("requester", "%s", v.requester)
	line("allowlist", "%s", list.Describe())
	if v.directory != "" {
		line("directory", "%s  for clients that Nym publishes", v.directory)
	}
	if v.folder == "" {
		line("proxy", "%s  %s", v.socks, proxyProtocols)
		line("state", "in memory: keys and addresses are new at each start; --processes --dir DIR keeps them")
		return
	}
	line("socks", "%s  %s", v.socks, proxyProtocols)
	if v.client != "" {
		line("client", "%s", v.client)
	}
	until := "kept for the next start"
	if v.passes {
		until = "removed at the end; --dir DIR keeps them"
	}
	line("folder", "%s  settings, keys and logs, %s", v.folder, until)
}

// proxyProtocols are those of the SOCKS port.
const proxyProtocols = "SOCKS5, SOCKS4a, SOCKS4, HTTP"

// tryIt prints a command line to begin with.
func tryIt(w io.Writer, socks fmt.Stringer, list *allowlist.List) {
	fmt.Fprintf(w, "\ntry it:\n\n  curl --socks5-hostname %v %s\n\n", socks, sampleURL(list))
}
