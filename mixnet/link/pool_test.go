package link

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

var ackFrame = frame(mixnet.AckSize, mixnet.RotationOdd, 0x11)

// nodes.md §2.3: "out-going queue per peer 2000 packets (overflow is dropped silently)".
func TestQueueIsBoundedInPackets(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		n.Blackhole(serverAddr)
		p, stop := runPool(t, n, PoolConfig{})
		sent := 0
		for range 2500 {
			if err := p.Send(nextHop, ackFrame); err == nil {
				sent++
			} else if err != ErrQueueFull {
				t.Fatalf("got %v, want ErrQueueFull", err)
			}
		}
		// One write's worth may have left the queue.
		if most := 2000 + chunkSize/390; sent < 2000 || sent > most {
			t.Errorf("queued %d packets, want 2000 to %d", sent, most)
		}
		stop()
	})
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		n.Blackhole(serverAddr)
		big := frame(mixnet.Extended32, 1, 1)
		p, stop := runPool(t, n, PoolConfig{QueueBytes: 10 * (4 + len(big.Packet))})
		sent := 0
		for range 20 {
			if p.Send(nextHop, big) == nil {
				sent++
			}
		}
		if sent < 10 || sent > 11 {
			t.Errorf("queued %d packets, want 10", sent)
		}
		stop()
	})
}

func TestAllQueuesTogetherAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		n.Blackhole("192.0.2.1")
		p, stop := runPool(t, n, PoolConfig{MaxBytes: 5 * chunkSize, MaxPeers: 8})
		var full, many int
		for i := range 10 {
			addr := mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1+i)))
			switch err := p.Send(addr, ackFrame); err {
			case nil:
			case ErrQueueFull:
				full++
			case ErrTooMany:
				many++
			default:
				t.Error(err)
			}
		}
		if full != 3 || many != 2 {
			t.Errorf("%d times full, %d times too many; want 3 and 2", full, many)
		}
		stop()
		if got := p.inUse.Load(); got != 0 {
			t.Errorf("%d bytes of chunks left over", got)
		}
	})
}

// What is sent before Run waits for it.
func TestSendBeforeRun(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stopServer := runServer(t, n, ServerConfig{})
		p := NewPool(PoolConfig{Dial: n.DialContext})
		for range 10 {
			send(t, p, ackFrame)
		}
		if got := len(s.got()); got != 0 {
			t.Errorf("got %d packets before Run", got)
		}
		stop := run(t, p.Run)
		if got := len(s.got()); got != 10 {
			t.Errorf("got %d packets, want 10", got)
		}
		stop()
		stopServer()
	})
}

func TestSendRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		p, stop := runPool(t, n, PoolConfig{})
		for _, f := range []wire.Frame{{}, {Packet: make([]byte, 385)}, {Rotation: 3, Packet: ackFrame.Packet}} {
			if err := p.Send(nextHop, f); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("%d bytes, %v: got %v, want wire.ErrMalformed", len(f.Packet), f.Rotation, err)
			}
		}
		stop()
		if err := p.Send(nextHop, ackFrame); err != ErrClosed {
			t.Errorf("after Run: got %v, want ErrClosed", err)
		}
	})
}

// dials counts and times the attempts of a pool.
type dials struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	mu   sync.Mutex
	at   []time.Time
}

func (d *dials) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	d.mu.Lock()
	d.at = append(d.at, time.Now())
	d.mu.Unlock()
	return d.dial(ctx, network, addr)
}

func (d *dials) times() []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.at)
}

// keepSending sends a packet every 10 ms.
func keepSending(p *Pool, d time.Duration) {
	for range d / (10 * time.Millisecond) {
		p.Send(nextHop, ackFrame)
		time.Sleep(10 * time.Millisecond)
	}
}

// nodes.md §3.1: "Connect + handshake timeout 1.5 s; back-off … after connect time-outs".
func TestBackoffAfterTimeouts(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		n.Blackhole(serverAddr)
		d := &dials{dial: n.DialContext}
		p, stop := runPool(t, n, PoolConfig{Dial: d.DialContext})
		keepSending(p, 5*time.Minute)
		at := d.times()
		for i := 1; i < len(at); i++ {
			most := min(500*time.Millisecond<<(i-1), 30*time.Second)
			if got := at[i].Sub(at[i-1]) - handshakeTimeout; got < most*3/4 || got > most+20*time.Millisecond {
				t.Errorf("pause %d: got %v, want %v to %v", i, got, most*3/4, most)
			}
		}
		if len(at) < 10 || len(at) > 20 {
			t.Errorf("%d attempts in five minutes", len(at))
		}
		if err := p.Send(nextHop, ackFrame); err != ErrUnreachable && err != nil {
			t.Errorf("got %v", err)
		}
		// Healed, it is found again within the longest pause.
		n.Heal(serverAddr)
		s, stopServer := runServer(t, n, ServerConfig{})
		keepSending(p, 33*time.Second)
		if len(s.got()) == 0 {
			t.Error("nothing arrived after the next hop came back")
		}
		stop()
		stopServer()
	})
}

// nodes.md §3.1: "a *refused* connection is retried with the next packet" – but
// not a thousand times a second.
func TestRefusedIsRetriedSoon(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		d := &dials{dial: n.DialContext}
		p, stop := runPool(t, n, PoolConfig{Dial: d.DialContext})
		keepSending(p, 10*time.Second)
		if got := len(d.times()); got < 50 || got > 100 {
			t.Errorf("%d attempts in ten seconds, want 50 to 100", got)
		}
		s, stopServer := runServer(t, n, ServerConfig{})
		keepSending(p, 500*time.Millisecond)
		if got := len(s.got()); got < 25 {
			t.Errorf("got %d of the 50 packets after the next hop came up", got)
		}
		stop()
		stopServer()
	})
}

// nodes.md §9: "the sender reads only to notice a close, and drops the cached
// connection then".
func TestRestartOfNextHop(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stopServer := runServer(t, n, ServerConfig{})
		p, stop := runPool(t, n, PoolConfig{})
		send(t, p, ackFrame)
		if got := len(s.got()); got != 1 {
			t.Fatalf("got %d packets, want 1", got)
		}
		time.Sleep(2 * time.Second)
		stopServer()
		time.Sleep(time.Second)
		if got := p.Stats().Open; got != 0 {
			t.Errorf("%d connections open after the next hop ended", got)
		}
		s, stopServer = runServer(t, n, ServerConfig{})
		for range 10 {
			send(t, p, ackFrame)
		}
		if got := len(s.got()); got != 10 {
			t.Errorf("got %d packets after the restart, want 10", got)
		}
		time.Sleep(2 * time.Second)
		n.Cut(serverAddr)
		synctest.Wait()
		send(t, p, ackFrame)
		if got := len(s.got()); got != 1 {
			t.Errorf("got %d packets after the connection was reset, want 1", got)
		}
		stop()
		stopServer()
	})
}

// hardening.md H15: "After a peer that completed the handshake closes, a node
// connects again at once, then at most once a second", and what is sent meanwhile
// waits.
func TestH15NextHopThatHangsUp(t *testing.T) {
	key := keys.NewNoiseKey()
	for _, c := range []struct {
		name   string
		server ServerConfig
		pool   PoolConfig
	}{
		{"plain", ServerConfig{}, PoolConfig{}},
		{"noise", ServerConfig{Key: key}, PoolConfig{
			Key: keys.NewNoiseKey(), NoiseKey: func(mixnet.NodeAddr) keys.Noise { return key.Public() },
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *simnet.Network) {
				c.server.Serve = func(context.Context, *Inbound) {}
				_, stopServer := runServer(t, n, c.server)
				d := &dials{dial: n.DialContext}
				c.pool.Dial = d.DialContext
				p, stop := runPool(t, n, c.pool)
				began := time.Now()
				for range 6000 {
					if err := p.Send(nextHop, ackFrame); err != nil {
						t.Fatalf("a packet is dropped after %v: %v", time.Since(began), err)
					}
					time.Sleep(10 * time.Millisecond)
				}
				at := d.times()
				if len(at) < 56 || len(at) > 61 {
					t.Errorf("%d connections in a minute, want 61", len(at))
				}
				if again := at[1].Sub(at[0]); again > 100*time.Millisecond {
					t.Errorf("the first reconnection came after %v", again)
				}
				for i := 2; i < len(at); i++ {
					if got := at[i].Sub(at[i-1]); got < reconnectEvery || got > reconnectEvery+100*time.Millisecond {
						t.Errorf("reconnection %d came after %v", i, got)
					}
				}
				stop()
				stopServer()
			})
		})
	}
}

// hardening.md H15: a node that closes one connection, for whatever reason, costs
// those who send through us nothing but what was on that connection.
func TestH15OneCloseLosesLittle(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stopServer := runServer(t, n, ServerConfig{})
		p, stop := runPool(t, n, PoolConfig{})
		sent := 0
		for range 10 {
			for range 50 {
				send(t, p, ackFrame)
				sent++
				time.Sleep(time.Millisecond)
			}
			n.Cut(serverAddr)
			synctest.Wait()
		}
		time.Sleep(10 * time.Second)
		if got := len(s.got()); got < sent-30 { // two or three on their way each time
			t.Errorf("%d of %d packets arrived though the connection was closed ten times", got, sent)
		}
		stop()
		stopServer()
	})
}

func TestIdleConnectionIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stopServer := runServer(t, n, ServerConfig{})
		p, stop := runPool(t, n, PoolConfig{IdleTimeout: time.Minute})
		for range 3 {
			send(t, p, ackFrame)
			if got := len(s.got()); got != 1 {
				t.Errorf("got %d packets, want 1", got)
			}
			time.Sleep(50 * time.Second)
			if st := p.Stats(); st.Open != 1 {
				t.Errorf("after 50 s: %+v, want one open", st)
			}
			time.Sleep(20 * time.Second)
			if st := p.Stats(); st.Open != 0 || st.Peers != 1 {
				t.Errorf("after 70 s: %+v, want none open and the peer known", st)
			}
		}
		time.Sleep(time.Minute)
		if st := p.Stats(); st.Peers != 0 || st.Connects != 3 {
			t.Errorf("at last: %+v, want no peer", st)
		}
		send(t, p, ackFrame)
		if got := len(s.got()); got != 1 {
			t.Errorf("got %d packets, want 1", got)
		}
		stop()
		stopServer()
	})
}

// A peer that does not read loses its connection, and costs others nothing.
func TestNextHopThatDoesNotRead(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		_, stopServer := runServer(t, n, ServerConfig{Serve: func(ctx context.Context, in *Inbound) { <-ctx.Done() }})
		p, stop := runPool(t, n, PoolConfig{})
		big := frame(mixnet.Extended32, 1, 1)
		full := 0
		for range 1000 {
			if p.Send(nextHop, big) == ErrQueueFull {
				full++
			}
		}
		if full == 0 {
			t.Error("the queue was never full")
		}
		time.Sleep(11 * time.Second)
		if st := p.Stats(); st.Lost == 0 {
			t.Errorf("got %+v, want packets lost to the write that took too long", st)
		}
		stop()
		stopServer()
	})
}

// What was queued before the end still leaves.
func TestShutdownFlushes(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stopServer := runServer(t, n, ServerConfig{})
		p, stop := runPool(t, n, PoolConfig{})
		send(t, p, ackFrame)
		if got := len(s.got()); got != 1 {
			t.Fatalf("got %d packets, want 1", got)
		}
		for range 500 {
			send(t, p, ackFrame)
		}
		stop()
		if got := len(s.got()); got != 500 {
			t.Errorf("got %d packets, want 500", got)
		}
		stopServer()
	})
}

func TestShutdownDoesNotHang(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stopServer := runServer(t, n, ServerConfig{})
		p, stop := runPool(t, n, PoolConfig{})
		send(t, p, ackFrame)
		s.got()
		n.Blackhole(serverAddr)
		big := frame(mixnet.Extended32, 1, 1)
		for range 100 {
			p.Send(nextHop, big)
		}
		start := time.Now()
		stop()
		if got := time.Since(start); got > time.Second {
			t.Errorf("Run returned after %v", got)
		}
		stopServer()
	})
}

// A batch for one next hop leaves in one write.
func TestBatchLeavesInOneWrite(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stopServer := runServer(t, n, ServerConfig{})
		p, stop := runPool(t, n, PoolConfig{})
		b := Batch{Pool: p}
		send(t, p, ackFrame) // connects
		if got := len(s.got()); got != 1 {
			t.Fatalf("got %d packets, want 1", got)
		}
		for range 10 {
			before := p.Stats().Writes
			for range 20 {
				if err := b.Send(nextHop, frame(mixnet.Regular, 1, 1)); err != nil {
					t.Fatal(err)
				}
			}
			b.Flush()
			if got := len(s.got()); got != 20 {
				t.Errorf("got %d packets, want 20", got)
			}
			if got := p.Stats().Writes - before; got != 1 {
				t.Errorf("20 packets took %d writes, want 1", got)
			}
		}
		stop()
		stopServer()
	})
}

func TestFilterLosesFrames(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stopServer := runServer(t, n, ServerConfig{})
		p, stop := runPool(t, n, PoolConfig{Filter: func(next mixnet.NodeAddr, f wire.Frame) bool {
			return next == nextHop && f.Rotation == mixnet.RotationEven
		}})
		send(t, p, frame(mixnet.AckSize, mixnet.RotationEven, 1))
		send(t, p, frame(mixnet.AckSize, mixnet.RotationOdd, 2))
		send(t, p, frame(mixnet.AckSize, mixnet.RotationEven, 3))
		if got := s.got(); len(got) != 2 || got[0].Packet[0] != 1 || got[1].Packet[0] != 3 {
			t.Errorf("got %d packets, want the first and the third", len(got))
		}
		stop()
		stopServer()
	})
}

// H37: "Pooled buffers never leave beyond their length". All chunks are full of
// a canary before use; none of it may be on the wire.
func TestH37ChunksDoNotLeak(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stopServer := runServer(t, n, ServerConfig{})
		tap := &tapped{dial: n.DialContext}
		p := NewPool(PoolConfig{Dial: tap.DialContext})
		p.chunks.New = func() any {
			c := new(chunk)
			for i := range c.b {
				c.b[i] = 0xcc
			}
			return c
		}
		stop := run(t, p.Run)
		sizes := []mixnet.PacketSize{mixnet.Extended32, mixnet.AckSize, mixnet.Regular, mixnet.Extended8, mixnet.AckSize}
		want := 0
		for range 20 {
			for _, size := range sizes {
				send(t, p, frame(size, 1, 0x11))
				want += 4 + size.Total()
			}
			s.got()
		}
		stop()
		got := tap.bytes()
		if len(got) != want || bytes.IndexByte(got, 0xcc) >= 0 {
			t.Errorf("wrote %d bytes, want %d; canary at %d", len(got), want, bytes.IndexByte(got, 0xcc))
		}
		stopServer()
	})
}

// nodes.md §3.3: "whole handshake within 1.5 s"; a next hop that is silent, or
// has another key, is a failure.
func TestFailedHandshakes(t *testing.T) {
	mine := keys.NewNoiseKey()
	for _, c := range []struct {
		name   string
		server ServerConfig
		most   int // attempts in a minute
	}{
		{"other key", ServerConfig{Key: keys.NewNoiseKey()}, 12},
		{"no noise there", ServerConfig{}, 12},
		// To the initiator that is a handshake completed, and a close.
		{"initiator not admitted", ServerConfig{Key: mine, Admit: func(keys.Noise) bool { return false }}, 61},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *simnet.Network) {
				s, stopServer := runServer(t, n, c.server)
				d := &dials{dial: n.DialContext}
				p, stop := runPool(t, n, PoolConfig{
					Dial: d.DialContext, Key: keys.NewNoiseKey(),
					NoiseKey: func(mixnet.NodeAddr) keys.Noise { return mine.Public() },
				})
				keepSending(p, time.Minute)
				if got := s.got(); len(got) != 0 {
					t.Errorf("%d packets arrived", len(got))
				}
				if got := len(d.times()); got < 3 || got > c.most {
					t.Errorf("%d attempts in a minute", got)
				}
				stop()
				time.Sleep(time.Second) // for who is being refused
				if st := s.Stats(); st.Accepted != 0 || st.Open != 0 {
					t.Errorf("server: %+v", st)
				}
				stopServer()
			})
		})
	}
}

// nodes.md §3.1: a peer that accepts but never answers the handshake counts as
// one that took too long.
func TestSilentResponder(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		ln, err := n.Listen(serverAddr)
		if err != nil {
			t.Fatal(err)
		}
		d := &dials{dial: n.DialContext}
		p, stop := runPool(t, n, PoolConfig{
			Dial: d.DialContext, Key: keys.NewNoiseKey(),
			NoiseKey: func(mixnet.NodeAddr) keys.Noise { return keys.NewNoiseKey().Public() },
		})
		send(t, p, ackFrame)
		time.Sleep(handshakeTimeout + time.Millisecond)
		if st := p.Stats(); st.Failures != 1 || st.Open != 0 {
			t.Errorf("got %+v, want one failure", st)
		}
		stop()
		ln.Close()
	})
}

// Queueing a packet allocates nothing.
func TestSendDoesNotAllocate(t *testing.T) {
	p := NewPool(PoolConfig{QueuePackets: 1 << 30, QueueBytes: 1 << 30, MaxBytes: 1 << 30})
	pr := newPeer(p, nextHop) // no goroutine: nothing is taken out
	p.peers[nextHop] = pr
	f := frame(mixnet.Regular, 1, 1)
	got := testing.AllocsPerRun(1000, func() {
		if err := p.Send(nextHop, f); err != nil {
			t.Error(err)
		}
		if c := pr.pop(); c != nil {
			p.recycle(c)
		}
	})
	if got >= 1 {
		t.Errorf("got %v allocations per packet", got)
	}
}
