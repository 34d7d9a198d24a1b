package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"nym-socks5/config"
	"nym-socks5/internal/wholefile"
)

// settings reads the settings of a command line: defaults, file, what it joins by,
// variables, flags. Without a file, there is false.
func (p Program[C]) settings(c *cli.Context, at place) (cfg C, there bool, err error) {
	cfg = p.New()
	switch err := config.Load(at.config, cfg); {
	case err == nil:
		there = true
	case errors.Is(err, os.ErrNotExist):
	case errors.Is(err, config.ErrInvalid):
		return cfg, true, errors.Join(err, cfg.Check()) // all that is wrong, at once
	default:
		return cfg, true, Invalid("%v", err)
	}
	if err := p.join(c, cfg); err != nil {
		return cfg, there, err
	}
	if err := override(c, cfg); err != nil {
		return cfg, there, err
	}
	if !there {
		p.reachable(c, cfg)
	}
	return cfg, there, cfg.Check()
}

// complete reports what is missing or wrong for run.
func (p Program[C]) complete(cfg C) error {
	if err := cfg.Missing(); err != nil {
		return err
	}
	if p.Check != nil {
		return p.Check(cfg)
	}
	return nil
}

// writeSettings writes the file of a new instance.
func (p Program[C]) writeSettings(at place, cfg C) error {
	if err := os.MkdirAll(filepath.Dir(at.config), 0o700); err != nil {
		return err
	}
	return wholefile.Write(at.config, config.Template(p.Name, cfg, p.New()), 0o600)
}

// initInstance is the command init.
func (p Program[C]) initInstance(c *cli.Context) error {
	if c.NArg() > 1 {
		return usagef("unexpected argument %q; see %s", c.Args().Get(1), Help(c))
	}
	if link := c.Args().First(); link != "" {
		if err := c.Set(flagJoin, link); err != nil {
			return err
		}
	}
	at, err := p.chosen(c)
	if err != nil {
		return err
	}
	if there, err := exists(at.config); err != nil {
		return err
	} else if there {
		return fmt.Errorf("%s exists already, and nothing was changed; a new instance needs another --id", at.config)
	}
	cfg, _, err := p.settings(c, at)
	if err != nil {
		return err
	}
	s, fresh, err := OpenState(at.state, p.Upgrade)
	if err != nil {
		return err
	}
	defer s.Close()
	if !fresh {
		return fmt.Errorf("%s has the keys of an instance already, and nothing was changed; a new instance needs another --id", at.state)
	}
	if err := s.makeKeys(p.Keys); err != nil {
		return err
	}
	if err := s.complete(); err != nil {
		return err
	}
	// The settings come last: where they are, everything is.
	if err := p.writeSettings(at, cfg); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "settings: %s\nkeys:     %s\n", at.config, at.state)
	if err := cfg.Missing(); err != nil {
		fmt.Fprintf(c.App.Writer, "to do:    %s\n", p.message(err))
	}
	return nil
}

// checkConfig is the command check-config: all that run does before it opens
// ports, without a trace.
func (p Program[C]) checkConfig(c *cli.Context) error {
	at, cfg, there, err := p.ready(c)
	if err != nil {
		return err
	}
	keys, err := p.checkState(at, cfg)
	if err != nil {
		return err
	}
	fine := at.config + " is fine"
	if !there {
		fine = "there is no " + at.config + "; flags, variables and defaults are fine"
	}
	if keys {
		fine += ", and so are the keys and state in " + at.state
	}
	fmt.Fprintln(c.App.Writer, fine)
	return nil
}

// checkState reports what is wrong with keys and state, and whether there are any.
// It takes no lock, so that it can look at an instance that runs.
func (p Program[C]) checkState(at place, cfg C) (there bool, err error) {
	if there, err = exists(at.state); err != nil || !there {
		return false, err // run makes it
	}
	s := &State{dir: at.state}
	version, err := s.version()
	if err != nil {
		return true, err
	}
	kinds := p.Keys
	if version == 0 { // run draws those that are missing
		kinds = slices.DeleteFunc(slices.Clone(kinds), func(k Key) bool {
			has, err := exists(s.Path(k.file()))
			return err == nil && !has
		})
	}
	ks, err := s.loadKeys(kinds)
	if err != nil || version != stateVersion || p.CheckState == nil {
		return true, err
	}
	return true, p.CheckState(cfg, s, ks)
}

// ready gives the place and the settings of a run, which must be complete, and
// whether there is a file of them.
func (p Program[C]) ready(c *cli.Context) (at place, cfg C, there bool, err error) {
	if at, err = p.chosen(c); err != nil {
		return at, cfg, false, err
	}
	if cfg, there, err = p.settings(c, at); err != nil {
		return at, cfg, there, err
	}
	if err := p.complete(cfg); err != nil {
		return at, cfg, there, errors.Join(noFile(at, there), err)
	}
	return at, cfg, there, nil
}

// noFile says that there is no file of settings, where that explains an error.
func noFile(at place, there bool) error {
	if there {
		return nil
	}
	return Invalid("there is no %s", at.config)
}
