package trace

import (
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/wire"
)

// Whatever a frame or the last layer of a packet has in it, each packet is
// reported once, and the tracer changes none.
func FuzzSee(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add(make([]byte, mixnet.AckSize.Total()), false)
	f.Add(make([]byte, mixnet.AckPrefixSize), true)
	// With seal set, the input is put into a packet, or else nothing that is
	// found here would ever open.
	f.Fuzz(func(t *testing.T, in []byte, seal bool) {
		l := newLab(t)
		packet, want := in, min(len(in)/alphaSize, 1)
		if seal {
			plain := make([]byte, mixnet.Regular.Plaintext())
			copy(plain, in)
			packet, want = l.build(sphinx.Job{Route: l.route(0, 4), Dest: keys.Identity{1}, Message: plain}, mixnet.Regular), 1
		}
		before := string(packet)
		l.See(l.now, "gateway-1", l.nodes[4].Addr, wire.V8, wire.Frame{Packet: packet})
		l.Flush()
		if len(l.got) != want || string(packet) != before {
			t.Errorf("%d reports, want %d; changed: %v", len(l.got), want, string(packet) != before)
		}
		if seal && (len(l.got[0].Layers) != 1 || l.got[0].Error != "") {
			t.Errorf("a sealed packet is %v", l.got[0])
		}
	})
}
