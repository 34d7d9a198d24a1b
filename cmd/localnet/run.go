package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"nym-socks5/localnet"
)

// run is "localnet run".
func run(c *cli.Context) error {
	o, err := parseOptions(c)
	if err != nil {
		return err
	}
	list, err := readAllowlist(c.String("allowlist"), c.StringSlice("allow"))
	if err != nil {
		return err
	}
	if c.Bool("processes") {
		return runProcesses(c, o, list)
	}
	for _, flag := range []string{"client", "dir", "programs"} {
		if c.IsSet(flag) {
			return usagef("--%s is for a network of processes; add --processes", flag)
		}
	}
	w := c.App.Writer
	return withNetwork(c.Context, o.spec, list, func(ctx context.Context, n *localnet.Network) error {
		describe(w, n, o, list)
		tryIt(w, n.SOCKSAddr(), list)
		wait := func() error { <-ctx.Done(); return nil }
		p := newProgress(w)
		if !p.terminal {
			return wait()
		}
		p.every = time.Second
		return p.live(func() string { return live(n.Load()) }, wait)
	})
}

// live is a line that tells what the network does.
func live(l localnet.Load) string {
	return fmt.Sprintf("  %-12s %d, down %s, up %s, denied %d, packets of cover %d", "streams", l.Streams, size(int64(l.Down)), size(int64(l.Up)), l.Denied, l.Cover)
}
