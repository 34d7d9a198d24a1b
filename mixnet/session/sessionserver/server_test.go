package sessionserver

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/sessiontest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

// conversation runs f against a gateway in a bubble, and then sees everything end.
func conversation(t *testing.T, f func(t *testing.T, g *fakeGateway, p *sessiontest.Peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, nil)
		p := sessiontest.Client(t, g.connect(t.Context()))
		f(t, g, p)
		p.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()
	})
}

// shakeHands is a client's registration, word for word.
func shakeHands(t *testing.T, g *fakeGateway, p *sessiontest.Peer, proposed uint8) (*keys.IdentityKey, *protocol.Sealer) {
	t.Helper()
	id := keys.NewIdentityKey()
	reg, err := protocol.NewRegistration(id)
	if err != nil {
		t.Fatal(err)
	}
	p.Send(protocol.HandshakePayload{ProtocolVersion: proposed, Data: reg.Opening()})
	answer := p.Next().(protocol.HandshakePayload)
	proof, key, err := reg.Finish(answer.Data, g.identity.Public(), protocol.NewNonce())
	if err != nil {
		t.Fatal(err)
	}
	negotiated := min(proposed, 6)
	p.Send(protocol.HandshakePayload{ProtocolVersion: proposed, Data: proof})
	p.Want(protocol.HandshakePayload{ProtocolVersion: negotiated, Data: protocol.Octets{1}})
	p.Want(protocol.Registered{ProtocolVersion: negotiated, Status: true})
	if answer.ProtocolVersion != negotiated {
		t.Errorf("answered with version %d to %d, want %d", answer.ProtocolVersion, proposed, negotiated)
	}
	return id, protocol.NewSealer(key)
}

// nodes.md §1.4: "the server announces its own maximum (… 6 …)"; §1.4: "negotiated =
// min(proposed, own maximum). Never answer with a higher number than the client proposed"
func TestRegistration(t *testing.T) {
	for _, proposed := range []uint8{3, 4, 6, 9} {
		conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			p.Send(protocol.AskProtocol{})
			p.Want(protocol.SupportedProtocol{Version: 6})
			_, sealer := shakeHands(t, g, p, proposed)
			p.Send(protocol.ClaimBandwidth{})
			p.Want(protocol.Bandwidth{AvailableTotal: sessiontest.FreeBandwidth})
			packet := sessiontest.PacketOf(mixnet.Regular)
			p.SendFrame(p.Forward(sealer, packet, true))
			p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
			if got := g.packets[0]; got.Next != packet.Next || !bytes.Equal(got.Packet, packet.Packet) {
				t.Error("another packet arrived than was sent")
			}
		})
	}
}

// nodes.md §1.11: "on a session created by registration push nothing until the
// client has sent its first frame after register"
func TestRegisteredSessionIsOfflineUntilFirstFrame(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := shakeHands(t, g, p, 6)
		synctest.Wait()
		s := g.session(id.Public())
		if s.AuthenticatedAt() != 0 {
			t.Errorf("registration session is dated %d, want 0", s.AuthenticatedAt())
		}
		if _, ok := s.Deliver(sessiontest.MessageOf(0)); ok {
			t.Error("delivered before the first frame")
		}
		if _, err := s.DeliverWait(t.Context(), sessiontest.MessageOf(0)); err != session.ErrClosed {
			t.Errorf("DeliverWait before the first frame: %v, want ErrClosed", err)
		}
		if _, _, online, _ := g.counts(); online != 0 {
			t.Error("online before the first frame")
		}
		p.Send(protocol.ClaimBandwidth{})
		p.Want(protocol.Bandwidth{AvailableTotal: sessiontest.FreeBandwidth})
		if seq, ok := s.Deliver(sessiontest.MessageOf(1)); !ok || seq != 1 {
			t.Errorf("Deliver gives %d, %v, want 1", seq, ok)
		}
		p.WantPush(sealer, sessiontest.MessageOf(1))
		if _, _, online, _ := g.counts(); online != 1 {
			t.Errorf("online %d times, want once", online)
		}
	})
}

func TestAuthentication(t *testing.T) {
	for _, at := range []uint8{4, 5, 6} {
		conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			id, sealer := g.account()
			p.Login(id, sealer, at)
			s := g.session(id.Public())
			if s.AuthenticatedAt() != uint64(time.Now().Unix()) || s.Client() != id.Public() {
				t.Errorf("session of %v at %d", s.Client(), s.AuthenticatedAt())
			}
			for i := range 3 {
				if seq, ok := s.Deliver(sessiontest.MessageOf(i)); !ok || seq != uint64(i+1) {
					t.Errorf("Deliver gives %d, %v, want %d", seq, ok, i+1)
				}
			}
			for i := range 3 {
				p.WantPush(sealer, sessiontest.MessageOf(i))
			}
			synctest.Wait()
			if got := s.Written(); got != 3 {
				t.Errorf("written %d, want 3", got)
			}
			p.SendFrame(p.Forward(sealer, sessiontest.PacketOf(mixnet.Extended32), false))
			p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
			p.Send(protocol.AskProtocol{}) // nodes.md §1.2: "also legal after authentication"
			p.Want(protocol.SupportedProtocol{Version: 6})
		})
	}
}

// nodes.md §1.10: "Before authentication: error then close is right for every failure."
func TestRefusedBeforeAuthentication(t *testing.T) {
	stranger := keys.NewIdentityKey()
	strangerSealer, _ := sessiontest.Pair()
	request := func(change func(*protocol.Authenticate)) func(*sessiontest.Peer, *keys.IdentityKey, *protocol.Sealer) {
		return func(p *sessiontest.Peer, id *keys.IdentityKey, s *protocol.Sealer) {
			a := protocol.NewAuthenticate(6, id, s, s.OwnNonce(), time.Now())
			change(&a)
			p.Send(a)
		}
	}
	for _, c := range []struct {
		name string
		say  func(p *sessiontest.Peer, id *keys.IdentityKey, s *protocol.Sealer)
		want string
	}{
		{"binary frame", func(p *sessiontest.Peer, _ *keys.IdentityKey, s *protocol.Sealer) {
			p.SendFrame(p.Forward(s, sessiontest.PacketOf(mixnet.Regular), true))
		}, "binary frame before authentication"},
		{"garbage", func(p *sessiontest.Peer, _ *keys.IdentityKey, _ *protocol.Sealer) { p.SendRaw(true, []byte("hello")) }, "malformed request"},
		{"claim", func(p *sessiontest.Peer, _ *keys.IdentityKey, _ *protocol.Sealer) { p.Send(protocol.ClaimBandwidth{}) }, "authenticate first"},
		{"legacy authentication", func(p *sessiontest.Peer, _ *keys.IdentityKey, _ *protocol.Sealer) {
			p.SendRaw(true, []byte(`{"type":"authenticate","protocol_version":1,"address":"A","enc_address":"B","iv":"C"}`))
		}, "legacy request is not supported"},
		{"stranger", func(p *sessiontest.Peer, _ *keys.IdentityKey, _ *protocol.Sealer) {
			p.Send(protocol.NewAuthenticate(6, stranger, strangerSealer, strangerSealer.OwnNonce(), time.Now()))
		}, "client is not registered"},
		{"old version", request(func(a *protocol.Authenticate) { a.ProtocolVersion = 3 }), "unsupported protocol version"},
		{"changed after signing", request(func(a *protocol.Authenticate) { a.RequestUnixTimestamp++ }), "invalid signature"},
		{"another key", func(p *sessiontest.Peer, id *keys.IdentityKey, _ *protocol.Sealer) {
			p.Send(protocol.NewAuthenticate(6, id, strangerSealer, strangerSealer.OwnNonce(), time.Now()))
		}, "invalid address ciphertext"},
		{"old", func(p *sessiontest.Peer, id *keys.IdentityKey, s *protocol.Sealer) {
			p.Send(protocol.NewAuthenticate(6, id, s, s.OwnNonce(), time.Now().Add(-121*time.Second)))
		}, "request is dated too far from the gateway's clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
				id, sealer := g.account()
				c.say(p, id, sealer)
				p.WantRefusal(c.want)
				if err := g.lastEnd(); err == nil {
					t.Error("Serve gives no reason")
				}
				if _, _, online, gone := g.counts(); online != 0 || gone != 0 {
					t.Errorf("%d online, %d gone, want none", online, gone)
				}
				if got := g.server.Stats().Refused; got != 1 {
					t.Errorf("%d refused, want 1", got)
				}
			})
		})
	}
}

// nodes.md §1.1: "10 s of silence allowed before each pre-authentication message"
func TestSilenceBeforeAuthentication(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		for range 3 {
			time.Sleep(silencePatience - time.Second)
			p.Send(protocol.AskProtocol{})
			p.Want(protocol.SupportedProtocol{Version: 6})
		}
		start := time.Now()
		p.WantClosed()
		if got := time.Since(start); got != silencePatience {
			t.Errorf("closed after %v, want %v", got, silencePatience)
		}
	})
}

func TestQuestionsForEverKeepNoSocket(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		for range maxPreliminaries {
			p.Send(protocol.AskProtocol{})
			p.Want(protocol.SupportedProtocol{Version: 6})
		}
		p.WantRefusal("too many messages before authentication")
	})
}

// nodes.md §1.9: "A Go gateway should answer pre-authentication pings with pongs and stay"
func TestPingBeforeAuthentication(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		for range 3 {
			if err := p.Conn.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		id, sealer := g.account()
		p.Login(id, sealer, 6)
	})
}

// nodes.md §1.4.1: "Each side waits at most 5 s for the next handshake message;
// non-text frames and unparsable text are skipped, not fatal."
func TestHandshakeSilence(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		reg, err := protocol.NewRegistration(keys.NewIdentityKey())
		if err != nil {
			t.Fatal(err)
		}
		p.Send(protocol.HandshakePayload{ProtocolVersion: 6, Data: reg.Opening()})
		p.Next()
		start := time.Now()
		for range 4 {
			time.Sleep(time.Second)
			p.SendRaw(false, []byte("binary"))
			p.SendRaw(true, []byte("no json"))
		}
		p.Want(protocol.HandshakeError{Message: "handshake timed out"})
		p.WantClosed()
		if got := time.Since(start); got != handshakePatience {
			t.Errorf("closed after %v, want %v", got, handshakePatience)
		}
	})
}

func TestHandshakeFailures(t *testing.T) {
	begin := func(p *sessiontest.Peer, data protocol.Octets) {
		p.Send(protocol.HandshakePayload{ProtocolVersion: 6, Data: data})
	}
	opening := func(t *testing.T) protocol.Octets {
		reg, err := protocol.NewRegistration(keys.NewIdentityKey())
		if err != nil {
			t.Fatal(err)
		}
		return reg.Opening()
	}
	t.Run("legacy opening", func(t *testing.T) {
		conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			begin(p, opening(t)[:protocol.LegacyOpeningSize])
			p.Want(protocol.HandshakeError{Message: "legacy registration is not supported"})
			p.WantClosed()
		})
	})
	t.Run("81 bytes", func(t *testing.T) {
		conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			begin(p, append(opening(t), 0))
			p.Want(protocol.HandshakeError{Message: "malformed registration"})
			p.WantClosed()
		})
	})
	t.Run("low-order ephemeral", func(t *testing.T) {
		conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			o := opening(t)
			clear(o[32:64])
			begin(p, o)
			p.Want(protocol.HandshakeError{Message: "malformed registration"})
			p.WantClosed()
		})
	})
	t.Run("not admitted", func(t *testing.T) {
		conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			g.admit = errors.New("a secret reason")
			begin(p, opening(t))
			p.WantRefusal("internal error")
		})
	})
	t.Run("client gives up", func(t *testing.T) {
		conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			begin(p, opening(t))
			p.Next()
			p.Send(protocol.HandshakeError{Message: "no"})
			p.WantClosed()
		})
	})
	t.Run("another message", func(t *testing.T) {
		conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			begin(p, opening(t))
			p.Next()
			p.Send(protocol.AskProtocol{})
			p.Want(protocol.HandshakeError{Message: "unexpected message in the handshake"})
			p.WantClosed()
		})
	})
	// nodes.md §1.4.1: "The gateway must verify: … sigC under the identity from message 1"
	t.Run("signature of another", func(t *testing.T) {
		conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			reg, err := protocol.NewRegistration(keys.NewIdentityKey())
			if err != nil {
				t.Fatal(err)
			}
			opening, other := reg.Opening(), keys.NewIdentityKey().Public()
			copy(opening, other[:])
			begin(p, opening)
			answer := p.Next().(protocol.HandshakePayload)
			proof, _, err := reg.Finish(answer.Data, g.identity.Public(), protocol.NewNonce())
			if err != nil {
				t.Fatal(err)
			}
			begin(p, proof)
			p.Want(protocol.HandshakePayload{ProtocolVersion: 6, Data: protocol.Octets{0}})
			p.Want(protocol.HandshakeError{Message: "invalid signature"})
			p.WantClosed()
			if len(g.accounts) != 0 {
				t.Error("registered all the same")
			}
		})
	})
}

// "An identity with a current key can never be registered anew by the legacy
// opening."
func TestH22LegacyOpeningChangesNothing(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.account()
		x, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public := id.Public()
		p.Send(protocol.HandshakePayload{ProtocolVersion: 1, Data: append(protocol.Octets(public[:]), x.PublicKey().Bytes()...)})
		p.Want(protocol.HandshakeError{Message: "legacy registration is not supported"})
		p.WantClosed()

		again := sessiontest.Client(t, g.connect(t.Context()))
		again.Login(id, sealer, 6)
		again.Conn.Close(session.CloseNormal, "")
	})
}

// "Freshness of authentication is persisted before it is accepted; a clock that
// went back does not open it again."
func TestH22ReplayedAuthenticationIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, nil)
		id, sealer := g.account()
		request := protocol.NewAuthenticate(6, id, sealer, sealer.OwnNonce(), time.Now())
		first := sessiontest.Client(t, g.connect(t.Context()))
		first.Send(request)
		if _, ok := first.Next().(protocol.Authenticated); !ok {
			t.Fatal("refused at first")
		}
		first.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()

		replay := sessiontest.Client(t, g.connect(t.Context()))
		replay.Send(request)
		replay.WantRefusal(string(ErrStale))

		// A clock that went back: an older second, properly signed.
		back := sessiontest.Client(t, g.connect(t.Context()))
		back.Send(protocol.NewAuthenticate(6, id, sealer, sealer.OwnNonce(), time.Now().Add(-time.Second)))
		back.WantRefusal(string(ErrStale))

		time.Sleep(time.Second)
		later := sessiontest.Client(t, g.connect(t.Context()))
		later.Login(id, sealer, 6)
		later.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()
	})
}

// nodes.md §1.9: the second connection of a client.
func TestDuplicateConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, nil)
		id, sealer := g.account()
		first := sessiontest.Client(t, g.connect(t.Context()))
		first.Login(id, sealer, 6)
		reading := func(p *sessiontest.Peer) (ended chan error) {
			ended = make(chan error, 1)
			go func() {
				_, _, err := p.Conn.Read(t.Context())
				ended <- err
			}()
			return ended
		}

		// The newest login wins, though the older one lives: its reader answers the
		// ping, and learns why it ends.
		firstEnded := reading(first)
		time.Sleep(time.Second)
		old := g.session(id.Public())
		second := sessiontest.Client(t, g.connect(t.Context()))
		second.Login(id, sealer, 6)
		if err := <-firstEnded; !errors.Is(err, session.ErrReplaced) || !errors.Is(err, session.ErrClosed) {
			t.Errorf("the older connection ended with %v", err)
		}
		if g.session(id.Public()) == old {
			t.Error("the old session is still the live one")
		}
		if _, ok := old.Deliver(sessiontest.MessageOf(0)); ok {
			t.Error("delivered to an evicted session")
		}

		// But not again within a minute.
		secondEnded := reading(second)
		time.Sleep(30 * time.Second)
		third := sessiontest.Client(t, g.connect(t.Context()))
		third.Send(protocol.NewAuthenticate(6, id, sealer, sealer.OwnNonce(), time.Now()))
		third.WantRefusal(string(ErrDuplicate))
		second.Conn.Close(session.CloseNormal, "")
		<-secondEnded
		g.wg.Wait()
		if _, _, _, gone := g.counts(); gone != 2 {
			t.Errorf("%d sessions gone, want 2", gone)
		}
	})
}

// nodes.md §1.9: "Clients … register on one socket, close it, and within the same
// second open a second socket and send authenticateV2"
func TestAuthenticationInTheSecondOfRegistration(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := shakeHands(t, g, p, 3)
		second := sessiontest.Client(t, g.connect(t.Context()))
		second.Login(id, sealer, 4)
		second.Conn.Close(session.CloseNormal, "")
	})
}

// "Handshakes run in a bounded pool"
func TestH23HandshakesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, func(c *Config) { c.Handshakes = 2 })
		id, sealer := g.account()
		for range 2 {
			if err := g.server.handshakes.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		p := sessiontest.Client(t, g.connect(t.Context()))
		p.Send(protocol.NewAuthenticate(6, id, sealer, sealer.OwnNonce(), time.Now()))
		time.Sleep(2 * silencePatience) // it is not the client who is silent
		if g.live[id.Public()] != nil {
			t.Error("three handshakes at once, where two may be")
		}
		g.server.handshakes.Give()
		p.Want(protocol.Authenticated{ProtocolVersion: 6, Status: true, BandwidthRemaining: sessiontest.FreeBandwidth})
		p.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()
		if got := g.server.handshakes.Taken(); got != 1 {
			t.Errorf("%d turns taken, want the 1 of the test", got)
		}
	})
}

func TestServeEndsWithItsContext(t *testing.T) {
	for name, say := range map[string]func(*sessiontest.Peer, *keys.IdentityKey, *protocol.Sealer){
		"fresh": func(p *sessiontest.Peer, _ *keys.IdentityKey, _ *protocol.Sealer) {},
		"live":  func(p *sessiontest.Peer, id *keys.IdentityKey, s *protocol.Sealer) { p.Login(id, s, 6) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newFakeGateway(t, nil)
				id, sealer := g.account()
				ctx, cancel := context.WithCancel(t.Context())
				p := sessiontest.Client(t, g.connect(ctx))
				say(p, id, sealer)
				synctest.Wait()
				cancel()
				p.WantClosed()
				if err := g.lastEnd(); err != nil {
					t.Errorf("Serve gives %v, want nil", err)
				}
			})
		})
	}
}

// No identity, key or text of a client is in what Serve returns or how a
// Session prints.
func TestH38ErrorsNameNobody(t *testing.T) {
	conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.account()
		p.Login(id, sealer, 6)
		for range maxMalformed {
			p.SendRaw(true, []byte(`{"type":"canary"}`))
		}
		p.WantRefusal("too many malformed messages")
		err := g.lastEnd()
		for _, canary := range []string{"canary", id.Public().String()} {
			if err == nil || strings.Contains(err.Error(), canary) {
				t.Errorf("Serve gives %v", err)
			}
		}
	})
}

func TestNewServerChecksItsConfig(t *testing.T) {
	g := newFakeGateway(t, nil)
	for name, cfg := range map[string]Config{
		"empty":       {},
		"no traffic":  {Identity: g.identity, Accounts: g},
		"small queue": {Identity: g.identity, Accounts: g, Handler: g, Queue: protocol.MaxMessage - 1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
