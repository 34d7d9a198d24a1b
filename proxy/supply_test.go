package proxy

import (
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy/protocol"
)

// socks.md §21.5: "start with 20 (upstream default), then aim for a stock at
// the NR of about twice the number of packets that arrive per round trip,
// within limits"
func TestSupply(t *testing.T) {
	s := supply{most: 400}
	for range 20 {
		s.measured(500 * time.Millisecond)
	}
	if got := s.want(at(0)); got != minStock {
		t.Errorf("at the start: %d, want %d", got, minStock)
	}
	for i := range 40 { // 100 packets per round trip
		s.arrived(at(float64(i)*0.1), 20)
	}
	if got := s.want(at(4)); got < 200 || got > 220 {
		t.Errorf("at 100 packets per round trip: %d, want about 210", got)
	}
	for i := range 40 {
		s.arrived(at(4+float64(i)*0.1), 200)
	}
	if got := s.want(at(8)); got != 400 {
		t.Errorf("at 1000 packets per round trip: %d, want the limit, 400", got)
	}
	if got := s.want(at(60)); got != minStock {
		t.Errorf("after a minute of quiet: %d, want %d", got, minStock)
	}
}

// Where replies are held up for want of SURBs, the stock doubles each round trip.
func TestSupplyGrows(t *testing.T) {
	s := supply{most: 400, rtt: time.Second}
	now, stock := at(0), minStock
	for range 8 {
		s.arrived(now, stock-reserveSURBs) // all it may spend
		now = now.Add(time.Second)
		stock = s.want(now)
	}
	if stock != 400 {
		t.Errorf("stock %d after eight round trips, want 400", stock)
	}
}

func TestRecent(t *testing.T) {
	r := recent[int]{ttl: 10 * time.Second, limit: 100}
	r.add(at(0), 1)
	if r.has(at(0), 2) || !r.has(at(9.9), 1) {
		t.Error("forgets too early, or knows what it never saw")
	}
	if r.has(at(25), 1) {
		t.Error("remembers for ever")
	}
	for i := range 1000 {
		r.add(at(30), i)
	}
	if n := len(r.young) + len(r.old); n > 100 || !r.has(at(30), 999) || !r.has(at(30), 950) {
		t.Errorf("%d elements, want at most 100 and the last ones among them", n)
	}
}

// socks.md §21.3: "MUST bound: pending data per id (64 messages or 512 KiB),
// pending ids"
func TestPendingBounds(t *testing.T) {
	k := func(n int) key { return key{tag: mixnet.SenderTag{1}, id: protocol.StreamID(n)} }
	var p pending
	for i := range 65 {
		if got, want := p.add(at(0), k(1), protocol.Send{}), i < 64; got != want {
			t.Errorf("message %d kept: %v, want %v", i, got, want)
		}
	}
	big := protocol.Send{Data: make([]byte, 100<<10)}
	for i := range 6 {
		if got, want := p.add(at(1), k(2), big), i < 5; got != want {
			t.Errorf("100 KiB no. %d kept: %v, want %v", i, got, want)
		}
	}
	for i := range 1000 {
		p.add(at(2), k(3+i), big)
	}
	if len(p.streams) > earlyStreams || p.size > earlyTotal {
		t.Errorf("%d streams, %d bytes, want at most %d, %d", len(p.streams), p.size, earlyStreams, earlyTotal)
	}
	if p.take(k(1)) != nil {
		t.Error("the oldest stream was not given up for new ones")
	}
	p.expire(at(31.9))
	if len(p.streams) == 0 {
		t.Error("expired too early")
	}
	p.expire(at(32))
	if len(p.streams) != 0 || p.size != 0 {
		t.Errorf("%d streams, %d bytes left", len(p.streams), p.size)
	}
	p.add(at(40), k(1), protocol.Send{Seq: 7})
	if got := p.take(k(1)); len(got) != 1 || got[0].Seq != 7 || p.size != 0 || len(p.streams) != 0 {
		t.Errorf("took %v, %d bytes left", got, p.size)
	}
}

// socks.md §21.4: "choose the chunk size so that header + SURBs + data fill whole packets"
func TestChunkFillsPackets(t *testing.T) {
	address := mixnettest.NewPair(mixnettest.Options{}).A.Address()
	peers := map[string]struct {
		peer     peer
		overhead int // of the message around the body, and its padding byte
	}{
		"anonymous":       {peer{dialing: true, tag: mixnet.SenderTag{1}, versions: protocol.CurrentVersions}, 1 + 16 + 1 + 4 + 1},
		"with address":    {peer{dialing: true, versions: protocol.CurrentVersions}, 2},
		"reply":           {peer{tag: mixnet.SenderTag{1}, versions: protocol.CurrentVersions}, 3},
		"legacy reply":    {peer{tag: mixnet.SenderTag{1}}, 3},
		"reply, address":  {peer{to: address, versions: protocol.CurrentVersions}, 2},
		"reply, address0": {peer{to: address}, 2},
	}
	for name, tt := range peers {
		for size, room := range map[mixnet.PacketSize]int{mixnet.Regular: 1604, mixnet.Extended8: 7748, mixnet.Extended16: 15940, mixnet.Extended32: 32324} {
			message := tt.peer.headerSize() + tt.peer.chunkSize(size, 0) + tt.overhead
			if message%room != 0 || message < 8<<10 || message > 128<<10 {
				t.Errorf("%s, %v: messages of %d bytes, want a multiple of %d", name, size, message, room)
			}
		}
		if got := tt.peer.chunkSize(mixnet.Regular, 1000); got != 1000 {
			t.Errorf("%s: capped chunk of %d, want 1000", name, got)
		}
	}
}

// Streams of one tag share its stock; each adds a little, none if nobody reads.
func TestIdentityWant(t *testing.T) {
	id := &identity{kind: &peerKind{}, supply: supply{most: 800}}
	if got := id.want(at(0)); got != 0 {
		t.Errorf("without streams: %d", got)
	}
	tests := []struct {
		surbs   int // with its Connect
		stalled int
		kind    kind
		want    int
	}{
		{20, 0, kindUnknown, 20},
		{8, 0, kindUnknown, 28},
		{8, 1, kindUnknown, 36}, // the others go on
		{8, 4, kindUnknown, 0},  // socks.md §21.5: "A client whose app does not read SHOULD stop granting SURBs"
		{8, 5, kindOther, 0},
		{8, 6, kindOurs, 20}, // which keeps to the window, and needs them for notes and keep-alives
	}
	for i, tt := range tests {
		if got := id.join(at(0)); got != tt.surbs {
			t.Errorf("stream %d: %d SURBs with its Connect, want %d", i, got, tt.surbs)
		}
		id.stalled = tt.stalled
		id.kind.set(tt.kind)
		if got := id.want(at(0)); got != tt.want {
			t.Errorf("%d streams, %d stalled: want %d, want %d", i+1, tt.stalled, got, tt.want)
		}
	}
	for range 500 {
		id.join(at(0))
	}
	id.stalled = 0
	if got := id.want(at(0)); got != 200 {
		t.Errorf("500 idle streams want %d, want a quarter of the most", got)
	}
	// What a stream leaves at the requester serves the next one, for a while.
	id.active, id.left = 0, at(0)
	if got := id.join(at(warmFor.Seconds() - 1)); got != 3 {
		t.Errorf("%d SURBs with a Connect soon after, want 3", got)
	}
	id.active = 0
	if got := id.join(at(warmFor.Seconds())); got != 20 {
		t.Errorf("%d SURBs with a Connect long after, want 20", got)
	}
}
