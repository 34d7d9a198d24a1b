package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"nym-socks5/endpoint"
	"nym-socks5/localnet"
)

func main() {
	network := must(localnet.New(localnet.Spec{}))
	go network.Run(context.Background())
	hello(context.Background(), network, os.Stdout)
}

// hello has alice tell bob, who listens at a port of his address, and hear back.
func hello(ctx context.Context, network *localnet.Network, w io.Writer) {
	alice, bob := must(network.Join(ctx, endpoint.Config{})), must(network.Join(ctx, endpoint.Config{Peers: true}))
	listener := must(bob.Listen(7))
	go func() {
		stream := must(listener.Accept()) // whose it is, bob cannot tell
		fmt.Fprintf(stream, "somebody said %q", must(io.ReadAll(io.LimitReader(stream, 5))))
		stream.Close()
	}()
	stream := must(alice.DialAddress(ctx, bob.Address(), 7))
	must(stream.Write([]byte("hello")))
	fmt.Fprintf(w, "bob answers: %s\n", must(io.ReadAll(stream)))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
