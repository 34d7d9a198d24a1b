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

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

// "Mail is deleted only after a later valid sealed frame of that session, not
// seen before": that is when Fresh is called, and Written says which mail.
func TestH20FreshFrame(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
		id, sealer := g.account()
		p.login(id, sealer, 6)
		recorded := p.forward(sealer, packetOf(mixnet.Regular), true)
		p.sendRaw(false, bytes.Clone(recorded))
		p.want(protocol.Sent{RemainingBandwidth: freeBandwidth})

		g.session(id.Public()).Deliver(messageOf(0))
		p.wantPush(sealer, messageOf(0))
		p.sendRaw(false, bytes.Clone(recorded)) // what a relay can do
		p.send(protocol.ClaimBandwidth{})       // and anybody
		p.want(protocol.Bandwidth{AvailableTotal: freeBandwidth})
		if _, fresh, _, _ := g.counts(); fresh != 1 || g.written != 0 {
			t.Fatalf("%d fresh frames, written %d: a recording counts as the client", fresh, g.written)
		}

		p.sendFrame(p.forward(sealer, packetOf(mixnet.Regular), true))
		p.want(protocol.Sent{RemainingBandwidth: freeBandwidth})
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
		first := clientPeer(t, g.connect(t.Context()))
		first.login(id, sealer, 6)
		recorded := first.forward(sealer, packetOf(mixnet.Regular), true)
		first.sendRaw(false, bytes.Clone(recorded))
		first.want(protocol.Sent{RemainingBandwidth: freeBandwidth})
		first.conn.Close(session.CloseNormal, "")
		g.wg.Wait()

		time.Sleep(time.Second)
		second := clientPeer(t, g.connect(t.Context()))
		second.login(id, sealer, 6)
		for range 3 * maxMalformed { // does not end the session either
			second.sendRaw(false, bytes.Clone(recorded))
		}
		second.send(protocol.ClaimBandwidth{})
		second.want(protocol.Bandwidth{AvailableTotal: freeBandwidth})
		if packets, _, _, _ := g.counts(); packets != 1 {
			t.Errorf("%d packets accepted, want 1", packets)
		}
		if got := g.server.Stats().Replayed; got != 3*maxMalformed {
			t.Errorf("%d replays counted, want %d", got, 3*maxMalformed)
		}
		second.conn.Close(session.CloseNormal, "")
		g.wg.Wait()
	})
}

// nodes.md §1.10: "never send error on a healthy authenticated socket; …
// Undecodable binary requests …: count, drop and close after a few."
func TestMalformedAfterAuthentication(t *testing.T) {
	for name, say := range map[string]func(p *peer, s *protocol.Sealer){
		"random frame":    func(p *peer, _ *protocol.Sealer) { b := make([]byte, 2452); rand.Read(b); p.sendFrame(b) },
		"truncated frame": func(p *peer, s *protocol.Sealer) { p.sendFrame(p.forward(s, packetOf(mixnet.Regular), true)[:100]) },
		"empty frame":     func(p *peer, _ *protocol.Sealer) { p.sendFrame(nil) },
		"kind 3": func(p *peer, s *protocol.Sealer) {
			b := p.forward(s, packetOf(mixnet.Regular), true)
			b[0] = 3
			p.sendFrame(b)
		},
		"open frame": func(p *peer, s *protocol.Sealer) {
			b := p.forward(s, packetOf(mixnet.Regular), true)
			b[1] = 0
			p.sendFrame(b)
		},
		"reflected push": func(p *peer, s *protocol.Sealer) { p.sendFrame(s.AppendPush(nil, make([]byte, 1643))) },
		"no json":        func(p *peer, _ *protocol.Sealer) { p.sendRaw(true, []byte("?")) },
		"handshake":      func(p *peer, _ *protocol.Sealer) { p.send(protocol.HandshakePayload{Data: make(protocol.Octets, 80)}) },
		"sealed garbage": func(p *peer, _ *protocol.Sealer) {
			p.send(protocol.EncryptedRequest{Ciphertext: make(protocol.Octets, 40), Nonce: make(protocol.Octets, 12)})
		},
		"short nonce": func(p *peer, _ *protocol.Sealer) {
			p.send(protocol.EncryptedRequest{Ciphertext: make(protocol.Octets, 40), Nonce: make(protocol.Octets, 11)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			conversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
				id, sealer := g.account()
				p.login(id, sealer, 6)
				for range maxMalformed - 1 {
					say(p, sealer)
				}
				p.sendFrame(p.forward(sealer, packetOf(mixnet.Regular), true)) // nothing was said in between
				p.want(protocol.Sent{RemainingBandwidth: freeBandwidth})
				say(p, sealer)
				p.wantRefusal("too many malformed messages")
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
	conversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
		id, sealer := g.account()
		p.login(id, sealer, 6)
		for range 50 {
			p.sendFrame(p.forward(sealer, packetOf(mixnet.Regular), true))
		}
		for range 50 {
			p.want(protocol.Sent{RemainingBandwidth: freeBandwidth})
		}
		g.mu.Lock()
		g.reject = true
		g.mu.Unlock()
		p.sendFrame(p.forward(sealer, packetOf(mixnet.Regular), true))
		p.send(protocol.ClaimBandwidth{})
		p.want(protocol.Bandwidth{AvailableTotal: freeBandwidth})
	})
}

// nodes.md §1.2: "ForgetMe with client:true deletes …. After it, the client's
// next authenticateV2 must fail with 'not registered'."
func TestForgetAndRemember(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
		id, sealer := g.account()
		p.login(id, sealer, 6)
		ask := func(r protocol.SealedRequest) protocol.SealedResponse {
			t.Helper()
			ciphertext, nonce := sealer.SealText(protocol.EncodeSealed(r))
			p.send(protocol.EncryptedRequest{Ciphertext: ciphertext, Nonce: nonce})
			e := p.next().(protocol.EncryptedResponse)
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
		again := clientPeer(t, g.connect(t.Context()))
		again.send(protocol.NewAuthenticate(6, id, sealer, sealer.OwnNonce(), time.Now().Add(time.Second)))
		again.wantRefusal(string(ErrUnknownClient))
	})
}

func TestSealedRequestsThatEndTheSession(t *testing.T) {
	for _, c := range []struct{ name, plaintext, want string }{
		{"key upgrade", `{"UpgradeKey":{"hkdf_salt":[1],"derived_key_digest":[2]}}`, "unsupported sealed request"},
		{"store fails", `{"ForgetMe":{"client":true,"stats":false}}`, "internal error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
				g.forget = errors.New("disk on fire")
				id, sealer := g.account()
				p.login(id, sealer, 6)
				ciphertext, nonce := sealer.SealText([]byte(c.plaintext))
				p.send(protocol.EncryptedRequest{Ciphertext: ciphertext, Nonce: nonce})
				p.wantRefusal(c.want)
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
		p := clientPeer(t, g.connect(t.Context()))
		p.login(id, sealer, 6)
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
			p.wantPush(sealer, message(i))
		}
		if err := <-done; err != nil {
			t.Errorf("DeliverWait: %v", err)
		}
		p.wantPush(sealer, message(n))

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
		p.conn.Close(session.CloseNormal, "")
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
		p := clientPeer(t, near)
		p.login(id, sealer, 6)
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
