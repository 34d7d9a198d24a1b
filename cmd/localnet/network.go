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
	"nym-socks5/mixnet/localnet"
)

// How long a network may take to come up, and to end. A mix node waits for the
// packets it holds, 10 seconds at most.
const (
	startTimeout = time.Minute
	stopTimeout  = 15 * time.Second
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

// describe prints where everything is.
func describe(w io.Writer, n *localnet.Network, o options, list *allowlist.List) {
	fmt.Fprintf(w, "profile %s (%s)\n\n", o.profile.name, o.profile.about)
	for _, nd := range n.Nodes() {
		fmt.Fprintf(w, "  %-12s %-8v  %v", nd.Name, nd.Role, nd.Addr)
		if nd.Clients != "" {
			fmt.Fprintf(w, "  clients: %s", nd.Clients)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "  %-12s %v\n", "requester", n.Requester())
	fmt.Fprintf(w, "  %-12s %s\n", "allowlist", list.Describe())
	if url := n.DirectoryURL(); url != "" {
		fmt.Fprintf(w, "  %-12s %s  for clients that Nym publishes\n", "directory", url)
	}
	fmt.Fprintf(w, "  %-12s %v  SOCKS5, SOCKS4a, SOCKS4, HTTP CONNECT\n", "proxy", n.SOCKSAddr())
}
