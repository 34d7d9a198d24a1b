package main

import (
	"os"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

func main() { os.Exit(cli.Main(program())) }

// listen is the setting of the port where applications connect.
const listen = "socks.listen"

func program() cli.Program[*config.SOCKS] {
	return cli.Program[*config.SOCKS]{
		Name:  "nym-socks5",
		Usage: "a SOCKS proxy into a mixnet",
		About: `A proxy on this machine whose connections go through a mixnet to a network
requester, which connects to the targets. Applications speak SOCKS5, SOCKS4a,
SOCKS4 or HTTP CONNECT with it, all at one port. Once it is connected it prints
the proxy's URL.`,
		New:        config.NewSOCKS,
		Keys:       assembly.ClientKeys,
		Upgrade:    assembly.Upgrade,
		Ports:      []string{listen},
		CheckState: func(_ *config.SOCKS, s *cli.State, _ cli.Keys) error { return assembly.CheckRecords(s) },
		Check:      check,
		Commands: []cli.Command[*config.SOCKS]{
			assembly.GatewayCommands(func(c *config.SOCKS) config.Client { return c.Client }),
			assembly.DoctorCommand(func(c *config.SOCKS) assembly.Doctor {
				return assembly.Doctor{Client: c.Client, Network: c.Network, Requesters: c.Front.Requester}
			}, map[string]func(*cli.Call[*config.SOCKS]) error{"app": watchApp}),
		},
		Run: run,
	}
}

// check reports what the settings alone do not tell.
func check(c *config.SOCKS) error {
	if err := assembly.CheckClient(c.Client, c.Network); err != nil {
		return err
	}
	return assembly.CheckRequesters(c.Front.Requester, c.Network)
}
