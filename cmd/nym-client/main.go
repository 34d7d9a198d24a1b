package main

import (
	"errors"
	"os"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

func main() { os.Exit(cli.Main(program())) }

// listen is the setting of the port where programs connect.
const listen = "websocket.listen"

func program() cli.Program[*config.NymClient] {
	return cli.Program[*config.NymClient]{
		Name:  "nym-client",
		Usage: "let other programs send and receive through a mixnet",
		About: `Programs on this machine connect to it by WebSocket, and send and receive
messages through a mixnet in JSON or in a binary form, as with Nym's own client.
Once it is connected it prints the URL to connect to. What is sent to it while it
does not run waits at its gateway.`,
		New:        config.NewNymClient,
		Keys:       assembly.ClientKeys,
		Upgrade:    assembly.Upgrade,
		Ports:      []string{listen},
		CheckState: checkState,
		Check:      check,
		Details:    details,
		Commands:   commands,
		Run:        run,
	}
}

// check reports what the settings alone do not tell.
func check(c *config.NymClient) error {
	if _, err := token(c.WebSocket); err != nil {
		return err
	}
	return assembly.CheckClient(c.Client, c.Network)
}

// checkState reports what is wrong with what is kept.
func checkState(c *config.NymClient, s *cli.State, _ cli.Keys) error {
	_, bad := loadAliases(s)
	if c.WebSocket.KeepOnDisk {
		_, _, err := readSpoolKey(s)
		bad = errors.Join(bad, err)
	}
	return errors.Join(assembly.CheckRecords(s), bad)
}

// details prints the address, once the gateway is known.
func details(c *config.NymClient, s *cli.State, ks cli.Keys) ([]cli.Detail, error) {
	return assembly.ClientDetails(c.Client, s, ks)
}
