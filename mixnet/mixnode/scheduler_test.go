package mixnode

import (
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/sphinx"
)

// offer queues n packets of a link and says how many were taken.
func offer(s *scheduler, l *inbound, size mixnet.PacketSize, n int) int {
	var bufs []*buffer
	for range n {
		bufs = append(bufs, &buffer{data: make([]byte, size.Total()), size: size, from: l, source: &l.own})
	}
	return s.push(&l.own, bufs)
}

// serve takes packets until n bytes were taken, and counts bytes by link.
func serve(s *scheduler, b *batch, n int) map[*inbound]int {
	got := make(map[*inbound]int)
	for n > 0 && s.bytes > 0 {
		s.take(b, nil)
		for i, p := range b.packets[:b.n] {
			got[b.links[i]] += len(p.data)
			n -= len(p.data)
		}
	}
	return got
}

// H15: "One link at ten times capacity costs honest links ≤ 1 %."
func TestH15FloodOfOneLink(t *testing.T) {
	const (
		capacity = 90 // packets a round
		honest   = 9  // links, of 9 packets a round each: 90 % of the capacity
	)
	s := newScheduler(2<<20, 256<<20)
	var b batch
	flood := someLink()
	var links []*inbound
	for range honest {
		links = append(links, someLink())
	}
	sent, lost, served := 0, 0, 0
	for range 200 {
		offer(s, flood, mixnet.Regular, 10*capacity)
		for _, l := range links {
			n := capacity / 10
			sent += n
			lost += n - offer(s, l, mixnet.Regular, n)
		}
		for l, bytes := range serve(s, &b, capacity*mixnet.Regular.Total()) {
			if l != flood {
				served += bytes / mixnet.Regular.Total()
			}
		}
	}
	if lost > sent/100 || served < sent*99/100 {
		t.Errorf("of %d honest packets %d were lost, %d served", sent, lost, served)
	}
	// Nor do they queue up: what honest links wait for is at most two rounds.
	for _, l := range links {
		if l.own.bytes > 2*capacity/10*mixnet.Regular.Total() {
			t.Errorf("%d bytes of an honest link wait", l.own.bytes)
		}
	}
}

// H15: "served round robin by bytes": big packets get no more bytes than small
// ones.
func TestH15RoundRobinByBytes(t *testing.T) {
	s := newScheduler(64<<20, 256<<20)
	var b batch
	links := map[*inbound]mixnet.PacketSize{
		someLink(): mixnet.AckSize, someLink(): mixnet.Regular, someLink(): mixnet.Extended8,
		someLink(): mixnet.Extended16, someLink(): mixnet.Extended32,
	}
	for l, size := range links {
		offer(s, l, size, 20<<20/size.Total())
	}
	const total = 50 << 20
	got := serve(s, &b, total)
	for l, size := range links {
		if share := float64(got[l]) / total; share < 0.19 || share > 0.21 {
			t.Errorf("%v packets got %.3f of the bytes, want 0.2", size, share)
		}
	}
}

// H15: "A link with many bad MACs is served last", and "closed only if its peer
// has not proved to be a node of the network".
func TestH15BadMACs(t *testing.T) {
	t.Run("node", func(t *testing.T) { testBadMACs(t, true) })
	t.Run("not proved", func(t *testing.T) { testBadMACs(t, false) })
}

func testBadMACs(t *testing.T, proved bool) {
	s := newScheduler(64<<20, 256<<20)
	good, bad := someLink(), someLink()
	bad.checked.Store(&checked{passes: true, node: proved})
	var b batch
	closed := false
	work := func() (fromBad, fromGood int) {
		closing, _ := s.take(&b, nil)
		for _, l := range closing {
			if l != bad {
				t.Fatal("the honest link is to be closed")
			}
			if closed {
				t.Fatal("closed twice")
			}
			closed = true
		}
		for i, l := range b.links[:b.n] {
			b.bad[i] = l == bad
			if l == bad {
				fromBad++
			} else {
				fromGood++
			}
		}
		return fromBad, fromGood
	}
	offer(s, bad, mixnet.AckSize, 3000)
	for range 2 * suspectAfter / sphinx.BatchSize {
		work()
	}
	if closed {
		t.Fatal("closed too early")
	}
	// Now it is served only when there is nothing else. The turn it is in ends first.
	offer(s, good, mixnet.AckSize, 2000)
	for range 10 {
		work()
	}
	for good.own.bytes > sphinx.BatchSize*mixnet.AckSize.Total() {
		if fromBad, fromGood := work(); fromBad > 0 || fromGood == 0 {
			t.Fatalf("a batch of %d honest packets and %d of the suspect link", fromGood, fromBad)
		}
	}
	for s.bytes > 0 && !closed {
		work()
	}
	if closed == proved {
		t.Errorf("closed: %v", closed)
	}
	if !bad.own.last {
		t.Error("not suspect in the end")
	}
	if good.own.last {
		t.Error("the honest link is suspect")
	}
}

// A link whose packets are good again is served in turn again.
func TestH15SuspicionFades(t *testing.T) {
	s := newScheduler(64<<20, 256<<20)
	l := someLink()
	for range suspectAfter {
		s.judge(l, true)
	}
	if !l.own.last {
		t.Fatal("not suspect")
	}
	for range suspectAfter {
		s.judge(l, false)
	}
	if l.own.last {
		t.Error("still suspect")
	}
}

// H15: "A bounded queue per inbound link" – and all together.
func TestH15QueuesAreBounded(t *testing.T) {
	size := mixnet.AckSize.Total()
	s := newScheduler(10*size, 25*size)
	a, b, c := someLink(), someLink(), someLink()
	for l, want := range map[*inbound]int{a: 10} {
		if got := offer(s, l, mixnet.AckSize, 20); got != want {
			t.Errorf("took %d, want %d", got, want)
		}
		if got := s.room(&l.own); got != 0 {
			t.Errorf("room for %d bytes, want none", got)
		}
	}
	if got := offer(s, b, mixnet.AckSize, 20); got != 10 {
		t.Errorf("second link: took %d, want 10", got)
	}
	if got := offer(s, c, mixnet.AckSize, 20); got != 5 {
		t.Errorf("third link: took %d, want 5", got)
	}
}

func TestSchedulerEnds(t *testing.T) {
	s := newScheduler(1<<20, 1<<20)
	l := someLink()
	offer(s, l, mixnet.AckSize, 10)
	s.close()
	var b batch
	n := 0
	for {
		if _, ok := s.take(&b, nil); !ok {
			break
		}
		n += b.n
	}
	if n != 10 {
		t.Errorf("served %d packets after close, want 10", n)
	}
}
