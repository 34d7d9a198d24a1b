package main

import (
	"net"
	"testing"
)

func TestProbe(t *testing.T) {
	var open, closed string
	for _, at := range []*string{&open, &closed} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		*at = ln.Addr().String()
		if at == &closed {
			ln.Close()
		}
	}
	for _, c := range []struct {
		ports []string
		well  bool
	}{
		{nil, true},
		{[]string{open}, true},
		{[]string{open, open}, true},
		{[]string{closed}, false},
		{[]string{open, closed}, false},
		{[]string{"127.0.0.1"}, false},
	} {
		if err := probe(c.ports); (err == nil) != c.well {
			t.Errorf("%q: %v, want well %t", c.ports, err, c.well)
		}
	}
}
