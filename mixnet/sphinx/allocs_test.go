//go:build !race

// The race detector makes the standard library allocate more.

package sphinx

import (
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

func TestUnwrapAllocates(t *testing.T) {
	nw := newNetwork(2)
	j := nw.job(Version259, mixnet.Regular, nil)
	build(t, j)
	w := new(Workspace)
	p := []Packet{{Keys: [2]*keys.SphinxKey{nw.keys[0]}}}
	buf := make([]byte, len(j.Packet))
	got := testing.AllocsPerRun(50, func() {
		copy(buf, j.Packet)
		p[0].Data = buf
		w.Open(p)
		w.Strip(p)
	})
	if got > 2 { // the key schedule and the counter of AES
		t.Errorf("unwrapping allocates %v times, want at most 2", got)
	}
}
