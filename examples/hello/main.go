package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sync/errgroup"

	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := hello(ctx, os.Stdout, client.Traffic{}); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

// hello runs the network and the conversation, then ends both.
func hello(ctx context.Context, w io.Writer, traffic client.Traffic) error {
	ctx, stop := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	network, err := localnet.New(localnet.Spec{Traffic: traffic})
	if err != nil {
		stop()
		return err
	}
	g.Go(func() error { return network.Run(ctx) })
	g.Go(func() error {
		defer stop()
		return converse(ctx, g, w, network, traffic)
	})
	return g.Wait()
}

// converse has alice ask and bob answer.
func converse(ctx context.Context, g *errgroup.Group, w io.Writer, network *localnet.Network, traffic client.Traffic) error {
	select {
	case <-network.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	var people [2]*client.Client
	for i, gateway := range network.Topology().Gateways()[:2] {
		c, err := network.NewClient(client.Config{Entries: []client.Entry{{Gateway: gateway.Identity}}, Traffic: traffic})
		if err != nil {
			return err
		}
		people[i] = c
		g.Go(func() error { return c.Run(ctx) })
		select {
		case <-c.Ready():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	alice, bob := people[0], people[1]

	// A message under a sender tag carries reply SURBs instead of an address.
	question := mixnet.SendOptions{As: mixnet.NewSenderTag(), SURBs: 15}
	if err := alice.Send(ctx, bob.Address(), []byte("who are you?"), question); err != nil {
		return err
	}
	m, err := bob.Receive(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "bob hears %q from somebody\n", m.Body)
	if err := bob.Reply(ctx, m.From, []byte("bob, and you need not say"), mixnet.SendOptions{}); err != nil {
		return err
	}
	if m, err = alice.Receive(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "alice hears %q\n", m.Body)
	return err
}
