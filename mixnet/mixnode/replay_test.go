package mixnode

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

func tagOf(i int) *[sphinx.TagSize]byte {
	var t [sphinx.TagSize]byte
	binary.LittleEndian.PutUint64(t[5:], uint64(i))
	return &t
}

// seeOne looks up a single tag.
func seeOne(f *filter, t *[sphinx.TagSize]byte) verdict { return seeFrom(f, t, peerName{}) }

func seeFrom(f *filter, t *[sphinx.TagSize]byte, from peerName) verdict {
	var out [sphinx.BatchSize]verdict
	f.see([]*[sphinx.TagSize]byte{t}, &[sphinx.BatchSize]peerName{from}, &out)
	return out[0]
}

// nodes.md §3.5: "a tag seen before under the same key → drop".
func TestFilterRemembers(t *testing.T) {
	f := newFilter(1 << 30)
	const n = 200_000
	for i := range n {
		if got := seeOne(f, tagOf(i)); got != fresh {
			t.Fatalf("tag %d: got %v, want fresh", i, got)
		}
	}
	for i := range n {
		if got := seeOne(f, tagOf(i)); got != repeated {
			t.Fatalf("tag %d again: got %v, want repeated", i, got)
		}
	}
	tags, bytes := f.size()
	if tags != n || bytes > n*24 {
		t.Errorf("%d tags in %d bytes, want %d in at most 24 each", tags, bytes, n)
	}
}

// H18: "false positives ≤ 1e-5 at the designed load". With 64 bits there are
// none to be seen.
func TestH18FalsePositives(t *testing.T) {
	f := newFilter(1 << 30)
	false1 := 0
	for i := range 400_000 {
		if seeOne(f, tagOf(i)) != fresh {
			false1++
		}
	}
	if false1 > 0 {
		t.Errorf("%d of 400 000 fresh tags were refused", false1)
	}
}

// H18: "A full filter grows to its cap, then refuses packets". What it holds it
// still recognizes.
func TestH18FullFilterRefuses(t *testing.T) {
	f := newFilter(256 << 10)
	var seen []int
	refusals := 0
	for i := range 100_000 {
		switch seeFrom(f, tagOf(i), peerName{noise: keys.Noise{byte(i), byte(i >> 8)}}) {
		case fresh:
			seen = append(seen, i)
		case refused:
			refusals++
		case repeated:
			t.Fatalf("tag %d: repeated", i)
		}
	}
	room := 256 << 10 / entrySize
	if len(seen) < room*8/10 || len(seen) > room || refusals != 100_000-len(seen) {
		t.Errorf("%d taken and %d refused with room for %d", len(seen), refusals, room)
	}
	for _, i := range seen {
		if got := seeOne(f, tagOf(i)); got != repeated {
			t.Fatalf("tag %d again: got %v", i, got)
		}
	}
	if _, bytes := f.size(); bytes > 256<<10 {
		t.Errorf("%d bytes in use", bytes)
	}
}

// hardening.md H18: "no peer may fill more than twice what is left": one that sends
// without end, for whatever client of its, does not end the key for the others.
func TestH18RoomIsShared(t *testing.T) {
	for _, max := range []int{1 << 20, 3 << 19} {
		f := newFilter(max)
		next := 0
		fill := func(p peerName) (n int) {
			for refusals := 0; refusals < 200; next++ { // in a row: some shards are full before others
				refusals++
				if seeFrom(f, tagOf(next), p) == fresh {
					n++
					refusals = 0
				}
			}
			return n
		}
		room := 1 << 20 / entrySize
		greedy, strangers := peerName{noise: keys.Noise{1}}, peerName{}
		plain := peerName{addr: netip.MustParseAddr("192.0.2.1")}
		if n := fill(greedy); n < room/2 || n > room*2/3 {
			t.Errorf("a greedy peer has %d of %d", n, room)
		}
		if n := fill(strangers); n < room/8 {
			t.Errorf("another has %d of %d after it", n, room)
		}
		if n := fill(plain); n < room/24 {
			t.Errorf("a third has %d of %d after both", n, room)
		}
		if n := fill(greedy); n > 0 {
			t.Errorf("the greedy one has %d more", n)
		}
	}
}

// H08: of copies that come at the same time exactly one passes.
func TestH08FilterUnderContention(t *testing.T) {
	f := newFilter(1 << 30)
	const tags, copies = 5000, 8
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range copies {
		wg.Go(func() {
			for i := range tags {
				if seeOne(f, tagOf(i)) == fresh {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := passed.Load(); got != tags {
		t.Errorf("%d passed, want %d", got, tags)
	}
}

// H08: of copies within one batch exactly the first passes.
func TestH08FilterWithinABatch(t *testing.T) {
	f := newFilter(1 << 20)
	a, b := tagOf(1), tagOf(2)
	var out [sphinx.BatchSize]verdict
	f.see([]*[sphinx.TagSize]byte{a, a, b, a, b, a, a, a}, new([sphinx.BatchSize]peerName), &out)
	want := [sphinx.BatchSize]verdict{fresh, repeated, fresh, repeated, repeated, repeated, repeated, repeated}
	if out != want {
		t.Errorf("got %v, want %v", out, want)
	}
}

func BenchmarkFilter(b *testing.B) {
	f := newFilter(1 << 30)
	for i := range 4_000_000 {
		seeOne(f, tagOf(i))
	}
	var tags [sphinx.BatchSize]*[sphinx.TagSize]byte
	var out [sphinx.BatchSize]verdict
	for i := range tags {
		tags[i] = new([sphinx.TagSize]byte)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += len(tags) {
		for k := range tags {
			*tags[k] = *tagOf((i + k) * 7919 % 8_000_000)
		}
		f.see(tags[:], new([sphinx.BatchSize]peerName), &out)
	}
}
