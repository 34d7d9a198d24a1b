package main

import (
	"fmt"
	"os"

	"nym-socks5/allowlist"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

var commands = []cli.Command[*config.Requester]{{
	Name:  "policy",
	Usage: "work with rules of what may be connected to",
	Commands: []cli.Command[*config.Requester]{{
		Name:  "import",
		Usage: "convert a list of Nym's requesters, or an exit policy of Tor, into rules for --allowlist",
		Args:  []string{"FILE"},
		Free:  true,
		Do:    importPolicy,
	}},
}}

// importPolicy prints the rules of a file as ours, and in comments before them how
// it was read. The output is a file for --allowlist.
func importPolicy(c *cli.Call[*config.Requester]) ([]cli.Detail, error) {
	f, err := os.Open(c.Args[0])
	if err != nil {
		return nil, cli.Invalid("%v", err)
	}
	defer f.Close()
	im, err := allowlist.Import(f)
	if err != nil {
		return nil, cli.Invalid("%s: %v", c.Args[0], err)
	}
	fmt.Fprintf(c.Out(), "# read as %v\n# %s\n", im.Kind, im.List.Describe())
	for _, note := range im.Notes {
		fmt.Fprintf(c.Out(), "# %s\n", note)
	}
	_, err = fmt.Fprint(c.Out(), im.List)
	return nil, err
}
