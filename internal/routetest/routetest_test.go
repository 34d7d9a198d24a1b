package routetest

import (
	"bytes"
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/sphinx"
)

func TestWalk(t *testing.T) {
	nodes, route := New()
	var b sphinx.Builder
	message := []byte("to the end")
	packet := make([]byte, mixnet.Regular.Total())
	if err := b.Build([]sphinx.Job{{Route: route, Message: message, Packet: packet}}); err != nil {
		t.Fatal(err)
	}
	if got := Walk(t, nodes, route[0].Addr, packet); !bytes.Equal(got.Message, message) {
		t.Errorf("got %.20q, want %q", got.Message, message)
	}
}
