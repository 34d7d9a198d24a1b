package message

import (
	"bytes"
	"crypto/hkdf"
	"errors"
	"hash"
	"testing"

	"lukechampine.com/blake3"

	"nym-socks5/internal/routetest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
)

var sizes = []mixnet.PacketSize{mixnet.Regular, mixnet.Extended8, mixnet.Extended16, mixnet.Extended32}

// exit takes apart what came out at the recipient's gateway, and brings the
// receipt home.
func exit(t *testing.T, nodes []routetest.Node, p sphinx.Packet, sender party) (pushed []byte, id fragment.ID) {
	t.Helper()
	first, packet, err := surb.ParseAck(p.Message[:mixnet.AckPrefixSize])
	if err != nil {
		t.Fatal(err)
	}
	back := routetest.Walk(t, nodes, first, packet)
	if back.Dest != sender.addr.Identity {
		t.Errorf("the receipt came to %v, want the sender", back.Dest)
	}
	id, err = surb.NewAcks(sender.ack).Open(back.Message)
	if err != nil {
		t.Fatal(err)
	}
	return p.Message[mixnet.AckPrefixSize:], id
}

// testFragment is a fragment that fills a packet of that size.
func testFragment(t testing.TB, size mixnet.PacketSize) (fragment.ID, []byte) {
	t.Helper()
	f, err := fragment.Split([]byte("\x00hello"), size.Fragment(), []uint32{12345})
	if err != nil {
		t.Fatal(err)
	}
	return f.ID(0), f.Append(nil, 0)
}

func TestSeal(t *testing.T) {
	nodes, route := routetest.New()
	alice, bob := newParty(), newParty()
	s := alice.sealer()
	for _, size := range sizes {
		id, frag := testFragment(t, size)
		packet := make([]byte, size.Total())
		if err := s.Seal(packet, bob.addr, Path{Out: route, Back: route}, id, frag); err != nil {
			t.Fatal(err)
		}
		p := routetest.Walk(t, nodes, route[0].Addr, packet)
		if p.Dest != bob.addr.Identity || p.ID != [16]byte{} || len(p.Message) != size.Plaintext() {
			t.Fatalf("%v: %d bytes came out for %v", size, len(p.Message), p.Dest)
		}
		pushed, acked := exit(t, nodes, p, alice)
		if acked != id {
			t.Errorf("%v: %+v is acknowledged, want %+v", size, acked, id)
		}
		o, err := Open(pushed, bob.enc, none)
		if err != nil || o.UnderReply || !o.To.IsZero() || !bytes.Equal(o.Fragment, frag) {
			t.Errorf("%v: opened %d bytes for %v, %v", size, len(o.Fragment), o.To, err)
		}
	}
}

func TestSealReply(t *testing.T) {
	nodes, route := routetest.New()
	alice, bob := newParty(), newParty()
	var b sphinx.Builder
	for _, v := range []sphinx.Version{sphinx.Version258, sphinx.Version259} {
		replies, err := surb.Mint(&b, v, mixnet.RotationOdd, alice.addr.Identity, [][]sphinx.Hop{route, route, route[3:], route})
		if err != nil {
			t.Fatal(err)
		}
		tag := mixnet.SenderTag{9}
		for i, size := range sizes {
			id, frag := testFragment(t, size)
			packet := make([]byte, size.Total())
			if err := bob.sealer().SealReply(packet, &replies[i], route, id, frag); err != nil {
				t.Fatal(err)
			}
			p := routetest.Walk(t, nodes, replies[i].SURB.First(), packet)
			if p.Dest != alice.addr.Identity {
				t.Fatalf("%v: came out for %v", size, p.Dest)
			}
			pushed, acked := exit(t, nodes, p, bob)
			if acked != id {
				t.Errorf("%v: %+v is acknowledged, want %+v", size, acked, id)
			}
			again := bytes.Clone(pushed)
			o, err := Open(pushed, alice.enc, only(tag, replies...))
			if err != nil || !o.UnderReply || o.To != tag || !bytes.Equal(o.Fragment, frag) {
				t.Errorf("%v: opened %d bytes for %v, %v", size, len(o.Fragment), o.To, err)
			}
			// Once the key is spent the same bytes are garbage, not a reply.
			if o, err := Open(again, alice.enc, none); err == nil && (o.UnderReply || bytes.Equal(o.Fragment, frag)) {
				t.Errorf("%v: opened without the key", size)
			}
		}
	}
}

func TestSealCover(t *testing.T) {
	nodes, route := routetest.New()
	alice := newParty()
	s := alice.sealer()
	for _, size := range sizes {
		packet := make([]byte, size.Total())
		loop := fragment.ID{Set: 7}
		if err := s.SealCover(packet, Path{Out: route, Back: route}, loop); err != nil {
			t.Fatal(err)
		}
		p := routetest.Walk(t, nodes, route[0].Addr, packet)
		if p.Dest != alice.addr.Identity {
			t.Fatalf("cover came out for %v", p.Dest)
		}
		pushed, acked := exit(t, nodes, p, alice)
		if acked != loop || !acked.IsCover() {
			t.Errorf("%v: cover is acknowledged as %+v, want %+v", size, acked, loop)
		}
		if o, err := Open(pushed, alice.enc, none); err != nil || o.Fragment != nil {
			t.Errorf("%v: cover opens as a fragment of %d bytes, %v", size, len(o.Fragment), err)
		}
	}
}

// sphinx.md §5.10: "(the test covers replies too)"
func TestCoverUnderReplyKey(t *testing.T) {
	k := keys.NewReply()
	digest := surb.DigestOf(k)
	frag := append([]byte(coverText+"\x01"), make([]byte, 100)...)
	key := messageKey(k)
	crypt(&key, frag)
	o, err := Open(append(digest[:], frag...), keys.NewEncryptionKey(), func(d surb.Digest) (keys.Reply, mixnet.SenderTag, bool) {
		return k, mixnet.SenderTag{1}, d == digest
	})
	if err != nil || o.Fragment != nil || !o.UnderReply {
		t.Errorf("opened %+v, %v, want cover under a reply key", o, err)
	}
}

func TestH03CoverAndDataAreAlike(t *testing.T) {
	nodes, route := routetest.New()
	alice, bob := newParty(), newParty()
	id, frag := testFragment(t, mixnet.Regular)
	for _, v := range []sphinx.Version{sphinx.Version258, sphinx.Version259} {
		s := NewSealer(alice.addr, alice.ack, v)
		data, cover := make([]byte, mixnet.Regular.Total()), make([]byte, mixnet.Regular.Total())
		if err := s.Seal(data, bob.addr, Path{Out: route, Back: route}, id, frag); err != nil {
			t.Fatal(err)
		}
		if err := s.SealCover(cover, Path{Out: route, Back: route}, fragment.ID{}); err != nil {
			t.Fatal(err)
		}
		if len(data) != len(cover) {
			t.Errorf("data has %d bytes, cover %d", len(data), len(cover))
		}
		for _, packet := range [][]byte{data, cover} {
			p := routetest.Walk(t, nodes, route[0].Addr, packet)
			if p.Version != v {
				t.Errorf("packet of version %v, want %v", p.Version, v)
			}
			first, ack, err := surb.ParseAck(p.Message[:mixnet.AckPrefixSize])
			if err != nil {
				t.Fatal(err)
			}
			if back := routetest.Walk(t, nodes, first, ack); back.Version != v {
				t.Errorf("receipt of version %v, want %v", back.Version, v)
			}
		}
	}
}

// Everything that must be fresh is: the same fragment twice shares no packet
// bytes, no ephemeral key and no ciphertext.
func TestSealingTwice(t *testing.T) {
	nodes, route := routetest.New()
	alice, bob := newParty(), newParty()
	s := alice.sealer()
	id, frag := testFragment(t, mixnet.Regular)
	seen := make(map[string]bool)
	note := func(what string, b []byte) {
		if seen[what+string(b)] {
			t.Errorf("the same %s twice", what)
		}
		seen[what+string(b)] = true
	}
	for range 20 {
		packet := make([]byte, mixnet.Regular.Total())
		if err := s.Seal(packet, bob.addr, Path{Out: route, Back: route}, id, frag); err != nil {
			t.Fatal(err)
		}
		note("point", packet[:32])
		p := routetest.Walk(t, nodes, route[0].Addr, packet)
		note("receipt", p.Message[mixnet.AckAddrPadded:][:32])
		note("ephemeral key", p.Message[keyAt:fragmentAt])
		note("ciphertext", p.Message[fragmentAt:][:32])
	}
}

func TestSealRefuses(t *testing.T) {
	_, route := routetest.New()
	alice, bob := newParty(), newParty()
	s := alice.sealer()
	id, frag := testFragment(t, mixnet.Regular)
	path := Path{Out: route, Back: route}
	packet := make([]byte, mixnet.Regular.Total())
	nobody := bob.addr
	nobody.Encryption = keys.Encryption{} // of low order
	for _, c := range []struct {
		name   string
		packet []byte
		to     mixnet.Recipient
		path   Path
		frag   []byte
	}{
		{"short fragment", packet, bob.addr, path, frag[1:]},
		{"long fragment", packet, bob.addr, path, append(frag, 0)},
		{"packet of no size", packet[1:], bob.addr, path, frag},
		{"packet of another size", make([]byte, mixnet.Extended8.Total()), bob.addr, path, frag},
		{"packet of the receipts' size", make([]byte, mixnet.AckSize.Total()), bob.addr, path, nil},
		{"key of low order", packet, nobody, path, frag},
		{"no way out", packet, bob.addr, Path{Back: route}, frag},
		{"no way back", packet, bob.addr, Path{Out: route}, frag},
	} {
		if err := s.Seal(c.packet, c.to, c.path, id, c.frag); err == nil {
			t.Errorf("%s: sealed", c.name)
		}
	}
	if err := s.SealCover(packet[1:], path, fragment.ID{}); err == nil {
		t.Error("cover in a packet of no size: sealed")
	}
	r := mint(t, sphinx.Version259, 0, 1, 4)[0]
	if err := s.SealReply(packet, &r, nil, id, frag); err == nil {
		t.Error("reply without a way back: sealed")
	}
	if err := s.SealReply(packet, &r, route, id, frag[1:]); err == nil {
		t.Error("reply with a short fragment: sealed")
	}
}

func TestOpenRefuses(t *testing.T) {
	enc := keys.NewEncryptionKey()
	for _, n := range []int{0, 21, 31} {
		if _, err := Open(make([]byte, n), enc, none); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v, want ErrMalformed", n, err)
		}
	}
	// sphinx.md §2: "Treat the error as \"malformed packet, drop\"."
	if _, err := Open(make([]byte, 100), enc, none); !errors.Is(err, ErrMalformed) || !errors.Is(err, keys.ErrLowOrder) {
		t.Errorf("ephemeral key of low order: %v, want ErrMalformed", err)
	}
	// Nothing behind the key is nothing to assemble, but no reason to fall over.
	pub := keys.NewEncryptionKey().Public()
	if o, err := Open(pub[:], enc, none); err != nil || len(o.Fragment) != 0 {
		t.Errorf("key alone: %+v, %v", o, err)
	}
}

func FuzzOpen(f *testing.F) {
	pub := keys.NewEncryptionKey().Public()
	f.Add(append(pub[:], make([]byte, 40)...))
	enc := keys.EncryptionKeyFromBytes([32]byte{5})
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := Open(bytes.Clone(in), enc, none)
		if err == nil && (o.UnderReply || o.Fragment != nil && len(o.Fragment) != len(in)-mixnet.KeyPrefixSize) {
			t.Fatalf("%x opens as %+v", in, o)
		}
	})
}

// The derivation of flat buffers is that of package hkdf.
func TestDeriveIsHKDF(t *testing.T) {
	newHash := func() hash.Hash { return blake3.New(32, nil) }
	for i := range 50 {
		secret := [32]byte{byte(i), 7: byte(3 * i)}
		want, err := hkdf.Key(newHash, secret[:], nil, "", 16)
		if err != nil {
			t.Fatal(err)
		}
		var b kdf
		if got := b.derive(&secret); !bytes.Equal(got[:], want) {
			t.Errorf("derived %x, want %x", got, want)
		}
		if got := b.derive(&secret); !bytes.Equal(got[:], want) {
			t.Errorf("derived %x the second time, want %x", got, want)
		}
	}
}

// What this package adds to the building of a packet: the cipher of the
// fragment and the ephemeral key.
func TestSealingCostsLittle(t *testing.T) {
	_, route := routetest.New()
	alice, bob := newParty(), newParty()
	s := alice.sealer()
	id, frag := testFragment(t, mixnet.Regular)
	packet := make([]byte, mixnet.Regular.Total())
	n := testing.AllocsPerRun(20, func() {
		plain, err := s.lay(packet, frag)
		if err == nil {
			err = s.receipt(plain, route, id)
		}
		if err == nil {
			err = s.message(packet, plain, bob.addr, route)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if n > 4 {
		t.Errorf("sealing takes %v allocations", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	_, route := routetest.New()
	alice, bob := newParty(), newParty()
	s := alice.sealer()
	id, frag := testFragment(b, mixnet.Regular)
	packet := make([]byte, mixnet.Regular.Total())
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Seal(packet, bob.addr, Path{Out: route, Back: route}, id, frag); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	bob := newParty()
	_, frag := testFragment(b, mixnet.Regular)
	pub := keys.NewEncryptionKey().Public()
	pushed := append(pub[:], frag...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open(pushed, bob.enc, none); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDerive(b *testing.B) {
	var k kdf
	var secret [32]byte
	b.ReportAllocs()
	for b.Loop() {
		k.derive(&secret)
	}
}
