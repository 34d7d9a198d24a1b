package sessionserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/sessiontest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

// "Mail is deleted only after a later valid sealed frame of that session, not
// seen before": that is when Fresh is called, and Written says which mail.
func TestH20FreshFrame(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.account()
		p.Login(id, sealer, 6)
		recorded := p.Forward(sealer, sessiontest.PacketOf(mixnet.Regular), true)
		p.SendRaw(false, bytes.Clone(recorded))
		p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})

		g.session(id.Public()).Deliver(sessiontest.MessageOf(0))
		p.WantPush(sealer, sessiontest.MessageOf(0))
		p.SendRaw(false, bytes.Clone(recorded)) // what a relay can do
		p.Send(protocol.ClaimBandwidth{})       // and anybody
		p.Want(protocol.Bandwidth{AvailableTotal: sessiontest.FreeBandwidth})
		if _, fresh, _, _ := g.counts(); fresh != 1 || g.written != 0 {
			t.Fatalf("%d fresh frames, written %d: a recording counts as the client", fresh, g.written)
		}

		p.SendFrame(p.Forward(sealer, sessiontest.PacketOf(mixnet.Regular), true))
		p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
		if _, fresh, _, _ := g.counts(); fresh != 2 || g.written != 1 {
			t.Errorf("%d fresh frames, written %d, want 2 and 1", fresh, g.written)
		}
	})
}

// The nonces outlive the connection.
func TestH21ReplayAcrossConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, nil)
		id, sealer := g.account()
		first := sessiontest.Client(t, g.connect(t.Context()))
		first.Login(id, sealer, 6)
		recorded := first.Forward(sealer, sessiontest.PacketOf(mixnet.Regular), true)
		first.SendRaw(false, bytes.Clone(recorded))
		first.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
		first.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()

		time.Sleep(time.Second)
		second := sessiontest.Client(t, g.connect(t.Context()))
		second.Login(id, sealer, 6)
		for range 3 * maxMalformed { // does not end the session either
			second.SendRaw(false, bytes.Clone(recorded))
		}
		second.Send(protocol.ClaimBandwidth{})
		second.Want(protocol.Bandwidth{AvailableTotal: sessiontest.FreeBandwidth})
		if packets, _, _, _ := g.counts(); packets != 1 {
			t.Errorf("%d packets accepted, want 1", packets)
		}
		if got := g.server.Stats().Replayed; got != 3*maxMalformed {
			t.Errorf("%d replays counted, want %d", got, 3*maxMalformed)
		}
		second.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()
	})
}

// nodes.md §1.10: "never send error on a healthy authenticated socket; …
// Undecodable binary requests …: count, drop and close after a few."
func TestMalformedAfterAuthentication(t *testing.T) {
	for name, say := range map[string]func(p *sessiontest.Peer, s *protocol.Sealer){
		"random frame": func(p *sessiontest.Peer, _ *protocol.Sealer) { b := make([]byte, 2452); rand.Read(b); p.SendFrame(b) },
		"truncated frame": func(p *sessiontest.Peer, s *protocol.Sealer) {
			p.SendFrame(p.Forward(s, sessiontest.PacketOf(mixnet.Regular), true)[:100])
		},
		"empty frame": func(p *sessiontest.Peer, _ *protocol.Sealer) { p.SendFrame(nil) },
		"kind 3": func(p *sessiontest.Peer, s *protocol.Sealer) {
			b := p.Forward(s, sessiontest.PacketOf(mixnet.Regular), true)
			b[0] = 3
			p.SendFrame(b)
		},
		"open frame": func(p *sessiontest.Peer, s *protocol.Sealer) {
			b := p.Forward(s, sessiontest.PacketOf(mixnet.Regular), true)
			b[1] = 0
			p.SendFrame(b)
		},
		"reflected push": func(p *sessiontest.Peer, s *protocol.Sealer) { p.SendFrame(s.AppendPush(nil, make([]byte, 1643))) },
		"no json":        func(p *sessiontest.Peer, _ *protocol.Sealer) { p.SendRaw(true, []byte("?")) },
		"handshake": func(p *sessiontest.Peer, _ *protocol.Sealer) {
			p.Send(protocol.HandshakePayload{Data: make(protocol.Octets, 80)})
		},
		"sealed garbage": func(p *sessiontest.Peer, _ *protocol.Sealer) {
			p.Send(protocol.EncryptedRequest{Ciphertext: make(protocol.Octets, 40), Nonce: make(protocol.Octets, 12)})
		},
		"short nonce": func(p *sessiontest.Peer, _ *protocol.Sealer) {
			p.Send(protocol.EncryptedRequest{Ciphertext: make(protocol.Octets, 40), Nonce: make(protocol.Octets, 11)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
				id, sealer := g.account()
				p.Login(id, sealer, 6)
				for range maxMalformed - 1 {
					say(p, sealer)
				}
				p.SendFrame(p.Forward(sealer, sessiontest.PacketOf(mixnet.Regular), true)) // nothing was said in between
				p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
				say(p, sealer)
				p.WantRefusal("too many malformed messages")
				g.wg.Wait()
				if packets, fresh, _, gone := g.counts(); packets != 1 || fresh != 1 || gone != 1 {
					t.Errorf("%d packets, %d fresh, %d gone, want 1 of each", packets, fresh, gone)
				}
			})
		})
	}
}

// nodes.md §1.3: "send … Exactly one per accepted binary request"
func TestOneSendPerAcceptedPacket(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.account()
		p.Login(id, sealer, 6)
		for range 50 {
			p.SendFrame(p.Forward(sealer, sessiontest.PacketOf(mixnet.Regular), true))
		}
		for range 50 {
			p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
		}
		g.mu.Lock()
		g.reject = true
		g.mu.Unlock()
		p.SendFrame(p.Forward(sealer, sessiontest.PacketOf(mixnet.Regular), true))
		p.Send(protocol.ClaimBandwidth{})
		p.Want(protocol.Bandwidth{AvailableTotal: sessiontest.FreeBandwidth})
	})
}

// nodes.md §1.2: "ForgetMe with client:true deletes …. After it, the client's
// next authenticateV2 must fail with 'not registered'."
func TestForgetAndRemember(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.account()
		p.Login(id, sealer, 6)
		ask := func(r protocol.SealedRequest) protocol.SealedResponse {
			t.Helper()
			ciphertext, nonce := sealer.SealText(protocol.EncodeSealed(r))
			p.Send(protocol.EncryptedRequest{Ciphertext: ciphertext, Nonce: nonce})
			e := p.Next().(protocol.EncryptedResponse)
			plaintext, err := sealer.OpenText(e.Ciphertext, e.Nonce)
			if err != nil {
				t.Fatal(err)
			}
			a, err := protocol.ParseSealedResponse(plaintext)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		if a := ask(protocol.SealedRequest{RememberMe: &protocol.RememberMe{SessionType: protocol.SessionMixnet}}); a.RememberMeAck == nil {
			t.Errorf("RememberMe is answered with %+v", a)
		}
		if a := ask(protocol.SealedRequest{ForgetMe: &protocol.ForgetMe{Stats: true}}); a.ForgetMeAck == nil || len(g.accounts) != 1 {
			t.Errorf("ForgetMe of statistics is answered with %+v, %d accounts left", a, len(g.accounts))
		}
		if a := ask(protocol.SealedRequest{ForgetMe: &protocol.ForgetMe{Client: true}}); a.ForgetMeAck == nil || len(g.accounts) != 0 {
			t.Errorf("ForgetMe is answered with %+v, %d accounts left", a, len(g.accounts))
		}
		again := sessiontest.Client(t, g.connect(t.Context()))
		again.Send(protocol.NewAuthenticate(6, id, sealer, sealer.OwnNonce(), time.Now().Add(time.Second)))
		again.WantRefusal(string(ErrUnknownClient))
	})
}

func TestSealedRequestsThatEndTheSession(t *testing.T) {
	for _, c := range []struct{ name, plaintext, want string }{
		{"key upgrade", `{"UpgradeKey":{"hkdf_salt":[1],"derived_key_digest":[2]}}`, "unsupported sealed request"},
		{"store fails", `{"ForgetMe":{"client":true,"stats":false}}`, "internal error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
				g.forget = errors.New("disk on fire")
				id, sealer := g.account()
				p.Login(id, sealer, 6)
				ciphertext, nonce := sealer.SealText([]byte(c.plaintext))
				p.Send(protocol.EncryptedRequest{Ciphertext: ciphertext, Nonce: nonce})
				p.WantRefusal(c.want)
			})
		})
	}
}

// A client that does not read: its queue fills, delivering is refused or waits,
// and resumes when it reads again. Nothing is lost or reordered.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, func(c *Config) { c.Queue = protocol.MaxMessage })
		id, sealer := g.account()
		p := sessiontest.Client(t, g.connect(t.Context()))
		p.Login(id, sealer, 6)
		s := g.session(id.Public())

		message := func(i int) []byte { return append(make([]byte, 1643-4), byte(i>>24), byte(i>>16), byte(i>>8), byte(i)) }
		n := 0
		for {
			synctest.Wait() // let the writer take what it can
			if _, ok := s.Deliver(message(n)); !ok {
				break
			}
			if n++; n > 1000 {
				t.Fatal("the queue has no end")
			}
		}
		done := make(chan error)
		go func() {
			_, err := s.DeliverWait(t.Context(), message(n))
			done <- err
		}()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("DeliverWait does not wait: %v", err)
		default:
		}
		for i := range n {
			p.WantPush(sealer, message(i))
		}
		if err := <-done; err != nil {
			t.Errorf("DeliverWait: %v", err)
		}
		p.WantPush(sealer, message(n))

		// A waiting delivery ends with the session.
		for {
			synctest.Wait()
			if _, ok := s.Deliver(message(0)); !ok {
				break
			}
		}
		go func() {
			_, err := s.DeliverWait(t.Context(), message(0))
			done <- err
		}()
		synctest.Wait()
		p.Conn.Close(session.CloseNormal, "")
		if err := <-done; err != session.ErrClosed {
			t.Errorf("DeliverWait after the end: %v, want ErrClosed", err)
		}
		g.wg.Wait()
	})
}

// "Keep-alives … are jittered."
func TestH05KeepAliveIsJittered(t *testing.T) {
	const mean = time.Minute
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, func(c *Config) { c.KeepAlive = mean })
		id, sealer := g.account()
		near, far := session.Pipe()
		pings := &pingRecorder{MessageConn: far}
		g.serve(t.Context(), pings)
		p := sessiontest.Client(t, near)
		p.Login(id, sealer, 6)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); near.Read(ctx) }() // answers pings
		time.Sleep(100 * mean)
		at := pings.recorded()
		seen := map[time.Duration]bool{}
		for i := 1; i < len(at); i++ {
			gap := at[i].Sub(at[i-1])
			if gap < mean/2 || gap > mean*3/2 {
				t.Errorf("%v between two pings, want %v to %v", gap, mean/2, mean*3/2)
			}
			seen[gap] = true
		}
		if n := len(at); n < 80 || n > 120 || len(seen) < n-5 {
			t.Errorf("%d pings in 100 minutes with %d different gaps, want about 100", n, len(seen))
		}
		cancel() // now nobody answers
		<-done
		start := time.Now()
		g.wg.Wait()
		if got := time.Since(start); got > mean*3/2+pingPatience {
			t.Errorf("a dead client was noticed after %v", got)
		}
	})
}

type pingRecorder struct {
	session.MessageConn
	mu sync.Mutex // guards the following
	at []time.Time
}

func (p *pingRecorder) Ping(ctx context.Context) error {
	p.mu.Lock()
	p.at = append(p.at, time.Now())
	p.mu.Unlock()
	return p.MessageConn.Ping(ctx)
}

func (p *pingRecorder) recorded() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.at)
}
