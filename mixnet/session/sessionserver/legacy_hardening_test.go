package sessionserver

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"

	"nym-socks5/internal/base58"
	"nym-socks5/internal/sessiontest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

// "Legacy clients have their own listener switch": without it nothing of theirs
// is accepted, from nobody.
func TestH22SwitchIsOff(t *testing.T) {
	for name, c := range map[string]struct {
		request func(t *testing.T, g *fakeGateway) protocol.Text
		want    protocol.Text
	}{
		"registration": {func(t *testing.T, g *fakeGateway) protocol.Text {
			return protocol.HandshakePayload{ProtocolVersion: 1, Data: newLegacyReg(t, keys.NewIdentityKey()).opening()}
		}, protocol.HandshakeError{Message: "legacy registration is not supported"}},
		"legacy key": {func(_ *testing.T, g *fakeGateway) protocol.Text {
			id, s := g.legacyAccount()
			return legacyLogin(id.Public(), s)
		}, protocol.ErrorText{Message: "legacy request is not supported"}},
		"current key": {func(_ *testing.T, g *fakeGateway) protocol.Text {
			id, s := g.account()
			return sealedLogin(id.Public(), s)
		}, protocol.ErrorText{Message: "legacy request is not supported"}},
		"legacy key, dated": {func(_ *testing.T, g *fakeGateway) protocol.Text {
			id, s := g.legacyAccount()
			return datedLegacyLogin(id, s)
		}, protocol.ErrorText{Message: "malformed authentication request"}},
		"old credential": {func(*testing.T, *fakeGateway) protocol.Text {
			return protocol.LegacyRequest{Name: "bandwidthCredential"}
		}, protocol.ErrorText{Message: "legacy request is not supported"}},
	} {
		t.Run(name, func(t *testing.T) {
			conversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
				p.Send(c.request(t, g))
				p.Want(c.want)
				p.WantClosed()
				if len(g.live) != 0 || g.server.Stats().Legacy != 0 {
					t.Error("a session all the same")
				}
			})
		})
	}
}

// "An identity with a current key can never be registered anew by the legacy opening."
func TestH22CurrentKeyIsNeverReplacedByALegacyOne(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.account()
		reg := newLegacyReg(t, id)
		p.Send(protocol.HandshakePayload{ProtocolVersion: 1, Data: reg.opening()})
		proof, _ := reg.finish(t, g.identity.Public(), p.Next().(protocol.HandshakePayload).Data)
		p.Send(protocol.HandshakePayload{ProtocolVersion: 1, Data: proof})
		p.Want(protocol.HandshakeError{Message: string(ErrCurrentKey)})
		p.WantClosed()

		again := sessiontest.Client(t, g.connect(t.Context()))
		again.Login(id, sealer, 6)
		again.Conn.Close(session.CloseNormal, "")
	})
	// It is told to nobody but the owner of the identity.
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, _ := g.account()
		reg := newLegacyReg(t, id)
		p.Send(protocol.HandshakePayload{ProtocolVersion: 1, Data: reg.opening()})
		p.Next()
		p.Send(protocol.HandshakePayload{ProtocolVersion: 1, Data: make(protocol.Octets, 64)})
		p.Want(protocol.HandshakePayload{ProtocolVersion: 1, Data: protocol.Octets{0}})
		p.Want(protocol.HandshakeError{Message: "invalid signature"})
		p.WantClosed()
	})
}

// "Freshness of authentication is persisted before it is accepted": an undated
// request is accepted once.
func TestH22UndatedRequestIsAcceptedOnce(t *testing.T) {
	for name, make := range map[string]func(g *fakeGateway) protocol.AuthenticateV1{
		"legacy key": func(g *fakeGateway) protocol.AuthenticateV1 {
			id, s := g.legacyAccount()
			return legacyLogin(id.Public(), s)
		},
		"current key": func(g *fakeGateway) protocol.AuthenticateV1 { id, s := g.account(); return sealedLogin(id.Public(), s) },
	} {
		t.Run(name, func(t *testing.T) {
			legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
				request := make(g)
				p.Send(request)
				if _, ok := p.Next().(protocol.Authenticated); !ok {
					t.Fatal("refused at first")
				}
				p.Conn.Close(session.CloseNormal, "")
				g.wg.Wait()
				for range 2 {
					replay := sessiontest.Client(t, g.connect(t.Context()))
					replay.Send(request)
					replay.WantRefusal(string(ErrStale))
				}
			})
		})
	}
}

// Who once used authenticateV2 is not let in by less.
func TestH22NoWayBackFromDatedAuthentication(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.account()
		p.Login(id, sealer, 4)
		p.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()
		again := sessiontest.Client(t, g.connect(t.Context()))
		again.Send(sealedLogin(id.Public(), sealer))
		again.WantRefusal(string(ErrStale))
	})
}

// The key stream of IV zero, which frames use, is known to whoever sent the
// client one message: it must prove nothing.
func TestH22KnownKeyStreamIsNoProof(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, _ := g.legacyAccount()
		s := protocol.NewLegacySealer(g.accounts[id.Public()].Legacy)
		message := fill(7, 1643)
		frame := s.AppendPush(nil, message)[s.Overhead():] // seen on the wire
		stream := make([]byte, len(message))
		for i := range stream {
			stream[i] = frame[i] ^ message[i]
		}
		client := id.Public()
		for _, block := range []int{0, 1, 50, 100} {
			forged := make([]byte, 32)
			for i := range forged {
				forged[i] = client[i] ^ stream[16*block+i]
			}
			var iv [16]byte
			binary.BigEndian.PutUint64(iv[8:], uint64(block))
			q := sessiontest.Client(t, g.connect(t.Context()))
			q.Send(protocol.AuthenticateV1{ProtocolVersion: 1, Address: client.String(), EncAddress: base58.Encode(forged), IV: base58.Encode(iv[:])})
			q.WantRefusal(string(protocol.ErrNoProof))
		}
	})
}

// The text of a request is guessed, and with it the key stream of its IV.
func TestH22NonceOfATextIsNoProof(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.legacyAccount()
		p.Send(legacyLogin(id.Public(), sealer))
		p.Next()
		iv := legacyAsk(p, sealer, `{"RememberMe":{"session_type":"Wasm"}}`)
		p.Next()
		p.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()
		again := sessiontest.Client(t, g.connect(t.Context()))
		again.Send(legacyLoginAt(id.Public(), sealer, iv))
		again.WantRefusal(string(ErrStale))
	})
}

// hardening.md H20: "deleted only after a later valid sealed frame of that
// session, not seen before"; H21, across connections.
func TestH20H21LegacyFreshFrame(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *sessiontest.Peer) {
		id, sealer := g.legacyAccount()
		p.Send(legacyLogin(id.Public(), sealer))
		p.Next()
		synctest.Wait()
		recorded := legacyForward(t, sealer, sessiontest.PacketOf(mixnet.Regular))
		p.SendRaw(false, bytes.Clone(recorded))
		p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
		p.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()

		p = sessiontest.Client(t, g.connect(t.Context()))
		p.Send(legacyLogin(id.Public(), sealer))
		p.Next()
		synctest.Wait()
		g.session(id.Public()).Deliver(sessiontest.MessageOf(0))
		_, push, err := p.Receive()
		if err != nil {
			t.Fatal(err)
		}
		push = bytes.Clone(push)
		for range maxMalformed { // what a relay can do, and it does not end the session
			p.SendRaw(false, bytes.Clone(recorded))
			p.SendRaw(false, bytes.Clone(push))
		}
		p.Send(protocol.ClaimBandwidth{}) // and anybody
		p.Want(protocol.Bandwidth{AvailableTotal: sessiontest.FreeBandwidth})
		if packets, fresh, _, _ := g.counts(); packets != 1 || fresh != 1 || g.written != 0 {
			t.Fatalf("%d packets, %d fresh frames, written %d: a recording counts as the client", packets, fresh, g.written)
		}
		p.SendFrame(legacyForward(t, sealer, sessiontest.PacketOf(mixnet.Regular)))
		p.Want(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth})
		if _, fresh, _, _ := g.counts(); fresh != 2 || g.written != 1 {
			t.Errorf("%d fresh frames, written %d, want 2 and 1", fresh, g.written)
		}
		if got := g.server.Stats().Replayed; got != 2*maxMalformed {
			t.Errorf("%d replays counted, want %d", got, 2*maxMalformed)
		}
		p.Conn.Close(session.CloseNormal, "")
	})
}
