package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"nym-socks5/endpoint"
	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

func TestTalk(t *testing.T) {
	network := must(localnet.New(localnet.Spec{Traffic: client.Fast()}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- network.Run(ctx) }()
	<-network.Ready()
	listener := must(network.Join(ctx, endpoint.Config{Peers: true}))
	caller := must(network.Join(ctx, endpoint.Config{Peers: true}))

	port := must(listener.Listen(7))
	heard := make(chan string)
	go func() {
		c := must(port.Accept())
		var out strings.Builder
		go c.Write([]byte("good evening\n"))
		io.Copy(&out, c) // to the end of what is typed
		c.Close()
		heard <- out.String()
	}()
	var out strings.Builder
	talk(connect(caller, listener.Address().String()), strings.NewReader("hello\n"), &out)
	if got := <-heard; got != "hello\n" {
		t.Errorf("who listens reads %q", got)
	}
	if out.String() != "good evening\n" {
		t.Errorf("who calls reads %q", out.String())
	}

	// One who has no more to say still hears, and is heard to the end.
	typed, typing := io.Pipe()
	shown, showing := io.Pipe()
	go func() {
		talk(must(port.Accept()), typed, showing)
		showing.Close()
	}()
	answer := make(chan string)
	go func() {
		var out strings.Builder
		talk(connect(caller, listener.Address().String()), strings.NewReader("that is all\n"), &out)
		answer <- out.String()
	}()
	got := make([]byte, len("that is all\n"))
	if _, err := io.ReadFull(shown, got); err != nil || string(got) != "that is all\n" {
		t.Errorf("who listens reads %q, %v", got, err)
	}
	for _, line := range []string{"is it? ", "good night\n"} {
		must(typing.Write([]byte(line)))
	}
	typing.Close()
	if rest := must(io.ReadAll(shown)); len(rest) > 0 {
		t.Errorf("who listens reads %q too", rest)
	}
	if got := <-answer; got != "is it? good night\n" {
		t.Errorf("who calls reads %q", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
