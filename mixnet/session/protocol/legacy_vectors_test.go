package protocol

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"lukechampine.com/blake3"

	"nym-socks5/internal/base58"
	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

func fill(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

// appendixKey is the legacy key of nodes.md appendix A.
func appendixKey(tb testing.TB) *keys.LegacySession {
	tb.Helper()
	return keys.LegacySessionFromBytes([32]byte(vectest.Unhex(tb, "0fef404269dcce1f093242d068175d8a7f00114c4215c6bf4031b67c22505f72")))
}

// nodes.md appendix A.
func TestLegacyAppendixA(t *testing.T) {
	client, gateway := keys.IdentityKeyFromSeed([32]byte(fill(0x11, 32))), keys.IdentityKeyFromSeed([32]byte(fill(0x22, 32)))
	x, y := ephemeralOf(t, fill(0x33, 32)), ephemeralOf(t, fill(0x44, 32))
	public := client.Public()
	o, err := ParseLegacyOpening(append(Octets(public[:]), x.PublicKey().Bytes()...))
	if err != nil || o.Client != public {
		t.Fatalf("opening: %v", err)
	}
	answer, key, err := o.Answer(gateway, y)
	if err != nil || !key.Equal(appendixKey(t)) {
		t.Fatalf("answer: %v, or another key", err)
	}
	if want := vectest.Unhex(t, "ff2ee45601ec1b67310c7790404585ae697331eee1c1f8cf2419731c1fff3e6b"+
		"cbc7114547005ab0a4424b870c0479e7b138824830a874708a1093d4177a08ca1db40ced0f78d580c505894a7ae2672b191478215b3d92c386c929da9773f8d1"); !bytes.Equal(answer, want) {
		t.Errorf("message 2 = %x, want %x", answer, want)
	}
	proof := vectest.Unhex(t, "166e37ceb9769c46f713aa0386252e3e724e019569df8eba600ec99b3ce88cac69e08db2be402a874353b6c784f23dfb20172992aeee583b295f130c531ea6de")
	if !o.Check(key, y.PublicKey().Bytes(), proof) {
		t.Error("message 3 is refused")
	}
	if got := makeLegacyProof(key, client, x.PublicKey().Bytes(), y.PublicKey().Bytes()); !bytes.Equal(got, proof) {
		t.Errorf("message 3 = %x, want %x", got, proof)
	}
	for i := range 8 * len(proof) {
		bad := bytes.Clone(proof)
		bad[i/8] ^= 1 << (i % 8)
		if o.Check(key, y.PublicKey().Bytes(), bad) {
			t.Fatalf("message 3 with bit %d flipped is accepted", i)
		}
	}
	if o.Check(key, y.PublicKey().Bytes(), proof[:63]) || o.Check(key, y.PublicKey().Bytes(), append(proof, 0)) {
		t.Error("message 3 of another length is accepted")
	}

	s := NewLegacySealer(key)
	want := vectest.Unhex(t, "c7af64facf13990e4fdf206698e23ca76f358f69d70e69dd5ef46b4a0cf9cf92"+"4ca670bb33091f87bc")
	if got := s.AppendPush([]byte("prefix"), []byte("hello nym")); !bytes.Equal(got, append([]byte("prefix"), want...)) {
		t.Errorf("push = %x, want %x", got, want)
	}

	l, err := (&AuthenticateV1{1, public.String(), "GnQXNemcNAPovyyWiGybwFQNCwAcVqp26PKwR8Mrah2C", "N5L7eAc4PsHfZViqAMbFEH"}).Decode()
	if err != nil || l.Client != public || !bytes.Equal(l.Nonce, fill(0xaa, 16)) || !s.Undated(&l) {
		t.Errorf("authenticate: %+v, %v", l, err)
	}

	fresh := vectest.Unhex(t, "3430b8c530989b80bff5ba897d986f739020e13f8b9ba0c6b229c0f62aaf236b")
	digest := blake3.Sum256(fresh)
	k, err := NewLegacySealer(key).UpgradedKey(&UpgradeKey{Salt: fill(0x55, 16), Digest: digest[:]})
	if err != nil || !bytes.Equal(k.Bytes()[:], fresh) {
		t.Errorf("upgraded key: %v, or another key", err)
	}
	for name, u := range map[string]*UpgradeKey{
		"another digest": {Salt: fill(0x55, 16), Digest: fill(1, 32)},
		"another salt":   {Salt: fill(0x56, 16), Digest: digest[:]},
		"short salt":     {Salt: fill(0x55, 15), Digest: digest[:]},
		"short digest":   {Salt: fill(0x55, 16), Digest: digest[:31]},
		"nothing":        {},
	} {
		if _, err := NewLegacySealer(key).UpgradedKey(u); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// testdata/legacy.json was recorded from a published client; it says so itself.
func TestLegacyRecording(t *testing.T) {
	var v struct {
		SharedKey        vectest.Hex `json:"shared_key"`
		Authenticate     string
		AuthenticateV2   string `json:"authenticate_v2"`
		UpgradeKey       string `json:"upgrade_key"`
		Frame, Plaintext vectest.Hex
	}
	vectest.Read(t, "legacy.json", &v)
	key := keys.LegacySessionFromBytes([32]byte(v.SharedKey))
	s := NewLegacySealer(key)
	read := func(in string) Text {
		t.Helper()
		got, err := ParseClientText([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if out := string(EncodeText(got)); out != in {
			t.Errorf("%s encodes as %s", in, out)
		}
		return got
	}

	undated := read(v.Authenticate).(AuthenticateV1)
	l, err := undated.Decode()
	if err != nil || !s.Undated(&l) {
		t.Errorf("authenticate: %v, or refused", err)
	}
	dated := read(v.AuthenticateV2).(Authenticate)
	client, err := dated.Check(time.Unix(int64(dated.RequestUnixTimestamp), 0))
	if err != nil || client != l.Client || !dated.Legacy() {
		t.Fatalf("authenticateV2: %v, or of another client", err)
	}
	if !s.Dated(client, &dated) {
		t.Error("authenticateV2 is refused")
	}
	dated.AddressCiphertext[0] ^= 1
	if s.Dated(client, &dated) {
		t.Error("authenticateV2 with another MAC is accepted")
	}
	if dated.AddressCiphertext[0] ^= 1; sealerOf(v.SharedKey).Dated(client, &dated) {
		t.Error("authenticateV2 is accepted for a current key")
	}

	if got := NewLegacySealer(key).AppendPush(nil, v.Plaintext); !bytes.Equal(got, v.Frame) {
		t.Errorf("frame = %x, want %x", got, v.Frame)
	}
	p, err := s.OpenForward(bytes.Clone(v.Frame))
	if err != nil {
		t.Fatalf("frame: %v", err)
	}
	if out, err := p.Append(nil, false); err != nil || !bytes.Equal(out, v.Plaintext) {
		t.Errorf("frame opens as %x, %v", out, err)
	}

	e := read(v.UpgradeKey).(EncryptedRequest)
	plaintext, err := s.OpenText(e.Ciphertext, e.Nonce)
	if err != nil {
		t.Fatalf("encryptedRequest: %v", err)
	}
	r, err := ParseSealedRequest(plaintext)
	if err != nil || r.UpgradeKey == nil || string(EncodeSealed(r)) != string(plaintext) {
		t.Fatalf("encryptedRequest reads %s: %v", plaintext, err)
	}
	if _, err := NewLegacySealer(key).UpgradedKey(r.UpgradeKey); err != nil {
		t.Errorf("UpgradeKey: %v", err)
	}
}

// nodes.md §1.4.2: "The opening length (64 or 80) tells the gateway which variant to run"
func TestLegacyOpening(t *testing.T) {
	id := keys.NewIdentityKey().Public()
	whole := append(Octets(id[:]), fill(9, 32)...)
	for n := range 100 {
		b := append(bytes.Clone(whole), make([]byte, 100)...)[:n]
		if _, err := ParseLegacyOpening(b); (err == nil) != (n == 64) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := ParseLegacyOpening(append(Octets{2}, make(Octets, 63)...)); err == nil {
		t.Error("an identity that is no point accepted")
	}
	low := LegacyOpening{Client: id, ephemeral: [32]byte{1}}
	if _, _, err := low.Answer(keys.NewIdentityKey(), ephemeralOf(t, fill(7, 32))); err != keys.ErrLowOrder {
		t.Errorf("low-order ephemeral: %v, want ErrLowOrder", err)
	}
}

// nodes.md §1.4.2: "AES-128 in counter mode with a 64-bit big-endian counter in
// the last 8 bytes of the 16-byte IV block"
func TestLegacyCounter(t *testing.T) {
	c := newLegacyCipher(appendixKey(t))
	for _, low := range []uint64{0, 1, 1<<64 - 1, 1<<64 - 2, 1<<64 - 4, 1 << 63} {
		for _, n := range []int{0, 1, 15, 16, 17, 32, 48, 49, 100} {
			var iv [ivSize]byte
			rand.Read(iv[:8])
			binary.BigEndian.PutUint64(iv[8:], low)
			src, got, want := fill(0x5a, n), make([]byte, n), make([]byte, n)
			for i := range want {
				block := iv
				binary.BigEndian.PutUint64(block[8:], low+uint64(i/aes.BlockSize))
				c.block.Encrypt(block[:], block[:])
				want[i] = src[i] ^ block[i%aes.BlockSize]
			}
			if c.crypt(got, src, &iv); !bytes.Equal(got, want) {
				t.Errorf("counter %#x, %d bytes: %x, want %x", low, n, got, want)
			}
			if c.crypt(got, got, &iv); !bytes.Equal(got, src) {
				t.Errorf("counter %#x, %d bytes: does not decrypt", low, n)
			}
		}
	}
}

// legacyPair gives the two ends of one key.
func legacyPair() (client, gateway *LegacySealer) {
	var b [keys.LegacySessionSize]byte
	rand.Read(b[:])
	return NewLegacySealer(keys.LegacySessionFromBytes(b)), NewLegacySealer(keys.LegacySessionFromBytes(b))
}

// legacyForward is the frame of a client with a packet.
func legacyForward(tb testing.TB, s *LegacySealer, p wire.MixPacket) []byte {
	tb.Helper()
	plaintext, err := p.Append(nil, false)
	if err != nil {
		tb.Fatal(err)
	}
	return s.seal(nil, plaintext, new([ivSize]byte))
}

// nodes.md §1.7: "2453 bytes for a regular IPv4 packet"
func TestLegacyFrames(t *testing.T) {
	client, gateway := legacyPair()
	for _, c := range []struct {
		size mixnet.PacketSize
		next mixnet.NodeAddr
		want int
	}{{mixnet.Regular, hop4, 2453}, {mixnet.AckSize, hop6, 438}, {mixnet.Extended32, hop6, MaxMessage}} {
		p := packetOf(c.size)
		p.Next = c.next
		frame := legacyForward(t, client, p)
		if len(frame) != c.want {
			t.Errorf("%v: frame of %d bytes, want %d", c.size, len(frame), c.want)
		}
		got, err := gateway.OpenForward(frame)
		// nodes.md §1.7: "Kind-1 and legacy packets get rotation 0."
		if err != nil || got.Next != p.Next || got.Rotation != mixnet.RotationUnknown || !bytes.Equal(got.Packet, p.Packet) {
			t.Errorf("%v: opens as %v to %v, %v", c.size, got.Rotation, got.Next, err)
		}
	}
	message := fill(3, 1643)
	if got, err := client.open(gateway.AppendPush(nil, message), new([ivSize]byte)); err != nil || !bytes.Equal(got, message) {
		t.Errorf("push opens as %x, %v", got, err)
	}
	ciphertext, nonce := gateway.SealText([]byte("text"))
	if got, err := client.OpenText(ciphertext, nonce); err != nil || string(got) != "text" {
		t.Errorf("text opens as %q, %v", got, err)
	}
	if _, err := client.OpenText(ciphertext, nonce[1:]); !errors.Is(err, ErrMalformed) {
		t.Errorf("nonce of 15 bytes: %v", err)
	}
}

func TestLegacyFramesRefuseEveryChange(t *testing.T) {
	client, gateway := legacyPair()
	whole := legacyForward(t, client, packetOf(mixnet.AckSize))
	for n := range len(whole) {
		if _, err := gateway.OpenForward(bytes.Clone(whole[:n])); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v, want errMalformed", n, len(whole), err)
		}
	}
	for i := range 8 * len(whole) {
		b := bytes.Clone(whole)
		b[i/8] ^= 1 << (i % 8)
		if _, err := gateway.OpenForward(b); !errors.Is(err, ErrMalformed) {
			t.Fatalf("bit %d flipped: %v, want errMalformed", i, err)
		}
	}
	if _, err := gateway.OpenForward(bytes.Clone(whole)); err != nil {
		t.Errorf("the frame itself: %v", err)
	}
}

// The envelope has no nonce: its MAC, which is one of 2^256 and cannot be made
// without the key, stands for it.
func TestH21LegacyReplay(t *testing.T) {
	client, gateway := legacyPair()
	forward := legacyForward(t, client, packetOf(mixnet.Regular))
	for i := range 3 {
		if _, err := gateway.OpenForward(bytes.Clone(forward)); (i == 0) != (err == nil) || i > 0 && err != ErrReplayed {
			t.Errorf("frame seen %d times before: %v", i, err)
		}
	}
	// As a text under any nonce.
	if _, err := gateway.OpenText(forward, make(Octets, ivSize)); err != ErrReplayed {
		t.Errorf("frame as a text: %v, want ErrReplayed", err)
	}
	// Among the last 65 536, however many came since.
	ack := packetOf(mixnet.AckSize)
	for i := range nonceWindow - 1 {
		binary.BigEndian.PutUint32(ack.Packet, uint32(i))
		if _, err := gateway.OpenForward(legacyForward(t, client, ack)); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
	if _, err := gateway.OpenForward(bytes.Clone(forward)); err != ErrReplayed {
		t.Errorf("after %d frames: %v, want ErrReplayed", nonceWindow-1, err)
	}
}

func TestH21LegacyOwnFrameIsRefused(t *testing.T) {
	_, gateway := legacyPair()
	packet, err := packetOf(mixnet.Regular).Append(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	// A message may well read as a packet with its hop.
	if _, err := gateway.OpenForward(gateway.AppendPush(nil, packet)); err != ErrReplayed {
		t.Errorf("push reflected: %v, want ErrReplayed", err)
	}
	ciphertext, nonce := gateway.SealText([]byte(`{"ForgetMe":{"client":true}}`))
	if _, err := gateway.OpenText(ciphertext, nonce); err != ErrReplayed {
		t.Errorf("text reflected: %v, want ErrReplayed", err)
	}
}

func TestDecodeAuthenticateV1(t *testing.T) {
	id := keys.NewIdentityKey().Public()
	b58 := func(n int) string { return base58.Encode(fill(7, n)) }
	for _, c := range []struct {
		name string
		in   AuthenticateV1
		ok   bool
	}{
		{"legacy key", AuthenticateV1{1, id.String(), b58(32), b58(16)}, true},
		{"legacy key, no version", AuthenticateV1{0, id.String(), b58(32), b58(16)}, true},
		{"current key", AuthenticateV1{3, id.String(), b58(48), b58(12)}, true},
		{"current key, version 1", AuthenticateV1{1, id.String(), b58(48), b58(12)}, false},
		{"current key, version 4", AuthenticateV1{4, id.String(), b58(48), b58(12)}, false},
		{"mixed", AuthenticateV1{3, id.String(), b58(32), b58(12)}, false},
		{"mixed the other way", AuthenticateV1{3, id.String(), b58(48), b58(16)}, false},
		{"short", AuthenticateV1{1, id.String(), b58(31), b58(16)}, false},
		{"empty", AuthenticateV1{}, false},
		{"no base58", AuthenticateV1{1, id.String(), "0OIl", b58(16)}, false},
		{"no base58 in the iv", AuthenticateV1{1, id.String(), b58(32), "!"}, false},
		{"no identity", AuthenticateV1{1, b58(31), b58(32), b58(16)}, false},
		{"endless", AuthenticateV1{1, id.String(), string(fill('1', 30000)), b58(16)}, false},
	} {
		if l, err := c.in.Decode(); (err == nil) != c.ok || c.ok && l.Client != id {
			t.Errorf("%s: %v, want accept %v", c.name, err, c.ok)
		}
	}
}
