package sessionserver

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"hash"
	"testing"
	"testing/synctest"
	"time"

	"lukechampine.com/blake3"

	"nym-socks5/internal/base58"
	"nym-socks5/internal/sessiontest"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/wire"
)

// legacyConversation is a conversation with a gateway that allows legacy clients.
func legacyConversation(t *testing.T, f func(t *testing.T, g *fakeGateway, p *sessiontest.Peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, func(c *Config) { c.AllowLegacy = true })
		p := sessiontest.Client(t, g.connect(t.Context()))
		f(t, g, p)
		p.Conn.Close(session.CloseNormal, "")
		g.wg.Wait()
	})
}

// A legacySealer is the client's end of a legacy key, written anew after
// nodes.md §1.4.2 and §1.7.
type legacySealer struct {
	key   [32]byte // Kenc (16) ‖ Kmac (16)
	block cipher.Block
}

func newLegacySealer(key []byte) *legacySealer {
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		panic(err)
	}
	return &legacySealer{[32]byte(key), block}
}

func (s *legacySealer) crypt(b []byte, iv *[16]byte) []byte {
	out := make([]byte, len(b))
	cipher.NewCTR(s.block, iv[:]).XORKeyStream(out, b) // a drawn IV does not wrap
	return out
}

func (s *legacySealer) seal(plaintext []byte, iv *[16]byte) []byte {
	text := s.crypt(plaintext, iv)
	return append(s.mac(text), text...)
}

func (s *legacySealer) mac(text []byte) []byte {
	h := hmac.New(newBLAKE3, s.key[16:])
	h.Write(text)
	return h.Sum(nil)
}

func (s *legacySealer) open(b []byte, iv *[16]byte) ([]byte, bool) {
	if len(b) < 32 || !hmac.Equal(b[:32], s.mac(b[32:])) {
		return nil, false
	}
	return s.crypt(b[32:], iv), true
}

func newBLAKE3() hash.Hash { return blake3.New(32, nil) }

func newIV() *[16]byte {
	iv := new([16]byte)
	rand.Read(iv[:])
	return iv
}

func fill(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

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

func (r *legacyReg) opening() protocol.Octets {
	public := r.id.Public()
	return append(protocol.Octets(public[:]), r.x.PublicKey().Bytes()...)
}

// finish checks message 2 and makes message 3.
func (r *legacyReg) finish(tb testing.TB, gateway keys.Identity, answer protocol.Octets) (protocol.Octets, *legacySealer) {
	tb.Helper()
	if len(answer) != 96 {
		tb.Fatalf("message 2 of %d bytes, want 96", len(answer))
	}
	x, y := r.x.PublicKey().Bytes(), answer[:32]
	theirs, err := ecdh.X25519().NewPublicKey(y)
	if err != nil {
		tb.Fatal(err)
	}
	dh, err := r.x.ECDH(theirs)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := hkdf.Key(newBLAKE3, dh, nil, "", 32)
	if err != nil {
		tb.Fatal(err)
	}
	s := newLegacySealer(key)
	if !gateway.Verify(append(bytes.Clone(y), x...), s.crypt(answer[32:], new([16]byte))) {
		tb.Fatal("message 2 is not the gateway's")
	}
	sig := r.id.Sign(append(bytes.Clone(x), y...))
	return s.crypt(sig[:], new([16]byte)), s
}

// shakeLegacyHands is a legacy registration, word for word.
func shakeLegacyHands(t *testing.T, g *fakeGateway, p *sessiontest.Peer, id *keys.IdentityKey, proposed, want uint8) *legacySealer {
	t.Helper()
	reg := newLegacyReg(t, id)
	p.Send(protocol.HandshakePayload{ProtocolVersion: proposed, Data: reg.opening()})
	answer := p.Next().(protocol.HandshakePayload)
	proof, s := reg.finish(t, g.identity.Public(), answer.Data)
	p.Send(protocol.HandshakePayload{ProtocolVersion: proposed, Data: proof})
	p.Want(protocol.HandshakePayload{ProtocolVersion: want, Data: protocol.Octets{1}})
	p.Want(protocol.Registered{ProtocolVersion: want, Status: true})
	if answer.ProtocolVersion != want {
		t.Errorf("answered with version %d to %d, want %d", answer.ProtocolVersion, proposed, want)
	}
	return s
}

// wantLegacyPush reads the next message, which must be that push.
func wantLegacyPush(p *sessiontest.Peer, s *legacySealer, want []byte) {
	p.TB.Helper()
	isText, b, err := p.Receive()
	if err != nil || isText {
		p.TB.Fatalf("received text %v %s, %v, want a push", isText, b, err)
	}
	if got, ok := s.open(b, new([16]byte)); !ok || !bytes.Equal(got, want) {
		p.TB.Fatalf("push opens as %q, %v, want %q", got, ok, want)
	}
}

// legacyForward is the frame of a client with a packet.
func legacyForward(tb testing.TB, s *legacySealer, p wire.MixPacket) []byte {
	tb.Helper()
	plaintext, err := p.Append(nil, false)
	if err != nil {
		tb.Fatal(err)
	}
	return s.seal(plaintext, new([16]byte))
}

// legacyLogin is the undated request of a client with a legacy key.
func legacyLogin(id keys.Identity, s *legacySealer) protocol.AuthenticateV1 {
	iv := newIV()
	return legacyLoginAt(id, s, iv[:])
}

func legacyLoginAt(id keys.Identity, s *legacySealer, iv []byte) protocol.AuthenticateV1 {
	return protocol.AuthenticateV1{
		ProtocolVersion: 1, Address: id.String(), EncAddress: base58.Encode(s.crypt(id[:], (*[16]byte)(iv))), IV: base58.Encode(iv),
	}
}

// sealedLogin is that of a client with a current key (nodes.md appendix B, 7a).
func sealedLogin(id keys.Identity, s *protocol.Sealer) protocol.AuthenticateV1 {
	nonce := s.OwnNonce()
	return protocol.AuthenticateV1{
		ProtocolVersion: 3, Address: id.String(), EncAddress: base58.Encode(s.Proof(id, nonce)), IV: base58.Encode(nonce),
	}
}

// legacyAccount makes a client that is registered with a legacy key.
func (g *fakeGateway) legacyAccount() (*keys.IdentityKey, *legacySealer) {
	id := keys.NewIdentityKey()
	var b [keys.LegacySessionSize]byte
	rand.Read(b[:])
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[id.Public()] = Account{Legacy: keys.LegacySessionFromBytes(b)}
	return id, newLegacySealer(b[:])
}

// legacyAsk sends a request in the legacy envelope.
func legacyAsk(p *sessiontest.Peer, s *legacySealer, plaintext string) (nonce protocol.Octets) {
	p.TB.Helper()
	iv := newIV()
	p.Send(protocol.EncryptedRequest{Ciphertext: s.seal([]byte(plaintext), iv), Nonce: iv[:]})
	return iv[:]
}

// datedLegacyLogin is authenticateV2 with a legacy key: what a client sends that
// is told of version 6 and wants to exchange the key. The identity is in the
// legacy envelope, MAC and all.
func datedLegacyLogin(id *keys.IdentityKey, s *legacySealer) protocol.Authenticate {
	iv, client := newIV(), id.Public()
	a := protocol.Authenticate{
		ProtocolVersion: 4, ClientIdentity: client[:], AddressCiphertext: s.seal(client[:], iv), Nonce: iv[:],
		RequestUnixTimestamp: uint64(time.Now().Unix()),
	}
	signed := append([]byte{a.ProtocolVersion}, a.ClientIdentity...)
	signed = append(append(signed, a.AddressCiphertext...), a.Nonce...)
	sig := id.Sign(binary.BigEndian.AppendUint64(signed, a.RequestUnixTimestamp))
	a.RequestSignature = sig[:]
	return a
}
