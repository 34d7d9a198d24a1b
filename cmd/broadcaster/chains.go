package main

import (
	"errors"

	"nym-socks5/config"
	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/broadcast/chain"
	"nym-socks5/internal/broadcast/service"
	"nym-socks5/internal/cli"
)

// openChains reads the lines of the settings, and makes the nodes that they name.
func openChains(b config.Broadcasting) (all []service.Chain, err error) {
	seen := make(map[string]bool)
	for _, line := range b.Chains {
		s, err := chain.Parse(line)
		if err != nil {
			return nil, cli.Invalid("broadcaster.chains: %v", err)
		}
		if seen[s.Name] {
			return nil, cli.Invalid("broadcaster.chains: there are two chains %s", s.Name)
		}
		seen[s.Name] = true
		node, err := chain.New(s, b.Timeout.Std())
		if err != nil {
			return nil, cli.Invalid("broadcaster.chains: %v", err)
		}
		all = append(all, service.Chain{
			Chain: broadcast.Chain{Name: s.Name, Kind: s.Kind, Number: s.Number, Checks: s.Kind.Checks()},
			Node:  node,
		})
	}
	return all, nil
}

var commands = []cli.Command[*config.Broadcaster]{{
	Name: "nodes", Usage: "ask each node whether it answers, about a transaction that there is not",
	Settings: []string{"broadcaster.chains", "broadcaster.timeout"},
	Do:       askNodes,
}}

// askNodes asks each node of the settings.
func askNodes(c *cli.Call[*config.Broadcaster]) (facts []cli.Detail, err error) {
	chains, err := openChains(c.Config.Broadcast)
	if err != nil {
		return nil, err
	}
	var silent error
	for _, to := range chains {
		how := "answers"
		if !to.Kind.Looks() {
			how = "is not asked, since whatever is posted counts"
		} else if _, err := to.Node.Look(c.Context(), broadcast.Hash{}); err != nil {
			how = "gives no answer: " + string(chain.ClassOf(err))
			silent = cli.Temporary(errors.New("not every node answers"))
		}
		facts = append(facts, cli.Detail{Name: to.Name, Value: how})
	}
	return facts, silent
}
