package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/wire"
)

// The figures of a relay while strangers from many addresses open connections to
// it, or to a gateway or a SOCKS port in the same process (hardening.md H23): how many packets
// it passes on for each second of CPU time that the process takes, whatever
// for, and how many without them. Whoever floods is a process of its own and
// has one core at most; since source, sink and it use the same cores,
// wall-clock figures would tell nothing.
var floodFigures = func() (all []Figure) {
	for _, kind := range floodKinds {
		all = append(all, Figure{
			Name: "relay under a flood of " + kind.name + ", beside none", Unit: "packets/s of CPU", Goal: AtLeastTimes(0.70),
			Measure: func(l *Lab) (Value, error) {
				f, err := l.floods()
				return f[kind.name].passed, err
			},
		}, Figure{
			Name: "flood of " + kind.name + ", tried", Unit: "per s of the relay's CPU",
			Measure: func(l *Lab) (Value, error) {
				f, err := l.floods()
				return Value{Measured: f[kind.name].tried}, err
			},
		})
	}
	return append(all, Figure{
		Name: "relay under floods, resident memory, beside before", Unit: "MB",
		Measure: func(l *Lab) (Value, error) {
			f, err := l.floods()
			return f[""].memory, err
		},
	})
}()

// floodRate is how many of a kind are tried in a second, so many at each tick.
const (
	floodRate = 10_000
	floodTick = 10 * time.Millisecond
)

// How floods are measured: so many rounds of each and of none, in turn, of so
// many packets, after one that warms up.
const (
	floodRounds  = 3
	floodPackets = 4000
	floodSettle  = 300 * time.Millisecond
)

// A flooding is what became of the relay under one kind; that without a name is
// all of them.
type flooding struct {
	memory Value   // the most there was, and before the first
	passed Value   // packets a second of CPU: with it, and without any
	tried  float64 // attempts in such a second
}

func (l *Lab) floods() (map[string]flooding, error) {
	return once(l, "floods", func() (map[string]flooding, error) {
		r, err := newRelay(true, floodRounds*(1+len(floodKinds)), floodPackets)
		if err != nil {
			return nil, err
		}
		r.spec.Flooded = true
		return withChild(l, childRelay, func(node *pipe) (map[string]flooding, error) {
			return withChild(l, childFlood, func(flood *pipe) (map[string]flooding, error) {
				return r.flooded(l.ctx, node, flood)
			})
		})
	})
}

// floodSpec is what the one who floods must know.
type floodSpec struct {
	Mix, Clients, SOCKS netip.AddrPort
	Gateway             keys.Identity
	First               []byte // first message of a Noise handshake
}

// flooded measures rounds with each kind and with none.
func (r *relay) flooded(ctx context.Context, node, flood *pipe) (all map[string]flooding, err error) {
	packets, err := r.prepare((1 + r.rounds) * r.packets)
	if err != nil {
		return nil, errors.Join(err, r.ln.Close())
	}
	err = r.around(ctx, node, func(ctx context.Context, source *link.Pool, hello relayReport) error {
		first, err := firstMessage(ctx, r.noise())
		if err != nil {
			return err
		}
		if err := flood.send(floodSpec{hello.Addr, hello.Clients, hello.SOCKS, hello.Gateway, first}); err != nil {
			return err
		}
		all, err = r.floodRounds(ctx, source, node, flood, packets)
		return err
	})
	return all, err
}

func (r *relay) floodRounds(ctx context.Context, source *link.Pool, node, flood *pipe, packets [][]byte) (map[string]flooding, error) {
	var memory Value
	passed, tried := make(map[string][]float64), make(map[string][]float64)
	kinds := append([]floodKind{{}}, floodKinds...)
	order := append([]floodKind{{}}, kinds...) // the first warms up
	for range r.rounds/len(kinds) - 1 {
		order = append(order, kinds...)
	}
	for i, kind := range order {
		var before, after relayReport
		var from, to int64
		if err := flood.ask(kind.name, &from); err != nil {
			return nil, err
		}
		time.Sleep(floodSettle)
		if err := flood.ask(kind.name, &from); err != nil {
			return nil, err
		}
		if err := node.ask("report", &before); err != nil {
			return nil, err
		}
		if err := r.round(ctx, source, packets[i*r.packets:][:r.packets]); err != nil {
			return nil, err
		}
		if err := node.ask("report", &after); err != nil {
			return nil, err
		}
		if err := flood.ask("", &to); err != nil {
			return nil, err
		}
		if i == 0 {
			memory.Yardstick = after.Resident / megabyte
			continue
		}
		memory.Measured = max(memory.Measured, after.Resident/megabyte)
		seconds := (after.CPU - before.CPU).Seconds()
		passed[kind.name] = append(passed[kind.name], float64(r.packets)/seconds)
		tried[kind.name] = append(tried[kind.name], float64(to-from)/seconds)
	}
	all := map[string]flooding{"": {memory: memory}}
	for _, kind := range floodKinds {
		all[kind.name] = flooding{
			passed: Value{Measured: median(passed[kind.name]), Yardstick: median(passed[""])},
			tried:  median(tried[kind.name]),
		}
	}
	return all, nil
}

// firstMessage is what begins a link with Noise, from somebody with a key of
// their own.
func firstMessage(ctx context.Context, to keys.Noise) ([]byte, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	at := mixnet.NodeAddrFrom(ln.Addr().(*net.TCPAddr).AddrPort())
	pool := link.NewPool(link.PoolConfig{Key: keys.NewNoiseKey(), NoiseKey: func(mixnet.NodeAddr) keys.Noise { return to }})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running errgroup.Group
	running.Go(func() error { return pool.Run(ctx) })
	defer running.Wait()
	defer cancel()
	if err := pool.Send(at, wire.Frame{Packet: make([]byte, mixnet.AckSize.Total())}); err != nil {
		return nil, err
	}
	c, err := ln.Accept()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	b := make([]byte, 1024)
	n, err := c.Read(b)
	return b[:n], err
}

// A floodKind is what is done 10 000 times a second.
type floodKind struct {
	name string
	do   func(context.Context, *floodSpec, session.DialFunc) error
}

var floodKinds = []floodKind{
	{"half-open connections", func(ctx context.Context, s *floodSpec, dial session.DialFunc) error {
		return exchange(ctx, s.Mix, dial, nil)
	}},
	{"first messages of Noise", func(ctx context.Context, s *floodSpec, dial session.DialFunc) error {
		return exchange(ctx, s.Mix, dial, s.First)
	}},
	{"WebSocket upgrades", func(ctx context.Context, s *floodSpec, dial session.DialFunc) error {
		return exchange(ctx, s.Clients, dial, []byte("GET / HTTP/1.1\r\nHost: "+s.Clients.String()+
			"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
	}},
	{"SOCKS greetings", func(ctx context.Context, s *floodSpec, dial session.DialFunc) error {
		return exchange(ctx, s.SOCKS, dial, []byte{5, 1, 0})
	}},
	{"registrations", func(ctx context.Context, s *floodSpec, dial session.DialFunc) error {
		conn, err := session.Dial(ctx, urlOf(s.Clients), dial)
		if err != nil {
			return err
		}
		defer conn.Close(1000, "")
		_, _, err = session.Register(ctx, conn, keys.NewIdentityKey(), s.Gateway)
		return err
	}},
}

// exchange says something, or nothing, waits for an answer, and leaves.
func exchange(ctx context.Context, at netip.AddrPort, dial session.DialFunc, say []byte) error {
	c, err := dial(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := c.Write(say); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1024))
	return err
}

// floodChild floods with the kind that it is told last, on one core, and answers
// how often it has in all.
func floodChild(ctx context.Context, p *pipe) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var spec floodSpec
	if err := p.receive(&spec); err != nil {
		return err
	}
	var n atomic.Int64
	now, stop := "", func() {}
	defer func() { stop() }()
	for {
		var name string
		if err := p.receive(&name); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if name != now {
			stop()
			now, stop = name, func() {}
			for _, kind := range floodKinds {
				if kind.name == name {
					stop = kind.begin(ctx, &spec, &n)
				}
			}
		}
		if err := p.send(n.Load()); err != nil {
			return err
		}
	}
}

// floodHold is how long a connection is held at most, and floodConns how many
// are at a time.
const (
	floodHold  = 800 * time.Millisecond
	floodConns = 8000
)

// begin floods until stop is called.
func (k floodKind) begin(ctx context.Context, spec *floodSpec, n *atomic.Int64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	places := make(chan struct{}, floodConns)
	wg.Go(func() {
		tick := time.NewTicker(floodTick)
		defer tick.Stop()
		for i := 0; ; i++ {
			if i%int(floodRate*floodTick/time.Second) == 0 {
				<-tick.C
			}
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() {
				defer func() { <-places }()
				k.once(ctx, spec, i, n)
			})
		}
	})
	return func() { cancel(); wg.Wait() }
}

// once makes one attempt. Each comes from another of thousands of addresses.
func (k floodKind) once(ctx context.Context, spec *floodSpec, i int, n *atomic.Int64) {
	ctx, cancel := context.WithTimeout(ctx, floodHold)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 9, byte(i>>6), byte(i))}}
	k.do(ctx, spec, func(ctx context.Context, network, addr string) (net.Conn, error) { // that it fails is no surprise
		n.Add(1)
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return c, c.(*net.TCPConn).SetLinger(0) // no port waits for late packets
	})
}
