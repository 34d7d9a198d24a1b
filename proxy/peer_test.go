package proxy

import (
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy/protocol"
)

// socks.md §21.4: "choose the chunk size so that header + SURBs + data fill whole packets"
func TestChunkFillsPackets(t *testing.T) {
	m := mixnettest.NewPair(mixnettest.Options{}).A
	for name, p := range map[string]peer{
		"anonymous":       {m: m, dialing: true, tag: mixnet.SenderTag{1}, versions: protocol.CurrentVersions},
		"with address":    {m: m, dialing: true, versions: protocol.CurrentVersions},
		"reply":           {m: m, tag: mixnet.SenderTag{1}, versions: protocol.CurrentVersions},
		"legacy reply":    {m: m, tag: mixnet.SenderTag{1}},
		"reply, address":  {m: m, to: m.Address(), versions: protocol.CurrentVersions},
		"reply, address0": {m: m, to: m.Address()},
	} {
		message := p.headerSize() + p.chunkSize(0)
		if message != m.Room(mixnet.SendOptions{As: p.tag, SURBs: -1}, 10) {
			t.Errorf("%s: messages of %d bytes, want what fills 10 packets", name, message)
		}
		if got := p.chunkSize(1000); got != 1000 {
			t.Errorf("%s: capped chunk of %d, want 1000", name, got)
		}
	}
}
