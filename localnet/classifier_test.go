package localnet

import (
	"context"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// A tap sees when a client writes to its gateway, and how much.
type tap struct {
	mu    sync.Mutex
	times []time.Time
	sizes map[int]int
}

type tappedConn struct {
	*net.TCPConn
	tap *tap
}

func (c tappedConn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.times = append(c.tap.times, time.Now())
	c.tap.sizes[n]++
	return n, err
}

// reset forgets what was seen, and gives it.
func (p *tap) reset() (gaps []time.Duration, sizes map[int]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 1; i < len(p.times); i++ {
		gaps = append(gaps, p.times[i].Sub(p.times[i-1]))
	}
	sizes = p.sizes
	p.times, p.sizes = nil, make(map[int]int)
	slices.Sort(gaps)
	return gaps, sizes
}

// apart is by how much the best threshold tells two samples apart: 0 is not at
// all, 1 is without a mistake (the distance of Kolmogorov and Smirnov).
func apart(a, b []time.Duration) (d float64) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if a[i] <= b[j] {
			i++
		} else {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return d
}

// hardening.md H01: "Cover and data therefore leave equally late." Over real sockets, whoever
// watches the uplink of a client cannot tell from the times of its packets whether
// it is idle, uploads, or says something now and then.
func TestH01ClassifierOverRealSockets(t *testing.T) {
	t.Parallel()
	const (
		span  = 8 * time.Second
		every = 8 * time.Millisecond
	)
	type tapKey struct{}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		if p, ok := ctx.Value(tapKey{}).(*tap); ok && err == nil {
			return tappedConn{c.(*net.TCPConn), p}, nil
		}
		return c, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, err := New(Spec{Traffic: client.Fast(), Dial: dial, Allow: func(string, netip.Addr, uint16) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	<-n.Ready()
	names := []string{"idle", "busy", "now and then"}
	watched := make([]*tap, len(names))
	clients := make([]*client.Client, len(names))
	for i := range names {
		watched[i] = &tap{sizes: make(map[int]int)}
		c, err := n.NewClient(client.Config{
			Entries: []client.Entry{{Gateway: n.Topology().Gateways()[0].Identity}},
			Traffic: client.Traffic{HopDelay: client.Off, SendEvery: every, CoverEvery: client.Off},
		})
		if err != nil {
			t.Fatal(err)
		}
		clients[i] = c
		wg.Go(func() {
			if err := c.Run(context.WithValue(ctx, tapKey{}, watched[i])); err != nil {
				t.Error(err)
			}
		})
		<-c.Ready()
	}
	send := func(c *client.Client, bytes int, pause time.Duration) {
		o := mixnet.SendOptions{As: mixnet.NewSenderTag()}
		for c.Send(ctx, n.Requester(), make([]byte, bytes), o) == nil {
			time.Sleep(time.Duration(rand.ExpFloat64() * float64(pause)))
		}
	}
	wg.Go(func() { send(clients[1], 5000, 0) })
	wg.Go(func() { send(clients[2], 100, 3*every) })
	time.Sleep(time.Second)
	for _, p := range watched {
		p.reset()
	}
	time.Sleep(span)
	var idle []time.Duration
	for i, p := range watched {
		gaps, sizes := p.reset()
		s := clients[i].Stats()
		t.Logf("%s: %d packets, sizes %v, of all sent %d were data and %d cover, %d ticks missed", names[i], len(gaps), sizes, s.SentData, s.SentCover, s.MissedTicks)
		if len(sizes) != 1 {
			t.Errorf("the %s client's packets have %d sizes", names[i], len(sizes))
		}
		if i == 0 {
			idle = gaps
			continue
		}
		d, bound := apart(idle, gaps), 3*math.Sqrt(2/float64(max(1, min(len(idle), len(gaps)))))
		t.Logf("%s: told from the idle one by %.3f, chance allows %.3f", names[i], d, bound)
		if d > bound {
			t.Errorf("the %s client is told from the idle one by %.3f", names[i], d)
		}
	}
}
