package localnet_test

import (
	"context"
	"fmt"

	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

// A network comes up, loses a mix node and gets it back.
func Example() {
	network, err := localnet.New(localnet.Spec{Traffic: client.Fast()})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- network.Run(ctx) }()
	<-network.Ready()

	fmt.Println("stop:", network.Stop("mix-2-1"))
	for _, node := range network.Nodes() {
		fmt.Printf("%-9s  %v  running: %v\n", node.Name, node.Role, node.Running)
	}
	fmt.Println("start:", network.Start("mix-2-1"))
	cancel()
	fmt.Println("run:", <-ended)

	// Output:
	// stop: <nil>
	// mix-1-1    layer 1  running: true
	// mix-1-2    layer 1  running: true
	// mix-2-1    layer 2  running: false
	// mix-2-2    layer 2  running: true
	// mix-3-1    layer 3  running: true
	// mix-3-2    layer 3  running: true
	// gateway-1  gateway  running: true
	// gateway-2  gateway  running: true
	// start: <nil>
	// run: <nil>
}
