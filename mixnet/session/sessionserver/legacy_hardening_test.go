package sessionserver

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"

	"github.com/mr-tron/base58"

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
			conversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
				p.send(c.request(t, g))
				p.want(c.want)
				p.wantClosed()
				if len(g.live) != 0 || g.server.Stats().Legacy != 0 {
					t.Error("a session all the same")
				}
			})
		})
	}
}

// "An identity with a current key can never be registered anew by the legacy opening."
func TestH22CurrentKeyIsNeverReplacedByALegacyOne(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
		id, sealer := g.account()
		reg := newLegacyReg(t, id)
		p.send(protocol.HandshakePayload{ProtocolVersion: 1, Data: reg.opening()})
		proof, _ := reg.finish(t, g.identity.Public(), p.next().(protocol.HandshakePayload).Data)
		p.send(protocol.HandshakePayload{ProtocolVersion: 1, Data: proof})
		p.want(protocol.HandshakeError{Message: string(ErrCurrentKey)})
		p.wantClosed()

		again := clientPeer(t, g.connect(t.Context()))
		again.login(id, sealer, 6)
		again.conn.Close(session.CloseNormal, "")
	})
	// It is told to nobody but the owner of the identity.
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
		id, _ := g.account()
		reg := newLegacyReg(t, id)
		p.send(protocol.HandshakePayload{ProtocolVersion: 1, Data: reg.opening()})
		p.next()
		p.send(protocol.HandshakePayload{ProtocolVersion: 1, Data: make(protocol.Octets, 64)})
		p.want(protocol.HandshakePayload{ProtocolVersion: 1, Data: protocol.Octets{0}})
		p.want(protocol.HandshakeError{Message: "invalid signature"})
		p.wantClosed()
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
			legacyConversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
				request := make(g)
				p.send(request)
				if _, ok := p.next().(protocol.Authenticated); !ok {
					t.Fatal("refused at first")
				}
				p.conn.Close(session.CloseNormal, "")
				g.wg.Wait()
				for range 2 {
					replay := clientPeer(t, g.connect(t.Context()))
					replay.send(request)
					replay.wantRefusal(string(ErrStale))
				}
			})
		})
	}
}

// Who once used authenticateV2 is not let in by less.
func TestH22NoWayBackFromDatedAuthentication(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
		id, sealer := g.account()
		p.login(id, sealer, 4)
		p.conn.Close(session.CloseNormal, "")
		g.wg.Wait()
		again := clientPeer(t, g.connect(t.Context()))
		again.send(sealedLogin(id.Public(), sealer))
		again.wantRefusal(string(ErrStale))
	})
}

// The key stream of IV zero, which frames use, is known to whoever sent the
// client one message: it must prove nothing.
func TestH22KnownKeyStreamIsNoProof(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
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
			q := clientPeer(t, g.connect(t.Context()))
			q.send(protocol.AuthenticateV1{ProtocolVersion: 1, Address: client.String(), EncAddress: base58.Encode(forged), IV: base58.Encode(iv[:])})
			q.wantRefusal(string(protocol.ErrNoProof))
		}
	})
}

// The text of a request is guessed, and with it the key stream of its IV.
func TestH22NonceOfATextIsNoProof(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
		id, sealer := g.legacyAccount()
		p.send(legacyLogin(id.Public(), sealer))
		p.next()
		iv := legacyAsk(p, sealer, `{"RememberMe":{"session_type":"Wasm"}}`)
		p.next()
		p.conn.Close(session.CloseNormal, "")
		g.wg.Wait()
		again := clientPeer(t, g.connect(t.Context()))
		again.send(legacyLoginAt(id.Public(), sealer, iv))
		again.wantRefusal(string(ErrStale))
	})
}

// hardening.md H20: "deleted only after a later valid sealed frame of that
// session, not seen before"; H21, across connections.
func TestH20H21LegacyFreshFrame(t *testing.T) {
	legacyConversation(t, func(t *testing.T, g *fakeGateway, p *peer) {
		id, sealer := g.legacyAccount()
		p.send(legacyLogin(id.Public(), sealer))
		p.next()
		synctest.Wait()
		recorded := legacyForward(t, sealer, packetOf(mixnet.Regular))
		p.sendRaw(false, bytes.Clone(recorded))
		p.want(protocol.Sent{RemainingBandwidth: freeBandwidth})
		p.conn.Close(session.CloseNormal, "")
		g.wg.Wait()

		p = clientPeer(t, g.connect(t.Context()))
		p.send(legacyLogin(id.Public(), sealer))
		p.next()
		synctest.Wait()
		g.session(id.Public()).Deliver(messageOf(0))
		_, push, err := p.receive()
		if err != nil {
			t.Fatal(err)
		}
		push = bytes.Clone(push)
		for range maxMalformed { // what a relay can do, and it does not end the session
			p.sendRaw(false, bytes.Clone(recorded))
			p.sendRaw(false, bytes.Clone(push))
		}
		p.send(protocol.ClaimBandwidth{}) // and anybody
		p.want(protocol.Bandwidth{AvailableTotal: freeBandwidth})
		if packets, fresh, _, _ := g.counts(); packets != 1 || fresh != 1 || g.written != 0 {
			t.Fatalf("%d packets, %d fresh frames, written %d: a recording counts as the client", packets, fresh, g.written)
		}
		p.sendFrame(legacyForward(t, sealer, packetOf(mixnet.Regular)))
		p.want(protocol.Sent{RemainingBandwidth: freeBandwidth})
		if _, fresh, _, _ := g.counts(); fresh != 2 || g.written != 1 {
			t.Errorf("%d fresh frames, written %d, want 2 and 1", fresh, g.written)
		}
		if got := g.server.Stats().Replayed; got != 2*maxMalformed {
			t.Errorf("%d replays counted, want %d", got, 2*maxMalformed)
		}
		p.conn.Close(session.CloseNormal, "")
	})
}
