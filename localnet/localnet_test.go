package localnet

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/endpoint"
	"nym-socks5/internal/base58"
	"nym-socks5/internal/simnet"
	"nym-socks5/internal/socksclient"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/wire"
)

// Addresses of the test's world. Targets are behind the requester.
const (
	socksHost  = "10.9.0.1"
	socksAddr  = socksHost + ":1080"
	targetIP   = "203.0.113.7"
	targetHost = "target.example.com"

	unreachable = "203.0.113.66"
)

// A world is a network over memory, in a bubble, with a target to reach.
type world struct {
	*Network
	t      *testing.T
	ctx    context.Context
	inside *simnet.Network // between nodes
	open   *simnet.Network // behind the requester
	wg     sync.WaitGroup
}

// inWorld runs a test on virtual time in a network of its own.
func inWorld(t *testing.T, spec Spec, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &world{t: t, ctx: ctx, inside: simnet.New(), open: simnet.New()}
		parts := 0
		spec.SOCKS = socksAddr
		spec.Addr = func(string) string { parts++; return fmt.Sprintf("10.0.%d.%d:1789", parts/200, parts%200+1) }
		spec.Listen, spec.Dial = w.inside.Listen, w.inside.DialContext
		spec.DialTarget = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, unreachable) {
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
			}
			return w.open.DialContext(ctx, network, addr)
		}
		if spec.Allow == nil {
			spec.Allow = func(host string, _ netip.Addr, _ uint16) error {
				if host == "denied.example.com" {
					return errors.New("denied")
				}
				return nil
			}
		}
		spec.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == targetHost {
				return []netip.Addr{netip.MustParseAddr(targetIP)}, nil
			}
			return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
		}
		var err error
		if w.Network, err = New(spec); err != nil {
			t.Fatal(err)
		}
		w.wg.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Errorf("network: %v", err)
			}
		})
		<-w.Ready()
		test(w)
		cancel()
		w.wg.Wait()
		synctest.Wait()
	})
}

// serve accepts connections at a port of the target and hands each to handle.
func (w *world) serve(port int, handle func(c net.Conn)) {
	w.t.Helper()
	ln, err := w.open.Listen(fmt.Sprintf("%s:%d", targetIP, port))
	if err != nil {
		w.t.Fatal(err)
	}
	context.AfterFunc(w.ctx, func() { ln.Close() })
	w.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() {
				defer c.Close()
				stop := context.AfterFunc(w.ctx, func() { c.Close() })
				defer stop()
				handle(c)
			})
		}
	})
}

func echo(c net.Conn) {
	io.Copy(c, c)
	c.(interface{ CloseWrite() error }).CloseWrite()
}

// A stream is what dial gives.
type stream interface {
	net.Conn
	CloseWrite() error
}

// dial connects through the SOCKS port.
func (w *world) dial(v socksclient.Version, target string) (stream, error) {
	d := socksclient.Dialer{Proxy: socksAddr, Version: v, Dial: w.inside.Host("127.0.0.1").DialContext}
	c, err := d.DialContext(w.ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	return c.(stream), nil
}

// mustDial is dial with SOCKS5, for targets that answer.
func (w *world) mustDial(port int) stream {
	w.t.Helper()
	c, err := w.dial(socksclient.V5, fmt.Sprintf("%s:%d", targetHost, port))
	if err != nil {
		w.t.Fatalf("dial: %v", err)
	}
	return c
}

// exchange sends body, half-closes, and wants it back.
func (w *world) exchange(c stream, body []byte) {
	w.t.Helper()
	defer c.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(body)
		if err == nil {
			err = c.CloseWrite()
		}
		sent <- err
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, body) {
		w.t.Errorf("sent %d bytes, %d came back, the same: %v (%v)", len(body), len(got), bytes.Equal(got, body), err)
	}
	if err := <-sent; err != nil {
		w.t.Errorf("sending: %v", err)
	}
}

func randomBody(n int) []byte {
	b := make([]byte, n)
	crand.Read(b)
	return b
}

// fast keeps virtual time cheap: no delays, no cover.
var fast = client.Fast()

// The main job, with every SOCKS version and every form of target.
func TestEcho(t *testing.T) {
	inWorld(t, Spec{Traffic: fast}, func(w *world) {
		w.serve(7, echo)
		for _, tc := range []struct {
			version socksclient.Version
			target  string
		}{
			{socksclient.V5, targetHost + ":7"},
			{socksclient.V5, targetIP + ":7"},
			{socksclient.V4, targetIP + ":7"},
			{socksclient.V4a, targetHost + ":7"},
		} {
			c, err := w.dial(tc.version, tc.target)
			if err != nil {
				t.Errorf("%v to %s: %v", tc.version, tc.target, err)
				continue
			}
			w.exchange(c, []byte("hello"))
		}
	})
}

// With Nym's own delays, pacing and cover.
func TestNymProfile(t *testing.T) {
	inWorld(t, Spec{}, func(w *world) {
		w.serve(7, echo)
		w.exchange(w.mustDial(7), randomBody(20_000))
	})
}

func TestMegabyteEachWay(t *testing.T) {
	for name, traffic := range map[string]client.Traffic{
		"regular":    fast,
		"extended32": {HopDelay: client.Off, SendEvery: client.Off, CoverEvery: client.Off, Size: mixnet.Extended32},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Spec{Traffic: traffic}, func(w *world) {
				w.serve(7, echo)
				w.exchange(w.mustDial(7), randomBody(1<<20))
			})
		})
	}
}

func TestLossOnEveryLink(t *testing.T) {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(1, 2))
	spec := Spec{Traffic: fast, Filter: func(mixnet.NodeAddr, wire.Frame) bool {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(20) != 0
	}}
	inWorld(t, spec, func(w *world) {
		w.serve(7, echo)
		w.exchange(w.mustDial(7), randomBody(200_000))
	})
}

// Packets overtake each other where hops delay them for very different times,
// and every third SURB-ACK is lost, so that messages come twice.
func TestReorderingAndDuplicates(t *testing.T) {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(3, 4))
	traffic := fast
	traffic.HopDelay = 100 * time.Millisecond
	spec := Spec{Traffic: traffic, Filter: func(_ mixnet.NodeAddr, f wire.Frame) bool {
		mu.Lock()
		defer mu.Unlock()
		return len(f.Packet) != mixnet.AckSize.Total() || rng.IntN(10) != 0 // at each of four hops
	}}
	inWorld(t, spec, func(w *world) {
		w.serve(7, echo)
		w.exchange(w.mustDial(7), randomBody(200_000))
		if s := w.front.Status().Packets; s.SentAgain == 0 {
			t.Error("no SURB-ACK was missed")
		}
	})
}

// hardening.md H38: "a unique host, recipient, identity and tag, raw, hex,
// base58 and base64, at trace level: zero hits in logs"
func TestH38LogsNameNobody(t *testing.T) {
	var log syncBuffer
	spec := Spec{Traffic: fast, Log: zerolog.New(&log).Level(zerolog.TraceLevel)}
	var secrets []string
	inWorld(t, spec, func(w *world) {
		w.serve(7, echo)
		w.exchange(w.mustDial(7), []byte("a unique body 7b1f"))
		for _, target := range []string{targetHost + ":81", "denied.example.com:80", "unknown.example.com:80", unreachable + ":80"} {
			if _, err := w.dial(socksclient.V5, target); err == nil {
				t.Errorf("%s connected", target)
			}
		}
		if err := w.Stop("gateway-1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if err := w.Start("gateway-1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // until it is noticed there is no network
		w.exchange(w.mustDial(7), []byte("a unique body 7b1f"))
		secrets = append(secrets, targetHost, targetIP, "denied.example.com", "unknown.example.com", unreachable, "a unique body 7b1f")
		for _, c := range []*endpoint.Endpoint{w.front, w.back} {
			a := c.Address()
			for _, k := range [][]byte{a.Identity[:], a.Encryption[:]} {
				secrets = append(secrets, string(k), hex.EncodeToString(k), base58.Encode(k), base64.StdEncoding.EncodeToString(k), base64.RawURLEncoding.EncodeToString(k))
			}
		}
	})
	text := log.String()
	if !strings.Contains(text, "no session with the gateway") {
		t.Error("the log has not even what it should have")
	}
	for _, s := range secrets {
		if strings.Contains(strings.ToLower(text), strings.ToLower(s)) {
			t.Errorf("the log has %q", s)
		}
	}
}

// A syncBuffer may be written to by many goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Retransmission takes other routes when a mix dies in mid-download.
func TestMixDiesInMidDownload(t *testing.T) {
	inWorld(t, Spec{Traffic: fast}, func(w *world) {
		body := randomBody(600_000)
		w.serve(80, func(c net.Conn) { c.Write(body) })
		c := w.mustDial(80)
		defer c.Close()
		got := make([]byte, 0, len(body))
		buf := make([]byte, 16<<10)
		for len(got) < 100_000 {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatalf("before the mix died: %v", err)
			}
			got = append(got, buf[:n]...)
		}
		if err := w.Stop("mix-2-1"); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(c)
		if got = append(got, rest...); err != nil || !bytes.Equal(got, body) {
			t.Errorf("got %d of %d bytes (%v)", len(got), len(body), err)
		}
		if err := w.Start("mix-2-1"); err != nil {
			t.Error(err)
		}
		w.exchange(w.echoConn(), randomBody(50_000))
	})
}

func (w *world) echoConn() stream {
	w.serve(7, echo)
	return w.mustDial(7)
}

// A stream survives the restart of either side's gateway.
func TestGatewayRestarts(t *testing.T) {
	for _, name := range []string{"gateway-1", "gateway-2"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Spec{Traffic: fast}, func(w *world) {
				c := w.echoConn()
				if _, err := c.Write([]byte("before")); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, make([]byte, 6)); err != nil {
					t.Fatal(err)
				}
				if err := w.Stop(name); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				if err := w.Start(name); err != nil {
					t.Fatal(err)
				}
				w.exchange(c, randomBody(30_000))
			})
		})
	}
}

func TestManyStreams(t *testing.T) {
	inWorld(t, Spec{Traffic: fast}, func(w *world) {
		w.serve(7, echo)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				c, err := w.dial(socksclient.V5, targetHost+":7")
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				w.exchange(c, randomBody(1000))
			})
		}
		wg.Wait()
	})
}

// Downloads that take all there is, at Nym's pace, do not keep another stream
// from beginning.
func TestNewStreamBesideDownloads(t *testing.T) {
	inWorld(t, Spec{}, func(w *world) {
		w.serve(80, func(c net.Conn) {
			for chunk := make([]byte, 16<<10); ; {
				if _, err := c.Write(chunk); err != nil {
					return
				}
			}
		})
		w.serve(7, echo)
		ctx, stop := context.WithCancel(w.ctx)
		var wg sync.WaitGroup
		for range 6 {
			c := w.mustDial(80)
			context.AfterFunc(ctx, func() { c.Close() })
			wg.Go(func() { io.Copy(io.Discard, c) })
		}
		time.Sleep(20 * time.Second)
		for range 3 {
			began := time.Now()
			c := w.mustDial(7)
			w.exchange(c, []byte("hello"))
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("an exchange beside six downloads took %v", took)
			}
		}
		stop()
		wg.Wait()
	})
}

// A server that answers only after the end of input, a minute later; and a
// client that goes on sending after the server has finished.
func TestHalfClose(t *testing.T) {
	inWorld(t, Spec{Traffic: fast}, func(w *world) {
		w.serve(70, func(c net.Conn) {
			b, _ := io.ReadAll(c)
			time.Sleep(time.Minute)
			c.Write(bytes.ToUpper(b))
		})
		c := w.mustDial(70)
		defer c.Close()
		c.Write([]byte("late answer"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(c); err != nil || string(b) != "LATE ANSWER" {
			t.Errorf("got %q (%v)", b, err)
		}

		heard := make(chan string, 1)
		w.serve(71, func(c net.Conn) {
			c.Write([]byte("done"))
			c.(stream).CloseWrite()
			b, _ := io.ReadAll(c)
			heard <- string(b)
		})
		d := w.mustDial(71)
		defer d.Close()
		if b, err := io.ReadAll(d); err != nil || string(b) != "done" {
			t.Errorf("got %q (%v)", b, err)
		}
		time.Sleep(time.Second)
		d.Write([]byte("still here"))
		d.CloseWrite()
		if got := <-heard; got != "still here" {
			t.Errorf("the server heard %q", got)
		}
	})
}

// socks.md §21.4: "An end that the socket caused has its place in the stream":
// an early answer whose server then breaks off arrives whole, and so does an
// upload, on every way in.
func TestResetComesBehindTheData(t *testing.T) {
	inWorld(t, Spec{Traffic: fast}, func(w *world) {
		answer := randomBody(100_000)
		w.serve(72, func(c net.Conn) { // as a server that refuses an upload
			io.ReadFull(c, make([]byte, 1000))
			c.Write(answer)
			c.(interface{ SetLinger(int) error }).SetLinger(0)
		})
		heard := make(chan int, 1)
		w.serve(73, func(c net.Conn) {
			n, err := io.Copy(io.Discard, c)
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the upload ended with %v, want a reset", err)
			}
			heard <- int(n)
		})
		for _, v := range []socksclient.Version{socksclient.V5, socksclient.V4a, socksclient.V4} {
			host := targetHost
			if v == socksclient.V4 {
				host = targetIP
			}
			c, err := w.dial(v, host+":72")
			if err != nil {
				t.Fatal(err)
			}
			w.wg.Go(func() {
				for {
					if _, err := c.Write(make([]byte, 10_000)); err != nil {
						return
					}
				}
			})
			if b, err := io.ReadAll(c); !bytes.Equal(b, answer) || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("version %d: got %d bytes of %d, then %v", v, len(b), len(answer), err)
			}
			c.Close()
			if c, err = w.dial(v, host+":73"); err != nil {
				t.Fatal(err)
			}
			c.Write(answer)
			c.(interface{ SetLinger(int) error }).SetLinger(0)
			c.Close()
			if n := <-heard; n != len(answer) {
				t.Errorf("version %d: %d bytes of %d were heard", v, n, len(answer))
			}
		}
	})
}

// socks.md §21.2: the reply tells what the requester met.
func TestTruthfulAnswers(t *testing.T) {
	inWorld(t, Spec{Traffic: fast}, func(w *world) {
		for _, tc := range []struct {
			target string
			code   byte
		}{
			{targetHost + ":81", 5},       // nobody listens
			{"denied.example.com:80", 2},  // policy
			{"unknown.example.com:80", 4}, // no such name
		} {
			_, err := w.dial(socksclient.V5, tc.target)
			var reply *socksclient.ReplyError
			if !errors.As(err, &reply) || reply.Code != tc.code {
				t.Errorf("%s: got %v, want reply %d", tc.target, err, tc.code)
			}
		}
	})
}

// socks.md §21.1: "MUST never resolve a target name locally"
func TestNoLocalLookup(t *testing.T) {
	inWorld(t, Spec{Traffic: fast}, func(w *world) {
		old := net.DefaultResolver
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Error("somebody looks a name up")
			return nil, errors.New("no look-ups here")
		}}
		defer func() { net.DefaultResolver = old }()
		w.serve(7, echo)
		for _, v := range []socksclient.Version{socksclient.V5, socksclient.V4a} {
			c, err := w.dial(v, targetHost+":7")
			if err != nil {
				t.Fatal(err)
			}
			w.exchange(c, []byte("hello"))
			if _, err := w.dial(v, "unknown.example.com:80"); err == nil {
				t.Error("an unknown name was connected")
			}
		}
	})
}

func TestSpecRefuses(t *testing.T) {
	if _, err := New(Spec{MixesPerLayer: -1}); err == nil {
		t.Error("a negative number of mixes")
	}
	n, err := New(Spec{Listen: func(string) (net.Listener, error) { return nil, errors.New("port in use") }})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(t.Context()); err == nil {
		t.Error("ran without ports")
	}
	if n.Stop("mix-9-9") == nil || n.Start("mix-9-9") == nil {
		t.Error("stopped or started a node that does not exist")
	}
}
