package main

import (
	"context"
	"strings"
	"testing"

	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

func TestHello(t *testing.T) {
	network, err := localnet.New(localnet.Spec{Traffic: client.Fast()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- network.Run(ctx) }()
	var out strings.Builder
	hello(ctx, network, &out)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if want := "bob answers: somebody said \"hello\"\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
