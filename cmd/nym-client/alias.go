package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/wholefile"
	"nym-socks5/mixnet"
)

// aliasFile has the names that the user gave to addresses.
const aliasFile = "aliases.json"

// aliasName is what a name looks like: never like an address, which has a dot and an
// at sign, nor like a sender tag, which is longer.
var aliasName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,19}$`)

// aliases are addresses by their names.
type aliases map[string]mixnet.Recipient

// parseAliases parses a file of them.
func parseAliases(b []byte) (aliases, error) {
	var file struct {
		Version int               `json:"version"`
		Aliases map[string]string `json:"aliases"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("it is not JSON of the right form: %w", err)
	}
	if file.Version != 1 || len(file.Aliases) > maxAliases {
		return nil, fmt.Errorf("it is of version %d with %d names; this program reads version 1 with up to %d", file.Version, len(file.Aliases), maxAliases)
	}
	a := make(aliases, len(file.Aliases))
	for name, text := range file.Aliases {
		to, err := mixnet.ParseRecipientText(text)
		if err != nil || !aliasName.MatchString(name) {
			return nil, fmt.Errorf("name %q or its address is malformed", name)
		}
		a[name] = to
	}
	return a, nil
}

// encode gives the content of the file.
func (a aliases) encode() ([]byte, error) {
	texts := make(map[string]string, len(a))
	for name, to := range a {
		texts[name] = to.String()
	}
	return json.MarshalIndent(map[string]any{"version": 1, "aliases": texts}, "", "  ")
}

// loadAliases reads those of a profile.
func loadAliases(s *cli.State) (aliases, error) {
	b, err := wholefile.ReadSecret(s.Path(aliasFile), maxAliasBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return aliases{}, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := parseAliases(b)
	if err != nil {
		return nil, cli.Invalid("%s: %v", s.Path(aliasFile), err)
	}
	return a, nil
}

func (a aliases) save(s *cli.State) error {
	b, err := a.encode()
	if err != nil {
		return err
	}
	return wholefile.Write(s.Path(aliasFile), append(b, '\n'), 0o600)
}

// known finds names in the file as it is now: they may change while the client runs.
func known(s *cli.State) func(string) (mixnet.Recipient, bool) {
	return func(name string) (mixnet.Recipient, bool) {
		if !aliasName.MatchString(name) {
			return mixnet.Recipient{}, false
		}
		a, err := loadAliases(s)
		if err != nil {
			return mixnet.Recipient{}, false
		}
		to, ok := a[name]
		return to, ok
	}
}

// aliasCommand are those that show and change names.
var aliasCommand = cli.Command[*config.NymClient]{
	Name: "alias", Usage: "give short names to addresses",
	Commands: []cli.Command[*config.NymClient]{
		{
			Name: "add", Usage: "give an address a name, in place of one that it may have been", Args: []string{"NAME", "ADDRESS"},
			Do: changeAliases(func(a aliases, args []string) error {
				if !aliasName.MatchString(args[0]) {
					return cli.Usage("%q is no name: up to 20 of a-z, 0-9, - and _, the first a letter or digit", args[0])
				}
				to, err := mixnet.ParseRecipientText(args[1])
				if err != nil {
					return cli.Usage("%q is no address: identity.encryption@gateway", args[1])
				}
				if a[args[0]] = to; len(a) > maxAliases {
					return fmt.Errorf("there are %d names already", maxAliases)
				}
				return nil
			}),
		},
		{
			Name: "remove", Usage: "forget a name", Args: []string{"NAME"},
			Do: changeAliases(func(a aliases, args []string) error {
				if _, ok := a[args[0]]; !ok {
					return cli.Usage("there is no name %q; see nym-client alias list", args[0])
				}
				delete(a, args[0])
				return nil
			}),
		},
		{
			Name: "list", Usage: "print all names",
			Do: func(c *cli.Call[*config.NymClient]) ([]cli.Detail, error) {
				a, err := loadAliases(c.State)
				if err != nil {
					return nil, err
				}
				list := []cli.Detail{}
				for _, name := range slices.Sorted(maps.Keys(a)) {
					list = append(list, cli.Detail{Name: name, Value: a[name].String()})
				}
				return list, nil
			},
		},
	},
}

func changeAliases(change func(aliases, []string) error) func(*cli.Call[*config.NymClient]) ([]cli.Detail, error) {
	return func(c *cli.Call[*config.NymClient]) ([]cli.Detail, error) {
		a, err := loadAliases(c.State)
		if err == nil {
			err = change(a, c.Args)
		}
		if err == nil {
			err = a.save(c.State)
		}
		return nil, err
	}
}
