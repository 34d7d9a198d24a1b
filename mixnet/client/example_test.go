package client_test

import (
	"context"
	"fmt"
	"sync"

	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// Alice asks without saying who she is, and Bob answers by a reply SURB of hers.
func Example() {
	network, err := localnet.New(localnet.Spec{Traffic: client.Fast()})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { network.Run(ctx) })
	<-network.Ready()

	join := func(gateway int) *client.Client {
		at := network.Topology().Gateways()[gateway].Identity
		c, err := network.NewClient(client.Config{Entries: []client.Entry{{Gateway: at}}, Traffic: client.Fast()})
		if err != nil {
			panic(err)
		}
		running.Go(func() { c.Run(ctx) })
		<-c.Ready()
		return c
	}
	alice, bob := join(0), join(1)

	question := mixnet.SendOptions{As: mixnet.NewSenderTag()} // under a tag: it can be answered
	fmt.Println(alice.Send(ctx, bob.Address(), []byte("who are you?"), question))
	m, _ := bob.Receive(ctx)
	fmt.Printf("bob reads %q and can answer: %v\n", m.Body, !m.From.IsZero())
	fmt.Println(bob.Reply(ctx, m.From, []byte("bob"), mixnet.SendOptions{}))
	m, _ = alice.Receive(ctx)
	fmt.Printf("alice reads %q under the tag she asked by: %v\n", m.Body, m.To == question.As)
	cancel()
	running.Wait()

	// Output:
	// <nil>
	// bob reads "who are you?" and can answer: true
	// <nil>
	// alice reads "bob" under the tag she asked by: true
}
