package main

import (
	"strings"
	"testing"

	"nym-socks5/mixnet/client"
)

func TestHello(t *testing.T) {
	var out strings.Builder
	if err := hello(t.Context(), &out, client.Fast()); err != nil {
		t.Fatal(err)
	}
	want := "bob hears \"who are you?\" from somebody\nalice hears \"bob, and you need not say\"\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
