package sessionserver

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"testing"
	"testing/synctest"
	"time"

	"lukechampine.com/blake3"

	"nym-socks5/internal/sessiontest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

// nodes.md §5.3: "64-byte handshake → register; the same socket stays in use …
// claimFreeTestnetBandwidth → traffic (all frames in the legacy envelope)"; §1.11:
// "push nothing until the client has sent its first frame after register (gen C
// sends the claim there)"; §1.4: "gen C [aborts] for anything ≠ 1"
func TestLegacyRegistration(t *testing.T) {
	for _, c := range []struct{ proposed, want uint8 }{{1, 1}, {0, 1}, {2, 2}, {9, 6}} {
		legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			id := keys.NewIdentityKey()
			sealer := shakeLegacyHands(t, g, p, id, c.proposed, c.want)
			synctest.Wait()
			s := g.session(id.Public())
			if _, ok := s.Deliver(sessiontest.MessageOf(0)); ok || s.AuthenticatedAt() != 0 {
				t.Error("delivered before the first frame, or dated")
			}
			p.Send(protocol.ClaimBandwidth{})
			p.Want(protocol.Bandwidth{AvailableTotal: sessiontest.FreeBandwidth})
			packet := sessiontest.PacketOf(mixnet.Regular)
			p.SendFrame(legacyForward(t, sealer, packet))
			p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
			if got := g.packets[0]; got.Next != packet.Next || !bytes.Equal(got.Packet, packet.Packet) {
				t.Error("another packet arrived than was sent")
			}
			for i := range 3 {
				if seq, ok := s.Deliver(sessiontest.MessageOf(i)); !ok || seq != uint64(i+1) {
					t.Errorf("Deliver gives %d, %v, want %d", seq, ok, i+1)
				}
				wantLegacyPush(p, sealer, sessiontest.MessageOf(i))
			}
			if st := g.server.Stats(); st.Legacy != 1 || st.Registered != 1 {
				t.Errorf("%d legacy sessions, %d registered, want 1 of each", st.Legacy, st.Registered)
			}
		})
	}
}

// nodes.md §1.4: "the server announces its own maximum (… 6 …)": allowing legacy
// clients tells nobody to be one.
func TestLegacyIsNotAnnounced(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		p.Send(protocol.AskProtocol{})
		p.Want(protocol.SupportedProtocol{Version: 6})
		shakeHands(t, g, p, 3) // and who can do better does
	})
}

func TestLegacyHandshakeFailures(t *testing.T) {
	begin := func(p *sessiontest.Peer, data protocol.Octets) {
		p.Send(protocol.HandshakePayload{ProtocolVersion: 1, Data: data})
	}
	t.Run("low-order ephemeral", func(t *testing.T) {
		legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			o := newLegacyReg(t, keys.NewIdentityKey()).opening()
			clear(o[32:])
			begin(p, o)
			p.Want(protocol.HandshakeError{Message: "malformed registration"})
			p.WantClosed()
		})
	})
	t.Run("no point", func(t *testing.T) {
		legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			begin(p, append(protocol.Octets{2}, make(protocol.Octets, 63)...))
			p.Want(protocol.HandshakeError{Message: "malformed registration"})
			p.WantClosed()
		})
	})
	// nodes.md §1.4.2, message 4: "gen C treats any other value as failure"
	t.Run("signature of another", func(t *testing.T) {
		legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
			reg := newLegacyReg(t, keys.NewIdentityKey())
			begin(p, reg.opening())
			answer := p.Next().(protocol.HandshakePayload)
			reg.id = keys.NewIdentityKey()
			proof, _ := reg.finish(t, g.identity.Public(), answer.Data)
			begin(p, proof)
			p.Want(protocol.HandshakePayload{ProtocolVersion: 1, Data: protocol.Octets{0}})
			p.Want(protocol.HandshakeError{Message: "invalid signature"})
			p.WantClosed()
			if len(g.accounts) != 0 {
				t.Error("registered all the same")
			}
		})
	})
}

// nodes.md §1.5: authenticate, with a legacy key and with a current one.
func TestLegacyAuthentication(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.legacyAccount()
		p.Send(legacyLogin(id.Public(), sealer))
		p.Want(protocol.Authenticated{ProtocolVersion: 1, Status: true, BandwidthRemaining: sessiontest.FreeBandwidth})
		synctest.Wait()
		// nodes.md §1.11: authenticated sessions are online at once.
		if _, ok := g.session(id.Public()).Deliver(sessiontest.MessageOf(1)); !ok {
			t.Error("not online")
		}
		wantLegacyPush(p, sealer, sessiontest.MessageOf(1))
		p.SendFrame(legacyForward(t, sealer, sessiontest.PacketOf(mixnet.Regular)))
		p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
		if st := g.server.Stats(); st.Legacy != 1 || st.Authenticated != 1 {
			t.Errorf("%d legacy sessions, %d authenticated, want 1 of each", st.Legacy, st.Authenticated)
		}
	})
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.account()
		p.Send(sealedLogin(id.Public(), sealer))
		p.Want(protocol.Authenticated{ProtocolVersion: 3, Status: true, BandwidthRemaining: sessiontest.FreeBandwidth})
		synctest.Wait()
		if _, ok := g.session(id.Public()).Deliver(sessiontest.MessageOf(1)); !ok {
			t.Error("not online")
		}
		p.WantPush(sealer, sessiontest.MessageOf(1))
		p.SendFrame(p.Forward(sealer, sessiontest.PacketOf(mixnet.Regular), false))
		p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
	})
}

// What is wrong with an undated request is not told: it is not signed, and would
// tell anybody who is registered.
func TestLegacyAuthenticationRefused(t *testing.T) {
	stranger := keys.NewIdentityKey().Public()
	other := newLegacySealer(fill(9, 32))
	for name, request := range map[string]func(g *fakeGateway) protocol.AuthenticateV1{
		"stranger": func(*fakeGateway) protocol.AuthenticateV1 { return legacyLogin(stranger, other) },
		"another key": func(g *fakeGateway) protocol.AuthenticateV1 {
			id, _ := g.legacyAccount()
			return legacyLogin(id.Public(), other)
		},
		"legacy form with a current key": func(g *fakeGateway) protocol.AuthenticateV1 {
			id, _ := g.account()
			return legacyLogin(id.Public(), other)
		},
		"current form with a legacy key": func(g *fakeGateway) protocol.AuthenticateV1 {
			id, _ := g.legacyAccount()
			s, _ := sessiontest.Pair()
			return sealedLogin(id.Public(), s)
		},
		"current form, version 1": func(g *fakeGateway) protocol.AuthenticateV1 {
			id, s := g.account()
			a := sealedLogin(id.Public(), s)
			a.ProtocolVersion = 1
			return a
		},
		"malformed": func(g *fakeGateway) protocol.AuthenticateV1 {
			id, s := g.legacyAccount()
			a := legacyLogin(id.Public(), s)
			a.IV = a.IV[:10]
			return a
		},
	} {
		t.Run(name, func(t *testing.T) {
			legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
				p.Send(request(g))
				p.WantRefusal(string(protocol.ErrNoProof))
			})
		})
	}
}

func TestLegacyForgetAndRemember(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.legacyAccount()
		p.Send(legacyLogin(id.Public(), sealer))
		p.Next()
		for _, c := range []struct {
			say, want string
			left      int
		}{
			{`{"RememberMe":{"session_type":"Wasm"}}`, `{"RememberMeAck":{}}`, 1},
			{`{"ForgetMe":{"client":false,"stats":true}}`, `{"ForgetMeAck":{}}`, 1},
			{`{"ForgetMe":{"client":true,"stats":false}}`, `{"ForgetMeAck":{}}`, 0},
		} {
			legacyAsk(p, sealer, c.say)
			e := p.Next().(protocol.EncryptedResponse)
			plaintext, ok := sealer.open(e.Ciphertext, (*[16]byte)(e.Nonce))
			if !ok || string(plaintext) != c.want || len(g.accounts) != c.left {
				t.Errorf("%s is answered by %s, %v; %d accounts left", c.say, plaintext, ok, len(g.accounts))
			}
		}
	})
}

// nodes.md §1.6: "New key = HKDF-BLAKE3(salt, ikm = the 32-byte legacy okm …).
// The reply … is encrypted with the new key."
func TestKeyUpgrade(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, old := g.legacyAccount()
		p.Send(datedLegacyLogin(id, old))
		p.Want(protocol.Authenticated{ProtocolVersion: 4, Status: true, BandwidthRemaining: sessiontest.FreeBandwidth})
		synctest.Wait()
		s := g.session(id.Public())
		s.Deliver(sessiontest.MessageOf(1))
		wantLegacyPush(p, old, sessiontest.MessageOf(1))

		k, err := hkdf.Key(newBLAKE3, old.key[:], fill(5, 16), "", 32)
		if err != nil {
			t.Fatal(err)
		}
		digest := blake3.Sum256(k[:])
		legacyAsk(p, old, string(protocol.EncodeSealed(protocol.SealedRequest{UpgradeKey: &protocol.UpgradeKey{Salt: fill(5, 16), Digest: digest[:]}})))
		sealer := protocol.NewSealer(keys.SessionFromBytes([keys.SessionSize]byte(k)))
		e := p.Next().(protocol.EncryptedResponse)
		if got, err := sealer.OpenText(e.Ciphertext, e.Nonce); err != nil || string(got) != `{"KeyUpgradeAck":{}}` {
			t.Fatalf("the answer opens under the new key as %s, %v", got, err)
		}
		s.Deliver(sessiontest.MessageOf(2))
		p.WantPush(sealer, sessiontest.MessageOf(2))
		p.SendFrame(p.Forward(sealer, sessiontest.PacketOf(mixnet.Regular), false))
		p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})

		// The old key is worth nothing any more, on this session or another.
		p.SendFrame(legacyForward(t, old, sessiontest.PacketOf(mixnet.Regular)))
		p.Send(protocol.AskProtocol{})
		p.Want(protocol.SupportedProtocol{Version: 6})
		if packets, _, _, _ := g.counts(); packets != 1 {
			t.Errorf("%d packets accepted, want 1", packets)
		}
		p.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()
		time.Sleep(time.Second)
		for _, login := range []protocol.Text{legacyLogin(id.Public(), old), datedLegacyLogin(id, old)} {
			q := sessiontest.Client(t, g.connect(t.Context()))
			q.Send(login)
			if _, ok := q.Next().(protocol.ErrorText); !ok {
				t.Errorf("%s with the old key is accepted", login.Kind())
			}
			q.WantClosed()
		}
		q := sessiontest.Client(t, g.connect(t.Context()))
		q.Login(id, sealer, 6)
		q.Conn.Close(session.CloseNormal, "")
	})
}

func TestKeyUpgradeRefused(t *testing.T) {
	wrong := string(protocol.EncodeSealed(protocol.SealedRequest{UpgradeKey: &protocol.UpgradeKey{Salt: fill(5, 16), Digest: fill(1, 32)}}))
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.legacyAccount()
		p.Send(legacyLogin(id.Public(), sealer))
		p.Next()
		legacyAsk(p, sealer, wrong)
		p.WantRefusal("key upgrade with another key")
		g.wg.Wait()
		if g.accounts[id.Public()].Key != nil {
			t.Error("upgraded all the same")
		}
	})
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) { // there is nothing to upgrade
		id, sealer := g.account()
		p.Login(id, sealer, 6)
		ciphertext, nonce := sealer.SealText([]byte(wrong))
		p.Send(protocol.EncryptedRequest{Ciphertext: ciphertext, Nonce: nonce})
		p.WantRefusal("unsupported sealed request")
	})
}

// nodes.md §1.10: "Undecodable binary requests …: count, drop and close after a few."
func TestLegacyMalformedAfterAuthentication(t *testing.T) {
	current, _ := sessiontest.Pair()
	for name, say := range map[string]func(p *sessiontest.Peer, s *legacySealer){
		"random frame": func(p *sessiontest.Peer, _ *legacySealer) { b := make([]byte, 2453); rand.Read(b); p.SendFrame(b) },
		"truncated frame": func(p *sessiontest.Peer, s *legacySealer) {
			p.SendFrame(legacyForward(p.TB, s, sessiontest.PacketOf(mixnet.Regular))[:100])
		},
		"empty frame": func(p *sessiontest.Peer, _ *legacySealer) { p.SendFrame(nil) },
		"no packet": func(p *sessiontest.Peer, s *legacySealer) {
			b := make([]byte, 100)
			rand.Read(b)
			p.SendFrame(s.seal(b, new([16]byte)))
		},
		"current frame": func(p *sessiontest.Peer, _ *legacySealer) {
			p.SendFrame(p.Forward(current, sessiontest.PacketOf(mixnet.Regular), true))
		},
		"short nonce": func(p *sessiontest.Peer, _ *legacySealer) {
			p.Send(protocol.EncryptedRequest{Ciphertext: make(protocol.Octets, 40), Nonce: make(protocol.Octets, 12)})
		},
		"sealed garbage": func(p *sessiontest.Peer, _ *legacySealer) {
			p.Send(protocol.EncryptedRequest{Ciphertext: make(protocol.Octets, 40), Nonce: make(protocol.Octets, 16)})
		},
		"once more": func(p *sessiontest.Peer, s *legacySealer) { p.Send(legacyLogin(keys.Identity{}, s)) },
	} {
		t.Run(name, func(t *testing.T) {
			legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
				id, sealer := g.legacyAccount()
				p.Send(legacyLogin(id.Public(), sealer))
				p.Next()
				for range maxMalformed {
					say(p, sealer)
				}
				p.WantRefusal("too many malformed messages")
			})
		})
	}
}
