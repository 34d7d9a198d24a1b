package endpoint_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
	"nym-socks5/proxy"
)

// A mortal is a requester that echoes, and can be killed: nothing of it comes
// through any more, and it says no goodbye. It is the same one when it starts again.
type mortal struct {
	w        *world
	gateway  keys.Identity
	gateways int
	store    endpoint.Store

	mu    sync.Mutex
	dead  bool
	conns []net.Conn
	e     *endpoint.Endpoint
	end   func()        // begins to end it,
	ended chan struct{} // which is closed when that is done; nil: it never ran
	asked int           // streams
}

func (w *world) mortal(gateway int) *mortal { return w.mortalAt(gateway, 1) }

// mortalAt makes one that is reached through so many gateways.
func (w *world) mortalAt(gateway, gateways int) *mortal {
	m := &mortal{w: w, gateway: w.Topology().Gateways()[gateway].Identity, gateways: gateways, store: endpoint.NewMemoryStore()}
	m.start()
	return m
}

func (m *mortal) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return nil, errors.New("dead")
	}
	c, err := m.w.inside.DialContext(ctx, network, addr)
	if err == nil {
		m.conns = append(m.conns, c)
	}
	return c, err
}

func (m *mortal) start() {
	m.w.Helper()
	if m.ended != nil {
		<-m.ended
	}
	n := m.w.Topology()
	e, err := endpoint.New(endpoint.Config{
		Network: endpoint.Snapshots(func() *topology.Network { return n }), Store: m.store, Gateway: m.gateway, Gateways: m.gateways,
		Egress: true, Dial: m.dial, Traffic: client.Fast(), Log: zerolog.Nop(),
	})
	if err != nil {
		m.w.Fatal(err)
	}
	ctx, stop := context.WithCancel(m.w.ctx)
	ended := make(chan struct{})
	m.mu.Lock()
	m.dead, m.e = false, e
	m.end, m.ended = stop, ended
	m.mu.Unlock()
	m.w.run.Go(func() error {
		defer close(ended)
		return e.Run(ctx)
	})
	m.w.run.Go(func() error {
		for {
			in, err := e.Accept(ctx)
			if err != nil {
				return nil
			}
			m.mu.Lock()
			m.asked++
			m.mu.Unlock()
			c, err := in.Accept()
			if err != nil {
				continue
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	})
	<-e.Ready()
}

// kill takes its connections away first, so that nothing it says at the end arrives.
func (m *mortal) kill() {
	m.mu.Lock()
	m.dead = true
	for _, c := range m.conns {
		c.Close()
	}
	m.conns = nil
	m.mu.Unlock()
	m.end()
}

func (m *mortal) streams() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// ended waits for a stream to fail, and says when it did.
func (w *world) ended(c net.Conn) (time.Duration, error) {
	began := time.Now()
	_, err := c.Read(make([]byte, 1))
	return time.Since(began), err
}

// A requester that is killed: its streams are reset within ten seconds, the next stream
// goes elsewhere within two, though nobody knows yet; and those through others go on.
func TestRequesterIsKilled(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.mortal(0), w.mortal(1)
		e := w.start(endpoint.Config{Requesters: []mixnet.Recipient{a.e.Address(), b.e.Address()}})
		time.Sleep(time.Second) // both have answered
		open := func(who string) net.Conn {
			t.Helper()
			c, err := e.Dial(w.ctx, "echo.example.com:7", proxy.DialOptions{Isolation: who})
			if err != nil {
				t.Fatal(err)
			}
			w.exchange(c, "hello")
			return c
		}
		// Who asks stays with one; of many both have some.
		var through [2]net.Conn // one of each
		var whose [2]string
		for _, who := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
			before := a.streams()
			c := open(who)
			i := 1
			if a.streams() > before {
				i = 0
			}
			for range 3 {
				before := a.streams()
				open(who)
				if (a.streams() > before) != (i == 0) {
					t.Fatalf("%s does not stay with one requester", who)
				}
			}
			through[i], whose[i] = c, who
		}
		if through[0] == nil || through[1] == nil {
			t.Fatal("twelve who ask go through one of two requesters") // once in 2048
		}
		began := time.Now()
		a.kill()
		open(whose[0])
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the next stream took %v", took)
		}
		_, err := w.ended(through[0])
		if took := time.Since(began); !errors.Is(err, proxy.ErrReset) || took > 10*time.Second {
			t.Errorf("a stream through it ended after %v: %v", took, err)
		}
		w.exchange(through[1], "the other goes on")

		// It is back, and is noticed; then the other one dies.
		time.Sleep(30 * time.Second)
		a.start()
		began = time.Now()
		for n := 0; n != 2; {
			n = 0
			for _, s := range e.Status().Requesters {
				if s.Answers {
					n++
				}
			}
			if time.Since(began) > 3*time.Second {
				t.Fatalf("its return is not noticed: %+v", e.Status().Requesters)
			}
			time.Sleep(50 * time.Millisecond)
		}
		b.kill()
		open(whose[1])
		synctest.Wait()
	})
}

// The only requester there is: streams are reset, a dial fails after a moment, and the
// next one works as soon as it is back.
func TestOnlyRequesterIsKilled(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.mortal(0)
		e := w.start(endpoint.Config{Requesters: []mixnet.Recipient{a.e.Address()}})
		c, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
		if err != nil {
			t.Fatal(err)
		}
		w.exchange(c, "hello")
		a.kill()
		if took, err := w.ended(c); !errors.Is(err, proxy.ErrReset) || took > 10*time.Second {
			t.Errorf("a stream through it ended after %v: %v", took, err)
		}
		began := time.Now()
		var open *proxy.OpenError
		_, err = e.DialContext(w.ctx, "tcp", "echo.example.com:7")
		if took := time.Since(began); !errors.As(err, &open) || open.Reason != proxy.ReasonNoAnswer || took > 4*time.Second {
			t.Errorf("a dial failed after %v: %v", took, err)
		}
		time.Sleep(10 * time.Minute)
		a.start()
		began = time.Now()
		c, err = e.DialContext(w.ctx, "tcp", "echo.example.com:7")
		if err != nil || time.Since(began) > 3*time.Second {
			t.Fatalf("after its return: %v after %v", err, time.Since(began))
		}
		w.exchange(c, "again")
	})
}

// One that is killed and back at once has forgotten its streams: its number says so.
func TestRequesterBeginsAnew(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.mortal(0)
		e := w.start(endpoint.Config{Requesters: []mixnet.Recipient{a.e.Address()}})
		c, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
		if err != nil {
			t.Fatal(err)
		}
		w.exchange(c, "hello")
		began := time.Now()
		a.kill()
		a.start()
		young, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.ended(c); !errors.Is(err, proxy.ErrReset) || time.Since(began) > 5*time.Second {
			t.Errorf("a stream of before ended after %v: %v", time.Since(began), err)
		}
		w.exchange(young, "a stream of now goes on")
	})
}

// Streams outlive what is no death of a requester: the endpoint's gateway, that of the
// requester, and a minute without network.
func TestStreamsOutliveOutages(t *testing.T) {
	for _, down := range []string{"gateway-1", "gateway-2", "mix-2-1"} {
		for _, long := range []time.Duration{time.Second, time.Minute} {
			inWorld(t, func(w *world) {
				a := w.mortal(0)
				e := w.start(endpoint.Config{Requesters: []mixnet.Recipient{a.e.Address()}})
				c, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
				if err != nil {
					t.Fatal(err)
				}
				w.exchange(c, "hello")
				if err := w.Stop(down); err != nil {
					t.Fatal(err)
				}
				time.Sleep(long)
				if err := w.Start(down); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				c.SetReadDeadline(time.Now().Add(2 * time.Minute))
				w.exchange(c, "after an outage")
				t.Logf("%s, down for %v: an echo after %v", down, long, time.Since(began))
			})
		}
	}
}

// Where no gateway can be reached, dials fail at once, those under way too.
func TestNoNetworkFailsAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		e := w.start(w.dialer())
		for _, g := range []string{"gateway-1", "gateway-2"} {
			if err := w.Stop(g); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		for i := range 2 {
			var open *proxy.OpenError
			_, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
			if took := time.Since(began); !errors.As(err, &open) || open.Reason != proxy.ReasonNoNetwork || took > 5*time.Second {
				t.Errorf("dial %d failed after %v: %v", i, took, err)
			}
			if i == 1 && time.Since(began) > 100*time.Millisecond {
				t.Errorf("when it is known, a dial takes %v", time.Since(began))
			}
			began = time.Now()
		}
		for _, g := range []string{"gateway-1", "gateway-2"} {
			if err := w.Start(g); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		c, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
		if err != nil {
			t.Fatal(err)
		}
		w.exchange(c, "it is back")
	})
}

// A requester is reached at another of its gateways when one is gone, by streams that are
// open and by new ones; and at the first again when the other one is gone.
func TestRequesterAtTwoGateways(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.mortalAt(0, 2)
		addrs := a.e.Addresses()
		if len(addrs) != 2 || addrs[0].Gateway != a.gateway || addrs[0].Identity == addrs[1].Identity {
			t.Fatalf("it is reached at %v", addrs)
		}
		gateways := w.Topology().Gateways()
		names := []string{"gateway-1", "gateway-2"}
		for i := range names {
			e := w.start(endpoint.Config{Requesters: addrs[:1], Gateway: gateways[1-i].Identity})
			c, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
			if err != nil {
				t.Fatal(err)
			}
			w.exchange(c, "hello")
			if err := w.Stop(names[i]); err != nil {
				t.Fatal(err)
			}
			for _, what := range []string{"at once", "later"} {
				began := time.Now()
				c.SetReadDeadline(time.Now().Add(time.Minute))
				w.exchange(c, what)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("%s is gone, %s: an echo took %v", names[i], what, took)
				}
				time.Sleep(time.Minute)
			}
			young, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
			if err != nil {
				t.Fatal(err)
			}
			w.exchange(young, "a new stream")
			if got := e.Status().Requesters; len(got) != 1 || !got[0].Answers || got[0].Address != addrs[1-i] && i == 0 {
				t.Errorf("%s is gone: %+v", names[i], got)
			}
			if err := w.Start(names[i]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		began := time.Now()
		a.kill()
		a.start()
		if got := a.e.Addresses(); got[0] != addrs[0] || got[1] != addrs[1] {
			t.Errorf("after a restart of %v it is reached at %v, before at %v", time.Since(began), got, addrs)
		}
	})
}
