package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/proxy"
)

func main() {
	url, call := flag.String("directory", "http://127.0.0.1:8000", "`URL` of the network's directory"), flag.String("call", "", "`ADDRESS` of who listens; without it, listen")
	flag.Parse()
	store := endpoint.NewFolder("talk-state")               // keys: who listens has the same address the next time
	warn := zerolog.New(os.Stderr).Level(zerolog.WarnLevel) // says why nothing happens, where nothing does
	network := must(endpoint.Directories(directory.ClientConfig{URLs: []string{*url}, Fetch: dirhttp.New(nil).Fetch, Log: warn}, store))
	e := must(endpoint.New(endpoint.Config{Network: network, Store: store, Peers: true, Log: warn}))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(context.Background()) }()
	select {
	case <-e.Ready():
	case err := <-ended:
		log.Fatal(err)
	}
	talk(connect(e, *call), os.Stdin, os.Stdout)
	last, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	e.Shutdown(last) // the last words leave at the network's pace
}

// connect calls an address, or waits for a call. Who is called learns no address.
func connect(e *endpoint.Endpoint, call string) net.Conn {
	if call != "" {
		return must(e.DialAddress(context.Background(), must(mixnet.ParseRecipientText(call)), 7))
	}
	fmt.Println("call me:", e.Address())
	return must(must(e.Listen(7)).Accept())
}

// talk sends what is typed and shows what comes, until both have no more to say
// (Ctrl-D) or the other has gone.
func talk(c net.Conn, in io.Reader, out io.Writer) {
	defer c.Close()
	stream, said := c.(proxy.Stream), make(chan struct{})
	go func() {
		defer close(said)
		io.Copy(stream, in)
		stream.CloseWrite()
	}()
	io.Copy(out, stream)
	select {
	case <-said:
	case <-stream.Done():
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
