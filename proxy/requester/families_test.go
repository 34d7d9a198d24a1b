package requester

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nym-socks5/proxy"
)

// RFC 8305 §3: an answer about IPv6 is used at once, one about IPv4 waits 50 ms
// for the other, and what comes late joins. An answer that never comes costs
// nothing but that.
func TestFamiliesApart(t *testing.T) {
	const v4, v6 = "93.184.216.34", "2606:2800::1"
	const never = time.Hour
	for _, tt := range []struct {
		name       string
		four, six  time.Duration // when they are answered
		fail4      error
		fail6      error
		dead       string // an address that is silent
		addrs      []string
		want       []attempt
		connected  time.Duration
		rejectedAs proxy.Reason
	}{
		{name: "both at once", addrs: []string{v4, v6}, want: []attempt{{"[" + v6 + "]:443", 0}}},
		{name: "IPv6 first", four: time.Second, addrs: []string{v4, v6}, want: []attempt{{"[" + v6 + "]:443", 0}}},
		{name: "IPv4 first, IPv6 soon", six: 30 * time.Millisecond, addrs: []string{v4, v6},
			want: []attempt{{"[" + v6 + "]:443", 30 * time.Millisecond}}, connected: 30 * time.Millisecond},
		{name: "IPv4 first, IPv6 late", six: 2 * time.Second, addrs: []string{v4, v6},
			want: []attempt{{v4 + ":443", 50 * time.Millisecond}}, connected: 50 * time.Millisecond},
		{name: "IPv6 never", six: never, addrs: []string{v4},
			want: []attempt{{v4 + ":443", 50 * time.Millisecond}}, connected: 50 * time.Millisecond},
		{name: "IPv6 fails", fail6: errors.New("server failure"), addrs: []string{v4}, want: []attempt{{v4 + ":443", 0}}},
		{name: "IPv6 is said not to exist", fail6: errNoName, addrs: []string{v4}, want: []attempt{{v4 + ":443", 0}}},
		{name: "the same, IPv4 a second later", four: time.Second, fail6: errNoName, addrs: []string{v4},
			want: []attempt{{v4 + ":443", time.Second}}, connected: time.Second},
		{name: "IPv4 fails", fail4: errors.New("server failure"), six: time.Second, addrs: []string{v6},
			want: []attempt{{"[" + v6 + "]:443", time.Second}}, connected: time.Second},
		{name: "a late one joins a silent one", six: 2 * time.Second, dead: v4, addrs: []string{v4, v6},
			want: []attempt{{v4 + ":443", 50 * time.Millisecond}, {"[" + v6 + "]:443", 2 * time.Second}}, connected: 2 * time.Second},
		{name: "neither exists", fail4: errNoName, fail6: errNoName, rejectedAs: proxy.ReasonDNS},
		{name: "one does not exist, the other is silent", fail4: errNoName, six: never, connected: nameErrorDelay, rejectedAs: proxy.ReasonDNS},
		{name: "both are silent", four: never, six: never, connected: 10 * time.Second, rejectedAs: proxy.ReasonDNS},
		{name: "IPv4 empty, IPv6 silent", six: never, connected: 10 * time.Second, rejectedAs: proxy.ReasonDNS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, "allow *", Config{Lookup: func(ctx context.Context, network, _ string) ([]netip.Addr, error) {
					wait, fail := tt.six, tt.fail6
					if network == "ip4" {
						wait, fail = tt.four, tt.fail4
					}
					select {
					case <-time.After(wait):
						return nil, fail
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}})
				w.names["www.example.org"] = tt.addrs
				for _, a := range []string{v4, v6} {
					if a == tt.dead {
						w.net.Blackhole(a)
					} else {
						w.echo(netip.AddrPortFrom(netip.MustParseAddr(a), 443).String())
					}
				}
				start := time.Now()
				in := w.ask("www.example.org:443")
				<-in.answered
				if took := time.Since(start); took != tt.connected {
					t.Errorf("answered after %v, want %v", took, tt.connected)
				}
				if in.accepted != (tt.rejectedAs == 0) || in.reason != tt.rejectedAs {
					t.Errorf("accepted %v, reason %v, want %v", in.accepted, in.reason, tt.rejectedAs)
				}
				if got := w.attempts(); !slices.Equal(got, tt.want) {
					t.Errorf("attempts %v, want %v", got, tt.want)
				}
				in.peer.Close()
			})
		})
	}
}

// With RefuseMixed nothing is dialed before both families are known.
func TestRefuseMixedWaitsForBoth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{RefuseMixed: true, Lookup: func(_ context.Context, network, _ string) ([]netip.Addr, error) {
			if network == "ip6" {
				time.Sleep(5 * time.Second)
			}
			return nil, nil
		}})
		w.names["www.example.org"] = []string{"93.184.216.34", "fd00::1"}
		w.ask("www.example.org:443").wantRejected(proxy.ReasonDenied)
		if n := len(w.attempts()); n != 0 {
			t.Errorf("%d addresses dialed", n)
		}
	})
}

// One request does not become many connects at a time.
func TestConnectsOfOneRequestAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		underway, most := 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			underway += n
			most = max(most, underway)
		}
		w := newWorld(t, "allow *", Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			count(1)
			defer count(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		for i := range 16 {
			w.names["many.example.org"] = append(w.names["many.example.org"], netip.AddrFrom4([4]byte{9, 9, 9, byte(i + 1)}).String())
		}
		w.ask("many.example.org:80").wantRejected(proxy.ReasonTimeout)
		if most != maxConnecting {
			t.Errorf("%d connects at a time, want %d", most, maxConnecting)
		}
	})
}

// What cannot be looked up is one thing, what the policy forbids another; names
// come to one form first.
func TestNamesAndReasons(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "deny xn--fcher-kva.example\nallow *", Config{})
		for _, name := range []string{"-a.example.org", "a-.example.org", "xn--bcher-kva.example", "www.example.org"} {
			w.names[name] = []string{"93.184.216.34"}
		}
		for host, want := range map[string]proxy.Reason{
			"-a.example.org":                         proxy.ReasonRefused, // looked up, and nobody listens there
			"a-.example.org":                         proxy.ReasonRefused,
			"bücher.example":                         proxy.ReasonRefused,
			"www。example。org":                        proxy.ReasonRefused,
			"WWW.EXAMPLE.org.":                       proxy.ReasonRefused,
			"fücher.example":                         proxy.ReasonDenied,
			"printer":                                proxy.ReasonDenied,
			"nas.local":                              proxy.ReasonDenied,
			"127.1":                                  proxy.ReasonDenied,
			"nosuch.example":                         proxy.ReasonDNS,
			"a..example.org":                         proxy.ReasonDNS,
			"exa mple.org":                           proxy.ReasonDNS,
			"ab\u202e.example":                       proxy.ReasonDNS,
			"\xff\xff.example":                       proxy.ReasonDNS,
			"a!b.example.org":                        proxy.ReasonDNS,
			strings.Repeat("a", 64) + ".example.org": proxy.ReasonDNS,
		} {
			in := w.ask(host + ":443")
			<-in.answered
			if in.reason != want {
				t.Errorf("%q: %v, want %v", host, in.reason, want)
			}
		}
	})
}
