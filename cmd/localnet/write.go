package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	common "nym-socks5/internal/cli"

	"github.com/urfave/cli/v2"

	"nym-socks5/allowlist"
	"nym-socks5/config"
	"nym-socks5/internal/fleet"
)

// write is "localnet write".
func write(c *cli.Context) error {
	switch {
	case c.NArg() == 0:
		return usagef("say into which folder: localnet write DIR --hosts FILE")
	case c.NArg() > 1:
		return usagef("unexpected argument %q; see %s", c.Args().Get(1), common.Help(c))
	case c.String("hosts") == "":
		return usagef("say with --hosts FILE what runs on which host; localnet --help tells what is in such a file")
	}
	p, err := parseProfile(c.String("profile"))
	if err != nil {
		return err
	}
	hosts, err := config.LoadHosts(c.String("hosts"))
	if err != nil {
		return usagef("--hosts: %s", strings.ReplaceAll(err.Error(), config.ErrInvalid.Error()+": ", ""))
	}
	spec := fleet.HostsSpec{Dir: c.Args().First(), Hosts: hosts, Traffic: options{profile: p}.traffic()}
	if spec.Rules, spec.Sample, err = writtenRules(c, hosts); err != nil {
		return err
	}
	if spec.Programs, err = fleet.Find(c.String("programs")); err != nil {
		return err
	}
	if c.Bool("keep") && written(spec) {
		_, err := fmt.Fprintf(c.App.Writer, "%s has the folders of all hosts already, and nothing was changed\n", spec.Dir)
		return err
	}
	if err := fleet.Write(c.Context, spec); err != nil {
		return err
	}
	return tellWritten(c.App.Writer, spec)
}

// written reports whether all hosts have a folder, with the file that is written
// last.
func written(spec fleet.HostsSpec) bool {
	for _, h := range spec.Hosts.Hosts {
		if _, err := os.Stat(filepath.Join(spec.Dir, h.Name, "README")); err != nil {
			return false
		}
	}
	return true
}

// writtenRules gives the rules of the requesters, one by one: a file could not
// be found on another host.
func writtenRules(c *cli.Context, hosts *config.Hosts) (r fleet.Rules, sample string, err error) {
	requesters := 0
	for _, h := range hosts.Hosts {
		requesters += h.Requesters
	}
	file, rules := c.String("allowlist"), c.StringSlice("allow")
	if requesters == 0 {
		if file != "" || len(rules) > 0 {
			return r, "", usagef("--allow and --allowlist are for requesters, and no host has one")
		}
		return r, "", nil
	}
	list, err := readAllowlist(file, rules)
	if err != nil {
		return r, "", err
	}
	return fleet.Rules{Allow: ruleTexts(list), Open: list.Open()}, sampleURL(list), nil
}

// ruleTexts gives the lines of a list.
func ruleTexts(list *allowlist.List) (rules []string) {
	for line := range strings.Lines(list.String()) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			rules = append(rules, line)
		}
	}
	return rules
}

// tellWritten says what to do next.
func tellWritten(w io.Writer, spec fleet.HostsSpec) error {
	var errs []error
	say := func(format string, args ...any) {
		_, err := fmt.Fprintf(w, format, args...)
		errs = append(errs, err)
	}
	say("network %s: copy each folder to its host, and run ./start there; its README tells more\n\n", spec.Hosts.Network)
	for _, h := range spec.Hosts.Hosts {
		say("  %-12s %-15v  %s\n", h.Name, h.Address, filepath.Join(spec.Dir, h.Name))
	}
	return errors.Join(errs...)
}
