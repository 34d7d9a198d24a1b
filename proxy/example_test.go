package proxy_test

import (
	"context"
	"fmt"
	"io"
	"sync"

	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy"
)

// Two ends of a mixnet: one opens a stream, the other takes it in and echoes. In
// place of the mixnet stands a pair of Messengers in memory.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pair := mixnettest.NewPair(mixnettest.Options{})
	near, far := proxy.New(pair.A, proxy.Config{}), proxy.New(pair.B, proxy.Config{Serve: true})
	var running sync.WaitGroup
	running.Go(func() { near.Run(ctx) })
	running.Go(func() { far.Run(ctx) })
	running.Go(func() {
		in, err := far.Accept(ctx)
		if err != nil {
			return
		}
		fmt.Println("somebody asks for", in.Target())
		if stream, err := in.Accept(); err == nil {
			io.Copy(stream, stream) // until the near end has no more to say
			stream.Close()
		}
	})

	stream, err := near.Dial(ctx, pair.B.Address(), "echo.example.org:7", proxy.DialOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(stream, "hello")
	stream.CloseWrite()
	answer, err := io.ReadAll(stream)
	fmt.Printf("%s %v\n", answer, err)
	stream.Close()
	cancel()
	running.Wait()

	// Output:
	// somebody asks for echo.example.org:7
	// hello <nil>
}
