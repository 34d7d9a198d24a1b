package main

import (
	"os"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
)

func main() { os.Exit(cli.Main(program())) }

// listen is the setting of the port.
const listen = "directory.listen"

func program() cli.Program[*config.Directory] {
	return cli.Program[*config.Directory]{
		Name:  "directory",
		Usage: "tell the programs of a mixnet who is in it",
		About: `A directory lists the mix nodes, gateways and network requesters of a network:
those that announce themselves and that its operator allows. All it says is
signed by its key, which other programs are given as --directory-key.`,
		New:      config.NewDirectory,
		Keys:     []cli.Key{cli.Identity},
		Ports:    []string{listen},
		Check:    check,
		Details:  details,
		Commands: commands,
		Run:      run,
	}
}

// check reports what the settings alone do not tell.
func check(c *config.Directory) error {
	if c.List.Members != "" {
		if _, err := openMembers(string(c.List.Members)); err != nil {
			return err
		}
	}
	if _, err := openCertificate(c.List); err != nil {
		return err
	}
	if _, err := dirserver.New(engine(c, keys.NewIdentityKey())); err != nil {
		return cli.Invalid("%v", err)
	}
	return nil
}

// details prints what other programs are told.
func details(c *config.Directory, s *cli.State, ks cli.Keys) ([]cli.Detail, error) {
	return []cli.Detail{
		{Name: "network", Value: c.List.Name},
		{Name: "directory", Value: address(c.List, c.List.Listen)},
		{Name: "directory_key", Value: ks.Identity.Public().String()},
		{Name: "members", Value: membersFile(c.List, s)},
	}, nil
}
