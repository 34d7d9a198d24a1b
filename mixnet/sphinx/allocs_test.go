//go:build !race

// The race detector makes the standard library allocate more.

package sphinx

import (
	"testing"

	"nym-socks5/internal/vec8"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// wantNone fails if f allocates. Without AES of its own, the kernels use that of
// the standard library, which allocates twice for each header stream.
func wantNone(t *testing.T, name string, streams int, f func()) {
	t.Helper()
	most := 0
	if !vec8.OwnAES() {
		most = 2 * streams
	}
	if got := testing.AllocsPerRun(50, f); got > float64(most) {
		t.Errorf("%s allocates %v times, want at most %d", name, got, most)
	}
}

func TestUnwrapDoesNotAllocate(t *testing.T) {
	for _, n := range []int{1, 2, BatchSize} {
		nw := newNetwork(2)
		w := new(Workspace)
		jobs, packets := make([]Job, n), make([]Packet, n)
		for i := range jobs {
			size := mixnet.Regular
			if i%3 == 1 {
				size = mixnet.AckSize
			}
			jobs[i] = nw.job(Version259, size, nil)
			packets[i] = Packet{Data: make([]byte, size.Total()), Keys: [2]*keys.SphinxKey{nw.keys[0]}}
		}
		build(t, jobs...)
		wantNone(t, "unwrapping", n, func() {
			for i := range packets {
				copy(packets[i].Data, jobs[i].Packet)
			}
			w.Open(packets)
			w.Strip(packets)
			for i := range packets {
				if packets[i].Err != nil {
					t.Fatal(packets[i].Err)
				}
			}
		})
	}
}

func TestBuildDoesNotAllocate(t *testing.T) {
	for _, n := range []int{1, 2, BatchSize} {
		nw := newNetwork(4)
		b := &Builder{Tables: NewTables()}
		jobs := make([]Job, n)
		for i := range jobs {
			jobs[i] = nw.job(Version259, mixnet.Regular, randomBytes(100))
			if i%3 == 1 {
				jobs[i].Packet, jobs[i].SURB = nil, make([]byte, SURBSize(Version259, 4))
			}
		}
		for range tableAfter {
			if err := b.Build(jobs); err != nil {
				t.Fatal(err)
			}
		}
		wantNone(t, "building", 4*n, func() {
			if err := b.Build(jobs); err != nil {
				t.Fatal(err)
			}
		})
		if n == 1 {
			continue
		}
		s, err := ParseSURB(jobs[1].SURB)
		if err != nil {
			t.Fatal(err)
		}
		packet, message := make([]byte, mixnet.Regular.Total()), randomBytes(2048)
		wantNone(t, "sealing", 0, func() {
			if err := b.Seal(&s, message, packet); err != nil {
				t.Fatal(err)
			}
		})
	}
}
