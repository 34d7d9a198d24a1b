package proxy

import (
	"sync/atomic"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

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
	p := pending{total: new(atomic.Int64)}
	var sh share
	for i := range 65 {
		if got, want := p.add(at(0), k(1), &sh, protocol.Send{}), i < 64; got != want {
			t.Errorf("message %d kept: %v, want %v", i, got, want)
		}
	}
	big := protocol.Send{Data: make([]byte, 100<<10)}
	for i := range 6 {
		if got, want := p.add(at(1), k(2), &sh, big), i < 5; got != want {
			t.Errorf("100 KiB no. %d kept: %v, want %v", i, got, want)
		}
	}
	for i := range 1000 {
		p.add(at(2), k(3+i), &sh, big)
	}
	if p.streams > earlyStreams || p.size > earlyTotal {
		t.Errorf("%d streams, %d bytes, want at most %d, %d", p.streams, p.size, earlyStreams, earlyTotal)
	}
	if p.take(k(1)) != nil {
		t.Error("the oldest stream was not given up for new ones")
	}
	p.expire(at(31.9))
	if p.streams == 0 {
		t.Error("expired too early")
	}
	p.expire(at(32))
	if p.streams != 0 || p.size != 0 {
		t.Errorf("%d streams, %d bytes left", p.streams, p.size)
	}
	p.add(at(40), k(1), &sh, protocol.Send{Seq: 7})
	if got := p.take(k(1)); len(got) != 1 || got[0].Seq != 7 || p.size != 0 || p.streams != 0 {
		t.Errorf("took %v, %d bytes left", got, p.size)
	}
	if n := sh.bytes.Load(); n != 0 || p.total.Load() != 0 || len(p.tags) != 0 {
		t.Errorf("%d bytes still counted of the tag, %d in all, %d tags known", n, p.total.Load(), len(p.tags))
	}
}
