package mixnode

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"nym-socks5/internal/runtest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// collector is a gateway's Deliver.
type collector struct {
	mu  sync.Mutex
	got []Delivered // with copies of the messages
}

func (c *collector) deliver(d Delivered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keep := d
	keep.Message = bytes.Clone(d.Message)
	d.Release()
	c.got = append(c.got, keep)
}

// Three mixes pass packets of every size from one gateway to the other, plain
// and over Noise, keeping size and rotation.
func TestThreeMixes(t *testing.T) {
	for _, noise := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			n := newTestNet(t, noise)
			var stops []func()
			for _, at := range []int{mix1, mix2, mix3} {
				_, stop := n.node(at, nil)
				stops = append(stops, stop)
			}
			var c collector
			out, stop := n.node(exit, func(cfg *Config) { cfg.Deliver = c.deliver })
			stops = append(stops, stop)
			in, stop := n.node(entry, func(cfg *Config) { cfg.Deliver = c.deliver })
			stops = append(stops, stop)

			var want []mixnet.PacketSize
			for i := range 50 {
				size := mixnet.PacketSize(i%5 + 1)
				want = append(want, size)
				if !in.Forward(n.addrs[mix1], mixnet.RotationEven, n.packet(size, 50*time.Millisecond, mix1, mix2, mix3, exit)) {
					t.Error("the entry refused a packet")
				}
			}
			time.Sleep(time.Second)
			var got []mixnet.PacketSize
			c.mu.Lock()
			for _, d := range c.got {
				if string(d.Message) != "hello" || d.Dest != n.client || d.Rotation != mixnet.RotationEven {
					t.Errorf("got %q for %v, %v", d.Message, d.Dest, d.Rotation)
				}
				got = append(got, d.Size)
			}
			c.mu.Unlock()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got sizes %v, want %v", got, want)
			}
			if s := out.Stats(); s.Delivered != 50 || s.Received != 50 || s.Delayed != 0 {
				t.Errorf("exit: %+v", s)
			}
			wantDrops(t, out, nil)
			wantDrops(t, in, nil)
			for _, stop := range stops {
				stop()
			}
		})
	}
}

// nodes.md §3.4: "delay = 8-byte big-endian nanoseconds …, clamped to 10 s;
// hold, then send"; sphinx.md §3.10: "zero or already-elapsed delays forward
// immediately".
func TestDelays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		node, stop := n.node(mix1, nil)
		next := n.sink(mix2)
		l := n.link(n.host(entry), mix1)
		warm := n.packet(mixnet.AckSize, 0, mix1, mix2, mix3, exit)
		l.send(wire.V8, odd(warm))
		next.Take(time.Second)
		for _, c := range []struct{ ask, want time.Duration }{
			{0, 0},
			{1, time.Millisecond},
			{50 * time.Millisecond, 50 * time.Millisecond},
			{10 * time.Second, 10 * time.Second},
			{11 * time.Second, 10 * time.Second},
			{math.MaxInt64, 10 * time.Second},
		} {
			start := time.Now()
			l.send(wire.V8, odd(n.packet(mixnet.AckSize, c.ask, mix1, mix2, mix3, exit)))
			got := next.Take(15 * time.Second)
			if len(got) != 1 {
				t.Fatalf("delay %v: got %d packets", c.ask, len(got))
			}
			const way = 20 * time.Millisecond
			if d := got[0].At.Sub(start) - way; d < c.want || d > c.want+wheelTick {
				t.Errorf("asked for %v: waited %v, want %v", c.ask, d, c.want)
			}
		}
		if s := node.Stats(); s.Forwarded != 7 || s.Delayed != 0 || s.DelayedBytes != 0 {
			t.Errorf("got %+v", s)
		}
		l.c.Close()
		stop()
		next.Stop()
	})
}

// nodes.md §3.4: "then send with the same packet type and rotation byte"; v7
// frames read as unknown.
func TestRotationIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		_, stop := n.node(mix1, nil)
		next := n.sink(mix2)
		l := n.link(n.host(entry), mix1)
		for r := mixnet.RotationUnknown; r <= mixnet.RotationEven; r++ {
			packet := n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit)
			want := n.strip(mix1, packet).Data
			l.send(wire.V8, wire.Frame{Rotation: r, Packet: packet})
			got := next.Take(time.Second)
			if len(got) != 1 || got[0].Rotation != r || !bytes.Equal(got[0].Packet, want) {
				t.Errorf("%v: got %d packets", r, len(got))
			}
		}
		l.send(wire.V7, odd(n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit)))
		if got := next.Take(time.Second); len(got) != 1 || got[0].Rotation != mixnet.RotationUnknown {
			t.Errorf("v7: got %d packets", len(got))
		}
		l.c.Close()
		stop()
		next.Stop()
	})
}

// Every reason for which a mix node or a gateway drops a packet by itself.
func TestDropReasons(t *testing.T) {
	for _, c := range []struct {
		name   string
		place  int
		change func(*Config)
		make   func(n *testNet) []wire.Frame
		before func(*Node)
		from   int
		want   map[DropReason]uint64
	}{
		{
			name: "MAC", place: mix1, from: entry,
			make: func(n *testNet) []wire.Frame {
				p := n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit)
				p[100] ^= 1
				return []wire.Frame{odd(p), odd(n.packet(mixnet.Regular, 0, mix2, mix3, exit))}
			},
			want: map[DropReason]uint64{DropMAC: 2},
		},
		{
			name: "low order", place: mix1, from: entry,
			make: func(n *testNet) []wire.Frame {
				p := n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit)
				clear(p[:32])
				return []wire.Frame{odd(p)}
			},
			want: map[DropReason]uint64{DropLowOrder: 1},
		},
		{
			name: "expired", place: mix1, from: entry,
			change: func(c *Config) { c.Keys.Primary.Rotation = 6 },
			make: func(n *testNet) []wire.Frame {
				return []wire.Frame{odd(n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit))}
			},
			want: map[DropReason]uint64{DropExpired: 1},
		},
		{
			name: "final hop at a mix", place: mix1, from: entry,
			make: func(n *testNet) []wire.Frame { return []wire.Frame{odd(n.packet(mixnet.Regular, 0, mix1))} },
			want: map[DropReason]uint64{DropFinal: 1},
		},
		{
			name: "forward hop at a gateway", place: exit, from: mix3,
			change: func(c *Config) { c.Deliver = func(d Delivered) { d.Release() } },
			make:   func(n *testNet) []wire.Frame { return []wire.Frame{odd(n.packet(mixnet.Regular, 0, exit, mix1))} },
			want:   map[DropReason]uint64{DropForward: 1},
		},
		{
			name: "payload", place: exit, from: mix3,
			change: func(c *Config) { c.Deliver = func(d Delivered) { d.Release() } },
			make: func(n *testNet) []wire.Frame {
				p := n.packet(mixnet.Regular, 0, exit)
				p[len(p)-1] ^= 1
				return []wire.Frame{odd(p)}
			},
			want: map[DropReason]uint64{DropPayload: 1},
		},
		{
			name: "unknown next hop", place: mix1, from: entry,
			make: func(n *testNet) []wire.Frame {
				// nodes.md §3.6: "A Go node should filter on exact IP:port."
				ap := n.addrs[mix2].AddrPort()
				other := mixnet.NodeAddrFrom(addrPort(ap.Addr().String(), ap.Port()+1))
				stranger := mixnet.NodeAddrFrom(addrPort("198.51.100.1", 1789))
				var frames []wire.Frame
				for _, next := range []mixnet.NodeAddr{other, stranger} {
					frames = append(frames, odd(n.build(sphinx.Job{Route: []sphinx.Hop{
						{Addr: n.addrs[mix1], Key: n.keys[mix1].Public()}, {Addr: next, Key: n.keys[mix2].Public()},
					}}, mixnet.Regular)))
				}
				return frames
			},
			want: map[DropReason]uint64{DropUnknownNext: 2},
		},
		{
			name: "no topology", place: mix1, from: entry,
			change: func(c *Config) { c.Topology = func() *topology.Network { return nil } },
			make: func(n *testNet) []wire.Frame {
				return []wire.Frame{odd(n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit))}
			},
			want: map[DropReason]uint64{DropUnknownNext: 1},
		},
		{
			name: "outbound layer", place: mix1, from: entry,
			make: func(n *testNet) []wire.Frame {
				var frames []wire.Frame
				for _, next := range []int{mix1, mix3, entry, exit} {
					frames = append(frames, odd(n.packet(mixnet.Regular, 0, mix1, next)))
				}
				return frames
			},
			want: map[DropReason]uint64{DropOutboundLayer: 4},
		},
		{
			name: "inbound layer", place: mix2, from: mix3,
			make: func(n *testNet) []wire.Frame {
				return []wire.Frame{odd(n.packet(mixnet.Regular, 0, mix2, mix3, exit))}
			},
			want: map[DropReason]uint64{DropInboundLayer: 1},
		},
		{
			name: "replayed", place: mix1, from: entry,
			make: func(n *testNet) []wire.Frame {
				p := n.packet(mixnet.Regular, time.Hour, mix1, mix2, mix3, exit)
				return []wire.Frame{odd(p), odd(p)}
			},
			want: map[DropReason]uint64{DropReplayed: 1, DropShutdown: 1},
		},
		{
			name: "replay filter full", place: mix1, from: entry,
			change: func(c *Config) { c.ReplayBytes = 1 }, // stays at its first size
			make: func(n *testNet) []wire.Frame {
				var frames []wire.Frame
				for range 3 {
					frames = append(frames, odd(n.packet(mixnet.AckSize, 0, mix1)))
				}
				return frames
			},
			before: func(n *Node) {
				for i := range 20 * filterShards * firstTable {
					seeFrom(n.ring.slots[0].seen, tagOf(i), peerName{noise: keys.Noise{byte(i), byte(i >> 8)}})
				}
			},
			want: map[DropReason]uint64{DropReplayFull: 3},
		},
		{
			name: "delay wheel full", place: mix1, from: entry,
			change: func(c *Config) { c.DelayBytes, c.DelayQuota = 2*longDelayShare*mixnet.Regular.Total(), 1<<20 },
			make: func(n *testNet) []wire.Frame {
				var frames []wire.Frame
				for range 3 {
					frames = append(frames, odd(n.packet(mixnet.Regular, time.Hour, mix1, mix2, mix3, exit)))
				}
				return frames
			},
			want: map[DropReason]uint64{DropDelayFull: 1, DropShutdown: 2},
		},
		{
			name: "delay quota", place: mix1, from: entry,
			change: func(c *Config) { c.DelayQuota = 2 * longDelayShare * mixnet.Regular.Total() },
			make: func(n *testNet) []wire.Frame {
				var frames []wire.Frame
				for range 3 {
					frames = append(frames, odd(n.packet(mixnet.Regular, time.Hour, mix1, mix2, mix3, exit)))
				}
				return frames
			},
			want: map[DropReason]uint64{DropDelayQuota: 1, DropShutdown: 2},
		},
		{
			name: "inbound full", place: mix1, from: entry,
			change: func(c *Config) { c.QueueBytes = 2000 }, // less than a packet
			make: func(n *testNet) []wire.Frame {
				return []wire.Frame{odd(n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit))}
			},
			want: map[DropReason]uint64{DropInboundFull: 1},
		},
		{
			name: "outbound full", place: mix1, from: entry,
			change: func(c *Config) { c.Pool.QueueBytes = 2000 },
			make: func(n *testNet) []wire.Frame {
				return []wire.Frame{odd(n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit))}
			},
			want: map[DropReason]uint64{DropOutboundFull: 1},
		},
		{
			name: "unreachable", place: mix1, from: entry,
			make: func(n *testNet) []wire.Frame { // nobody listens: refused, and for a while given up
				return []wire.Frame{
					odd(n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit)),
					odd(n.packet(mixnet.Regular, 50*time.Millisecond, mix1, mix2, mix3, exit)),
				}
			},
			want: map[DropReason]uint64{DropUnreachable: 1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := newTestNet(t, false)
				node, stop := n.node(c.place, func(cfg *Config) {
					cfg.DrainTimeout = -1
					if c.change != nil {
						c.change(cfg)
					}
				})
				if c.before != nil {
					c.before(node)
				}
				frames := c.make(n)
				l := n.link(n.host(c.from), c.place)
				go l.send(wire.V8, frames...)
				time.Sleep(5 * time.Second)
				l.c.Close()
				stop()
				wantDrops(t, node, c.want)
			})
		})
	}
}

func TestDropReasonNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range DropReasons() {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("reason %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
	if got := numReasons.String(); got != "DropReason(20)" {
		t.Errorf("got %q", got)
	}
}

// nodes.md §3.6: "This applies to client-submitted packets at the entry gateway
// and to SURB-acks as well."
func TestForward(t *testing.T) {
	for _, strict := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			n := newTestNet(t, false)
			node, stop := n.node(entry, func(c *Config) {
				c.StrictLayers = strict
				c.Deliver = func(d Delivered) { d.Release() }
			})
			first := n.sink(mix1)
			other := n.sink(exit)
			packet := n.packet(mixnet.Regular, 0, mix1, mix2, mix3, exit)
			for i, want := range map[int]bool{mix1: true, mix2: false, mix3: false, exit: !strict} {
				if got := node.Forward(n.addrs[i], mixnet.RotationOdd, packet); got != want {
					t.Errorf("strict %v: forwarding to place %d: got %v, want %v", strict, i, got, want)
				}
			}
			if node.Forward(mixnet.NodeAddrFrom(addrPort("198.51.100.1", 1789)), 0, packet) {
				t.Error("forwarded to an address outside the topology")
			}
			if node.Forward(n.addrs[mix1], 0, packet[1:]) || node.Forward(n.addrs[mix1], 3, packet) {
				t.Error("forwarded what is no frame")
			}
			got := first.Take(time.Second)
			if len(got) != 1 || got[0].Rotation != mixnet.RotationOdd || !bytes.Equal(got[0].Packet, packet) {
				t.Errorf("got %d packets at the first mix", len(got))
			}
			want := map[DropReason]uint64{DropOutboundLayer: 2, DropUnknownNext: 1, DropHeader: 2}
			injected, direct := uint64(2), 1
			if strict {
				want[DropOutboundLayer], injected, direct = 3, 1, 0
			}
			wantDrops(t, node, want)
			if got := node.Stats().Injected; got != injected {
				t.Errorf("injected %d, want %d", got, injected)
			}
			if got := len(other.Take(0)); got != direct {
				t.Errorf("strict %v: %d packets went straight to the other gateway", strict, got)
			}
			stop()
			first.Stop()
			other.Stop()
		})
	}
}

// H17: "Layers are enforced in and out: gateway → 1 → 2 → 3 → gateway". Who may
// send is told by the source IP, or by the Noise key where there is one.
func TestH17InboundLayers(t *testing.T) {
	allowed := map[int][]int{
		mix1: {entry, exit}, mix2: {mix1}, mix3: {mix2}, exit: {mix3, entry},
	}
	for _, noise := range []bool{false, true} {
		for to, good := range allowed {
			bubble(t, func(t *testing.T) {
				n := newTestNet(t, noise)
				node, stop := n.node(to, func(c *Config) {
					if to == exit {
						c.Deliver = func(d Delivered) { d.Release() }
					}
				})
				passed := uint64(0)
				for from := range places {
					if from == to {
						continue
					}
					stopPool, send := n.pool(from)
					send(to, odd(n.packet(mixnet.AckSize, 0, to)))
					time.Sleep(time.Second)
					s := node.Stats()
					got := s.Delivered + s.Dropped[DropFinal]
					want := passed
					if slices.Contains(good, from) {
						want++
					}
					if got != want {
						t.Errorf("noise %v: %d → %d: got through %v, want %v", noise, from, to, got > passed, want > passed)
					}
					passed = got
					stopPool()
				}
				stop()
			})
		}
	}
}

// pool runs a link pool in the place of a node.
func (n *testNet) pool(place int) (stop func(), send func(to int, f wire.Frame)) {
	p := link.NewPool(link.PoolConfig{
		Dial: n.host(place).DialContext, Key: n.noise[place],
		NoiseKey: func(a mixnet.NodeAddr) keys.Noise { return n.current().NoiseKey(a) },
	})
	stop = runtest.Start(n.t, p.Run)
	time.Sleep(time.Millisecond)
	return stop, func(to int, f wire.Frame) {
		n.t.Helper()
		if err := p.Send(n.addrs[to], f); err != nil {
			n.t.Errorf("send: %v", err)
		}
	}
}

// H17: "Where a whole topology announces Noise keys, Noise is required and the
// initiator's key is checked against the topology."
func TestH17WholeTopologyHasNoise(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, true)
		node, stop := n.node(mix1, nil)
		f := odd(n.packet(mixnet.AckSize, 0, mix1))
		refused := func(what string, c net.Conn) {
			t.Helper()
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v", what, err)
			}
			c.Close()
		}
		for _, host := range []string{"192.0.2.4", "198.51.100.9"} { // the entry's, a stranger's
			l := n.link(n.net.Host(host), mix1)
			l.send(wire.V8, f)
			refused("plain from "+host, l.c)
		}
		// An initiator whose key nobody announces.
		good := n.noise[entry]
		n.noise[entry] = keys.NewNoiseKey()
		stopPool, send := n.pool(entry)
		send(mix1, f)
		time.Sleep(time.Second)
		stopPool()
		if s := node.Stats(); s.Received != 0 || s.Server.Refused != 3 {
			t.Errorf("got %+v, want nothing received and three links refused", s)
		}
		n.noise[entry] = good
		stopPool, send = n.pool(entry)
		send(mix1, f)
		time.Sleep(time.Second)
		stopPool()
		if s := node.Stats(); s.Received != 1 {
			t.Errorf("received %d packets of a known node, want 1", s.Received)
		}
		stop()
	})
}

func TestNewRefuses(t *testing.T) {
	topo := func() *topology.Network { return nil }
	if _, err := New(Config{Topology: topo}); err == nil {
		t.Error("made a node without a key")
	}
	if _, err := New(Config{Keys: Keys{Primary: Key{Rotation: 1, Key: keys.NewSphinxKey()}}}); err == nil {
		t.Error("made a node without a topology")
	}
}
