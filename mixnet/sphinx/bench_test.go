package sphinx

import (
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

func BenchmarkUnwrap(b *testing.B) {
	for _, size := range []mixnet.PacketSize{mixnet.Regular, mixnet.AckSize, mixnet.Extended32} {
		b.Run(size.String(), func(b *testing.B) {
			nw := newNetwork(4)
			j := nw.job(Version259, size, nil)
			build(b, j)
			w := new(Workspace)
			p := []Packet{{Keys: [2]*keys.SphinxKey{nw.keys[0]}}}
			buf := make([]byte, len(j.Packet))
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				copy(buf, j.Packet)
				p[0].Data = buf
				w.Open(p)
				if w.Strip(p); p[0].Err != nil {
					b.Fatal(p[0].Err)
				}
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	nw := newNetwork(4)
	for name, j := range map[string]Job{
		"regular": nw.job(Version259, mixnet.Regular, nil),
		"ack":     nw.job(Version259, mixnet.AckSize, nil),
		"surb":    {Route: nw.hops, SURB: make([]byte, SURBSize(Version259, 4))},
	} {
		b.Run(name, func(b *testing.B) {
			var bd Builder
			b.ReportAllocs()
			for b.Loop() {
				if err := bd.Build([]Job{j}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
