package main

import (
	"context"
	"strings"
	"testing"

	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

func TestGreet(t *testing.T) {
	network := must(localnet.New(localnet.Spec{Traffic: client.Fast()}))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- network.Run(ctx) }()
	var out strings.Builder
	greet(ctx, network, &out)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if want := "hello, somebody\n1\n2\n3\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
