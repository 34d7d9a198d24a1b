package link

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/runtest"
	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

const serverAddr = "192.0.2.1:1789"

var nextHop = mixnet.NodeAddrFrom(netip.MustParseAddrPort(serverAddr))

// A sink is a server whose Serve keeps all frames.
type sink struct {
	*Server
	mu     sync.Mutex
	frames []wire.Frame
	peers  []Peer
	reads  int
	errs   []error
}

// runServer runs a server at serverAddr until the returned function is called.
func runServer(t *testing.T, n *simnet.Network, cfg ServerConfig) (s *sink, stop func()) {
	t.Helper()
	ln, err := n.Listen(serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	s = new(sink)
	if cfg.Serve == nil {
		cfg.Serve = s.serve
	}
	s.Server = NewServer(cfg)
	return s, run(t, func(ctx context.Context) error { return s.Run(ctx, ln) })
}

func (s *sink) serve(_ context.Context, in *Inbound) {
	s.mu.Lock()
	s.peers = append(s.peers, in.Peer())
	s.mu.Unlock()
	for {
		frames, err := in.Read()
		s.mu.Lock()
		s.reads++
		for _, f := range frames {
			s.frames = append(s.frames, wire.Frame{Rotation: f.Rotation, Packet: bytes.Clone(f.Packet)})
		}
		if err != nil {
			s.errs = append(s.errs, err)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

// got waits for the network to fall silent and takes the frames out.
func (s *sink) got() []wire.Frame {
	time.Sleep(400 * time.Millisecond) // a buffer of simnet every 10 ms
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.frames
	s.frames = nil
	return f
}

// run starts f and returns what ends it and waits for it.
func run(t *testing.T, f func(context.Context) error) (stop func()) {
	stop = runtest.Start(t, f)
	synctest.Wait()
	return stop
}

func runPool(t *testing.T, n *simnet.Network, cfg PoolConfig) (p *Pool, stop func()) {
	t.Helper()
	if cfg.Dial == nil {
		cfg.Dial = n.Host("192.0.2.9").DialContext
	}
	p = NewPool(cfg)
	return p, run(t, p.Run)
}

func send(t *testing.T, p *Pool, f wire.Frame) {
	t.Helper()
	if err := p.Send(nextHop, f); err != nil {
		t.Errorf("send: %v", err)
	}
}

// bubble runs f on virtual time with a network of 10 ms latency.
func bubble(t *testing.T, f func(t *testing.T, n *simnet.Network)) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New()
		n.SetLatency(10 * time.Millisecond)
		f(t, n)
	})
}

func same(a, b wire.Frame) bool { return a.Rotation == b.Rotation && bytes.Equal(a.Packet, b.Packet) }

// nodes.md §3.2: "Go nodes must accept both and should emit v8 unless told otherwise".
func TestFramesCross(t *testing.T) {
	key, before := keys.NewNoiseKey(), keys.NewNoiseKey()
	for _, c := range []struct {
		name    string
		server  ServerConfig
		pool    PoolConfig
		first   byte
		rotated bool
	}{
		{name: "plain v8", first: 8, rotated: true},
		{name: "plain v7", pool: PoolConfig{Version: wire.V7}, first: 7},
		{
			name:   "noise",
			server: ServerConfig{Key: key},
			pool: PoolConfig{
				Key:      keys.NewNoiseKey(),
				NoiseKey: func(mixnet.NodeAddr) keys.Noise { return key.Public() },
			},
			first: 1, rotated: true,
		},
		{
			name:   "noise to a node that has a new key", // which this one does not know yet
			server: ServerConfig{Key: keys.NewNoiseKey(), Previous: key},
			pool: PoolConfig{
				Key:      keys.NewNoiseKey(),
				NoiseKey: func(mixnet.NodeAddr) keys.Noise { return key.Public() },
			},
			first: 1, rotated: true,
		},
		{
			name:   "noise from a node that has a new key", // which the other does not know yet
			server: ServerConfig{Key: key, Admit: func(k keys.Noise) bool { return k == before.Public() }},
			pool: PoolConfig{
				Key: keys.NewNoiseKey(), Own: func() *keys.NoiseKey { return before },
				NoiseKey: func(mixnet.NodeAddr) keys.Noise { return key.Public() },
			},
			first: 1, rotated: true,
		},
		{
			name:   "plain to a node that could do noise", // it announces none
			server: ServerConfig{Key: key},
			pool:   PoolConfig{Key: keys.NewNoiseKey(), NoiseKey: func(mixnet.NodeAddr) keys.Noise { return keys.Noise{} }},
			first:  8, rotated: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *simnet.Network) {
				s, stopServer := runServer(t, n, c.server)
				tap := &tapped{dial: n.DialContext}
				c.pool.Dial = tap.DialContext
				p, stopPool := runPool(t, n, c.pool)
				var want []wire.Frame
				for i := range 300 {
					f := frame(mixnet.PacketSize(i%5+1), mixnet.Rotation(i%3), byte(i))
					send(t, p, f)
					if !c.rotated {
						f.Rotation = mixnet.RotationUnknown
					}
					want = append(want, f)
				}
				got := s.got()
				if len(got) != len(want) {
					t.Fatalf("got %d frames, want %d", len(got), len(want))
				}
				for i := range got {
					if !same(got[i], want[i]) {
						t.Fatalf("frame %d differs", i)
					}
				}
				if tap.first() != c.first {
					t.Errorf("the stream begins with %d, want %d", tap.first(), c.first)
				}
				if st := p.Stats(); st.Sent != 300 || st.Connects != 1 || st.Open != 1 || st.Queued != 0 || st.Writes > 100 {
					t.Errorf("got %+v", st)
				}
				stopPool()
				time.Sleep(time.Second)
				if st := s.Stats(); st.Open != 0 || st.Accepted != 1 || len(s.errs) != 1 || s.errs[0] != io.EOF {
					t.Errorf("got %+v and %v", st, s.errs)
				}
				stopServer()
			})
		})
	}
}

// tapped remembers what is written to the connections it dials.
type tapped struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	mu   sync.Mutex
	b    []byte
}

func (d *tapped) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &tap{c, d}, nil
}

func (d *tapped) first() byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.b) == 0 {
		return 0
	}
	return d.b[0]
}

func (d *tapped) bytes() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.b)
}

type tap struct {
	net.Conn
	d *tapped
}

func (c *tap) Write(b []byte) (int, error) {
	c.d.mu.Lock()
	c.d.b = append(c.d.b, b...)
	c.d.mu.Unlock()
	return c.Conn.Write(b)
}
