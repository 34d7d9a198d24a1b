package requester

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nym-socks5/internal/runtest"
	"nym-socks5/proxy"
)

func TestReasons(t *testing.T) {
	dialError := func(err error) Config {
		return Config{Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}}
	}
	for _, tt := range []struct {
		name, target string
		cfg          Config
		want         proxy.Reason
		lookups      int
	}{
		{"no line", "forbidden.test:443", Config{}, proxy.ReasonDenied, 0},
		{"a deny line", "bad.example.org:443", Config{}, proxy.ReasonDenied, 0},
		{"port 0", "example.org:0", Config{}, proxy.ReasonDenied, 0},
		{"local name", "localhost:443", Config{}, proxy.ReasonDenied, 0},
		{"denied address", "10.0.0.1:443", Config{}, proxy.ReasonDenied, 0},
		{"denied after look-up", "inside.example.org:443", Config{}, proxy.ReasonDenied, 1},
		{"malformed", "example.org", Config{}, proxy.ReasonDenied, 0},
		{"unknown name", "nowhere.example.org:443", Config{}, proxy.ReasonDNS, 1},
		{"name without addresses", "empty.example.org:443", Config{}, proxy.ReasonDNS, 1},
		{"refused", "www.example.org:443", Config{}, proxy.ReasonRefused, 1},
		{"no route", "www.example.org:443", dialError(syscall.ENETUNREACH), proxy.ReasonUnreachable, 1},
		{"no host", "www.example.org:443", dialError(syscall.EHOSTUNREACH), proxy.ReasonUnreachable, 1},
		{"system timeout", "www.example.org:443", dialError(syscall.ETIMEDOUT), proxy.ReasonTimeout, 1},
		{"no more files", "www.example.org:443", dialError(syscall.EMFILE), proxy.ReasonLimit, 1},
		{"reset", "www.example.org:443", dialError(syscall.ECONNRESET), proxy.ReasonUnknown, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var refused []string
				tt.cfg.Refused = func(host string, port uint16, err error) {
					if err == nil {
						t.Error("refused for no reason")
					}
					refused = append(refused, fmt.Sprint(host, ":", port))
				}
				w := newWorld(t, "deny bad.example.org\nallow *.example.org:443", tt.cfg)
				w.names["www.example.org"] = []string{"93.184.216.34"}
				w.names["inside.example.org"] = []string{"10.0.0.1"}
				w.names["empty.example.org"] = nil
				w.ask(tt.target).wantRejected(tt.want)
				if len(w.lookups) != tt.lookups {
					t.Errorf("looked up %q, want %d look-ups", w.lookups, tt.lookups)
				}
				var told []string // once each, but what names no target
				if tt.want == proxy.ReasonDenied && tt.name != "malformed" {
					told = []string{tt.target}
				}
				if !slices.Equal(refused, told) {
					t.Errorf("told that %q were refused, want %q", refused, told)
				}
			})
		})
	}
}

// socks.md §21.3: "MUST resolve once, check every address, and dial only checked
// addresses (try all accepted ones, alternating families), so no rebinding race."
func TestOnlyCheckedAddressesAreDialed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "deny 93.184.216.66\nallow *.example.org", Config{})
		w.names["www.example.org"] = []string{"10.0.0.1", "93.184.216.66", "::ffff:93.184.216.35", "93.184.216.35", "2606:2800::1", "93.184.216.34", "::1", "fe80::1%eth0"}
		w.echo("93.184.216.34:443")
		in := w.ask("www.example.org:443")
		in.wantAccepted()
		var got []string
		for _, a := range w.attempts() {
			got = append(got, a.addr)
		}
		want := []string{"[2606:2800::1]:443", "93.184.216.35:443", "93.184.216.34:443"}
		if !slices.Equal(got, want) {
			t.Errorf("dialed %q, want %q", got, want)
		}
		if !slices.Equal(w.lookups, []string{"www.example.org"}) {
			t.Errorf("looked up %q, want the name once", w.lookups)
		}
		in.peer.Close()
	})
}

// hardening.md H32: "Internal addresses in … DNS answers are refused, and so are
// internal literals as SOCKS targets, unless opened."
func TestH32InternalAddresses(t *testing.T) {
	inside := []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"}
	for rules, open := range map[string]bool{
		"allow *": false,
		"allow *\nallow 127.0.0.0/8\nallow 10.0.0.0/8\nallow 169.254.0.0/16\nallow 192.168.0.0/16\nallow [::1]\nallow [fd00::]/8\nallow [fe80::]/10": true,
	} {
		for _, addr := range inside {
			bubble(t, func(t *testing.T) {
				refused := func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
				w := newWorld(t, rules, Config{Dial: refused})
				w.names["name.example.org"] = []string{addr}
				want, dials := proxy.ReasonDenied, 0
				if open {
					want, dials = proxy.ReasonRefused, 2
				}
				w.ask("name.example.org:443").wantRejected(want)
				w.ask(net.JoinHostPort(addr, "443")).wantRejected(want)
				if n := len(w.attempts()); n != dials {
					t.Errorf("%s: %d dialed, want %d", addr, n, dials)
				}
			})
		}
	}
}

// socks.md §21.3: "MAY skip bad addresses instead of denying the whole name (configurable)."
func TestRefuseMixed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{RefuseMixed: true})
		w.names["www.example.org"] = []string{"93.184.216.34", "10.0.0.1"}
		w.echo("93.184.216.34:443")
		w.ask("www.example.org:443").wantRejected(proxy.ReasonDenied)
		if n := len(w.attempts()); n != 0 {
			t.Errorf("%d addresses dialed, want none", n)
		}
	})
}

// socks.md §21.3: "time to connect (10 s per address, 30 s in all)".
func TestConnectTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{Stagger: time.Hour})
		addrs := []string{"93.184.216.1", "93.184.216.2", "93.184.216.3", "93.184.216.4", "93.184.216.5"}
		w.names["www.example.org"] = addrs
		for _, a := range addrs {
			w.net.Blackhole(a)
		}
		start := time.Now()
		w.ask("www.example.org:443").wantRejected(proxy.ReasonTimeout)
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("gave up after %v, want 30s", took)
		}
		// At 30 s a fourth attempt may begin, and ends at once.
		for i, want := range []time.Duration{0, 10 * time.Second, 20 * time.Second} {
			if got := w.attempts(); len(got) < 3 || len(got) > 4 || got[i].at != want {
				t.Fatalf("attempts %v, want one every 10s", got)
			}
		}

		w.names["one.example.org"] = addrs[:1]
		start = time.Now()
		w.ask("one.example.org:443").wantRejected(proxy.ReasonTimeout)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("gave up one address after %v, want 10s", took)
		}
	})
}

// A silent address costs 300 ms, not ten seconds, and a refusing one nothing.
func TestNextAddressIsTriedBesideASilentOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{})
		w.names["www.example.org"] = []string{"2606:2800::1", "2606:2800::2", "93.184.216.34", "93.184.216.35"}
		w.net.Blackhole("2606:2800::1")
		w.echo("93.184.216.35:443")
		in := w.ask("www.example.org:443")
		in.wantAccepted()
		want := []attempt{
			{"[2606:2800::1]:443", 0},
			{"93.184.216.34:443", 300 * time.Millisecond},
			{"[2606:2800::2]:443", 300 * time.Millisecond}, // at once, since the one before refused
			{"93.184.216.35:443", 300 * time.Millisecond},
		}
		if got := w.attempts(); !slices.Equal(got, want) {
			t.Errorf("attempts %v, want %v", got, want)
		}
		in.peer.Close()
	})
}

func TestFailureThatSaysMost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{Dial: func(_ context.Context, network, _ string) (net.Conn, error) {
			if network == "tcp6" {
				return nil, syscall.ENETUNREACH
			}
			return nil, syscall.ECONNREFUSED
		}})
		w.names["a.example.org"] = []string{"2606:2800::1", "93.184.216.34"}
		w.names["b.example.org"] = []string{"93.184.216.34", "2606:2800::1"}
		w.ask("a.example.org:443").wantRejected(proxy.ReasonRefused)
		w.ask("b.example.org:443").wantRejected(proxy.ReasonRefused)
	})
}

// Two addresses answer: one connection is kept, the other closed.
func TestSecondAnswerIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{Stagger: time.Millisecond})
		w.names["www.example.org"] = []string{"93.184.216.34", "93.184.216.35"}
		w.net.SetLatency(time.Second)
		w.echo("93.184.216.34:443")
		w.echo("93.184.216.35:443")
		in := w.ask("www.example.org:443")
		in.wantAccepted()
		time.Sleep(10 * time.Second)
		if n := w.net.Conns("93.184.216.34:443") + w.net.Conns("93.184.216.35:443"); n != 1 {
			t.Errorf("%d connections are open, want 1", n)
		}
		in.peer.Close()
	})
}

func TestPeerGivesUpWhileConnecting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "allow *", Config{})
		w.net.Blackhole("93.184.216.34")
		in := w.ask("93.184.216.34:443")
		time.Sleep(time.Second)
		in.giveUp()
		start := time.Now()
		in.wantRejected(proxy.ReasonInternal)
		if took := time.Since(start); took != 0 {
			t.Errorf("noticed after %v, want at once", took)
		}
	})
}

// hardening.md H30: "Checked again at the moment of connecting
// (`net.Dialer.ControlContext`)."
func TestH30CheckedAgainWhileConnecting(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reached := make(chan struct{})
	defer runtest.Serve(t, ln, func(c net.Conn) {
		c.Close()
		reached <- struct{}{}
	})()

	for _, tt := range []struct {
		name  string
		times int32 // how often Allow allows
		want  proxy.Reason
	}{
		{"still allowed", 3, 0},
		{"denied meanwhile", 2, proxy.ReasonDenied}, // before the look-up, after it
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			r := New(Config{
				Accept: func(context.Context) (Incoming, error) { return nil, errors.New("unused") },
				Allow: func(string, netip.Addr, uint16) error {
					if asked.Add(1) > tt.times {
						return errors.New("policy changed")
					}
					return nil
				},
			})
			c, why, err := r.open(t.Context(), ln.Addr().String())
			if why != tt.want || (err == nil) != (tt.want == 0) {
				t.Fatalf("got %v, %v, want %v", why, err, tt.want)
			}
			if err == nil {
				c.Close()
				<-reached
			}
			if asked.Load() != 3 {
				t.Errorf("Allow was asked %d times, want 3", asked.Load())
			}
		})
	}
	select {
	case <-reached:
		t.Error("the listener was reached although the address was denied")
	default:
	}
}

func TestH30SocketForAnotherAddressIsRefused(t *testing.T) {
	r := New(Config{
		Accept: func(context.Context) (Incoming, error) { return nil, errors.New("unused") },
		Allow:  func(string, netip.Addr, uint16) error { return nil },
	})
	want := netip.MustParseAddrPort("93.184.216.34:443")
	for text, ok := range map[string]bool{
		"93.184.216.34:443": true, "[::ffff:93.184.216.34]:443": true,
		"93.184.216.35:443": false, "93.184.216.34:444": false, "127.0.0.1:443": false, "": false,
	} {
		if err := r.recheck(target{host: "example.org", port: 443}, want, text); (err == nil) != ok {
			t.Errorf("%q: got %v, want allowed %v", text, err, ok)
		}
	}
}

// socks.md §19.3: "as NR, accept both" forms of IPv6.
func TestParseTarget(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::1")
	for _, tt := range []struct {
		text string
		want target
		ok   bool
	}{
		{"example.org:443", target{host: "example.org", port: 443}, true},
		{"Example.org.:65535", target{host: "Example.org.", port: 65535}, true},
		{"192.0.2.1:80", target{"192.0.2.1", netip.MustParseAddr("192.0.2.1"), 80}, true},
		{"[2001:db8::1]:443", target{"2001:db8::1", v6, 443}, true},
		{"2001:db8:0:0:0:0:0:1:443", target{"2001:db8:0:0:0:0:0:1", v6, 443}, true},
		{"[::ffff:192.0.2.1]:80", target{"::ffff:192.0.2.1", netip.MustParseAddr("192.0.2.1"), 80}, true},
		{"example.org:0", target{host: "example.org"}, true},
		{strings.Repeat("a", 255) + ":65535", target{host: strings.Repeat("a", 255), port: 65535}, true},
		{strings.Repeat("a", 256) + ":65535", target{}, false},
		{"", target{}, false},
		{":", target{}, false},
		{":443", target{}, false},
		{"example.org", target{}, false},
		{"example.org:", target{}, false},
		{"example.org:http", target{}, false},
		{"example.org:+80", target{}, false},
		{"example.org:-1", target{}, false},
		{"example.org:65536", target{}, false},
		{"[]:443", target{}, false},
		{"[example.org]:443", target{}, false},
		{"[192.0.2.1]:443", target{}, false},
		{"[2001:db8::1:443", target{}, false},
		{"2001:db8::1]:443", target{}, false},
		{"fe80::1%eth0:443", target{}, false},
		{"[fe80::1%eth0]:443", target{}, false},
		{"a:b:443", target{}, false},
	} {
		got, err := parseTarget(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: got %+v, %v, want %+v, ok %v", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"example.org:443", "[2001:db8::1]:443", "2001:db8:0:0:0:0:0:1:443", "192.0.2.1:80", ":", "[fe80::1%a]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseTarget(text)
		if err != nil {
			return
		}
		back := fmt.Sprintf("%s:%d", got.host, got.port)
		if got.addr.IsValid() {
			back = netip.AddrPortFrom(got.addr, got.port).String()
		}
		again, err := parseTarget(back)
		if err != nil || again.addr != got.addr || again.port != got.port || (!got.addr.IsValid() && again.host != got.host) {
			t.Fatalf("%q parses as %+v, and %q as %+v, %v", text, got, back, again, err)
		}
		if got.host == "" || got.addr.Is4In6() || got.addr.Zone() != "" {
			t.Fatalf("%q parses as %+v", text, got)
		}
	})
}

// socks.md §22: "Services of our NR can be reached by an ordinary Connect to a
// reserved name below .invalid."
func TestServices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, "", Config{Services: map[string]func(context.Context, net.Conn){
			"hello.nym-socks5.invalid:80": func(_ context.Context, c net.Conn) { io.WriteString(c, "hello") },
		}})
		wish := w.ask("hello.nym-socks5.invalid:80")
		wish.wantAccepted()
		if b, err := io.ReadAll(wish.peer); string(b) != "hello" || err != nil {
			t.Errorf("the service says %q, %v", b, err)
		}
		for _, other := range []string{"hello.nym-socks5.invalid:81", "bye.nym-socks5.invalid:80"} {
			w.ask(other).wantRejected(proxy.ReasonDenied)
		}
		if len(w.lookups)+len(w.dials) != 0 {
			t.Errorf("looked up %q, dialed %v", w.lookups, w.dials)
		}
	})
}
