package requester_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/allowlist"
	"nym-socks5/internal/simnet"
	"nym-socks5/internal/socksclient"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy"
	"nym-socks5/proxy/requester"
	"nym-socks5/proxy/socks"
)

// A path is everything between an application and its targets, save the mixnet
// itself: SOCKS server, both proxies over a Pair with faults, requester.
type path struct {
	t             *testing.T
	net           *simnet.Network
	wg            sync.WaitGroup
	stopRequester context.CancelFunc
}

const rules = `
deny  bad.example.org
allow *.example.org
allow 93.184.216.0/24
allow [2606:2800::]/32
allow 10.0.0.7:80
`

// inPath runs f with a whole path, in a bubble.
func inPath(t *testing.T, cfg socks.Config, f func(p *path)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &path{t: t, net: simnet.New()}
		pair := mixnettest.NewPair(mixnettest.Options{Latency: 150 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.02, Duplicate: 0.02, CountSURBs: true, Seed: 1})
		list, err := allowlist.Parse(strings.NewReader(rules))
		if err != nil {
			t.Fatal(err)
		}

		far, stop := context.WithCancel(t.Context())
		p.stopRequester = stop
		exit := proxy.New(pair.B, proxy.Config{Serve: true})
		p.run(far, exit.Run)
		p.run(far, requester.New(requester.Config{
			Accept: requester.Streams(exit),
			Allow:  list.Allow,
			Lookup: requester.BothFamilies(lookup),
			Dial:   p.dial,
		}).Run)

		near, stopNear := context.WithCancel(t.Context())
		entry := proxy.New(pair.A, proxy.Config{})
		p.run(near, entry.Run)
		cfg.Dial = socks.Dialer(func(ctx context.Context, target string, o proxy.DialOptions) (*proxy.Conn, error) {
			return entry.Dial(ctx, pair.B.Address(), target, o)
		})
		ln, err := p.net.Listen("127.0.0.1:1080")
		if err != nil {
			t.Fatal(err)
		}
		p.run(near, func(ctx context.Context) error { return socks.New(cfg).Run(ctx, ln) })

		f(p)
		stopNear()
		stop()
		p.wg.Wait()
	})
}

func (p *path) run(ctx context.Context, run func(context.Context) error) {
	p.wg.Go(func() {
		if err := run(ctx); err != nil && !errors.Is(err, proxy.ErrClosed) {
			p.t.Errorf("run: %v", err)
		}
	})
}

func lookup(_ context.Context, host string) ([]netip.Addr, error) {
	switch host {
	case "www.example.org":
		return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
	case "example.net":
		return []netip.Addr{netip.MustParseAddr("198.41.0.4")}, nil
	case "rebound.example.org":
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return nil, errors.New("no such name")
}

// dial adds failures that the network in memory does not know.
func (p *path) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if strings.HasPrefix(addr, "93.184.216.99:") {
		return nil, syscall.EHOSTUNREACH
	}
	return p.net.DialContext(ctx, network, addr)
}

// service runs serve for one connection to addr. wait waits for its end.
func (p *path) service(addr string, serve func(net.Conn)) (wait func()) {
	ln, err := p.net.Listen(addr)
	if err != nil {
		p.t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		serve(c)
	}()
	return func() { ln.Close(); <-served }
}

// app connects through the path.
func (p *path) app(v socksclient.Version, target string) (net.Conn, error) {
	d := socksclient.Dialer{Proxy: "127.0.0.1:1080", Version: v, Dial: p.net.DialContext}
	return d.DialContext(p.t.Context(), "tcp", target)
}

func echo(c net.Conn) {
	io.Copy(c, c)
	c.(interface{ CloseWrite() error }).CloseWrite()
}

// socks.md §23.6: "Optimistic and strict replies for: success, refused,
// unreachable, policy denial, unknown name, NR offline."
func TestRepliesEndToEnd(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		code         byte
	}{
		{"success", "www.example.org:80", 0},
		{"success by address", "93.184.216.34:80", 0},
		{"success by IPv6", "[2606:2800::1]:80", 0},
		{"success by opened private address", "10.0.0.7:80", 0},
		{"refused", "www.example.org:81", 5},
		{"unreachable", "93.184.216.99:80", 4},
		{"silent", "93.184.216.98:80", 6},
		{"denied by a line", "bad.example.org:80", 2},
		{"denied, no line", "example.net:80", 2},
		{"denied, private address", "10.0.0.8:80", 2},
		{"denied, name of a private address", "rebound.example.org:80", 2},
		{"denied, port", "www.example.org:25", 2},
		{"unknown name", "nowhere.example.org:80", 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range []socksclient.Version{socksclient.V5, socksclient.V4a} {
				inPath(t, socks.Config{}, func(p *path) {
					for _, addr := range []string{"93.184.216.34:80", "[2606:2800::1]:80", "10.0.0.7:80"} {
						p.listen(addr)
					}
					p.net.Blackhole("93.184.216.98")
					c, err := p.app(v, tt.target)
					want := tt.code
					if v == socksclient.V4a && want != 0 {
						want = 0x5B
					}
					var reply *socksclient.ReplyError
					switch {
					case want == 0 && err != nil:
						t.Errorf("%v: %v", v, err)
					case want != 0 && (!errors.As(err, &reply) || reply.Code != want):
						t.Errorf("%v: got %v, want reply %#02x", v, err, want)
					}
					if c != nil {
						c.Close()
					}
				})
			}
		})
	}
}

// listen accepts connections to addr and never serves them.
func (p *path) listen(addr string) {
	ln, err := p.net.Listen(addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { ln.Close() })
}

func TestRequesterOfflineEndToEnd(t *testing.T) {
	inPath(t, socks.Config{}, func(p *path) {
		p.stopRequester()
		start := time.Now()
		_, err := p.app(socksclient.V5, "www.example.org:80")
		var reply *socksclient.ReplyError
		if !errors.As(err, &reply) || reply.Code != 6 {
			t.Errorf("got %v, want reply 6", err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("answered after %v", took)
		}
	})
}

// In optimistic mode success comes at once and the failure later.
func TestOptimisticEndToEnd(t *testing.T) {
	inPath(t, socks.Config{Optimistic: true}, func(p *path) {
		start := time.Now()
		c, err := p.app(socksclient.V5, "bad.example.org:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("answered after %v, want at once", took)
		}
		if n, err := io.Copy(io.Discard, c); n != 0 {
			t.Errorf("got %d bytes, %v", n, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("closed after %v", took)
		}
	})
}

func TestMegabyteEachWayEndToEnd(t *testing.T) {
	inPath(t, socks.Config{}, func(p *path) {
		wait := p.service("93.184.216.34:80", echo)
		c, err := p.app(socksclient.V5, "www.example.org:80")
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		go func() {
			c.Write(data)
			c.(interface{ CloseWrite() error }).CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("got %d bytes, %v, want %d the same", len(got), err, len(data))
		}
		c.Close()
		wait()
	})
}

// socks.md §23.5: "a server that answers only after end of input, 60 s later".
func TestHalfCloseEndToEnd(t *testing.T) {
	inPath(t, socks.Config{}, func(p *path) {
		wait := p.service("93.184.216.34:80", func(c net.Conn) {
			all, _ := io.ReadAll(c)
			time.Sleep(time.Minute)
			c.Write(bytes.ToUpper(all))
		})
		c, err := p.app(socksclient.V4a, "www.example.org:80")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "question")
		c.(interface{ CloseWrite() error }).CloseWrite()
		if got, err := io.ReadAll(c); err != nil || string(got) != "QUESTION" {
			t.Errorf("got %q, %v", got, err)
		}
		c.Close()
		wait()
	})
}
