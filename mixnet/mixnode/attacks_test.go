package mixnode

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"testing"
	"time"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/wire"
)

// withTorsion adds a point of small order to a packet's α, which changes its
// bytes but not the shared secret.
func withTorsion(t *testing.T, packet []byte) []byte {
	t.Helper()
	out := bytes.Clone(packet)
	u, err := new(field.Element).SetBytes(out[:32])
	if err != nil {
		t.Fatal(err)
	}
	// y = (u-1)/(u+1) maps to Edwards coordinates; the point (0, -1) has order two.
	one := new(field.Element).One()
	y := new(field.Element).Subtract(u, one)
	y.Multiply(y, new(field.Element).Invert(new(field.Element).Add(u, one)))
	p, err := new(edwards25519.Point).SetBytes(y.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	minusOne := new(field.Element).Negate(one)
	order2, err := new(edwards25519.Point).SetBytes(minusOne.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	copy(out, p.Add(p, order2).BytesMontgomery())
	if bytes.Equal(out, packet) {
		t.Fatal("the torsion point changed nothing")
	}
	return out
}

// H08: "One packet in eight copies in one batch, with bit 255 of α set, with a
// torsion point added, under odd/even/unknown rotation, in v7 and v8 frames,
// with another payload: exactly one passes."
func TestH08Copies(t *testing.T) {
	type frames = []wire.Frame
	for name, disguise := range map[string]func(t *testing.T, p []byte) frames{
		"eight copies": func(t *testing.T, p []byte) (f frames) {
			for range 8 {
				f = append(f, odd(p))
			}
			return f
		},
		"bit 255 of α": func(t *testing.T, p []byte) frames {
			q := bytes.Clone(p)
			q[31] ^= 0x80
			return frames{odd(p), odd(q)}
		},
		"torsion": func(t *testing.T, p []byte) frames { return frames{odd(p), odd(withTorsion(t, p))} },
		"rotations": func(t *testing.T, p []byte) frames {
			return frames{{Rotation: 0, Packet: p}, {Rotation: 1, Packet: p}, {Rotation: 2, Packet: p}}
		},
		"another payload": func(t *testing.T, p []byte) frames {
			q := bytes.Clone(p)
			rand.Read(q[sphinx.HeaderSize:])
			return frames{odd(p), odd(q)}
		},
		"another size": func(t *testing.T, p []byte) frames {
			return frames{odd(p), odd(append(bytes.Clone(p), make([]byte, mixnet.Extended8.Total()-len(p))...))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := newTestNet(t, false)
				other := keys.NewSphinxKey()
				node, stop := n.node(mix1, func(c *Config) {
					c.Keys = Keys{Primary: Key{Rotation: 7, Key: n.keys[mix1]}, Secondary: Key{Rotation: 6, Key: other}}
				})
				next := n.sink(mix2)
				l := n.link(n.host(entry), mix1)
				packet := n.packet(mixnet.Regular, 20*time.Millisecond, mix1, mix2, mix3, exit)
				copies := disguise(t, packet)
				l.send(wire.V8, copies...)
				l.send(wire.V7, copies...)
				time.Sleep(time.Second)
				l.send(wire.V8, copies...) // and once more, later, on another link
				l2 := n.link(n.host(exit), mix1)
				l2.send(wire.V8, copies...)
				if got := len(next.Take(time.Second)); got != 1 {
					t.Errorf("%d copies passed, want 1", got)
				}
				d := node.Stats().Dropped
				if want := uint64(4*len(copies) - 1); d[DropReplayed]+d[DropMAC] != want || d[DropMAC] > 3 {
					t.Errorf("%d replayed and %d wrong MACs, want %d in all", d[DropReplayed], d[DropMAC], want)
				}
				l.c.Close()
				l2.c.Close()
				stop()
				next.Stop()
			})
		})
	}
}

// nodes.md §3.4: "rotation odd/even → the key with that parity (current,
// previous-in-overlap or pre-announced), none → drop as "expired"; unknown → try
// the current key, and if the header MAC fails, the secondary key". A packet
// seen stays seen while its key is held, in whatever place.
func TestRotationOfKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		k7, k8, k9 := n.keys[mix1], keys.NewSphinxKey(), keys.NewSphinxKey()
		node, stop := n.node(mix1, func(c *Config) { c.Keys = Keys{Primary: Key{Rotation: 7, Key: k7}} })
		next := n.sink(mix2)
		l := n.link(n.host(entry), mix1)
		under := func(k *keys.SphinxKey) []byte {
			return n.build(sphinx.Job{Route: []sphinx.Hop{
				{Addr: n.addrs[mix1], Key: k.Public()}, {Addr: n.addrs[mix2], Key: n.keys[mix2].Public()},
			}}, mixnet.AckSize)
		}
		try := func(what string, p []byte, r mixnet.Rotation, passes bool) {
			t.Helper()
			l.send(wire.V8, wire.Frame{Rotation: r, Packet: p})
			if got := len(next.Take(time.Second)); got != 0 != passes {
				t.Errorf("%s: %d packets passed", what, got)
			}
		}
		const unknown, odd, even = mixnet.RotationUnknown, mixnet.RotationOdd, mixnet.RotationEven
		old := under(k7)
		try("7 as odd", old, odd, true)
		try("7 as even", under(k7), even, false)
		try("7 as unknown", under(k7), unknown, true)
		try("8 before its time", under(k8), unknown, false)

		set := func(k Keys) {
			t.Helper()
			if err := node.SetKeys(k); err != nil {
				t.Fatal(err)
			}
		}
		set(Keys{Primary: Key{Rotation: 7, Key: k7}, Secondary: Key{Rotation: 8, Key: k8}}) // 8 pre-announced
		first8 := under(k8)
		try("8 pre-announced as even", first8, even, true)
		try("8 pre-announced as unknown", under(k8), unknown, true)
		try("7 again", old, odd, false)

		set(Keys{Primary: Key{Rotation: 8, Key: k8}, Secondary: Key{Rotation: 7, Key: k7}}) // 8 current, 7 in overlap
		try("7 in overlap", under(k7), odd, true)
		try("7 again in overlap", old, odd, false)
		try("7 again in overlap as unknown", old, unknown, false)
		try("8 again", first8, even, false)

		set(Keys{Primary: Key{Rotation: 8, Key: k8}, Secondary: Key{Rotation: 9, Key: k9}}) // 7 is gone
		k7.Wipe()
		try("7 after its end", under(keys.NewSphinxKey()), odd, false)
		try("9 as odd", under(k9), odd, true)
		try("8 once more", first8, even, false)
		if got := node.Stats().ReplayTags; got != 3 {
			t.Errorf("%d tags remembered, want the three under keys still held", got)
		}
		if err := node.SetKeys(Keys{Secondary: Key{Rotation: 8, Key: k8}}); err == nil {
			t.Error("took keys without a primary one")
		}
		l.c.Close()
		stop()
		next.Stop()
	})
}

// Rotation ids and the parities they serve; id 0 is even for a node.
func TestKeyServes(t *testing.T) {
	for _, c := range []struct {
		id   uint32
		want [3]bool // unknown, odd, even
	}{
		{0, [3]bool{true, false, true}},
		{1, [3]bool{true, true, false}},
		{2, [3]bool{true, false, true}},
		{NoRotation, [3]bool{true, true, true}},
	} {
		for r, want := range c.want {
			if got := (Key{Rotation: c.id}).serves(mixnet.Rotation(r)); got != want {
				t.Errorf("id %d, %v: got %v, want %v", c.id, mixnet.Rotation(r), got, want)
			}
		}
	}
}

// H07: "Packets of versions 1, 256 and 257 are dropped after the MAC check
// unless allow_legacy_clients is on".
func TestH07LegacyVersions(t *testing.T) {
	var v struct {
		Private vectest.Hex `json:"sphinx_private"`
		Packet  vectest.Hex `json:"packet"`
	}
	vectest.Read(t, "legacy.json", &v)
	private, packet := v.Private, v.Packet
	for allowed, want := range map[bool]DropReason{false: DropVersion, true: DropUnknownNext} {
		bubble(t, func(t *testing.T) {
			n := newTestNet(t, false)
			node, stop := n.node(mix1, func(c *Config) {
				c.AllowLegacy = allowed
				c.Keys.Primary.Key = keys.SphinxKeyFromBytes([32]byte(private))
			})
			l := n.link(n.host(entry), mix1)
			l.send(wire.V8, odd(packet))
			time.Sleep(time.Second)
			wantDrops(t, node, map[DropReason]uint64{want: 1})
			l.c.Close()
			stop()
		})
	}
}

func TestReasonOf(t *testing.T) {
	for err, want := range map[error]DropReason{
		sphinx.ErrLowOrder: DropLowOrder, sphinx.ErrMAC: DropMAC, sphinx.ErrVersion: DropVersion,
		sphinx.ErrPayload: DropPayload, sphinx.ErrMalformed: DropHeader,
		errReplayed: DropReplayed, errReplayFull: DropReplayFull, errors.New("other"): DropHeader,
	} {
		if got := reasonOf(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
	for err, want := range map[error]DropReason{
		link.ErrQueueFull: DropOutboundFull, link.ErrUnreachable: DropUnreachable,
		link.ErrTooMany: DropUnreachable, link.ErrClosed: DropShutdown,
	} {
		if got := reasonNotSent(err); got != want {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
}

// H15: a link that floods is rested and loses packets of its own; another's
// packets all pass. One of a node of the network stays, one of a stranger does not.
func TestH15FloodOnOneLink(t *testing.T) {
	t.Run("node", func(t *testing.T) { testFlood(t, true) })
	t.Run("stranger", func(t *testing.T) { testFlood(t, false) })
}

func testFlood(t *testing.T, proved bool) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		node, stop := n.node(mix1, func(c *Config) { c.QueueBytes = 64 << 10 })
		next := n.sink(mix2)
		from := n.net.Host("198.51.100.9")
		if proved {
			from = n.host(exit)
		}
		flood, honest := n.link(from, mix1), n.link(n.host(entry), mix1)
		var b []byte
		junk := make([]byte, mixnet.AckSize.Total())
		for range 2000 {
			b, _ = wire.AppendFrame(b, wire.V8, odd(junk))
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := flood.c.Write(b); err != nil {
					return
				}
			}
		}()
		const packets = 50
		for range packets {
			honest.send(wire.V8, odd(n.packet(mixnet.AckSize, 0, mix1, mix2, mix3, exit)))
			time.Sleep(20 * time.Millisecond)
		}
		if got := len(next.Take(time.Second)); got != packets {
			t.Errorf("%d of %d honest packets passed", got, packets)
		}
		open := 2
		if !proved { // the flood had wrong MACs only: its link is closed
			<-done
			open = 1
		}
		d := node.Stats().Dropped
		if d[DropMAC]+d[DropLowOrder] < closeAfter {
			t.Errorf("dropped %v", d)
		}
		if got := node.Stats().Server.Open; got != open {
			t.Errorf("%d links open, want %d", got, open)
		}
		flood.c.Close()
		<-done
		honest.c.Close()
		stop()
		next.Stop()
	})
}

// H16: "A packet never leaves before its deadline: … not at shutdown (wait, then drop)".
func TestH16Shutdown(t *testing.T) {
	for _, c := range []struct {
		drain time.Duration
		left  int // of packets that wait 100 ms, 1 s and 9 s
		took  time.Duration
	}{
		{0, 3, 9 * time.Second},
		{2 * time.Second, 2, 2 * time.Second},
		{-1, 0, 0},
	} {
		bubble(t, func(t *testing.T) {
			n := newTestNet(t, false)
			node, stop := n.node(mix1, func(cfg *Config) { cfg.DrainTimeout = c.drain })
			next := n.sink(mix2)
			l := n.link(n.host(entry), mix1)
			start := time.Now()
			delays := []time.Duration{100 * time.Millisecond, time.Second, 9 * time.Second}
			for _, d := range delays {
				l.send(wire.V8, odd(n.packet(mixnet.AckSize, d, mix1, mix2, mix3, exit)))
			}
			time.Sleep(20 * time.Millisecond)
			if got := node.Stats().Delayed; got != 3 {
				t.Fatalf("%d packets in the wheel, want 3", got)
			}
			stop()
			if got := time.Since(start); got < c.took || got > c.took+time.Second {
				t.Errorf("drain %v: ended after %v, want %v", c.drain, got, c.took)
			}
			got := next.Take(time.Second)
			if len(got) != c.left {
				t.Errorf("drain %v: %d packets left, want %d", c.drain, len(got), c.left)
			}
			for i, a := range got {
				if early := start.Add(delays[i]).Sub(a.At); early > 0 {
					t.Errorf("drain %v: packet %d left %v early", c.drain, i, early)
				}
			}
			wantDrops(t, node, map[DropReason]uint64{DropShutdown: uint64(3 - c.left)})
			l.c.Close()
			next.Stop()
		})
	}
}

// Whatever bytes a link brings, the node lives on, keeps no goroutine and
// serves others.
func TestHostileBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		node, stop := n.node(mix1, nil)
		next := n.sink(mix2)
		rng := mrand.NewChaCha8([32]byte{1})
		good, _ := wire.AppendFrame(nil, wire.V8, odd(n.packet(mixnet.AckSize, 0, mix1, mix2, mix3, exit)))
		for i := range 100 {
			junk := make([]byte, 1+rng.Uint64()%5000)
			rng.Read(junk)
			switch i % 4 {
			case 0: // a frame's header, then junk
				copy(junk, []byte{8, byte(1 + i%5), 0, byte(i % 3)})
			case 1: // a good frame, then junk
				junk = append(bytes.Clone(good), junk...)
			case 2: // a frame cut short
				junk = good[:1+i*3]
			}
			c, err := n.host(entry).DialContext(t.Context(), "tcp", n.addrs[mix1].String())
			if err != nil {
				t.Fatal(err)
			}
			c.Write(junk)
			time.Sleep(50 * time.Millisecond)
			c.Close()
		}
		time.Sleep(time.Second)
		if got := len(next.Take(0)); got != 1 {
			t.Errorf("%d packets passed, want the one good one", got)
		}
		l := n.link(n.host(entry), mix1)
		l.send(wire.V8, odd(n.packet(mixnet.AckSize, 0, mix1, mix2, mix3, exit)))
		if got := len(next.Take(time.Second)); got != 1 {
			t.Errorf("%d packets passed at last, want 1", got)
		}
		if s := node.Stats(); s.Server.Open != 1 {
			t.Errorf("%d links open, want 1", s.Server.Open)
		}
		l.c.Close()
		stop()
		next.Stop()
	})
}

// H37: "Pooled buffers never leave beyond their length". Every buffer holds a
// canary before a packet is put there; none of it comes out.
func TestH37BuffersDoNotLeak(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		poison := func(node *Node) {
			for size := mixnet.Regular; size <= mixnet.Extended16; size++ {
				node.buffers.pools[size].New = func() any {
					return &buffer{data: bytes.Repeat([]byte{0xcc}, size.Total()), size: size}
				}
			}
		}
		var c collector
		gw, stopGW := n.node(exit, func(cfg *Config) { cfg.Deliver = c.deliver })
		poison(gw)
		mix, stop := n.node(mix1, nil)
		poison(mix)
		next := n.sink(mix2)
		l, lg := n.link(n.host(entry), mix1), n.link(n.host(mix3), exit)
		for size := mixnet.Regular; size <= mixnet.Extended16; size++ {
			packet := n.packet(size, time.Millisecond, mix1, mix2, mix3, exit)
			want := n.strip(mix1, packet).Data
			l.send(wire.V8, odd(packet))
			got := next.Take(time.Second)
			if len(got) != 1 || !bytes.Equal(got[0].Packet, want) {
				t.Errorf("%v: another packet came out", size)
			}
			lg.send(wire.V8, odd(n.packet(size, 0, exit)))
		}
		time.Sleep(time.Second)
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.got) != 5 {
			t.Errorf("delivered %d packets, want 5", len(c.got))
		}
		for _, d := range c.got {
			if string(d.Message) != "hello" || cap(d.Message) > d.Size.Total() {
				t.Errorf("delivered %q", d.Message)
			}
		}
		l.c.Close()
		lg.c.Close()
		stop()
		stopGW()
		next.Stop()
	})
}

// A delivered message is the receiver's until it is released, whatever comes
// meanwhile.
func TestDeliveredIsOwned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		var kept []Delivered
		node, stop := n.node(exit, func(c *Config) {
			c.Workers = 1
			c.Deliver = func(d Delivered) { kept = append(kept, d) }
		})
		l := n.link(n.host(mix3), exit)
		hops := []sphinx.Hop{{Addr: n.addrs[exit], Key: n.keys[exit].Public()}}
		for i := range 50 {
			l.send(wire.V8, odd(n.build(sphinx.Job{Route: hops, Dest: n.client, Message: []byte{byte(i)}}, mixnet.AckSize)))
		}
		time.Sleep(time.Second)
		stop()
		if len(kept) != 50 {
			t.Fatalf("delivered %d, want 50", len(kept))
		}
		for i := range kept {
			if !bytes.Equal(kept[i].Message, []byte{byte(i)}) {
				t.Errorf("message %d is %x", i, kept[i].Message)
			}
			kept[i].Release()
			kept[i].Release() // no harm
			if kept[i].Message != nil {
				t.Error("a released message is still to be had")
			}
		}
		if got := node.Stats().Delivered; got != 50 {
			t.Errorf("counted %d", got)
		}
		l.c.Close()
	})
}

// A topology that changes is followed without a restart.
func TestTopologyChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		_, stop := n.node(mix1, nil)
		next := n.sink(mix2)
		l := n.link(n.host(entry), mix1)
		l.send(wire.V8, odd(n.packet(mixnet.AckSize, 0, mix1, mix2, mix3, exit)))
		if got := len(next.Take(time.Second)); got != 1 {
			t.Fatalf("%d packets passed, want 1", got)
		}
		// Layers 2 and 3 change places.
		n.addrs[mix2], n.addrs[mix3] = n.addrs[mix3], n.addrs[mix2]
		topo := n.topology()
		n.addrs[mix2], n.addrs[mix3] = n.addrs[mix3], n.addrs[mix2]
		n.change(topo)
		l.send(wire.V8, odd(n.packet(mixnet.AckSize, 0, mix1, mix2, mix3, exit)))
		if got := len(next.Take(time.Second)); got != 0 {
			t.Errorf("%d packets passed to what is layer 3 now", got)
		}
		l.c.Close()
		stop()
		next.Stop()
	})
}

// A listener that fails ends the node.
func TestRunEndsWithItsListener(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		node, err := New(Config{Keys: Keys{Primary: Key{Rotation: NoRotation, Key: n.keys[mix1]}}, Topology: n.current})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := n.net.Listen("192.0.2.1:1789")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		if err := node.Run(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	})
}

// H17: "Strangers share one small budget": one queue for all of them. Whoever
// is in the topology has its own, from the moment it is there.
func TestH17StrangersShareOneQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		topo := n.current()
		n.change(nil)
		node, stop := n.node(mix1, func(c *Config) { c.DelayQuota = 7 * mixnet.AckSize.Total() / 2 })
		next := n.sink(mix2)
		known := n.link(n.host(entry), mix1)
		known.send(wire.V8, odd(n.packet(mixnet.AckSize, 0, mix1, mix2, mix3, exit)))
		if got := len(next.Take(time.Second)); got != 0 {
			t.Fatalf("%d packets passed without a topology", got)
		}
		n.change(topo)
		var strangers []*sender
		for i := range 3 {
			l := n.link(n.net.Host(fmt.Sprintf("198.51.100.%d", i+1)), mix1)
			strangers = append(strangers, l)
			for range 3 {
				l.send(wire.V8, odd(n.packet(mixnet.AckSize, time.Second, mix1, mix2, mix3, exit)))
			}
		}
		for range 3 {
			known.send(wire.V8, odd(n.packet(mixnet.AckSize, time.Second, mix1, mix2, mix3, exit)))
		}
		if got := len(next.Take(3 * time.Second)); got != 6 {
			t.Errorf("%d packets passed, want three of a node and three of all strangers", got)
		}
		wantDrops(t, node, map[DropReason]uint64{DropUnknownNext: 1, DropDelayQuota: 6})
		for _, l := range append(strangers, known) {
			l.c.Close()
		}
		stop()
		next.Stop()
	})
}
