package main

import (
	"errors"
	"os"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

func main() { os.Exit(cli.Main(program())) }

func program() cli.Program[*config.Requester] {
	return cli.Program[*config.Requester]{
		Name:  "network-requester",
		Usage: "connect to targets for the users of a mixnet",
		About: `A network requester is where streams leave a mixnet: it connects to the targets
that users ask for, if its rules allow them. A rule looks like example.org:443,
*.example.org, 192.0.2.0/24:80,443 or deny example.net; the first that matches
decides, and where none does the target is refused. Once it is connected it
prints its address, which users give to nym-socks5 as --requester.`,
		New:        config.NewRequester,
		Keys:       assembly.ClientKeys,
		Upgrade:    assembly.Upgrade,
		CheckState: func(_ *config.Requester, s *cli.State, _ cli.Keys) error { return assembly.CheckRecords(s) },
		Check:      check,
		Details:    details,
		Run:        run,
		Commands:   commands,
	}
}

// check reports what the settings alone do not tell.
func check(c *config.Requester) error {
	if _, err := openRules(c.Egress); err != nil {
		return err
	}
	return errors.Join(assembly.CheckInvite(c.Registration), assembly.CheckClient(c.Client, c.Network))
}

// details prints the address, once the gateway is known.
func details(c *config.Requester, s *cli.State, ks cli.Keys) ([]cli.Detail, error) {
	return assembly.ClientDetails(c.Client, s, ks)
}
