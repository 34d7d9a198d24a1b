package main

import (
	"errors"
	"os"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

func main() { os.Exit(cli.Main(program())) }

// Settings of ports.
const (
	mixListen = "mix.listen"         // packets
	listen    = "clients.listen"     // clients
	tlsListen = "clients.tls_listen" // clients, over TLS
)

func program() cli.Program[*config.Gateway] {
	return cli.Program[*config.Gateway]{
		Name:  "gateway",
		Usage: "let clients into a mixnet, and keep messages for them",
		About: `A gateway is where clients enter a mixnet and where messages for them arrive; for
those that are away it keeps them. It must be in the network's topology:
"gateway details" prints what that needs to have of it.`,
		New:     config.NewGateway,
		Keys:    assembly.NodeKeys,
		Upgrade: assembly.Upgrade,
		Ports:   []string{mixListen, listen, tlsListen},
		Check: func(c *config.Gateway) error {
			if c.Clients.Certificate != "" {
				if _, err := openCertificate(c.Clients); err != nil {
					return err
				}
			}
			return errors.Join(assembly.CheckInvite(c.Registration), assembly.CheckNetwork(c.Network))
		},
		CheckState: func(c *config.Gateway, s *cli.State, ks cli.Keys) error {
			return assembly.CheckNode(c.Network, c.Mix, c.Registration, s, ks, true)
		},
		Renewing: func(c *config.Gateway, k cli.Key) (string, error) {
			return assembly.Renewing(c.Registration, k, "gateway")
		},
		Retiring: func(_ *config.Gateway, s *cli.State, k cli.Key, old cli.Keys) error {
			return assembly.Retiring(s, k, old)
		},
		Details: func(c *config.Gateway, _ *cli.State, ks cli.Keys) ([]cli.Detail, error) {
			return append(assembly.NodeDetails(c.Mix, ks), details(c.Clients)...), nil
		},
		Run: run,
	}
}
