package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	common "nym-socks5/internal/cli"

	"github.com/urfave/cli/v2"

	"nym-socks5/internal/fleet"
)

// list is "localnet list".
func list(c *cli.Context) error {
	if err := common.NoArguments(c); err != nil {
		return err
	}
	parts, err := askNetwork(c, fleet.Request{Do: "list"})
	if err != nil {
		return err
	}
	switch format := c.String("output"); format {
	case "text":
		return writeParts(c.App.Writer, parts, time.Now())
	case "json":
		e := json.NewEncoder(c.App.Writer)
		e.SetIndent("", "  ")
		return e.Encode(parts)
	default:
		return usagef("--output %q: it can be text or json", format)
	}
}

// control is "localnet start", "stop" and "kill".
func control(c *cli.Context) error {
	switch {
	case c.NArg() == 0:
		return usagef("say which part: localnet %s NAME; localnet list tells what there is", c.Command.Name)
	case c.NArg() > 1:
		return usagef("unexpected argument %q; see %s", c.Args().Get(1), common.Help(c))
	}
	name := c.Args().First()
	parts, err := askNetwork(c, fleet.Request{Do: c.Command.Name, Name: name})
	if err != nil {
		return err
	}
	for _, p := range parts {
		if p.Name == name {
			return writeParts(c.App.Writer, []fleet.Info{p}, time.Now())
		}
	}
	return nil
}

// askNetwork asks the network that is meant.
func askNetwork(c *cli.Context, r fleet.Request) ([]fleet.Info, error) {
	dir, err := runningDir(c.String("dir"))
	if err != nil {
		return nil, err
	}
	parts, err := fleet.Ask(c.Context, dir, r)
	if errors.Is(err, fleet.ErrNotRunning) {
		return nil, fmt.Errorf("no network of processes runs in %s", dir)
	}
	return parts, err
}

// writeParts writes a line for each part.
func writeParts(w io.Writer, parts []fleet.Info, now time.Time) error {
	for _, p := range parts {
		line := fmt.Sprintf("%-12s %-18s %-9v", p.Name, p.Program, p.State)
		if p.PID != 0 {
			line += fmt.Sprintf(" pid %-7d since %v", p.PID, now.Sub(p.Since).Round(time.Second))
		}
		if p.Deaths > 0 {
			line += fmt.Sprintf("  died %d times by itself", p.Deaths)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
