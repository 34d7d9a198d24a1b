package protocol

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"testing"
	"time"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet/keys"
)

// testdata/gateway.json and gateway-more.json were made with the reference
// implementation, release 2026.9; each says so itself.

type party struct {
	Seed   vectest.Hex
	Public vectest.Hex
}

func (p party) key() *keys.IdentityKey { return keys.IdentityKeyFromSeed([32]byte(p.Seed)) }

type gatewayVectors struct {
	Registration []struct {
		Name             string
		ClientIdentity   party       `json:"client_identity"`
		GatewayIdentity  party       `json:"gateway_identity"`
		ClientEphemeral  vectest.Hex `json:"client_ephemeral_private"`
		GatewayEphemeral vectest.Hex `json:"gateway_ephemeral_private"`
		Salt             vectest.Hex
		Messages         []struct {
			From, Text string
			Data       vectest.Hex
		}
		Negotiated int
		SharedKey  vectest.Hex `json:"shared_key"`
	}
	FramesSharedKey vectest.Hex `json:"frames_shared_key"`
	Frames          []struct {
		Name, Direction         string
		Kind                    byte
		Nonce, Plaintext, Frame vectest.Hex
	}
	ClientTexts  map[string]string `json:"client_texts"`
	GatewayTexts map[string]string `json:"gateway_texts"`

	// gateway-more.json
	AuthenticateV2 []struct {
		Name         string
		SharedKey    vectest.Hex `json:"shared_key"`
		Text         string
		SignedBytes  vectest.Hex `json:"signed_bytes"`
		Timestamp    uint64
		SignatureOK  bool    `json:"signature_ok"`
		CiphertextOK bool    `json:"ciphertext_ok"`
		Last         *uint64 `json:"last_accepted_timestamp"`
		Newer        *bool   `json:"newer_than_last"`
	} `json:"authenticate_v2"`
	OpeningMessages []struct {
		Name           string
		Data           vectest.Hex
		GatewayAnswers string `json:"gateway_answers"`
	} `json:"opening_messages"`
	TimestampSkew []struct {
		Offset int64 `json:"offset_seconds"`
		Accept bool
	} `json:"timestamp_skew"`
	DamagedFrames []struct {
		Name   string
		Frame  vectest.Hex
		Accept bool
		Ours   string
	} `json:"damaged_frames"`
}

func loadVectors(tb testing.TB, file string) gatewayVectors {
	tb.Helper()
	var v gatewayVectors
	vectest.Read(tb, file, &v)
	return v
}

func sealerOf(key []byte) *Sealer {
	return NewSealer(keys.SessionFromBytes([keys.SessionSize]byte(key)))
}

func ephemeralOf(tb testing.TB, b []byte) *ecdh.PrivateKey {
	tb.Helper()
	k, err := ecdh.X25519().NewPrivateKey(b)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func TestRegistrationVectors(t *testing.T) {
	v := loadVectors(t, "gateway.json")
	if len(v.Registration) == 0 {
		t.Fatal("no registrations")
	}
	for _, r := range v.Registration {
		client, gateway := r.ClientIdentity.key(), r.GatewayIdentity.key()
		nonce := func(message int) [NonceSize]byte {
			d := r.Messages[message].Data
			return [NonceSize]byte(d[len(d)-NonceSize:])
		}

		// The client's side, byte for byte.
		reg := &Registration{identity: client, ephemeral: ephemeralOf(t, r.ClientEphemeral), salt: [saltSize]byte(r.Salt)}
		if got, want := reg.Opening(), r.Messages[0].Data; !bytes.Equal(got, want) {
			t.Errorf("%s: opening %x, want %x", r.Name, got, want)
		}
		proof, key, err := reg.Finish(Octets(r.Messages[1].Data), gateway.Public(), nonce(2))
		if err != nil || !bytes.Equal(proof, r.Messages[2].Data) || !bytes.Equal(key.Bytes()[:], r.SharedKey) {
			t.Errorf("%s: client finishes with %x, %v, want %x", r.Name, proof, err, r.Messages[2].Data)
		}
		if _, _, err := reg.Finish(Octets(r.Messages[1].Data), client.Public(), nonce(2)); err != ErrImpostor {
			t.Errorf("%s: answer of another gateway: %v, want ErrImpostor", r.Name, err)
		}

		// The gateway's.
		o, err := ParseOpening(Octets(r.Messages[0].Data))
		if err != nil {
			t.Fatalf("%s: opening: %v", r.Name, err)
		}
		ephemeral := ephemeralOf(t, r.GatewayEphemeral)
		answer, key, err := o.Answer(gateway, ephemeral, nonce(1))
		if err != nil || !bytes.Equal(answer, r.Messages[1].Data) || !bytes.Equal(key.Bytes()[:], r.SharedKey) {
			t.Errorf("%s: gateway answers %x, %v, want %x", r.Name, answer, err, r.Messages[1].Data)
		}
		if !o.Check(key, ephemeral.PublicKey().Bytes(), Octets(r.Messages[2].Data)) {
			t.Errorf("%s: gateway refuses the client's proof", r.Name)
		}

		for i, m := range r.Messages {
			parse := ParseClientText
			if m.From == "gateway" {
				parse = ParseGatewayText
			}
			got, err := parse([]byte(m.Text))
			p, ok := got.(HandshakePayload)
			if err != nil || !ok || !bytes.Equal(p.Data, m.Data) || int(p.ProtocolVersion) != r.Negotiated {
				t.Errorf("%s: message %d parses as %+v, %v", r.Name, i, got, err)
			}
			if got := string(EncodeText(p)); got != m.Text {
				t.Errorf("%s: message %d encodes as %s, want %s", r.Name, i, got, m.Text)
			}
		}
	}
}

// nodes.md appendix A.
func TestAppendixA(t *testing.T) {
	fill := func(b byte) (a [32]byte) {
		for i := range a {
			a[i] = b
		}
		return a
	}
	nonce := func(b byte) [NonceSize]byte { f := fill(b); return [NonceSize]byte(f[:NonceSize]) }
	x, y, saltFill := fill(0x33), fill(0x44), fill(0x55)
	client, gateway := keys.IdentityKeyFromSeed(fill(0x11)), keys.IdentityKeyFromSeed(fill(0x22))
	reg := &Registration{identity: client, ephemeral: ephemeralOf(t, x[:]), salt: [saltSize]byte(saltFill[:saltSize])}
	o, err := ParseOpening(reg.Opening())
	if err != nil {
		t.Fatal(err)
	}
	answer, key, err := o.Answer(gateway, ephemeralOf(t, y[:]), nonce(0x66))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hex.EncodeToString(key.Bytes()[:]), "14253fa410f900a1b5581b735c148bf5726b07cefdb0119b80a00c6417d60a36"; got != want {
		t.Errorf("K = %s, want %s", got, want)
	}
	if got, want := hex.EncodeToString(answer), "ff2ee45601ec1b67310c7790404585ae697331eee1c1f8cf2419731c1fff3e6b"+
		"4952d39018febf23baafd47d5aa439ad8c55d9748972e1490b1679a1e7be8a6ccc2ea88539ffb2f23ee8d6ee2028774e50a06d52cfcdde0adf7e08b6eddd8bbd"+
		"33f305b6fba810f7f58d0cf77cde269e"+"666666666666666666666666"; got != want {
		t.Errorf("message 2 = %s, want %s", got, want)
	}
	proof, _, err := reg.Finish(answer, gateway.Public(), nonce(0x77))
	if got, want := hex.EncodeToString(proof), "ed03418dede7517d66121f76676ac7913818064bf5f40bdb1b32521fb29e32833f438bafcbd5167b39075a46f4bbc63373809be13451279542467fb0b1c6f711"+
		"f7fe39723582d35453eb88f17c281f98"+"777777777777777777777777"; got != want || err != nil {
		t.Errorf("message 3 = %s, %v, want %s", got, err, want)
	}

	s := NewSealer(key)
	n := nonce(0x88)
	a := NewAuthenticate(6, client, s, n[:], time.Unix(1700000000, 0))
	if got, want := hex.EncodeToString(a.AddressCiphertext), "ede02c13521f7131857058635fd68f7efbc59782632d012f049d4c62f3c1c83662e1a0e43b662db17bbb0bb4e4975785"; got != want {
		t.Errorf("address ciphertext = %s, want %s", got, want)
	}
	if got, want := hex.EncodeToString(a.RequestSignature), "2a310166f5dcec4709b0115836a61a41fdd244c7091407ed5872023c11ad62e7cfbe37995677e47dcf3e981d607f0db62503c6163b8e4495b6ab32129b691d06"; got != want {
		t.Errorf("signature = %s, want %s", got, want)
	}

	frame := vectest.Unhex(t, "0101"+"999999999999999999999999"+"8f76597d5be50c0574e6f4cf3bc10cfbc685fee524638a5f79")
	if got, err := s.OpenPush(frame); err != nil || string(got) != "hello nym" {
		t.Errorf("push opens as %q, %v", got, err)
	}
}

func TestAuthenticateVectors(t *testing.T) {
	v := loadVectors(t, "gateway-more.json")
	if len(v.AuthenticateV2) == 0 || len(v.TimestampSkew) == 0 {
		t.Fatal("no vectors")
	}
	for _, a := range v.AuthenticateV2 {
		parsed, err := ParseClientText([]byte(a.Text))
		if err != nil {
			t.Fatalf("%s: %v", a.Name, err)
		}
		req := parsed.(Authenticate)
		if got := string(EncodeText(req)); got != a.Text {
			t.Errorf("%s: encodes as %s, want %s", a.Name, got, a.Text)
		}
		if got := req.signed(); !bytes.Equal(got, a.SignedBytes) {
			t.Errorf("%s: signed bytes %x, want %x", a.Name, got, a.SignedBytes)
		}
		client, err := req.Check(time.Unix(int64(a.Timestamp), 0))
		if (err == nil) != a.SignatureOK {
			t.Errorf("%s: check gives %v, want a valid signature: %v", a.Name, err, a.SignatureOK)
		}
		if err != nil {
			continue
		}
		if got := sealerOf(a.SharedKey).Dated(client, &req); got != a.CiphertextOK {
			t.Errorf("%s: the ciphertext is accepted: %v, want %v", a.Name, got, a.CiphertextOK)
		}
		for _, skew := range v.TimestampSkew {
			now := time.Unix(int64(a.Timestamp)-skew.Offset, 0)
			if _, err := req.Check(now); (err == nil) != skew.Accept {
				t.Errorf("%s: %d s off: %v, want accept %v", a.Name, skew.Offset, err, skew.Accept)
			}
		}
	}
}

// nodes.md §1.5: "version 4…max; |timestamp − now| ≤ 120 s"
func TestAuthenticateLimits(t *testing.T) {
	id, s := keys.NewIdentityKey(), sealerOf(make([]byte, 32))
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name    string
		version uint8
		at      time.Duration
		ok      bool
	}{
		{"oldest version", 4, 0, true},
		{"newest version", 6, 0, true},
		{"too old", 3, 0, false},
		{"too new", 7, 0, false},
		{"120 s behind", 6, -120 * time.Second, true},
		{"121 s behind", 6, -121 * time.Second, false},
		{"120 s ahead", 6, 120 * time.Second, true},
		{"121 s ahead", 6, 121 * time.Second, false},
	} {
		a := NewAuthenticate(c.version, id, s, s.OwnNonce(), now.Add(c.at))
		if client, err := a.Check(now); (err == nil) != c.ok || (c.ok && client != id.Public()) {
			t.Errorf("%s: %v, want accept %v", c.name, err, c.ok)
		}
	}
	whole := NewAuthenticate(6, id, s, s.OwnNonce(), now)
	for name, damage := range map[string]func(*Authenticate){
		"short identity":   func(a *Authenticate) { a.ClientIdentity = a.ClientIdentity[:31] },
		"no point":         func(a *Authenticate) { a.ClientIdentity = append(Octets{2}, make(Octets, 31)...) },
		"long ciphertext":  func(a *Authenticate) { a.AddressCiphertext = append(bytes.Clone(a.AddressCiphertext), 0) },
		"no nonce":         func(a *Authenticate) { a.Nonce = nil },
		"short signature":  func(a *Authenticate) { a.RequestSignature = a.RequestSignature[:63] },
		"another identity": func(a *Authenticate) { p := keys.NewIdentityKey().Public(); a.ClientIdentity = p[:] },
	} {
		a := whole
		damage(&a)
		if _, err := a.Check(now); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOpeningVectors(t *testing.T) {
	v := loadVectors(t, "gateway-more.json")
	if len(v.OpeningMessages) == 0 {
		t.Fatal("no vectors")
	}
	for _, o := range v.OpeningMessages {
		_, err := ParseOpening(Octets(o.Data))
		if got := err == nil; got != (o.GatewayAnswers == "handshakePayload") {
			t.Errorf("%s: %v, the reference answers %s", o.Name, err, o.GatewayAnswers)
		}
	}
	// nodes.md §1.4.1: "opening length exactly 80; identity decodes to a valid
	// ed25519 point"
	whole := Octets(v.OpeningMessages[0].Data)
	for n := range len(whole) {
		if _, err := ParseOpening(whole[:n]); err == nil {
			t.Errorf("%d bytes accepted", n)
		}
	}
	if _, err := ParseOpening(append(bytes.Clone(whole), 0)); err == nil {
		t.Error("81 bytes accepted")
	}
	if _, err := ParseOpening(append(Octets{2}, make(Octets, 79)...)); err == nil {
		t.Error("an identity that is no point accepted")
	}
}

// Low-order ephemeral keys give a key that everybody knows.
func TestLowOrderEphemeralIsRefused(t *testing.T) {
	o := Opening{ephemeral: [32]byte{1}}
	if _, _, err := o.Answer(keys.NewIdentityKey(), ephemeralOf(t, bytes.Repeat([]byte{7}, 32)), [NonceSize]byte{}); err != keys.ErrLowOrder {
		t.Errorf("answer gives %v, want ErrLowOrder", err)
	}
	reg, err := NewRegistration(keys.NewIdentityKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := reg.Finish(make(Octets, answerSize), keys.Identity{}, [NonceSize]byte{}); err != keys.ErrLowOrder {
		t.Errorf("finish gives %v, want ErrLowOrder", err)
	}
}

func TestFrameVectors(t *testing.T) {
	v := loadVectors(t, "gateway.json")
	if len(v.Frames) == 0 {
		t.Fatal("no frames")
	}
	for _, f := range v.Frames {
		s := sealerOf(v.FramesSharedKey)
		sealed := s.aead.Seal(append([]byte{f.Kind, flagSealed}, f.Nonce...), f.Nonce, f.Plaintext, nil)
		if !bytes.Equal(sealed, f.Frame) {
			t.Errorf("%s: seals as %x, want %x", f.Name, sealed, f.Frame)
		}
		switch f.Direction {
		case "gateway to client":
			if got, err := s.OpenPush(bytes.Clone(f.Frame)); err != nil || !bytes.Equal(got, f.Plaintext) {
				t.Errorf("%s: opens as %x, %v, want %x", f.Name, got, err, f.Plaintext)
			}
		case "client to gateway":
			p, err := s.OpenForward(bytes.Clone(f.Frame))
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			if got, err := p.Append(nil, f.Kind == kindForwardRotation); err != nil || !bytes.Equal(got, f.Plaintext) {
				t.Errorf("%s: opens as %x, %v, want %x", f.Name, got, err, f.Plaintext)
			}
		default:
			t.Fatalf("%s: direction %q", f.Name, f.Direction)
		}
	}
}

func TestDamagedFrameVectors(t *testing.T) {
	v := loadVectors(t, "gateway-more.json")
	if len(v.DamagedFrames) == 0 {
		t.Fatal("no frames")
	}
	for _, f := range v.DamagedFrames {
		want := f.Accept && f.Ours == "" // the one that leaves us the choice is the open frame
		if _, err := sealerOf(v.FramesSharedKey).OpenForward(bytes.Clone(f.Frame)); (err == nil) != want {
			t.Errorf("%s: %v, want accept %v", f.Name, err, want)
		}
	}
}

func TestTextVectors(t *testing.T) {
	v := loadVectors(t, "gateway.json")
	if len(v.ClientTexts) == 0 || len(v.GatewayTexts) == 0 {
		t.Fatal("no texts")
	}
	for name, in := range v.ClientTexts {
		got, err := ParseClientText([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		switch got.(type) {
		case LegacyRequest: // read only so far as to refuse it
			continue
		}
		want := in
		if name == "registerHandshakeInitRequest" { // only ever read
			want = v.ClientTexts["handshakePayload"]
		}
		if out := string(EncodeText(got)); out != want {
			t.Errorf("%s: encodes as %s, want %s", name, out, want)
		}
	}
	for name, in := range v.GatewayTexts {
		got, err := ParseGatewayText([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if out := string(EncodeText(got)); out != in {
			t.Errorf("%s: encodes as %s, want %s", name, out, in)
		}
	}
}

func TestSealedTextVectors(t *testing.T) {
	v := loadVectors(t, "gateway.json")
	s := sealerOf(v.FramesSharedKey)
	for name, want := range map[string]string{
		"encryptedRequest (ForgetMe)":   `{"ForgetMe":{"client":true,"stats":false}}`,
		"encryptedRequest (RememberMe)": `{"RememberMe":{"session_type":"Native"}}`,
	} {
		parsed, err := ParseClientText([]byte(v.ClientTexts[name]))
		if err != nil {
			t.Fatal(err)
		}
		e := parsed.(EncryptedRequest)
		plaintext, err := s.OpenText(e.Ciphertext, e.Nonce)
		if err != nil || string(plaintext) != want {
			t.Errorf("%s: opens as %s, %v, want %s", name, plaintext, err, want)
		}
		r, err := ParseSealedRequest(plaintext)
		if err != nil || string(EncodeSealed(r)) != want {
			t.Errorf("%s: parses as %+v, %v", name, r, err)
		}
	}
	for name, want := range map[string]string{
		"encryptedResponse (ForgetMeAck)":   `{"ForgetMeAck":{}}`,
		"encryptedResponse (RememberMeAck)": `{"RememberMeAck":{}}`,
	} {
		parsed, err := ParseGatewayText([]byte(v.GatewayTexts[name]))
		if err != nil {
			t.Fatal(err)
		}
		e := parsed.(EncryptedResponse)
		plaintext, err := s.OpenText(e.Ciphertext, e.Nonce)
		if err != nil || string(plaintext) != want {
			t.Errorf("%s: opens as %s, %v, want %s", name, plaintext, err, want)
		}
		r, err := ParseSealedResponse(plaintext)
		if err != nil || string(EncodeSealed(r)) != want {
			t.Errorf("%s: parses as %+v, %v", name, r, err)
		}
	}
}
