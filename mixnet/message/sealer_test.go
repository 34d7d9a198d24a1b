package message

import (
	"bytes"
	"crypto/hkdf"
	"errors"
	"hash"
	"testing"

	"lukechampine.com/blake3"

	"nym-socks5/internal/routetest"
	"nym-socks5/internal/vec8"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
)

var sizes = []mixnet.PacketSize{mixnet.Regular, mixnet.Extended8, mixnet.Extended16, mixnet.Extended32}

// exit takes apart what came out at the recipient's gateway, and brings the
// SURB-ACK home.
func exit(t *testing.T, nodes []routetest.Node, p sphinx.Packet, sender party) (pushed []byte, id fragment.ID) {
	t.Helper()
	first, packet, err := surb.ParseAck(p.Message[:mixnet.AckPrefixSize])
	if err != nil {
		t.Fatal(err)
	}
	back := routetest.Walk(t, nodes, first, packet)
	if back.Dest != sender.addr.Identity {
		t.Errorf("the SURB-ACK came to %v, want the sender", back.Dest)
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

// crypt encrypts or decrypts b in place.
func crypt(key *messageKey, b []byte) { new(vec8.Unit).AESCTR(key, b) }

// open opens one thing.
func open(pushed []byte, enc *keys.EncryptionKey, lookup func(surb.Digest) (keys.Reply, mixnet.SenderTag, bool)) (Opened, error) {
	all := []Opening{{Pushed: pushed}}
	NewOpener(enc).OpenAll(all, lookup)
	return all[0].Opened, all[0].Err
}

// Several things at once are opened like each alone.
func TestOpenAll(t *testing.T) {
	bob := newParty()
	reply, tag := keys.NewReply(), mixnet.SenderTag{4}
	_, frag := testFragment(t, mixnet.Regular)
	var all []Opening
	for i := range 21 {
		var p []byte
		switch i % 7 {
		case 5:
			digest, key := surb.DigestOf(reply), messageKey(reply)
			p = append(digest[:], frag...)
			crypt(&key, p[len(digest):])
		case 6:
			p = make([]byte, 20+10*i) // too short, or of low order
		default:
			ephemeral := keys.NewEncryptionKey()
			shared, err := ephemeral.Shared(bob.addr.Encryption)
			if err != nil {
				t.Fatal(err)
			}
			pub, key := ephemeral.Public(), new(kdf).derive(&shared)
			p = append(pub[:], frag...)
			crypt(&key, p[len(pub):])
		}
		all = append(all, Opening{Pushed: p})
	}
	NewOpener(bob.enc).OpenAll(all, func(d surb.Digest) (keys.Reply, mixnet.SenderTag, bool) {
		return reply, tag, d == surb.DigestOf(reply)
	})
	for i := range all {
		p := &all[i]
		switch {
		case i%7 == 6:
			if !errors.Is(p.Err, ErrMalformed) {
				t.Errorf("%d: %v, want ErrMalformed", i, p.Err)
			}
		case p.Err != nil || !bytes.Equal(p.Fragment, frag) || p.UnderReply != (i%7 == 5) || (p.To == tag) != (i%7 == 5):
			t.Errorf("%d: opened %d bytes for %v, %v", i, len(p.Fragment), p.To, p.Err)
		}
	}
}

// A path is the way of a packet and that of its SURB-ACK.
type path struct{ Out, Back []sphinx.Hop }

func seal(s *Sealer, packet []byte, to mixnet.Recipient, p path, id fragment.ID, frag []byte) error {
	if frag == nil {
		frag = []byte{}
	}
	return sealOne(s, Sealing{Packet: packet, ID: id, Fragment: frag, Back: p.Back, Out: p.Out, To: to})
}

func sealCover(s *Sealer, packet []byte, p path, id fragment.ID) error {
	return sealOne(s, Sealing{Packet: packet, ID: id, Back: p.Back, Out: p.Out})
}

func sealReply(s *Sealer, packet []byte, r *surb.Reply, back []sphinx.Hop, id fragment.ID, frag []byte) error {
	return sealOne(s, Sealing{Packet: packet, ID: id, Fragment: frag, Back: back, Reply: r})
}

func sealOne(s *Sealer, one Sealing) error {
	all := []Sealing{one}
	s.SealAll(all)
	return all[0].Err
}

// All ways in one call of several groups, with one that cannot be made.
func TestSealAll(t *testing.T) {
	nodes, route := routetest.New()
	alice, bob := newParty(), newParty()
	s := alice.sealer()
	var b sphinx.Builder
	replies, err := surb.Mint(&b, sphinx.Version259, mixnet.RotationOdd, bob.addr.Identity, [][]sphinx.Hop{route, route, route, route})
	if err != nil {
		t.Fatal(err)
	}
	nobody := bob.addr
	nobody.Encryption = keys.Encryption{} // of low order
	noWay := append([]sphinx.Hop{}, route...)
	noWay[1].Key = keys.Sphinx{} // likewise: found out by building
	var all []Sealing
	for i := range 13 {
		id, frag := testFragment(t, mixnet.Regular)
		p := Sealing{Packet: make([]byte, mixnet.Regular.Total()), ID: id, Fragment: frag, Back: route, Out: route, To: bob.addr}
		switch i % 4 {
		case 1:
			p.Out, p.To, p.Reply = nil, mixnet.Recipient{}, &replies[i/4]
		case 2:
			p.Fragment, p.ID, p.To = nil, fragment.ID{Set: 7}, mixnet.Recipient{}
		}
		all = append(all, p)
	}
	all[3].To = nobody
	all[7].Out = noWay
	s.SealAll(all)
	for i := range all {
		p := &all[i]
		if i == 3 || i == 7 {
			if !errors.Is(p.Err, keys.ErrLowOrder) && !errors.Is(p.Err, sphinx.ErrLowOrder) {
				t.Errorf("packet %d: %v, want a refusal", i, p.Err)
			}
			continue
		}
		if p.Err != nil {
			t.Fatalf("packet %d: %v", i, p.Err)
		}
		out := routetest.Walk(t, nodes, route[0].Addr, p.Packet)
		pushed, acked := exit(t, nodes, out, alice)
		if acked != p.ID {
			t.Errorf("packet %d: %+v is acknowledged, want %+v", i, acked, p.ID)
		}
		enc := bob.enc
		if p.Fragment == nil {
			enc = alice.enc
		}
		o, err := open(pushed, enc, only(mixnet.SenderTag{9}, replies...))
		if err != nil || o.UnderReply != (p.Reply != nil) || !bytes.Equal(o.Fragment, p.Fragment) {
			t.Errorf("packet %d: opened %d bytes, under a reply key: %v, %v", i, len(o.Fragment), o.UnderReply, err)
		}
	}
}

func TestSeal(t *testing.T) {
	nodes, route := routetest.New()
	alice, bob := newParty(), newParty()
	s := alice.sealer()
	for _, size := range sizes {
		id, frag := testFragment(t, size)
		packet := make([]byte, size.Total())
		if err := seal(s, packet, bob.addr, path{Out: route, Back: route}, id, frag); err != nil {
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
		o, err := open(pushed, bob.enc, none)
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
			if err := sealReply(bob.sealer(), packet, &replies[i], route, id, frag); err != nil {
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
			o, err := open(pushed, alice.enc, only(tag, replies...))
			if err != nil || !o.UnderReply || o.To != tag || !bytes.Equal(o.Fragment, frag) {
				t.Errorf("%v: opened %d bytes for %v, %v", size, len(o.Fragment), o.To, err)
			}
			// Once the key is spent the same bytes are garbage, not a reply.
			if o, err := open(again, alice.enc, none); err == nil && (o.UnderReply || bytes.Equal(o.Fragment, frag)) {
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
		if err := sealCover(s, packet, path{Out: route, Back: route}, loop); err != nil {
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
		if o, err := open(pushed, alice.enc, none); err != nil || o.Fragment != nil {
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
	o, err := open(append(digest[:], frag...), keys.NewEncryptionKey(), func(d surb.Digest) (keys.Reply, mixnet.SenderTag, bool) {
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
		s := NewSealer(alice.addr, alice.ack, v, nil)
		data, cover := make([]byte, mixnet.Regular.Total()), make([]byte, mixnet.Regular.Total())
		if err := seal(s, data, bob.addr, path{Out: route, Back: route}, id, frag); err != nil {
			t.Fatal(err)
		}
		if err := sealCover(s, cover, path{Out: route, Back: route}, fragment.ID{}); err != nil {
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
				t.Errorf("SURB-ACK of version %v, want %v", back.Version, v)
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
		if err := seal(s, packet, bob.addr, path{Out: route, Back: route}, id, frag); err != nil {
			t.Fatal(err)
		}
		note("point", packet[:32])
		p := routetest.Walk(t, nodes, route[0].Addr, packet)
		note("SURB-ACK", p.Message[mixnet.AckAddrPadded:][:32])
		note("ephemeral key", p.Message[keyAt:fragmentAt])
		note("ciphertext", p.Message[fragmentAt:][:32])
	}
}

func TestSealRefuses(t *testing.T) {
	_, route := routetest.New()
	alice, bob := newParty(), newParty()
	s := alice.sealer()
	id, frag := testFragment(t, mixnet.Regular)
	there := path{Out: route, Back: route}
	packet := make([]byte, mixnet.Regular.Total())
	nobody := bob.addr
	nobody.Encryption = keys.Encryption{} // of low order
	for _, c := range []struct {
		name   string
		packet []byte
		to     mixnet.Recipient
		path   path
		frag   []byte
	}{
		{"short fragment", packet, bob.addr, there, frag[1:]},
		{"long fragment", packet, bob.addr, there, append(frag, 0)},
		{"packet of no size", packet[1:], bob.addr, there, frag},
		{"packet of another size", make([]byte, mixnet.Extended8.Total()), bob.addr, there, frag},
		{"packet of the SURB-ACKs' size", make([]byte, mixnet.AckSize.Total()), bob.addr, there, nil},
		{"key of low order", packet, nobody, there, frag},
		{"no way out", packet, bob.addr, path{Back: route}, frag},
		{"no way back", packet, bob.addr, path{Out: route}, frag},
	} {
		if err := seal(s, c.packet, c.to, c.path, id, c.frag); err == nil {
			t.Errorf("%s: sealed", c.name)
		}
	}
	if err := sealCover(s, packet[1:], there, fragment.ID{}); err == nil {
		t.Error("cover in a packet of no size: sealed")
	}
	r := mint(t, sphinx.Version259, 0, 1, 4)[0]
	if err := sealReply(s, packet, &r, nil, id, frag); err == nil {
		t.Error("reply without a way back: sealed")
	}
	if err := sealReply(s, packet, &r, route, id, frag[1:]); err == nil {
		t.Error("reply with a short fragment: sealed")
	}
}

func TestOpenRefuses(t *testing.T) {
	enc := keys.NewEncryptionKey()
	for _, n := range []int{0, 21, 31} {
		if _, err := open(make([]byte, n), enc, none); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v, want ErrMalformed", n, err)
		}
	}
	// sphinx.md §2: "Treat the error as \"malformed packet, drop\"."
	if _, err := open(make([]byte, 100), enc, none); !errors.Is(err, ErrMalformed) || !errors.Is(err, keys.ErrLowOrder) {
		t.Errorf("ephemeral key of low order: %v, want ErrMalformed", err)
	}
	// Nothing behind the key is nothing to assemble, but no reason to fall over.
	pub := keys.NewEncryptionKey().Public()
	if o, err := open(pub[:], enc, none); err != nil || len(o.Fragment) != 0 {
		t.Errorf("key alone: %+v, %v", o, err)
	}
}

func FuzzOpen(f *testing.F) {
	pub := keys.NewEncryptionKey().Public()
	f.Add(append(pub[:], make([]byte, 40)...))
	enc := keys.EncryptionKeyFromBytes([32]byte{5})
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := open(bytes.Clone(in), enc, none)
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
func TestSealingDoesNotAllocate(t *testing.T) {
	_, route := routetest.New()
	alice, bob := newParty(), newParty()
	s := alice.sealer()
	id, frag := testFragment(t, mixnet.Regular)
	const packets = Group / 2
	all := make([]Sealing, packets)
	for i := range all {
		all[i] = Sealing{Packet: make([]byte, mixnet.Regular.Total()), ID: id, Fragment: frag, Back: route, Out: route, To: bob.addr}
	}
	n := testing.AllocsPerRun(20, func() {
		if s.SealAll(all); all[0].Err != nil {
			t.Fatal(all[0].Err)
		}
	})
	if n > 0 && vec8.OwnAES() {
		t.Errorf("sealing %d packets takes %v allocations, want none", packets, n)
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
		if err := seal(s, packet, bob.addr, path{Out: route, Back: route}, id, frag); err != nil {
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
		if _, err := open(pushed, bob.enc, none); err != nil {
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
