package endpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"nym-socks5/endpoint"
	"nym-socks5/internal/simnet"
	"nym-socks5/internal/socksclient"
	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
	"nym-socks5/proxy"
	"nym-socks5/proxy/protocol"
	"nym-socks5/proxy/socks"
)

// A world is a network on virtual time, with the endpoints of a test.
type world struct {
	*testing.T
	*localnet.Network
	ctx    context.Context
	run    *errgroup.Group
	inside *simnet.Network // between the nodes
}

// inWorld runs a test in a network of two gateways, in a bubble.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		inside, open := simnet.New(), simnet.New()
		next := 0
		network, err := localnet.New(localnet.Spec{
			MixesPerLayer: 1, Traffic: client.Fast(), Log: zerolog.Nop(),
			Addr: func(string) string {
				next++
				return fmt.Sprintf("10.0.0.%d:1000", next)
			},
			SOCKS:  "10.0.1.1:1080",
			Listen: inside.Listen,
			Dial:   inside.DialContext,
			Allow: func(host string, _ netip.Addr, _ uint16) error {
				if host == "denied.example.com" {
					return errors.New("denied")
				}
				return nil
			},
			Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
				if host == "unknown.example.com" {
					return nil, &net.DNSError{IsNotFound: true}
				}
				return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
			},
			DialTarget: open.DialContext,
		})
		if err != nil {
			t.Fatal(err)
		}
		echo, err := open.Listen("192.0.2.1:7")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		w := &world{T: t, Network: network, ctx: ctx, run: new(errgroup.Group), inside: inside}
		w.run.Go(func() error { return network.Run(ctx) })
		w.run.Go(func() error { return serveEcho(ctx, echo) })
		<-network.Ready()
		test(w)
		stop()
		if err := w.run.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// serveEcho gives back what it gets, until ctx ends.
func serveEcho(ctx context.Context, ln net.Listener) error {
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	for {
		c, err := ln.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

// start runs an endpoint, and waits until it is ready.
func (w *world) start(cfg endpoint.Config) *endpoint.Endpoint {
	w.Helper()
	e, err := w.NewEndpoint(cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.run.Go(func() error { return e.Run(w.ctx) })
	<-e.Ready()
	return e
}

func (w *world) dialer() endpoint.Config {
	return endpoint.Config{Requesters: []mixnet.Recipient{w.Requester()}}
}

func (w *world) exchange(c net.Conn, body string) {
	w.Helper()
	go io.WriteString(c, body)
	got := make([]byte, len(body))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != body {
		w.Errorf("got %q, %v; want %q", got, err, body)
	}
}

func TestDialThroughARequester(t *testing.T) {
	inWorld(t, func(w *world) {
		e := w.start(w.dialer())
		c, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
		if err != nil {
			t.Fatal(err)
		}
		w.exchange(c, "through the mixnet")
		c.Close()
		if _, err := e.DialContext(w.ctx, "udp", "echo.example.com:7"); err == nil {
			t.Error("a network that there is not was dialed")
		}
		for target, want := range map[string]proxy.Reason{
			"denied.example.com:7": proxy.ReasonDenied, "unknown.example.com:7": proxy.ReasonDNS, "echo.example.com:8": proxy.ReasonRefused,
		} {
			var open *proxy.OpenError
			if c, err := e.DialContext(w.ctx, "tcp", target); c != nil || !errors.As(err, &open) || open.Reason != want {
				t.Errorf("%s: %v, %v; want %v, and no typed nil", target, c, err, want)
			}
		}
		s := e.Status()
		if want := (endpoint.Failures{Denied: 1, Lookup: 1, Target: 1}); s.Failures != want {
			t.Errorf("failures %+v, want %+v", s.Failures, want)
		}
		if !s.Ready || !s.Entry.Connected || s.Entry.Gateway != s.Address.Gateway || s.Entry.Why != endpoint.WhyPreferred || s.Streams.Opened != 1 ||
			len(s.Requesters) != 1 || s.Requesters[0].Address != w.Requester() || !s.Requesters[0].InUse {
			t.Errorf("status %+v", s)
		}
	})
}

func TestEndpointWithoutRequester(t *testing.T) {
	inWorld(t, func(w *world) {
		e := w.start(endpoint.Config{})
		if _, err := e.Dial(w.ctx, "echo.example.com:7", proxy.DialOptions{}); !errors.Is(err, endpoint.ErrNoRequester) {
			t.Errorf("got %v", err)
		}
	})
}

// Where no requester is listed, one is waited for, but not for ever.
func TestNoRequesterIsListed(t *testing.T) {
	inWorld(t, func(w *world) {
		e, err := w.NewEndpoint(endpoint.Config{ListedRequesters: true})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err = e.Run(w.ctx); !errors.Is(err, endpoint.ErrNoRequester) || time.Since(began) != 2*time.Minute {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if e, err = w.NewEndpoint(endpoint.Config{ListedRequesters: true}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		if err := e.Run(ctx); err != nil {
			t.Errorf("it was ended while it waited: %v", err)
		}
	})
}

// A requester whose gateway is not in the network cannot be reached, ever.
func TestMistypedRequesterIsRefusedAtTheStart(t *testing.T) {
	inWorld(t, func(w *world) {
		mistyped := w.Requester()
		mistyped.Gateway = keys.NewIdentityKey().Public()
		e, err := w.NewEndpoint(endpoint.Config{Requesters: []mixnet.Recipient{mistyped}})
		if err != nil {
			t.Fatal(err)
		}
		err = e.Run(w.ctx)
		if !errors.Is(err, endpoint.ErrNoRequester) || !strings.Contains(err.Error(), mistyped.Gateway.String()) {
			t.Errorf("got %v, want an error that names the gateway", err)
		}
		if _, err := e.Dial(w.ctx, "echo.example.com:7", proxy.DialOptions{}); err == nil {
			t.Error("a stream was opened by an endpoint that has ended")
		}
		// Of several it is the others' turn.
		e = w.start(endpoint.Config{Requesters: []mixnet.Recipient{mistyped, w.Requester()}})
		c, err := e.DialContext(w.ctx, "tcp", "echo.example.com:7")
		if err != nil {
			t.Fatal(err)
		}
		w.exchange(c, "by the other one")
	})
}

// Nothing is ready that has no requester which answers: one that does not is said
// so, and another's turn comes.
func TestReadyMeansThatARequesterAnswers(t *testing.T) {
	inWorld(t, func(w *world) {
		away := w.Requester() // nobody has these keys, at a gateway that there is
		away.Identity, away.Encryption = keys.NewIdentityKey().Public(), keys.NewEncryptionKey().Public()
		n, log := w.Topology(), new(bytes.Buffer)
		logger := zerolog.New(zerolog.SyncWriter(log))
		try := func(requesters ...mixnet.Recipient) *endpoint.Endpoint {
			e, err := endpoint.New(endpoint.Config{
				Network:    endpoint.Snapshots(func() *topology.Network { return n }),
				Requesters: requesters, Dial: w.inside.DialContext, Traffic: client.Fast(), Log: logger,
			})
			if err != nil {
				t.Fatal(err)
			}
			w.run.Go(func() error { return e.Run(w.ctx) })
			return e
		}
		alone := try(away)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		select {
		case <-alone.Ready():
			t.Error("ready with a requester that is not there")
		default:
		}
		if n := strings.Count(log.String(), "the requester does not answer"); n < 3 || n > 8 {
			t.Errorf("%d lines in five minutes, want a few:\n%s", n, log)
		}
		<-try(away, away, w.Requester()).Ready() // whichever was drawn first
	})
}

// An application that asks at a SOCKS port with the usual limits waits until it is
// known that the requester is silent, and so is that counted, logged and judged.
func TestASilentRequesterIsCountedForAnApplication(t *testing.T) {
	inWorld(t, func(w *world) {
		away := w.Requester() // nobody has these keys, at a gateway that there is
		away.Identity, away.Encryption = keys.NewIdentityKey().Public(), keys.NewEncryptionKey().Public()
		n := w.Topology()
		e, err := endpoint.New(endpoint.Config{
			Network:    endpoint.Snapshots(func() *topology.Network { return n }),
			Requesters: []mixnet.Recipient{away}, Dial: w.inside.DialContext, Traffic: client.Fast(), Log: zerolog.Nop(),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.run.Go(func() error { return e.Run(w.ctx) })
		ln, err := w.inside.Listen("10.0.9.1:1080")
		if err != nil {
			t.Fatal(err)
		}
		s := socks.New(socks.Config{Dial: socks.Dialer(e.Dial)})
		w.run.Go(func() error { return s.Run(w.ctx, ln) })
		time.Sleep(time.Minute) // it has long been connected
		application := &socksclient.Dialer{Version: socksclient.V5, Proxy: "10.0.9.1:1080", Dial: w.inside.DialContext}
		_, err = application.DialContext(w.ctx, "tcp", "echo.example.com:7")
		var reply *socksclient.ReplyError
		if !errors.As(err, &reply) || reply.Code != 6 {
			t.Errorf("got %v, want reply 6", err)
		}
		if f := e.Status().Failures; f.Requester != 1 {
			t.Errorf("counted %+v, want one stream that the requester did not answer", f)
		}
	})
}

// Streams from endpoint to endpoint: several at once to one address, by port, with
// half-close and deadlines.
func TestPeers(t *testing.T) {
	inWorld(t, func(w *world) {
		listener, dialer := w.start(endpoint.Config{Peers: true}), w.start(endpoint.Config{})
		const ports, each = 3, 4
		for port := range uint16(ports) {
			ln, err := listener.Listen(1000 + port)
			if err != nil {
				t.Fatal(err)
			}
			w.run.Go(func() error {
				for {
					c, err := ln.Accept()
					if err != nil {
						if !errors.Is(err, net.ErrClosed) {
							return err
						}
						return nil
					}
					go func() { // says its port in front of what it heard to the end
						defer c.Close()
						b, err := io.ReadAll(c)
						fmt.Fprintf(c, "%d %s %v", 1000+port, b, err)
					}()
				}
			})
		}
		var g errgroup.Group
		for i := range ports * each {
			g.Go(func() error {
				port := uint16(1000 + i%ports)
				c, err := dialer.DialAddress(w.ctx, listener.Address(), port)
				if err != nil {
					return err
				}
				defer c.Close()
				body := strings.Repeat(fmt.Sprint("stream ", i, " "), 1000)
				if _, err := io.WriteString(c, body); err != nil {
					return err
				}
				if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					return err
				}
				b, err := io.ReadAll(c)
				if want := fmt.Sprintf("%d %s <nil>", port, body); string(b) != want || err != nil {
					t.Errorf("stream %d: %d bytes, %v; want %d", i, len(b), err, len(want))
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}

		ln, err := listener.Listen(0)
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(ln.Addr().String(), ":")
		if !strings.HasPrefix(ln.Addr().String(), listener.Address().String()) || text == "0" || ln.Addr().Network() != "nym" {
			t.Errorf("the listener is at %v", ln.Addr())
		}
		if _, err := listener.Listen(1000); err == nil {
			t.Error("two listen at one port")
		}
		var open *proxy.OpenError
		if _, err := dialer.DialAddress(w.ctx, listener.Address(), 999); !errors.As(err, &open) || open.Reason != proxy.ReasonRefused {
			t.Errorf("a port at which nobody listens: %v", err)
		}
		var number uint16
		fmt.Sscan(text, &number)
		accepted := make(chan net.Conn)
		go func() {
			c, err := ln.Accept()
			if err != nil {
				t.Error(err)
			}
			accepted <- c
		}()
		c, err := dialer.DialAddress(w.ctx, listener.Address(), number)
		if err != nil {
			t.Fatal(err)
		}
		far := <-accepted
		far.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read beyond its deadline: %v", err)
		}
		ln.Close()
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
		far.SetReadDeadline(time.Time{}) // what was accepted lives on
		go func() {
			b := make([]byte, 5)
			io.ReadFull(far, b)
			far.Write(bytes.ToUpper(b))
		}()
		io.WriteString(c, "hello")
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); string(b) != "HELLO" {
			t.Errorf("got %q, %v", b, err)
		}
	})
}

// An endpoint can be way out and listen at once; what it is not it refuses.
func TestStreamsGoToWhomTheyAreFor(t *testing.T) {
	inWorld(t, func(w *world) {
		e := w.start(endpoint.Config{Peers: true})
		if _, err := e.Accept(w.ctx); err == nil {
			t.Error("accept without Config.Egress")
		}
		if _, err := w.start(w.dialer()).Listen(1); err == nil {
			t.Error("listen without Config.Peers")
		}
		var open *proxy.OpenError
		out := w.start(endpoint.Config{Requesters: []mixnet.Recipient{e.Address()}})
		if _, err := out.Dial(w.ctx, "echo.example.com:7", proxy.DialOptions{}); !errors.As(err, &open) || open.Reason != proxy.ReasonDenied {
			t.Errorf("a target, asked of who is no way out: %v", err)
		}
	})
}

func TestMessages(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.start(endpoint.Config{Messages: true}), w.start(endpoint.Config{Messages: true})
		if err := alice.Messenger().Send(w.ctx, bob.Address(), []byte("hello"), mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		if m, err := bob.Messenger().Receive(w.ctx); err != nil || string(m.Body) != "hello" {
			t.Errorf("got %q, %v", m.Body, err)
		}
		if _, err := alice.DialAddress(w.ctx, bob.Address(), 1); err == nil {
			t.Error("a stream where messages are the caller's")
		}
	})
}

// An endpoint has messages and streams at one address: each arrives where it
// belongs, whatever messages look like.
func TestMessagesBesideStreams(t *testing.T) {
	inWorld(t, func(w *world) {
		both := endpoint.Config{Messages: true, Peers: true}
		alice, bob := w.start(both), w.start(both)
		receive := func(e *endpoint.Endpoint, want string) mixnet.Message {
			m, err := e.Messenger().Receive(w.ctx)
			if err != nil || string(m.Body) != want {
				t.Fatalf("got %q, %v; want %q", m.Body, err, want)
			}
			return m
		}
		send := func(body string, o mixnet.SendOptions) {
			if err := alice.Messenger().Send(w.ctx, bob.Address(), []byte(body), o); err != nil {
				t.Fatal(err)
			}
			receive(bob, body)
		}
		// What has the form of data of a stream is a message all the same while nobody listens.
		data, err := protocol.Request{Versions: protocol.CurrentVersions, Body: protocol.Send{ID: 7, Data: []byte("x")}}.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		send(string(data), mixnet.SendOptions{As: mixnet.NewSenderTag()})
		var open *proxy.OpenError
		if _, err := alice.DialAddress(w.ctx, bob.Address(), 22); !errors.As(err, &open) || open.Reason != proxy.ReasonRefused {
			t.Fatalf("a port at which nobody listens: %v", err)
		}

		ln, err := bob.Listen(22)
		if err != nil {
			t.Fatal(err)
		}
		w.run.Go(func() error { return serveEcho(w.ctx, ln) })
		c, err := alice.DialAddress(w.ctx, bob.Address(), 22)
		if err != nil {
			t.Fatal(err)
		}
		large := strings.Repeat("a stream beside messages, ", 5000)
		streamed := make(chan struct{})
		go func() {
			defer close(streamed)
			w.exchange(c, large)
		}()
		for i := range 20 {
			alice.Messenger().CloseLane(mixnet.Lane(i))                  // of messages: streams have others
			send(string(data), mixnet.SendOptions{Lane: mixnet.Lane(i)}) // without a tag it is no stream
			tag := mixnet.NewSenderTag()
			question := fmt.Sprint("\x03\x01 who is ", i)
			if err := alice.Messenger().Send(w.ctx, bob.Address(), []byte(question), mixnet.SendOptions{As: tag}); err != nil {
				t.Fatal(err)
			}
			asked := receive(bob, question)
			answer := fmt.Sprint("\x03\x00\x00 number ", i)
			if err := bob.Messenger().Reply(w.ctx, asked.From, []byte(answer), mixnet.SendOptions{Lane: 3}); err != nil {
				t.Fatal(err)
			}
			if m := receive(alice, answer); m.To != tag {
				t.Errorf("answer %d came under another tag", i)
			}
		}
		<-streamed
		c.Close()
	})
}

// Port 0 is a stream of Nym's SDK, told from ours and from messages by its first
// message; it comes to whoever listens longest.
func TestSDKStreamsBesideOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, messages := range []bool{false, true} {
			cfg := endpoint.Config{Peers: true, Messages: messages}
			listener, dialer := w.start(cfg), w.start(endpoint.Config{Messages: messages, Peers: messages})
			var lns []*endpoint.Listener
			for port := range uint16(3) {
				ln, err := listener.Listen(2003 - port)
				if err != nil {
					t.Fatal(err)
				}
				lns = append(lns, ln)
				w.run.Go(func() error {
					for {
						c, err := ln.Accept()
						if err != nil {
							return nil
						}
						go func() {
							fmt.Fprintln(c, 2003-port)
							io.Copy(c, c)
						}()
					}
				})
			}
			ask := func(port uint16, answer string) {
				t.Helper()
				c, err := dialer.DialAddress(w.ctx, listener.Address(), port)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				got := make([]byte, len(answer))
				if _, err := io.ReadFull(c, got); err != nil || string(got) != answer {
					t.Errorf("port %d: %q, %v; want %q", port, got, err, answer)
				}
				w.exchange(c, strings.Repeat("there and back ", 10_000))
				if _, sdk := c.(*proxy.SDKConn); sdk != (port == 0) {
					t.Errorf("port %d: a %T", port, c)
				}
			}
			ask(0, "2003\n")
			ask(2001, "2001\n")
			lns[0].Close()
			ask(0, "2002\n")
			if messages {
				body := "\x03\x00 a message of the same kind"
				if err := dialer.Messenger().Send(w.ctx, listener.Address(), []byte(body), mixnet.SendOptions{As: mixnet.NewSenderTag()}); err != nil {
					t.Fatal(err)
				}
				if m, err := listener.Messenger().Receive(w.ctx); err != nil || string(m.Body) != body {
					t.Errorf("got %q, %v", m.Body, err)
				}
			}
			ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
			if err := dialer.Shutdown(ctx); err != nil {
				t.Error(err)
			}
			cancel()
		}
		e := w.start(endpoint.Config{})
		var open *proxy.OpenError
		stranger := e.Address()
		stranger.Gateway = keys.NewIdentityKey().Public()
		if c, err := e.DialAddress(w.ctx, stranger, 0); c != nil || !errors.As(err, &open) || open.Reason != proxy.ReasonNoNetwork {
			t.Errorf("of another network: %v, %v", c, err)
		}
	})
}

// With its Store an endpoint is the same one after a restart, and the gateway
// knows it: nothing is registered anew.
func TestSameAfterARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		s := endpoint.NewMemoryStore()
		var first mixnet.Recipient
		for i := range 3 {
			e, err := w.NewEndpoint(endpoint.Config{Store: s, Peers: true})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(w.ctx)
			ended := make(chan error, 1)
			go func() { ended <- e.Run(ctx) }()
			<-e.Ready()
			if i == 0 {
				first = e.Address()
			} else if e.Address() != first {
				t.Errorf("start %d: the address is another", i)
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if e.Run(w.ctx) == nil {
				t.Error("it ran twice")
			}
			time.Sleep(time.Minute) // logins are told apart by the second
		}
	})
}

// Who waits for a change sees every one of them.
func TestStatusFollowsTheEntry(t *testing.T) {
	inWorld(t, func(w *world) {
		e, err := w.NewEndpoint(endpoint.Config{})
		if err != nil {
			t.Fatal(err)
		}
		w.run.Go(func() error { return e.Run(w.ctx) })
		next := func(what string, ok func(endpoint.Status) bool) endpoint.Status {
			t.Helper()
			limit := time.NewTimer(10 * time.Minute)
			defer limit.Stop()
			for {
				changed := e.Changed()
				if s := e.Status(); ok(s) {
					return s
				}
				select {
				case <-changed:
				case <-limit.C:
					t.Fatalf("%s: %+v", what, e.Status().Entry)
				}
			}
		}
		up := next("ready", func(s endpoint.Status) bool { return s.Ready })
		name := "gateway-1"
		if w.Topology().Gateways()[1].Identity == up.Entry.Gateway {
			name = "gateway-2"
		}
		if err := w.Stop(name); err != nil {
			t.Fatal(err)
		}
		next("down", func(s endpoint.Status) bool { return !s.Entry.Connected })
		moved := next("at the other", func(s endpoint.Status) bool { return s.Entry.Connected })
		if moved.Entry.Gateway == up.Entry.Gateway || moved.Entry.Why != endpoint.WhyUnreachable || !moved.Entry.Since.After(up.Entry.Since) {
			t.Errorf("entry %+v, before %+v", moved.Entry, up.Entry)
		}
		if err := w.Start(name); err != nil {
			t.Fatal(err)
		}
		back := next("back", func(s endpoint.Status) bool { return s.Entry.Gateway == up.Entry.Gateway && s.Entry.Connected })
		if back.Entry.Why != endpoint.WhyBack {
			t.Errorf("entry %+v", back.Entry)
		}
	})
}

// hardening.md H38: nothing tells who talks to whom, failures of streams included.
func TestH38FailuresAreLoggedWithoutTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		var log bytes.Buffer
		n := w.Topology()
		e, err := endpoint.New(endpoint.Config{
			Network:    endpoint.Snapshots(func() *topology.Network { return n }),
			Requesters: []mixnet.Recipient{w.Requester()},
			Dial:       w.inside.DialContext,
			Traffic:    client.Fast(),
			Log:        zerolog.New(zerolog.SyncWriter(&log)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(w.ctx)
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		for range 20 {
			e.DialContext(ctx, "tcp", "denied.example.com:7")
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), `"stage":"policy"`); n < 1 || n > 5 {
			t.Errorf("%d lines for 20 failures, want a few:\n%s", n, &log)
		}
		for _, secret := range []string{"denied.example.com", w.Requester().String(), e.Address().Identity.String()} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log has %q:\n%s", secret, &log)
			}
		}
	})
}
