package session

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mr-tron/base58"

	"nym-socks5/mixnet/keys"
)

// legacyConversation is a conversation with a gateway that allows legacy clients.
func legacyConversation(t *testing.T, f func(t *testing.T, g *fakeGateway, p *peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, func(c *ServerConfig) { c.AllowLegacy = true })
		p := clientPeer(t, g.connect(t.Context()))
		f(t, g, p)
		p.conn.Close(closeNormal, "")
		g.wg.Wait()
	})
}

// A legacyReg is a legacy client in the middle of its registration.
type legacyReg struct {
	id *keys.IdentityKey
	x  *ecdh.PrivateKey
}

func newLegacyReg(tb testing.TB, id *keys.IdentityKey) *legacyReg {
	tb.Helper()
	x, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return &legacyReg{id, x}
}

func (r *legacyReg) opening() octets {
	public := r.id.Public()
	return append(octets(public[:]), r.x.PublicKey().Bytes()...)
}

// finish checks message 2 and makes message 3.
func (r *legacyReg) finish(tb testing.TB, gateway keys.Identity, answer octets) (octets, *LegacySealer) {
	tb.Helper()
	if len(answer) != 96 {
		tb.Fatalf("message 2 of %d bytes, want 96", len(answer))
	}
	x, y := r.x.PublicKey().Bytes(), answer[:32]
	key, err := legacyKey(r.x, y)
	if err != nil {
		tb.Fatal(err)
	}
	s := NewLegacySealer(key)
	sig := bytes.Clone(answer[32:])
	s.cipher.crypt(sig, sig, new([ivSize]byte))
	if !gateway.Verify(append(bytes.Clone(y), x...), sig) {
		tb.Fatal("message 2 is not the gateway's")
	}
	return makeLegacyProof(key, r.id, x, y), s
}

// shakeLegacyHands is a legacy registration, word for word.
func shakeLegacyHands(t *testing.T, g *fakeGateway, p *peer, id *keys.IdentityKey, proposed, want uint8) *LegacySealer {
	t.Helper()
	reg := newLegacyReg(t, id)
	p.send(handshakePayload{ProtocolVersion: proposed, Data: reg.opening()})
	answer := p.next().(handshakePayload)
	proof, s := reg.finish(t, g.identity.Public(), answer.Data)
	p.send(handshakePayload{ProtocolVersion: proposed, Data: proof})
	p.want(handshakePayload{ProtocolVersion: want, Data: octets{1}})
	p.want(registered{ProtocolVersion: want, Status: true})
	if answer.ProtocolVersion != want {
		t.Errorf("answered with version %d to %d, want %d", answer.ProtocolVersion, proposed, want)
	}
	return s
}

// wantLegacyPush reads the next message, which must be that push.
func (p *peer) wantLegacyPush(s *LegacySealer, want []byte) {
	p.tb.Helper()
	isText, b, err := p.receive()
	if err != nil || isText {
		p.tb.Fatalf("received text %v %s, %v, want a push", isText, b, err)
	}
	if got, err := s.open(b, new([ivSize]byte)); err != nil || !bytes.Equal(got, want) {
		p.tb.Fatalf("push opens as %q, %v, want %q", got, err, want)
	}
}

// legacyLogin is the undated request of a client with a legacy key.
func legacyLogin(id keys.Identity, s *LegacySealer) authenticateV1 {
	var iv [ivSize]byte
	rand.Read(iv[:])
	return authenticateV1{1, id.String(), base58.Encode(s.proof(id, &iv)), base58.Encode(iv[:])}
}

// sealedLogin is that of a client with a current key (nodes.md appendix B, 7a).
func sealedLogin(id keys.Identity, s *Sealer) authenticateV1 {
	nonce := s.ownNonce()
	return authenticateV1{3, id.String(), base58.Encode(s.proof(id, nonce)), base58.Encode(nonce)}
}

// legacyAccount makes a client that is registered with a legacy key.
func (g *fakeGateway) legacyAccount() (*keys.IdentityKey, *LegacySealer) {
	id := keys.NewIdentityKey()
	client, gateway := legacyPair()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[id.Public()] = Account{Legacy: gateway}
	return id, client
}

// legacyAsk sends a request in the legacy envelope.
func legacyAsk(p *peer, s *LegacySealer, plaintext string) (nonce octets) {
	p.tb.Helper()
	ciphertext, nonce := s.sealText([]byte(plaintext))
	p.send(encryptedRequest{Ciphertext: ciphertext, Nonce: nonce})
	return nonce
}

// datedLegacyLogin is authenticateV2 with a legacy key: what a client sends that
// is told of version 6 and wants to exchange the key. The identity is in the
// legacy envelope, MAC and all.
func datedLegacyLogin(id *keys.IdentityKey, s *LegacySealer) authenticate {
	var iv [ivSize]byte
	rand.Read(iv[:])
	client := id.Public()
	a := authenticate{
		ProtocolVersion: 4, ClientIdentity: client[:], AddressCiphertext: s.seal(nil, client[:], &iv), Nonce: iv[:],
		RequestUnixTimestamp: uint64(time.Now().Unix()),
	}
	sig := id.Sign(a.signed())
	a.RequestSignature = sig[:]
	return a
}
