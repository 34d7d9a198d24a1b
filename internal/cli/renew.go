package cli

import (
	"fmt"
	"slices"
	"strings"

	"nym-socks5/internal/wholefile"

	"github.com/urfave/cli/v2"
)

// renewable are the kinds of key that do not make an instance who it is.
var renewable = []Key{Sphinx, Noise}

// renewableKeys names those that the program has.
func (p Program[C]) renewableKeys() (names []string) {
	for _, k := range renewable {
		if slices.Contains(p.Keys, k) && p.Renewing != nil {
			names = append(names, kinds[k].name)
		}
	}
	return names
}

// renewKey is the command renew-key. It overwrites a key; the program must not run.
func (p Program[C]) renewKey(c *cli.Context) error {
	names := p.renewableKeys()
	if c.NArg() != 1 {
		return usagef("say which key: %s renew-key [flags] %s", p.Name, strings.Join(names, "|"))
	}
	name := c.Args().First()
	i := slices.IndexFunc(renewable, func(k Key) bool { return kinds[k].name == name })
	if i < 0 || !slices.Contains(names, name) {
		return usagef("there is no key %q%s; it can be %s", name, didYouMean(name, names, ""), strings.Join(names, " or "))
	}
	at, err := p.chosen(c)
	if err != nil {
		return err
	}
	if there, err := exists(at.state); err != nil {
		return err
	} else if !there {
		return Invalid("there is no instance in %s", at.state)
	}
	s, fresh, err := OpenState(at.state, p.Upgrade)
	if err != nil {
		return err
	}
	defer s.Close()
	if fresh {
		return Invalid("there is no instance in %s", at.state)
	}
	cfg, _, err := p.settings(c, at)
	if err != nil {
		return err
	}
	k := renewable[i]
	expect, err := p.Renewing(cfg, k)
	if err != nil {
		return err
	}
	if secret, err := s.loadKey(k); err == nil && p.Retiring != nil { // a key that cannot be read has no future
		var old Keys
		old.put(k, secret)
		if err := p.Retiring(cfg, s, k, old); err != nil {
			return err
		}
	}
	if err := wholefile.Write(s.Path(k.file()), k.encode(k.draw()), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s is new, and counts at the next start. %s\n", s.Path(k.file()), expect)
	return nil
}
