package mixnode

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/wire"
)

// A fakeLog is a disk.
type fakeLog struct {
	lost   bool // not clean
	prompt bool // Append does not wait

	mu    sync.Mutex
	tags  []ReplayTag
	calls int
	takes time.Duration // for each Append
	err   error         // of each Append
}

func (l *fakeLog) Clean() bool { return !l.lost }
func (l *fakeLog) Waits() bool { return !l.prompt }

func (l *fakeLog) Load(see func(ReplayTag)) error {
	for _, t := range l.tags {
		see(t)
	}
	return nil
}

func (l *fakeLog) Append(tags []ReplayTag) error {
	l.mu.Lock()
	takes := l.takes
	l.mu.Unlock()
	time.Sleep(takes)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	if l.err == nil {
		l.tags = append(l.tags, tags...)
	}
	return l.err
}

func (l *fakeLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *fakeLog) count() (tags, calls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tags), l.calls
}

// H18: "tags reach disk before their packets leave". Here the
// disk takes half a second.
func TestH18TagsReachDiskFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		log := &fakeLog{takes: 500 * time.Millisecond}
		node, stop := n.node(mix1, func(c *Config) { c.Keys.Primary.Log = log })
		next := n.sink(mix2)
		l := n.link(n.host(entry), mix1)
		start := time.Now()
		delays := []time.Duration{0, 100 * time.Millisecond, 2 * time.Second}
		for _, d := range delays {
			l.send(wire.V8, odd(n.packet(mixnet.Regular, d, mix1, mix2)))
		}
		if got := next.Take(499 * time.Millisecond); len(got) != 0 {
			t.Errorf("%d packets left before their tags were on disk", len(got))
		}
		got := next.Take(3 * time.Second)
		if len(got) != len(delays) {
			t.Fatalf("%d packets left, want %d", len(got), len(delays))
		}
		// Those that came while the disk was busy wait for the next write, and the
		// last is not late for having waited.
		if at := got[2].At.Sub(start); at < delays[2] || at > delays[2]+20*time.Millisecond {
			t.Errorf("the last left after %v, want %v", at, delays[2])
		}
		if tags, _ := log.count(); tags != len(delays) {
			t.Errorf("%d tags in the log, want %d", tags, len(delays))
		}
		wantDrops(t, node, nil)
		l.c.Close()
		stop()
		next.Stop()
	})
}

// H18: "Replay tags reach the kernel before their packets leave". A log that does
// not wait is written to at once, also by gateways, and the packet leaves then.
func TestH18TagsReachTheKernelFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		log := &fakeLog{prompt: true, takes: 500 * time.Millisecond} // so long does writing take here
		node, stop := n.node(mix1, func(c *Config) { c.Keys.Primary.Log = log })
		next := n.sink(mix2)
		exitLog := &fakeLog{prompt: true}
		var c collector
		_, stopExit := n.node(exit, func(cfg *Config) { cfg.Deliver, cfg.Keys.Primary.Log = c.deliver, exitLog })
		l, last := n.link(n.host(entry), mix1), n.link(n.host(mix3), exit)
		l.send(wire.V8, odd(n.packet(mixnet.Regular, 0, mix1, mix2)))
		last.send(wire.V8, odd(n.packet(mixnet.Regular, 0, exit)))
		if got := next.Take(499 * time.Millisecond); len(got) != 0 {
			t.Errorf("%d packets left before their tags were written", len(got))
		}
		if got := next.Take(100 * time.Millisecond); len(got) != 1 {
			t.Errorf("%d packets left once their tags were written, want 1", len(got))
		}
		for _, log := range []*fakeLog{log, exitLog} {
			if tags, calls := log.count(); tags != 1 || calls != 1 {
				t.Errorf("%d tags in %d calls, want one in one", tags, calls)
			}
		}
		c.mu.Lock()
		if len(c.got) != 1 {
			t.Errorf("%d delivered, want one", len(c.got))
		}
		c.mu.Unlock()
		wantDrops(t, node, nil)
		l.c.Close()
		last.c.Close()
		stop()
		stopExit()
		next.Stop()
	})
}

// A gateway's messages too wait for their tags.
func TestH18TagsReachDiskBeforeDelivery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		log := &fakeLog{takes: 500 * time.Millisecond}
		var c collector
		_, stop := n.node(exit, func(cfg *Config) { cfg.Deliver, cfg.Keys.Primary.Log = c.deliver, log })
		delivered := func() int {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.got)
		}
		l := n.link(n.host(mix3), exit)
		l.send(wire.V8, odd(n.packet(mixnet.Regular, 0, exit)))
		time.Sleep(450 * time.Millisecond)
		if got := delivered(); got != 0 {
			t.Errorf("%d delivered before their tags were on disk", got)
		}
		time.Sleep(time.Second)
		if got := delivered(); got != 1 || string(c.got[0].Message) != "hello" {
			t.Errorf("%d delivered, want one", got)
		}
		l.c.Close()
		stop()
	})
}

// H18: "one write per few milliseconds", however many packets there are.
func TestH18WritesAreShared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		log := new(fakeLog)
		_, stop := n.node(mix1, func(c *Config) { c.Keys.Primary.Log = log })
		next := n.sink(mix2)
		l := n.link(n.host(entry), mix1)
		const packets, every = 200, 200 * time.Microsecond
		for range packets {
			l.send(wire.V8, odd(n.packet(mixnet.AckSize, 0, mix1, mix2)))
			time.Sleep(every)
		}
		if got := len(next.Take(time.Second)); got != packets {
			t.Errorf("%d packets left, want %d", got, packets)
		}
		tags, calls := log.count()
		if most := int(packets*every/recordEvery) + 2; tags != packets || calls > most {
			t.Errorf("%d tags in %d writes, want %d in at most %d", tags, calls, packets, most)
		}
		l.c.Close()
		stop()
		next.Stop()
	})
}

// nodes.md §3.5: "Persist it or rotate the Sphinx key on restart, otherwise a
// restart opens a replay window." Without a log it does.
func TestH18ReplayAfterRestart(t *testing.T) {
	for _, log := range []ReplayLog{nil, new(fakeLog), &fakeLog{prompt: true}} {
		bubble(t, func(t *testing.T) {
			n := newTestNet(t, false)
			next := n.sink(mix2)
			p := n.packet(mixnet.Regular, 30*time.Millisecond, mix1, mix2)
			var passed []int
			for range 2 {
				_, stop := n.node(mix1, func(c *Config) { c.Keys.Primary.Log = log })
				l := n.link(n.host(entry), mix1)
				l.send(wire.V8, odd(p), odd(n.packet(mixnet.Regular, 0, mix1, mix2)))
				passed = append(passed, len(next.Take(time.Second)))
				l.c.Close()
				stop()
			}
			want := []int{2, 2}
			if log != nil {
				want = []int{2, 1}
			}
			if !slices.Equal(passed, want) {
				t.Errorf("with log %t: %v packets passed, want %v", log != nil, passed, want)
			}
			next.Stop()
		})
	}
}

// H18: "After an unclean end that may have lost some, the node takes a new Sphinx
// key and refuses the old."
func TestH18UncleanLogIsRefused(t *testing.T) {
	bad := Key{Rotation: 7, Key: keys.NewSphinxKey(), Log: &fakeLog{lost: true}}
	good := Key{Rotation: 8, Key: keys.NewSphinxKey(), Log: new(fakeLog)}
	var r keyring
	r.newFilter = func() *filter { return newFilter(1 << 20) }
	for _, k := range []Keys{{Primary: bad}, {Primary: good, Secondary: bad}} {
		if err := r.set(k); !errors.Is(err, ErrTagsLost) {
			t.Errorf("got %v, want ErrTagsLost", err)
		}
		if r.slots[0].Key.Key != nil {
			t.Error("a key is in use nevertheless")
		}
	}
	if err := r.set(Keys{Primary: good, Secondary: good}); err != nil || r.slots[0].seen != r.slots[1].seen {
		t.Errorf("one key in both places: %v, or two filters", err)
	}
	tags := make([]ReplayTag, filterShards*firstTable*2)
	for i := range tags {
		tags[i] = ReplayTag{byte(i), byte(i >> 8), byte(i >> 16)}
	}
	r.newFilter = func() *filter { return newFilter(1) }
	full := Key{Key: keys.NewSphinxKey(), Log: &fakeLog{tags: tags}}
	if err := r.set(Keys{Primary: full}); err == nil {
		t.Error("a log with more tags than there is room for was taken")
	}
}

// H18: "No bypass for anybody": what cannot be written does not leave, nor does
// it later; when the disk is back, others pass. A log that was closed belongs to
// a key that is no more.
func TestH18FailingLogRefuses(t *testing.T) {
	for _, c := range []struct {
		why    DropReason
		err    error
		prompt bool
	}{
		{DropReplayLog, errors.New("disk on fire"), false},
		{DropReplayLog, errors.New("disk on fire"), true},
		{DropExpired, fmt.Errorf("append: %w", fs.ErrClosed), false},
		{DropExpired, fmt.Errorf("append: %w", fs.ErrClosed), true},
	} {
		bubble(t, func(t *testing.T) {
			n := newTestNet(t, false)
			log := &fakeLog{err: c.err, prompt: c.prompt}
			node, stop := n.node(mix1, func(c *Config) { c.Keys.Primary.Log = log })
			next := n.sink(mix2)
			l := n.link(n.host(entry), mix1)
			var packets []wire.Frame
			for i := range 4 {
				packets = append(packets, odd(n.packet(mixnet.Regular, time.Duration(i)*time.Millisecond, mix1, mix2)))
			}
			l.send(wire.V8, packets...)
			if got := next.Take(time.Second); len(got) != 0 {
				t.Errorf("%d packets left without a trace", len(got))
			}
			log.fail(nil)
			l.send(wire.V8, packets[0], odd(n.packet(mixnet.Regular, 0, mix1, mix2)))
			if got := next.Take(time.Second); len(got) != 1 {
				t.Errorf("%d packets left when the disk was back, want 1", len(got))
			}
			wantDrops(t, node, map[DropReason]uint64{c.why: 4, DropReplayed: 1})
			l.c.Close()
			stop()
			next.Stop()
		})
	}
}

// What waits for the disk when the node ends still goes on its way.
func TestHeldPacketsLeaveAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		_, stop := n.node(mix1, func(c *Config) { c.Keys.Primary.Log = &fakeLog{takes: time.Second} })
		next := n.sink(mix2)
		l := n.link(n.host(entry), mix1)
		for range 3 { // the first is being written, the others wait
			l.send(wire.V8, odd(n.packet(mixnet.Regular, 100*time.Millisecond, mix1, mix2)))
			time.Sleep(100 * time.Millisecond)
		}
		stop()
		if got := next.Take(time.Second); len(got) != 3 {
			t.Errorf("%d packets left, want 3", len(got))
		}
		l.c.Close()
		next.Stop()
	})
}

// What waits for a disk that hangs is bounded.
func TestHeldPacketsAreBounded(t *testing.T) {
	n := &Node{}
	r := &recorder{node: n, wake: make(chan struct{}, 1)}
	w := &worker{node: n}
	const size = recordBytes / 4
	for range 6 {
		b := &buffer{data: make([]byte, size), size: mixnet.Regular}
		w.held = append(w.held, held{b: b, seen: newFilter(1), tag: replayTag(new([sphinx.TagSize]byte))})
	}
	r.push(w)
	if len(r.held) != 4 || r.bytes != recordBytes || w.dropped[DropReplayLog] != 2 || len(w.held) != 0 {
		t.Errorf("%d held with %d bytes, %d dropped; want 4, %d, 2", len(r.held), r.bytes, w.dropped[DropReplayLog], recordBytes)
	}
}
