package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	common "nym-socks5/internal/cli"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"nym-socks5/allowlist"
	"nym-socks5/localnet"
	"nym-socks5/localnet/trace"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

func traceCommand() *cli.Command {
	return &cli.Command{
		Name:            "trace",
		Usage:           "run a network and show every packet in it, layer by layer",
		UsageText:       "localnet trace [flags]",
		HideHelpCommand: true,
		OnUsageError:    common.OnUsageError,
		Action:          traceNetwork,
		Flags: append(networkFlags("127.0.0.1:0", "error"),
			&cli.StringSliceFlag{Name: "allow", Usage: "let the requester dial `RULE`, such as example.org:443 (may be repeated)"},
			&cli.StringFlag{Name: "allowlist", Usage: "let the requester dial what `FILE` allows, one rule a line"},
			&cli.IntFlag{Name: "packets", Value: 1000, Usage: "stop after `N` packets"},
			&cli.BoolFlag{Name: "json", Usage: "one JSON object a line; the last has the summary"},
		),
	}
}

// traceNetwork is "localnet trace".
func traceNetwork(c *cli.Context) error {
	o, err := parseOptions(c)
	if err != nil {
		return err
	}
	t := &tracing{options: o, packets: c.Int("packets"), json: c.Bool("json"), out: c.App.Writer, about: c.App.Writer}
	if t.packets < 1 {
		return usagef("--packets %d: say a number from 1 on", t.packets)
	}
	if t.json {
		t.about = os.Stderr
	}
	// Without a rule the requester dials nothing, and there is traffic all the same.
	if file, rules := c.String("allowlist"), c.StringSlice("allow"); file == "" && len(rules) == 0 {
		t.list, err = allowlist.ParseFlags(nil)
	} else {
		t.list, err = readAllowlist(file, rules)
	}
	if err != nil {
		return err
	}
	return t.run(c.Context)
}

// A tracing shows the packets of a network.
type tracing struct {
	options
	list    *allowlist.List
	packets int
	json    bool
	out     io.Writer // of the packets
	about   io.Writer // of the network

	up      atomic.Bool // the packets of the start are not shown
	summary trace.Summary
}

// run runs the network until enough packets were shown, or ctx ends.
func (t *tracing) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	records := make(chan trace.Record, 256) // when full, the nodes wait
	t.spec.Trace = func(r trace.Record) {
		if !t.up.Load() {
			return
		}
		select {
		case records <- r:
		case <-ctx.Done():
		}
	}
	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		return t.print(ctx, records)
	})
	g.Go(func() error {
		defer stop()
		return withNetwork(ctx, t.spec, t.list, func(ctx context.Context, n *localnet.Network) error {
			describe(t.about, n, t.options, t.list)
			fmt.Fprintln(t.about)
			t.up.Store(true)
			return t.talk(ctx, n)
		})
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if t.json {
		return json.NewEncoder(t.out).Encode(map[string]any{"summary": &t.summary})
	}
	fmt.Fprintln(t.out)
	t.summary.Print(t.out)
	return nil
}

// print shows packets until there are enough, or ctx ends.
func (t *tracing) print(ctx context.Context, records <-chan trace.Record) error {
	w := bufio.NewWriter(t.out)
	defer w.Flush()
	enc := json.NewEncoder(w)
	for t.summary.Packets < t.packets {
		var r trace.Record
		select {
		case r = <-records:
		case <-ctx.Done():
			return nil
		}
		t.summary.Add(r)
		var err error
		if t.json {
			err = enc.Encode(r)
		} else {
			_, err = fmt.Fprintln(w, r)
		}
		if err == nil && len(records) == 0 {
			err = w.Flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// talk lets two clients, alice at the first gateway and bob at the last, ask and
// answer until ctx ends.
func (t *tracing) talk(ctx context.Context, n *localnet.Network) error {
	gateways := n.Topology().Gateways()
	var clients []*client.Client
	g, ctx := errgroup.WithContext(ctx)
	for i, name := range []string{"alice", "bob"} {
		c, err := n.NewClient(client.Config{Entries: []client.Entry{{Gateway: gateways[i*(len(gateways)-1)].Identity}}, Traffic: t.spec.Traffic})
		if err != nil {
			return err
		}
		n.Name(c.Address().Identity, name)
		clients = append(clients, c)
	}
	alice, bob := clients[0], clients[1]
	for _, c := range clients {
		g.Go(func() error { return c.Run(ctx) })
	}
	g.Go(func() error { return unlessOver(ctx, ask(ctx, alice, bob.Address())) })
	g.Go(func() error { return unlessOver(ctx, answer(ctx, bob)) })
	return g.Wait()
}

// ask sends a message, waits for the answer and pauses, again and again.
func ask(ctx context.Context, c *client.Client, to mixnet.Recipient) error {
	select {
	case <-c.Ready():
	case <-ctx.Done():
	}
	tag := mixnet.NewSenderTag()
	pause := time.NewTicker(talkEvery)
	defer pause.Stop()
	for {
		err := c.Send(ctx, to, bytes.Repeat([]byte("?"), talkBytes), mixnet.SendOptions{As: tag, SURBs: talkSURBs})
		if err != nil {
			return err
		}
		if _, err := c.Receive(ctx); err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// answer answers what comes.
func answer(ctx context.Context, c *client.Client) error {
	for {
		m, err := c.Receive(ctx)
		if err != nil {
			return err
		}
		if err := c.Reply(ctx, m.From, bytes.Repeat([]byte("!"), talkBytes), mixnet.SendOptions{}); err != nil {
			return err
		}
	}
}

// unlessOver leaves errors out that come of the end.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
