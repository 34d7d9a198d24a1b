package main

import (
	"os"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

func main() { os.Exit(cli.Main(program())) }

func program() cli.Program[*config.Broadcaster] {
	return cli.Program[*config.Broadcaster]{
		Name:  "broadcaster",
		Usage: "hand transactions of the users of a mixnet to nodes of their chains",
		About: `A broadcaster takes signed transactions through the mixnet, hands them to nodes
that its operator names, and answers with what the nodes said. Nodes learn nothing of
where a transaction comes from, and the broadcaster does not either. Once it is
connected it prints its address, which users give to nym-client broadcast.`,
		New:        config.NewBroadcaster,
		Keys:       assembly.ClientKeys,
		CheckState: func(_ *config.Broadcaster, s *cli.State, _ cli.Keys) error { return assembly.CheckRecords(s) },
		Check:      check,
		Details:    details,
		Commands:   commands,
		Run:        run,
	}
}

// check reports what the settings alone do not tell.
func check(c *config.Broadcaster) error {
	if _, err := openChains(c.Broadcast); err != nil {
		return err
	}
	return assembly.CheckClient(c.Client, c.Network)
}

// details prints the address, once the gateway is known.
func details(c *config.Broadcaster, s *cli.State, ks cli.Keys) ([]cli.Detail, error) {
	return assembly.ClientDetails(c.Client, s, ks)
}
