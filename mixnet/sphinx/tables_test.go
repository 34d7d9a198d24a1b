package sphinx

import (
	"bytes"
	"encoding/binary"
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// With tables the same bytes are built, while some keys have them and others not.
func TestTablesChangeNothing(t *testing.T) {
	with := Builder{Tables: NewTables()}
	var without Builder
	common := newNetwork(3)
	for range 2 * tableAfter {
		jobs, want := make([]Job, BatchSize), make([]Job, BatchSize)
		for i := range jobs {
			nw := newNetwork(1 + i%MaxHops)
			copy(nw.hops, common.hops) // the rest is seen once
			jobs[i] = nw.job(Version259, mixnet.AckSize, []byte("x"))
			want[i] = jobs[i]
			want[i].Packet = make([]byte, len(jobs[i].Packet))
		}
		if err := with.Build(jobs); err != nil {
			t.Fatal(err)
		}
		if err := without.Build(want); err != nil {
			t.Fatal(err)
		}
		for i := range jobs {
			if !bytes.Equal(jobs[i].Packet, want[i].Packet) {
				t.Fatalf("job %d of %d hops differs", i, len(jobs[i].Route))
			}
		}
	}
	for i, h := range common.hops {
		if with.Tables.Find(h.Key) == nil {
			t.Errorf("key %d has no table", i)
		}
	}
	if err := with.Build([]Job{{Route: []Hop{{Addr: common.hops[0].Addr}}, Packet: make([]byte, 386)}}); err == nil {
		t.Error("a key of low order was used")
	}
}

func TestTablesAreBounded(t *testing.T) {
	tables := NewTables()
	often := keys.NewSphinxKey().Public()
	var key keys.Sphinx
	for i := range 10 * TableNodes {
		binary.LittleEndian.PutUint64(key[:], uint64(i))
		tables.Find(key)
		if got := tables.Find(often); (got != nil) != (i+1 >= tableAfter) {
			t.Fatalf("after %d times: table %v", i+1, got)
		}
		if n := len(tables.recent) + len(tables.older); n > TableNodes {
			t.Fatalf("%d keys are remembered, want at most %d", n, TableNodes)
		}
	}
	binary.LittleEndian.PutUint64(key[:], 1)
	for range tableAfter - 1 {
		if tables.Find(key) != nil {
			t.Fatal("a key that was forgotten still has a table")
		}
	}
	if tables.Find(key) == nil {
		t.Error("a key that comes again has no table")
	}
}
