package main

import (
	"errors"
	"os"
	"slices"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

func main() { os.Exit(cli.Main(program())) }

// mixListen is the setting of the port where packets come in.
const mixListen = "mix.listen"

func program() cli.Program[*config.Mixnode] {
	return cli.Program[*config.Mixnode]{
		Name:  "mixnode",
		Usage: "delay packets of a mixnet and pass them on",
		About: `A mix node takes a layer of encryption off the packets it gets, delays each for
the time that its sender asked for, and passes it on. It must be in the
network's topology: "mixnode details" prints what that needs to have of it.`,
		New:     config.NewMixnode,
		Keys:    assembly.NodeKeys,
		Upgrade: assembly.Upgrade,
		Ports:   []string{mixListen},
		Check: func(c *config.Mixnode) error {
			return errors.Join(assembly.CheckInvite(c.Registration), assembly.CheckNetwork(c.Network))
		},
		CheckState: func(c *config.Mixnode, s *cli.State, ks cli.Keys) error {
			return assembly.CheckNode(c.Network, c.Mix, c.Registration, s, ks, false)
		},
		Renewing: func(c *config.Mixnode, k cli.Key) (string, error) {
			return assembly.Renewing(c.Registration, k, "mixnode")
		},
		Retiring: func(_ *config.Mixnode, s *cli.State, k cli.Key, old cli.Keys) error {
			return assembly.Retiring(s, k, old)
		},
		Details: func(c *config.Mixnode, _ *cli.State, ks cli.Keys) ([]cli.Detail, error) {
			d := assembly.NodeDetails(c.Mix, ks)
			if c.Registration.Register { // then it changes, and the directories are told
				d = slices.DeleteFunc(d, func(d cli.Detail) bool { return d.Name == "sphinx_key" })
			}
			return d, nil
		},
		Run: run,
	}
}
