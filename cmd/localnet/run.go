package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"nym-socks5/mixnet/localnet"
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
	w := c.App.Writer
	return withNetwork(c.Context, o.spec, list, func(ctx context.Context, n *localnet.Network) error {
		describe(w, n, o, list)
		fmt.Fprintf(w, "\ntry it:\n\n  curl --socks5-hostname %v %s\n\n", n.SOCKSAddr(), sampleURL(list))
		<-ctx.Done()
		return nil
	})
}
