package admit_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/admit"
	"nym-socks5/internal/simnet"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestPrefix(t *testing.T) {
	for _, test := range []struct{ ip, want string }{
		{"192.0.2.1", "192.0.2.1/32"},
		{"::ffff:192.0.2.1", "192.0.2.1/32"},
		{"2001:db8:1:2ff:3::4", "2001:db8:1:200::/56"},
		{"fe80::1%eth0", "fe80::/56"},
		{"127.0.0.1", "127.0.0.1/32"},
	} {
		if got := admit.Prefix(ip(test.ip)).String(); got != test.want {
			t.Errorf("Prefix(%s) = %s, want %s", test.ip, got, test.want)
		}
	}
	if got := admit.Prefix(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("prefix of no address = %v", got)
	}
}

type named string

func (n named) Network() string { return "" }
func (n named) String() string  { return string(n) }

func TestAddrPort(t *testing.T) {
	for _, test := range []struct {
		of   net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 7}, "192.0.2.1:7"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 7, Zone: "eth0"}, "[fe80::1]:7"},
		{named("192.0.2.1:7"), "192.0.2.1:7"},
		{named("@"), "invalid AddrPort"},
		{nil, "invalid AddrPort"},
	} {
		if got := admit.AddrPort(test.of).String(); got != test.want {
			t.Errorf("AddrPort(%v) = %s, want %s", test.of, got, test.want)
		}
	}
}

// hardening.md H23: "limits per IPv4 /32 and IPv6 /56".
func TestH23PlacesAreCountedByPrefix(t *testing.T) {
	l := admit.New(admit.Limits{Places: 5, PlacesPerPrefix: 2})
	var in []*admit.Place
	for _, step := range []struct {
		ip   string
		want bool
	}{
		{"2001:db8:1:200::1", true},
		{"2001:db8:1:2ff::2", true},
		{"2001:db8:1:201::3", false}, // the third of one /56
		{"2001:db8:1:300::1", true},  // the /56 beside it
		{"192.0.2.1", true},
		{"192.0.2.2", true},
		{"192.0.2.3", false}, // the sixth of all
	} {
		p, ok := l.Enter(ip(step.ip))
		if ok != step.want {
			t.Fatalf("%s enters: %v, want %v", step.ip, ok, step.want)
		}
		if ok {
			in = append(in, p)
		}
	}
	if l.In() != 5 || l.Refused() != 2 {
		t.Errorf("%d in, %d refused, want 5 and 2", l.In(), l.Refused())
	}
	in[0].Leave()
	in[0].Leave() // gives one place back, not two
	if _, ok := l.Enter(ip("2001:db8:1:201::3")); !ok {
		t.Error("no place in a prefix after one left")
	}
	if _, ok := l.Enter(ip("192.0.2.3")); ok {
		t.Error("a place that was left twice is there twice")
	}
}

// hardening.md H23: "places that become few are shared": whoever has a whole /48,
// which is 256 prefixes, does not keep everybody else out.
func TestH23PlacesAreShared(t *testing.T) {
	l := admit.New(admit.Limits{Places: 8192, PlacesPerPrefix: 64})
	one := ip("192.0.2.1")
	for i := range 64 {
		if _, ok := l.Enter(one); !ok {
			t.Fatalf("place %d of one address, with nearly all free", i)
		}
	}
	taken := 0
	for range 64 { // from each prefix in turn, as often as there is a place
		for i := range 256 {
			if _, ok := l.Enter(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(i)})); ok {
				taken++
			}
		}
	}
	if taken < 7000 || taken > 8192-64-256 {
		t.Errorf("a /48 has %d of 8192 places", taken)
	}
	for i := range 20 {
		if _, ok := l.Enter(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})); !ok {
			t.Errorf("no place for address %d after it", i)
		}
	}
	many := 0
	for range 64 {
		if _, ok := l.Enter(ip("203.0.113.1")); ok {
			many++
		}
	}
	if many < 10 {
		t.Errorf("%d places for one more address", many)
	}
}

func TestLoopbackIsLimitedOnlyIfCounted(t *testing.T) {
	for _, counted := range []bool{false, true} {
		l := admit.New(admit.Limits{PlacesPerPrefix: 1, RatePerPrefix: 1, CountLoopback: counted})
		for _, lo := range []string{"127.0.0.1", "::1"} {
			l.Enter(ip(lo))
			if _, ok := l.Enter(ip(lo)); ok == counted {
				t.Errorf("CountLoopback %v: %s enters a second time: %v", counted, lo, ok)
			}
			l.Allow(ip(lo), time.Unix(1, 0))
			if ok := l.Allow(ip(lo), time.Unix(1, 0)); ok == counted {
				t.Errorf("CountLoopback %v: %s comes a second time: %v", counted, lo, ok)
			}
		}
	}
}

func TestPaceOfAPrefixAndOfAll(t *testing.T) {
	l := admit.New(admit.Limits{Rate: 4, RatePerPrefix: 1, BurstPerPrefix: 2})
	now := time.Unix(1000, 0)
	count := func(from string, n int) (allowed int) {
		for range n {
			if l.Allow(ip(from), now) {
				allowed++
			}
		}
		return allowed
	}
	if got := count("2001:db8::1", 100); got != 2 {
		t.Errorf("one prefix came %d times, want its burst of 2", got)
	}
	// The 98 that were refused took nothing from the others.
	if got := count("192.0.2.1", 1) + count("192.0.2.2", 1) + count("192.0.2.3", 1); got != 2 {
		t.Errorf("%d others came, want 2, the rest of the pace of all", got)
	}
	now = now.Add(time.Second)
	if got := count("2001:db8:0:ff::9", 5); got != 1 {
		t.Errorf("the prefix came %d times in the next second, want 1", got)
	}
}

// A flood of prefixes takes bounded memory, and is forgotten when it is over.
func TestPrefixesAreBounded(t *testing.T) {
	l := admit.New(admit.Limits{RatePerPrefix: 1})
	now := time.Unix(1000, 0)
	for i := range 1 << 16 {
		if !l.Allow(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now) {
			t.Fatalf("prefix %d is refused", i)
		}
	}
	if l.Allow(ip("192.0.2.1"), now) {
		t.Error("one prefix too many is remembered")
	}
	if !l.Allow(ip("192.0.2.1"), now.Add(3*time.Second)) {
		t.Error("prefixes that are at rest are not forgotten")
	}
}

func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := admit.NewSlots(2)
		var wg sync.WaitGroup
		start := time.Now()
		for range 6 {
			wg.Go(func() {
				s.Do(t.Context(), func() error { time.Sleep(time.Second); return nil })
			})
		}
		wg.Wait()
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("six times a second of work in two slots took %v", took)
		}
		s.Take(t.Context())
		s.Take(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Do(ctx, func() error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for a slot ended with %v", err)
		}
		s.Give()
		s.Give()
		if s.Taken() != 0 {
			t.Errorf("%d slots are taken", s.Taken())
		}
	})
}

// failing is a listener whose Accept fails some times first.
type failing struct {
	net.Listener
	fails int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.fails > 0 {
		f.fails--
		return nil, errors.New("too many open files")
	}
	return f.Listener.Accept()
}

func listen(t *testing.T, n *simnet.Network) net.Listener {
	t.Helper()
	ln, err := n.Listen("10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func TestAcceptSurvivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New()
		ln := &failing{listen(t, n), 10}
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		ended := make(chan error, 1)
		took := make(chan time.Duration, 1)
		go func() {
			ended <- admit.Accept(ctx, ln, zerolog.Nop(), func(c net.Conn) {
				took <- time.Since(start)
				c.Close()
			})
		}()
		c, err := n.Host("10.0.0.2").DialContext(ctx, "tcp", "10.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		// 5 ms doubling up to a second: 5+10+…+640 ms, then twice a second.
		if got, want := <-took, 1275*time.Millisecond+2*time.Second; got != want {
			t.Errorf("a connection was accepted after %v, want %v", got, want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Accept ended with %v", err)
		}
		if _, err := n.Host("10.0.0.2").DialContext(t.Context(), "tcp", "10.0.0.1:80"); err == nil {
			t.Error("the listener is open after Accept returned")
		}
	})
}

func TestAcceptFailsWhenItsListenerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := listen(t, simnet.New())
		ln.Close()
		err := admit.Accept(t.Context(), ln, zerolog.Nop(), func(net.Conn) {})
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept ended with %v", err)
		}
	})
}

// Connections beyond the limit are closed without an answer, and places come
// back with Close.
func TestListenHoldsPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New()
		l := admit.New(admit.Limits{Places: 3, PlacesPerPrefix: 2})
		ln := admit.Listen(listen(t, n), l)
		in := make(chan net.Conn, 10)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				in <- c
			}
		})
		open := func(host int) bool {
			c, err := n.Host(fmt.Sprintf("10.0.1.%d", host)).DialContext(t.Context(), "tcp", "10.0.0.1:80")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			c.SetReadDeadline(time.Now().Add(time.Second))
			_, err = c.Read(make([]byte, 1))
			var late net.Error
			return errors.As(err, &late) && late.Timeout()
		}
		got := []bool{open(1), open(1), open(1), open(2), open(3)}
		if want := []bool{true, true, false, true, false}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("connections are open: %v, want %v", got, want)
		}
		first := <-in
		first.Close()
		first.Close()
		if !open(3) || open(3) {
			t.Error("closing one connection twice gave other than one place back")
		}
		ln.Close()
		wg.Wait()
		close(in)
		for c := range in {
			c.Close()
		}
		if l.In() != 0 {
			t.Errorf("%d places are taken in the end", l.In())
		}
	})
}
