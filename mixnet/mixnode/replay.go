package mixnode

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"sync"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

// A verdict is what the filter says of a tag.
type verdict uint8

const (
	fresh    verdict = iota // not seen before; now it is
	repeated                // seen before, or (one time in 10^10) a false alarm
	refused                 // not seen, and there is no room to remember it
)

// A filter remembers the replay tags of the packets opened under one key
// (nodes.md §3.5). It keeps 64 bits of a keyed hash of what a [ReplayTag] has of
// each tag, in open addressing, so with 10^9 tags a fresh packet is refused with
// a probability of 2·10^9/2^64. There is no way to take a tag out: the filter
// goes with its key.
//
//	tag (32, 8 of them used) ─▶ keyed hash (64 bits) ─▶ shard (8 bits) ─▶ [ · f · f f · · ]
//
// It is cut into shards that grow apart from each other, so that growing never
// takes long. It begins with 128 KiB and ends at its cap.
//
// Room is shared by the peers that packets come from: none may have more tags than
// linkShare times the room that is left. One that sends without end is refused
// while there is room for the others.
type filter struct {
	seed maphash.Seed
	max  int       // bytes of all tables together
	room int       // tags that surely fit
	log  ReplayLog // where the tags are kept too; may be nil

	mu     sync.Mutex
	bytes  int // of the tables
	used   int // tags
	warm   uint64
	shards [filterShards]shard
	of     map[peerName]*int // tags by the peer they came from; those loaded from a log are nobody's
}

// A peerName tells peers apart: nodes by their key, or on plain links by their
// address. The zero peerName is that of all strangers together.
type peerName struct {
	noise keys.Noise
	addr  netip.Addr
}

type shard struct {
	used  int
	table []uint64 // zero: free; its length is a power of two
}

// newFilter makes an empty filter of at most max bytes.
func newFilter(max int) *filter {
	f := &filter{
		seed: maphash.MakeSeed(), max: max, bytes: filterShards * firstTable * entrySize,
		of: make(map[peerName]*int),
	}
	table := firstTable
	for filterShards*2*table*entrySize <= max {
		table *= 2
	}
	f.room = filterShards * table / 16 * 15
	for i := range f.shards {
		f.shards[i].table = make([]uint64, firstTable)
	}
	return f
}

// see looks up tags in order, at most 8, and remembers them. Of equal tags,
// whether in one call or in several at a time, exactly one is fresh. from has the
// peer of each.
func (f *filter) see(tags []*[sphinx.TagSize]byte, from *[sphinx.BatchSize]peerName, out *[sphinx.BatchSize]verdict) {
	var hs [sphinx.BatchSize]uint64
	for i, t := range tags {
		hs[i] = f.hash(t[:ReplayTagSize])
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// Each look-up misses the caches; these loads wait for memory together.
	for _, h := range hs[:len(tags)] {
		s := &f.shards[h>>56]
		f.warm += s.table[s.place(h)]
	}
	var had *int
	for i, h := range hs[:len(tags)] {
		if i == 0 || from[i] != from[i-1] {
			had = f.tagsOf(from[i])
		}
		if out[i] = f.note(h, *had < linkShare*(f.room-f.used)); out[i] == fresh {
			*had++
		}
	}
}

// tagsOf counts the tags that came from a peer.
func (f *filter) tagsOf(p peerName) *int {
	n := f.of[p]
	if n == nil {
		n = new(int)
		f.of[p] = n
	}
	return n
}

// load remembers all tags in a log, which it keeps from then on.
func (f *filter) load(log ReplayLog) error {
	if !log.Clean() {
		return ErrTagsLost
	}
	f.log = log
	f.mu.Lock()
	defer f.mu.Unlock()
	left := 0
	err := log.Load(func(t ReplayTag) {
		if f.note(f.hash(t[:]), true) == refused {
			left++
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("mixnode: load replay log: %w", err)
	case left > 0:
		return fmt.Errorf("mixnode: load replay log: %d tags more than the replay filter has room for", left)
	}
	return nil
}

// hash is never zero.
func (f *filter) hash(tag []byte) uint64 { return max(maphash.Bytes(f.seed, tag), 1) }

// note looks for h, and remembers it if it may and there is room.
func (f *filter) note(h uint64, may bool) verdict {
	s := &f.shards[h>>56]
	i, found := s.find(h)
	switch {
	case found:
		return repeated
	case !may:
		return refused
	}
	// Grow at three quarters; at the cap go on to fifteen sixteenths.
	if s.used*4 >= len(s.table)*3 && f.grow(s) {
		i, _ = s.find(h)
	}
	if s.used*16 >= len(s.table)*15 {
		return refused
	}
	s.table[i] = h
	s.used++
	f.used++
	return fresh
}

// place is where the search for h begins: the top bits chose the shard, those
// below them choose the place.
func (s *shard) place(h uint64) int {
	return int(h << 8 >> (64 - bits.Len(uint(len(s.table)-1))))
}

// find looks for h, and failing that for the free entry where it belongs.
func (s *shard) find(h uint64) (i int, found bool) {
	mask := len(s.table) - 1
	for i = s.place(h); s.table[i] != 0; i = (i + 1) & mask {
		if s.table[i] == h {
			return i, true
		}
	}
	return i, false
}

// grow doubles a shard, if the cap allows.
func (f *filter) grow(s *shard) bool {
	old := s.table
	if f.bytes+len(old)*entrySize > f.max {
		return false
	}
	f.bytes += len(old) * entrySize
	s.table = make([]uint64, 2*len(old))
	for _, h := range old {
		if h != 0 {
			i, _ := s.find(h)
			s.table[i] = h
		}
	}
	return true
}

// size counts the tags and the bytes of the tables.
func (f *filter) size() (tags, bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used, f.bytes
}
