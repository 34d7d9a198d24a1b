package socks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"nym-socks5/internal/socksclient"
	"nym-socks5/proxy"
)

// socks.md §21.2: the table of outcomes, and "Failure replies MUST be full
// length: SOCKS5 `05 code 00 01 00000000 0000`, SOCKS4 `00 5B 0000 00000000`."
func TestStrictReplies(t *testing.T) {
	for _, tt := range []struct {
		name string
		then DialFunc
		code byte
		http int
	}{
		{"connected", nil, 0x00, 200},
		{"denied", fails(proxy.ReasonDenied), 0x02, 403},
		{"unknown name", fails(proxy.ReasonDNS), 0x04, 502},
		{"connect failed", fails(proxy.ReasonUnknown), 0x04, 502},
		{"unreachable", fails(proxy.ReasonUnreachable), 0x04, 502},
		{"refused", fails(proxy.ReasonRefused), 0x05, 502},
		{"target silent", fails(proxy.ReasonTimeout), 0x06, 504},
		{"requester offline", fails(proxy.ReasonNoAnswer), 0x06, 504},
		{"requester never answers", hangs, 0x06, 504},
		{"no gateway", fails(proxy.ReasonNoNetwork), 0x03, 503},
		{"limit", fails(proxy.ReasonLimit), 0x01, 503},
		{"internal", fails(proxy.ReasonInternal), 0x01, 503},
		// go-socks5 would look for words in this text.
		{"odd error", func(context.Context, string, proxy.DialOptions) (proxy.Stream, error) {
			return nil, errors.New("connection refused, network is unreachable")
		}, 0x01, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, tt.then)

				a := w.app()
				a.send(greet + connect5)
				a.want(chosen + fmt.Sprintf("\x05%c\x00\x01\x00\x00\x00\x00\x00\x00", tt.code))
				if tt.code != 0 {
					a.wantEnd()
				}

				a = w.app()
				a.send(connect4)
				if tt.code == 0 {
					a.want(ok4)
				} else {
					a.want("\x00\x5b\x00\x00\x00\x00\x00\x00")
					a.wantEnd()
				}

				a = w.app()
				a.send(connectH)
				a.want(fmt.Sprintf("HTTP/1.1 %d ", tt.http))
			})
		})
	}
}

// socks.md §21.2: "up to a limit (default 18 s, since apps with short proxy
// limits exist: Bitcoin Core waits 20 s)"; package proxy keeps it, and the server
// waits a second longer for one that does not.
func TestStrictAnswersInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, hangs)
		var err error
		took := since(func() { _, err = w.client(socksclient.V5).DialContext(t.Context(), "tcp", "example.org:443") })
		var reply *socksclient.ReplyError
		if !errors.As(err, &reply) || reply.Code != 6 {
			t.Errorf("got %v, want reply 6", err)
		}
		if took != 19*time.Second {
			t.Errorf("answered after %v, want 19s", took)
		}
	})
}

// What the target text may be: socks.md §19.2, §19.3 ("Ours MUST send the
// bracketed form"), §23.7 (odd targets).
func TestTargets(t *testing.T) {
	name := func(s string) string { return fmt.Sprintf("\x03%c%s", len(s), s) }
	// %c writes UTF-8 beyond 0x7f.
	long := func(s string) string { return "\x03" + string([]byte{byte(len(s))}) + s }
	longest := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("a", 61) + "."
	for _, tt := range []struct {
		name string
		addr string // ATYP and address
		port string
		want string // the target, if dialed
		code byte   // the reply, if not
	}{
		{"IPv4", "\x01\xc0\x00\x02\x01", "\x00\x50", "192.0.2.1:80", 0},
		{"IPv6", "\x04\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01", "\x01\xbb", "[2001:db8::1]:443", 0},
		{"IPv4-mapped IPv6", "\x04" + strings.Repeat("\x00", 10) + "\xff\xff\xc0\x00\x02\x01", "\x00\x50", "192.0.2.1:80", 0},
		{"name", name("Example.org"), "\xff\xff", "Example.org:65535", 0},
		{"name with a trailing dot", name("example.org."), "\x00\x50", "example.org.:80", 0},
		{"localhost, not looked up", name("localhost"), "\x00\x50", "localhost:80", 0},
		{"longest name", long(longest), "\xff\xff", longest + ":65535", 0},
		{"name of 255 bytes, which DNS cannot know", long(strings.Repeat("a", 255)), "\xff\xff", "", 4},
		{"name beyond ASCII", name("bücher.example"), "\x00\x50", "xn--bcher-kva.example:80", 0},
		{"name with other full stops", name("www。example。org"), "\x00\x50", "www.example.org:80", 0},
		{"hyphens at the edges", name("-a-.example.org"), "\x00\x50", "-a-.example.org:80", 0},
		{"label of 64", name(strings.Repeat("a", 64) + ".org"), "\x00\x50", "", 4},
		{"empty label", name("a..org"), "\x00\x50", "", 4},
		{"IPv4 as a name", name("192.0.2.1"), "\x00\x50", "192.0.2.1:80", 0},
		{"IPv6 as a name", name("2001:db8:0::1"), "\x00\x50", "[2001:db8::1]:80", 0},
		{"IPv6 as a name, bracketed", name("[2001:db8::1]"), "\x00\x50", "[2001:db8::1]:80", 0},
		{"IPv6 with a zone", name("fe80::1%eth0"), "\x00\x50", "", 4},
		{"IPv4 in brackets", name("[192.0.2.1]"), "\x00\x50", "", 4},
		{"empty name", name(""), "\x00\x50", "", 4},
		{"NUL in a name", name("example.org\x00.test"), "\x00\x50", "", 4},
		{"colon in a name", name("a:b"), "\x00\x50", "", 4},
		{"name with a port", name("a.org:80"), "\x00\x50", "", 4},
		{"newline in a name", name("a.org\n"), "\x00\x50", "", 4},
		{"bracket in a name", name("a]b"), "\x00\x50", "", 4},
		{"name that is no UTF-8", "\x03\x02a\xff", "\x00\x50", "", 4},
		{"port 0", name("example.org"), "\x00\x00", "", 2},
		{"address type 2", "\x02\x00\x00\x00\x00", "\x00\x50", "", 8},
		{"address type 0", "\x00", "\x00\x50", "", 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, nil)
				a := w.app()
				a.send(greet + "\x05\x01\x00" + tt.addr + tt.port)
				if tt.want != "" {
					a.want(chosen + ok5)
					wantStrings(t, "targets", w.mix.targets(), tt.want)
					return
				}
				a.want(chosen + string(code(tt.code).v5()))
				a.wantEnd()
				wantStrings(t, "targets", w.mix.targets())
			})
		})
	}
}

// socks.md §21.2: "unsupported command 07", "unsupported address type 08";
// §20.1: for BIND, UDP ASSOCIATE and RESOLVE go-socks5 would first look the name up.
func TestUnsupportedCommands(t *testing.T) {
	for _, cmd := range []string{"\x02", "\x03", "\xf0", "\xf1", "\x00"} {
		for _, addr := range []string{"\x03\x09localhost", "\x01\x00\x00\x00\x00"} {
			t.Run(fmt.Sprintf("%x %x", cmd, addr), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, Config{}, nil)
					a := w.app()
					a.send(greet + "\x05" + cmd + "\x00" + addr + "\x00\x50")
					a.want(chosen + "\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00")
					a.wantEnd()
					wantStrings(t, "targets", w.mix.targets())
					if got := w.srv.Stats().Unsupported; got != 1 {
						t.Errorf("Stats: %d unsupported, want 1", got)
					}
				})
			})
		}
	}
}

// A request that go-socks5 drops without a word is answered.
func TestWrongVersionInRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		a := w.app()
		a.send(greet + "\x04" + connect5[1:])
		a.want(chosen + "\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00")
		a.wantEnd()
	})
}

func TestOtherFirstBytesAreClosed(t *testing.T) {
	for _, first := range []string{"\x00", "\x06", "\x16\x03\x01", "\xff", "\n"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			a := w.app()
			a.send(first)
			a.wantEnd()
		})
	}
}

// go-socks5 panics if the address of the dialed connection is no *net.TCPAddr,
// and has no reply if its IP is nil.
func TestStreamsWithOddAddresses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		inner := w.mix.then
		w.mix.then = func(ctx context.Context, target string, o proxy.DialOptions) (proxy.Stream, error) {
			s, err := inner(ctx, target, o)
			return oddAddr{s}, err
		}
		a := w.app()
		a.send(greet + connect5)
		a.want(chosen + ok5)
	})
}

type oddAddr struct{ proxy.Stream }

func (oddAddr) LocalAddr() net.Addr { return nil }

func TestDialerGivesNoTypedNil(t *testing.T) {
	dial := Dialer(func(context.Context, string, proxy.DialOptions) (*fakeStream, error) { return nil, errNotOpened })
	if s, err := dial(t.Context(), "", proxy.DialOptions{}); s != nil || err != errNotOpened {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestStatsCountReplies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		ask := func() {
			if c, err := w.client(socksclient.V5).DialContext(t.Context(), "tcp", "example.org:443"); err == nil {
				c.Close()
			}
		}
		ask()
		for _, r := range []proxy.Reason{proxy.ReasonDenied, proxy.ReasonDNS, proxy.ReasonRefused, proxy.ReasonNoAnswer, proxy.ReasonNoNetwork, proxy.ReasonLimit} {
			w.mix.then = fails(r)
			ask()
		}
		time.Sleep(time.Minute)
		want := Stats{Accepted: 7, Connected: 1, Denied: 1, Unreachable: 1, Refused: 1, NoAnswer: 1, NoNetwork: 1, Failed: 1}
		if got := w.srv.Stats(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
