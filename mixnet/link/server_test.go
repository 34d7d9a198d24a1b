package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

func dial(t *testing.T, n *simnet.Network, from string) net.Conn {
	t.Helper()
	c, err := n.Host(from).DialContext(t.Context(), "tcp", serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// closedWithin reports whether the server hangs up on c in that time.
func closedWithin(c net.Conn, d time.Duration) bool {
	c.SetReadDeadline(time.Now().Add(d))
	_, err := c.Read(make([]byte, 1))
	var ne net.Error
	return !(errors.As(err, &ne) && ne.Timeout())
}

// firstMessage is what an initiator says first.
func firstMessage(to keys.Noise) []byte {
	var b bytes.Buffer
	initiate(&b, newMessageReader(bytes.NewReader(nil)), rand.Reader, keys.NewNoiseKey(), to)
	return b.Bytes()
}

// nodes.md §3.3: "the first byte of a plain stream is 7 or 8, of a Noise stream
// 1 … In "required" mode refuse plain from IPs that announce a key".
func TestFirstByteDecides(t *testing.T) {
	key := keys.NewNoiseKey()
	v7 := appendFrame(t, nil, wire.V7, frame(mixnet.AckSize, 0, 1))
	v8 := appendFrame(t, nil, wire.V8, frame(mixnet.AckSize, 1, 1))
	noiseRequired := func(netip.Addr) Standing { return Standing{Noise: true} }
	for _, c := range []struct {
		name string
		cfg  ServerConfig
		in   []byte
		ok   bool
	}{
		{"v8", ServerConfig{}, v8, true},
		{"v7", ServerConfig{}, v7, true},
		{"v8 with a key of our own", ServerConfig{Key: key}, v8, true},
		{"v8 where noise is required", ServerConfig{Key: key, Standing: noiseRequired}, v8, false},
		{"v7 where noise is required", ServerConfig{Key: key, Standing: noiseRequired}, v7, false},
		{"v8 where noise is required but off", ServerConfig{Standing: noiseRequired}, v8, true},
		{"noise where it is off", ServerConfig{}, firstMessage(key.Public()), false},
		{"version 6", ServerConfig{Key: key}, append([]byte{6}, v8[1:]...), false},
		{"version 9", ServerConfig{Key: key}, append([]byte{9}, v8[1:]...), false},
		{"HTTP", ServerConfig{Key: key}, []byte("GET / HTTP/1.1\r\n\r\n"), false},
		{"TLS", ServerConfig{Key: key}, []byte{0x16, 3, 1, 2, 0}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *simnet.Network) {
				s, stop := runServer(t, n, c.cfg)
				conn := dial(t, n, "192.0.2.9")
				conn.Write(c.in)
				got := s.got()
				if (len(got) == 1) != c.ok {
					t.Errorf("%d frames were read", len(got))
				}
				if got := closedWithin(conn, time.Second); got == c.ok {
					t.Errorf("connection closed: %v", got)
				}
				conn.Close()
				stop()
			})
		})
	}
}

// H17: "Noise is required and the initiator's key is checked against the topology."
func TestH17InitiatorIsChecked(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		ours, known, unknown := keys.NewNoiseKey(), keys.NewNoiseKey(), keys.NewNoiseKey()
		s, stopServer := runServer(t, n, ServerConfig{
			Key: ours, Admit: func(k keys.Noise) bool { return k == known.Public() },
		})
		to := func(mixnet.NodeAddr) keys.Noise { return ours.Public() }
		a, stopA := runPool(t, n, PoolConfig{Key: known, NoiseKey: to})
		b, stopB := runPool(t, n, PoolConfig{Key: unknown, NoiseKey: to})
		send(t, a, frame(mixnet.AckSize, 1, 0xaa))
		send(t, b, frame(mixnet.AckSize, 1, 0xbb))
		if got := s.got(); len(got) != 1 || got[0].Packet[0] != 0xaa {
			t.Errorf("got %d frames, want only that of the known node", len(got))
		}
		if len(s.peers) != 1 || s.peers[0].Noise != known.Public() || s.peers[0].Addr.Addr().String() != "192.0.2.9" {
			t.Errorf("got peers %v", s.peers)
		}
		stopA()
		stopB()
		stopServer()
	})
}

// nodes.md §3.3: "whole handshake within 1.5 s". Slow openings of any kind end then.
func TestSlowOpenings(t *testing.T) {
	key := keys.NewNoiseKey()
	first := firstMessage(key.Public())
	for name, c := range map[string]struct {
		say   []byte
		drips []byte // a byte every 200 ms after that
	}{
		"silent":                 {},
		"half a first message":   {say: first[:30]},
		"dripping":               {drips: first},
		"only the first message": {say: first},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *simnet.Network) {
				s, stop := runServer(t, n, ServerConfig{Key: key})
				conn := dial(t, n, "192.0.2.9")
				start := time.Now()
				conn.Write(c.say)
				go func() {
					for _, b := range c.drips {
						time.Sleep(200 * time.Millisecond)
						if _, err := conn.Write([]byte{b}); err != nil {
							return
						}
					}
				}()
				io.Copy(io.Discard, conn)
				if got := time.Since(start); got > handshakeTimeout+50*time.Millisecond {
					t.Errorf("closed after %v", got)
				}
				if st := s.Stats(); st.Handshakes != 1 || st.Open != 0 {
					t.Errorf("got %+v, want one failed handshake", st)
				}
				conn.Close()
				stop()
				time.Sleep(time.Second) // for what drips
			})
		})
	}
}

// H23: "limits per IPv4 /32 and IPv6 /56".
func TestH23ConnectionLimits(t *testing.T) {
	v8 := appendFrame(t, nil, wire.V8, frame(mixnet.AckSize, 1, 1))
	for _, c := range []struct {
		name  string
		cfg   ServerConfig
		from  []string // two connections each
		total int      // that stay open
	}{
		{"in all", ServerConfig{MaxConns: 3}, []string{"192.0.2.10", "192.0.2.11", "192.0.2.12"}, 3},
		{"per IPv4 address", ServerConfig{MaxConnsPerAddr: 1}, []string{"192.0.2.10", "192.0.2.11"}, 2},
		{"per IPv6 /56", ServerConfig{MaxConnsPerAddr: 3}, []string{"2001:db8::1", "2001:db8:0:ff::1", "2001:db8:0:100::1"}, 5},
		{"loopback", ServerConfig{MaxConnsPerAddr: 1}, []string{"127.0.0.1", "127.0.0.1"}, 1},
		{"loopback exempt", ServerConfig{MaxConnsPerAddr: 1, ExemptLoopback: true}, []string{"127.0.0.1", "127.0.0.1", "192.0.2.10"}, 5},
		{
			"strangers together",
			ServerConfig{MaxStrangers: 2, Standing: func(ip netip.Addr) Standing {
				return Standing{Stranger: ip != netip.MustParseAddr("192.0.2.10")}
			}},
			[]string{"192.0.2.10", "192.0.2.11", "192.0.2.12"}, 4,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *simnet.Network) {
				s, stop := runServer(t, n, c.cfg)
				var conns []net.Conn
				for _, from := range c.from {
					for range 2 {
						conn := dial(t, n, from)
						conn.Write(v8)
						conns = append(conns, conn)
					}
				}
				if got := len(s.got()); got != c.total {
					t.Errorf("%d connections serve, want %d", got, c.total)
				}
				if st := s.Stats(); st.Open != c.total || st.Refused != uint64(len(conns)-c.total) {
					t.Errorf("got %+v", st)
				}
				for _, conn := range conns {
					conn.Close()
				}
				// What closed leaves room again, and no trace.
				time.Sleep(time.Second)
				if st := s.Stats(); st.Open != 0 || s.strangers.In() != 0 {
					t.Errorf("after all closed: %+v, %d strangers", st, s.strangers.In())
				}
				conn := dial(t, n, c.from[0])
				conn.Write(v8)
				if got := len(s.got()); got != 1 {
					t.Errorf("%d connections serve after all closed, want 1", got)
				}
				conn.Close()
				stop()
			})
		})
	}
}

// H23: a flood of first messages is answered only as often as the budget has
// it, strangers' apart from that of nodes.
func TestH23FloodOfFirstMessages(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		key := keys.NewNoiseKey()
		s, stop := runServer(t, n, ServerConfig{
			Key: key, HandshakeRate: 40, MaxStrangers: 1 << 20, MaxConnsPerAddr: 1 << 20,
			Standing: func(ip netip.Addr) Standing {
				return Standing{Stranger: ip != netip.MustParseAddr("192.0.2.10")}
			},
		})
		first := firstMessage(key.Public())
		answered := 0
		const flood = 500
		for range flood {
			conn := dial(t, n, "192.0.2.66") // 20 ms each: 10 s in all
			conn.Write(first)
			conn.SetReadDeadline(time.Now().Add(21 * time.Millisecond))
			if k, _ := conn.Read(make([]byte, 100)); k > 0 {
				answered++
			}
			conn.Close()
		}
		// A quarter of the rate: 10 at once and 10 a second for about 20 s.
		if answered < 100 || answered > 250 {
			t.Errorf("answered %d of %d strangers", answered, flood)
		}
		// A node of the network is served all the same.
		p, stopPool := runPool(t, n, PoolConfig{
			Dial: n.Host("192.0.2.10").DialContext, Key: keys.NewNoiseKey(),
			NoiseKey: func(mixnet.NodeAddr) keys.Noise { return key.Public() },
		})
		send(t, p, ackFrame)
		if got := len(s.got()); got != 1 {
			t.Errorf("got %d frames, want 1", got)
		}
		stopPool()
		stop()
	})
}

// nodes.md §3.1: "No idle timeout upstream; a Go node may use a long one".
func TestIdleInboundEnds(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stop := runServer(t, n, ServerConfig{})
		v8 := appendFrame(t, nil, wire.V8, frame(mixnet.AckSize, 1, 1))
		conn := dial(t, n, "192.0.2.9")
		for range 5 {
			conn.Write(v8)
			time.Sleep(29 * time.Minute)
		}
		if got := len(s.got()); got != 5 {
			t.Errorf("got %d frames, want 5", got)
		}
		if !closedWithin(conn, 10*time.Minute) {
			t.Error("still open after 39 silent minutes")
		}
		conn.Close()
		stop()
	})
}

// nodes.md §3.1: "Acceptors must accept any number of inbound connections,
// including several from the same peer".
func TestSeveralLinksOfOnePeer(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		s, stop := runServer(t, n, ServerConfig{})
		v8 := appendFrame(t, nil, wire.V8, frame(mixnet.AckSize, 1, 1))
		var conns []net.Conn
		for range 20 {
			conn := dial(t, n, "192.0.2.9")
			conns = append(conns, conn)
			conn.Write(v8)
		}
		if got := len(s.got()); got != 20 {
			t.Errorf("got %d frames, want 20", got)
		}
		for _, c := range conns {
			c.Close()
		}
		stop()
	})
}

// failing is a listener that is out of files for a while.
type failing struct {
	net.Listener
	fails atomic.Int32
	tries atomic.Int32
}

func (l *failing) Accept() (net.Conn, error) {
	l.tries.Add(1)
	if l.fails.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptBacksOff(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		ln, err := n.Listen(serverAddr)
		if err != nil {
			t.Fatal(err)
		}
		fl := &failing{Listener: ln}
		fl.fails.Store(20)
		s := new(sink)
		s.Server = NewServer(ServerConfig{Serve: s.serve})
		stop := run(t, func(ctx context.Context) error { return s.Run(ctx, fl) })
		time.Sleep(5 * time.Second)
		if got := fl.tries.Load(); got > 13 { // 5, 10, … 640 ms, 1 s, 1 s …
			t.Errorf("%d attempts in five seconds", got)
		}
		time.Sleep(20 * time.Second)
		conn := dial(t, n, "192.0.2.9")
		conn.Write(appendFrame(t, nil, wire.V8, frame(mixnet.AckSize, 1, 1)))
		if got := len(s.got()); got != 1 {
			t.Errorf("got %d frames once files were to be had, want 1", got)
		}
		conn.Close()
		stop()
	})
}

func TestServerEndsWithItsListener(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		ln, err := n.Listen(serverAddr)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		s := NewServer(ServerConfig{Serve: func(context.Context, *Inbound) {}})
		go func() { done <- s.Run(t.Context(), ln) }()
		synctest.Wait()
		ln.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	})
}

// Open links, in whatever state, do not keep Run from returning.
func TestServerStops(t *testing.T) {
	bubble(t, func(t *testing.T, n *simnet.Network) {
		_, stop := runServer(t, n, ServerConfig{Key: keys.NewNoiseKey()})
		var conns []net.Conn
		for _, say := range [][]byte{nil, {1}, {1, 1, 0, 0, 48}, {8}, {8, 2, 0, 1, 5}} {
			conn := dial(t, n, "192.0.2.9")
			conn.Write(say)
			conns = append(conns, conn)
		}
		time.Sleep(time.Second)
		start := time.Now()
		stop()
		if got := time.Since(start); got != 0 {
			t.Errorf("Run returned after %v", got)
		}
		for _, c := range conns {
			if !closedWithin(c, time.Second) {
				t.Error("a connection is still open")
			}
			c.Close()
		}
	})
}
