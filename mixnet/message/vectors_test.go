package message

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"nym-socks5/internal/base58"
	"nym-socks5/internal/routetest"
	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
)

// check compares a parsed message with what the reference makes of the bytes.
func (want vectorExpect) check(t *testing.T, m *Message) {
	t.Helper()
	kinds := map[string]Kind{
		"plain":                         Plain,
		"repliable data v1":             Data,
		"repliable data v2":             Data,
		"repliable additional surbs v1": MoreSURBs,
		"repliable additional surbs v2": MoreSURBs,
		"repliable heartbeat v1":        Heartbeat,
		"repliable heartbeat v2":        Heartbeat,
		"reply data":                    Reply,
		"reply surb request":            SURBRequest,
	}
	name := want.Kind
	if want.Content != "" {
		name += " " + want.Content
	}
	kind, ok := kinds[name]
	if !ok {
		t.Fatalf("vector of kind %q", name)
	}
	if m.Kind != kind || m.Legacy != (len(name) > 2 && name[len(name)-2:] == "v1") {
		t.Errorf("%v, legacy %v, want %s", m.Kind, m.Legacy, name)
	}
	data := ""
	if want.Data != nil {
		data = *want.Data
	}
	if hex.EncodeToString(m.Body) != data {
		t.Errorf("body is %x, want %s", m.Body, data)
	}
	if want.SenderTag != "" && (hex.EncodeToString(m.From[:]) != want.SenderTag || m.From.String() != want.TagText) {
		t.Errorf("tag is %x, want %s", m.From[:], want.SenderTag)
	}
	if want.Recipient != "" && (m.Requester.String() != want.Recipient || m.Amount != want.Amount) {
		t.Errorf("request for %d SURBs, want %d", m.Amount, want.Amount)
	}
	if len(m.SURBs) != len(want.SURBs) {
		t.Fatalf("%d SURBs, want %d", len(m.SURBs), len(want.SURBs))
	}
	for i, w := range want.SURBs {
		r := &m.SURBs[i]
		entry, _ := r.AppendBinary(nil)
		digest := surb.DigestOf(r.Key)
		if hex.EncodeToString(entry) != w.Entry || hex.EncodeToString(r.Key[:]) != w.Key ||
			hex.EncodeToString(digest[:]) != w.Digest || r.Rotation != w.Rotation {
			t.Errorf("SURB %d is %x for rotation %v, want %s for %v", i, entry, r.Rotation, w.Entry, w.Rotation)
		}
	}
}

func TestVectorsMessages(t *testing.T) {
	eachFile(t, func(t *testing.T, v vectors, _ []routetest.Node) {
		for _, c := range v.Messages {
			t.Run(c.Name, func(t *testing.T) {
				b := vectest.Unhex(t, c.Bytes)
				m, err := Parse(b, c.Expect.Kind == "reply")
				if err != nil {
					t.Fatal(err)
				}
				c.Expect.check(t, m)
				if out, err := m.AppendBinary(nil); err != nil || !bytes.Equal(out, b) {
					t.Errorf("encodes back as %x, %v", out, err)
				}
				if _, err := Parse(b, c.Expect.Kind != "reply"); err == nil {
					t.Error("accepted in the other envelope")
				}
			})
		}
	})
}

func TestVectorsParsing(t *testing.T) {
	v, _ := readVectors(t, "messages-more.json")
	for _, c := range v.Parsing {
		t.Run(c.Name, func(t *testing.T) {
			b := vectest.Unhex(t, c.Bytes)
			underReply := len(b) > 0 && b[0] == typeReply
			m, err := Parse(b, underReply)
			if (err == nil) != c.Expect.Accept {
				t.Fatalf("%v, want accepted %v", err, c.Expect.Accept)
			}
			if err == nil {
				c.Expect.check(t, m)
			}
		})
	}
	for _, c := range v.Unpadding {
		t.Run("unpadding "+c.Padded, func(t *testing.T) {
			// One fragment whose share of the message is the padded bytes.
			b, err := fragment.Header{Set: 1, Total: 1, Pos: 1}.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			var a fragment.Assembler
			msg, ok, err := a.Insert(fragment.Origin{}, time.Unix(0, 0), append(b, vectest.Unhex(t, c.Padded)...))
			var m *Message
			if ok {
				m, err = Parse(msg, false)
			}
			if (err == nil) != c.Expect.Accept {
				t.Fatalf("%v, want accepted %v", err, c.Expect.Accept)
			}
			if err == nil {
				c.Expect.check(t, m)
			}
		})
	}
}

// check rebuilds the SURB, whose owner is self.
func (v vectorSURB) check(t *testing.T, nodes []routetest.Node, self keys.Identity) {
	t.Helper()
	route := v.route(nodes)
	job := sphinx.Job{
		Version: sphinx.Version(v.Version),
		Route:   route,
		Dest:    self,
		Secret:  [32]byte(vectest.Unhex(t, v.Secret)),
		SURB:    make([]byte, sphinx.SURBSize(sphinx.Version(v.Version), len(route))),
	}
	copy(job.Padding[:], vectest.Unhex(t, v.Padding))
	entry := vectest.Unhex(t, v.Entry)
	r, err := surb.ParseReply(entry, 0)
	if err != nil {
		t.Fatal(err)
	}
	digest := surb.DigestOf(r.Key)
	if hex.EncodeToString(r.Key[:]) != v.Key || hex.EncodeToString(digest[:]) != v.Digest || r.SURB.First().String() != v.FirstHop {
		t.Errorf("key %x, digest %x, first hop %v", r.Key[:], digest, r.SURB.First())
	}
	if hex.EncodeToString(entry[16:]) != v.SURB {
		t.Error("the entry is not key and SURB")
	}
	// sphinx.md §5.9: "Text form (rare): base58 of `K ‖ SURB`"
	if got := vectest.Sum([]byte(base58.Encode(entry))); got != v.EntrySum {
		t.Errorf("base58 has sum %s, want %s", got, v.EntrySum)
	}
	var b sphinx.Builder
	if err := b.Build([]sphinx.Job{job}); err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(job.SURB) != v.SURB {
		t.Errorf("built SURB %x, want %s", job.SURB, v.SURB)
	}
}

func TestVectorsSURBs(t *testing.T) {
	eachFile(t, func(t *testing.T, v vectors, nodes []routetest.Node) {
		self := v.Sender.party(t).addr.Identity
		n := 0
		for _, c := range v.Messages {
			for _, s := range c.SURBs {
				s.check(t, nodes, self)
				n++
			}
		}
		if n == 0 {
			t.Error("no SURBs")
		}
	})
}

// TestVectorsPackets builds every packet of a message byte for byte, sends it
// through the nodes, and opens it as the recipient.
func TestVectorsPackets(t *testing.T) {
	v, nodes := readVectors(t, "messages.json")
	to := v.Recipient.party(t)
	for _, c := range v.Messages {
		t.Run(c.Name, func(t *testing.T) {
			s := v.Sender.party(t).sealer()
			var a fragment.Assembler
			for i, p := range c.Packets {
				frag, want := vectest.Unhex(t, p.Fragment), vectest.Unhex(t, p.Packet)
				h, _, err := fragment.ParseHeader(frag)
				if err != nil {
					t.Fatal(err)
				}
				if b, _ := h.ID().AppendBinary(nil); hex.EncodeToString(b) != p.AckID {
					t.Errorf("packet %d is acknowledged as %x, want %s", i, b, p.AckID)
				}

				packet := make([]byte, len(want))
				one := []Sealing{{Packet: packet, Fragment: frag, Out: p.route(nodes), To: to.addr}}
				plain, err := lay(&one[0])
				if err != nil {
					t.Fatal(err)
				}
				s.plain[0] = plain
				copy(plain, vectest.Unhex(t, p.Ack))
				*s.drawn[0].ephemeral() = [32]byte(vectest.Unhex(t, p.Ephemeral))
				*s.drawn[0].secret() = [32]byte(vectest.Unhex(t, p.Secret))
				copy(s.drawn[0].padding(), vectest.Unhex(t, p.Padding))
				s.agree(one)
				if hex.EncodeToString(plain) != p.Plaintext || hex.EncodeToString(plain[keyAt:fragmentAt]) != p.Public {
					t.Errorf("packet %d: the plaintext differs", i)
				}
				s.packet(&s.jobs[0], &one[0], 0)
				if err := s.builder.Build(s.jobs[:1]); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(packet, want) || vectest.Sum(packet) != p.Sum {
					t.Errorf("packet %d: built %x, want %x", i, packet, want)
				}

				out := routetest.Walk(t, nodes, nodes[p.Route[0]-1].Addr, want)
				pushed := out.Message[keyAt:]
				if hex.EncodeToString(out.Dest[:]) != p.Dest || hex.EncodeToString(pushed) != p.Pushed {
					t.Errorf("packet %d: pushed %x to %v", i, pushed, out.Dest)
				}
				o, err := open(pushed, to.enc, none)
				if err != nil || o.UnderReply || !bytes.Equal(o.Fragment, frag) {
					t.Fatalf("packet %d: opened %x, %v", i, o.Fragment, err)
				}
				msg, ok, err := a.Insert(fragment.Origin(o.To), time.Unix(0, 0), o.Fragment)
				if err != nil || ok != (i == len(c.Packets)-1) || ok && hex.EncodeToString(msg) != c.Bytes {
					t.Fatalf("packet %d: complete %v with %x, %v", i, ok, msg, err)
				}
			}
			if len(c.Packets) == 0 {
				t.Error("no packets")
			}
		})
	}
}

func TestVectorsReplies(t *testing.T) {
	v, nodes := readVectors(t, "messages-more.json")
	owner := v.Sender.party(t)
	for _, c := range v.Replies {
		r, err := surb.ParseReply(vectest.Unhex(t, c.SURB.Entry), mixnet.RotationEven)
		if err != nil {
			t.Fatal(err)
		}
		frag, want := vectest.Unhex(t, c.Fragment), vectest.Unhex(t, c.Packet)
		s := v.Recipient.party(t).sealer()
		packet := make([]byte, len(want))
		one := Sealing{Packet: packet, Fragment: frag, Reply: &r}
		plain, err := lay(&one)
		if err != nil {
			t.Fatal(err)
		}
		copy(plain, vectest.Unhex(t, c.Ack))
		spend := s.reply(&one, plain)
		if hex.EncodeToString(plain) != c.Plaintext || hex.EncodeToString(plain[keyAt:fragmentAt]) != c.Digest {
			t.Error("the plaintext differs")
		}
		if err := s.builder.SealAll([]sphinx.Sealing{spend}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(packet, want) || vectest.Sum(packet) != c.Sum || r.SURB.First().String() != c.FirstHop {
			t.Errorf("built %x, want %x", packet, want)
		}

		out := routetest.Walk(t, nodes, r.SURB.First(), want)
		pushed := out.Message[keyAt:]
		if out.Dest != owner.addr.Identity || hex.EncodeToString(out.Dest[:]) != c.Dest || hex.EncodeToString(pushed) != c.Pushed {
			t.Errorf("pushed %x to %v", pushed, out.Dest)
		}
		tag := mixnet.SenderTag{7}
		o, err := open(pushed, owner.enc, only(tag, r))
		if err != nil || !o.UnderReply || o.To != tag || !bytes.Equal(o.Fragment, frag) {
			t.Fatalf("opened %x for %v, %v", o.Fragment, o.To, err)
		}
		var a fragment.Assembler
		msg, ok, err := a.Insert(fragment.Origin(o.To), time.Unix(0, 0), o.Fragment)
		if err != nil || !ok || hex.EncodeToString(msg) != c.Message {
			t.Fatalf("put together as %x, %v", msg, err)
		}
		if m, err := Parse(msg, o.UnderReply); err != nil || m.Kind != Reply {
			t.Errorf("parses as %+v, %v", m, err)
		}
	}
	if len(v.Replies) == 0 {
		t.Error("no replies")
	}
}

func TestVectorsCover(t *testing.T) {
	v, nodes := readVectors(t, "messages-more.json")
	self := v.Sender.party(t)
	for _, c := range v.Cover {
		out := routetest.Walk(t, nodes, nodes[slices.IndexFunc(nodes, func(n routetest.Node) bool { return n.Addr.String() == c.FirstHop })].Addr, vectest.Unhex(t, c.Packet))
		pushed := out.Message[keyAt:]
		if out.Dest != self.addr.Identity || hex.EncodeToString(pushed) != c.Pushed || hex.EncodeToString(out.Dest[:]) != c.Dest {
			t.Errorf("pushed %x to %v", pushed, out.Dest)
		}
		if o, err := open(pushed, self.enc, none); err != nil || o.Fragment != nil || o.UnderReply {
			t.Errorf("opened %x, %v, want cover", o.Fragment, err)
		}
		// What remains of it decrypted is the reference's content, and so is ours.
		plain, err := lay(&Sealing{Packet: make([]byte, len(c.Packet)/2)})
		if err != nil || !bytes.Equal(plain[fragmentAt:], pushed[mixnet.KeyPrefixSize:]) {
			t.Errorf("our cover differs from the reference's (%v)", err)
		}

		first, packet, err := surb.ParseAck(out.Message[:keyAt])
		if err != nil || hex.EncodeToString(out.Message[:keyAt]) != c.Ack.Bytes {
			t.Fatalf("SURB-ACK %x, %v", out.Message[:keyAt], err)
		}
		if ack := routetest.Walk(t, nodes, first, packet); hex.EncodeToString(ack.Message) != c.Ack.Content {
			t.Errorf("SURB-ACK brings %x, want %s", ack.Message, c.Ack.Content)
		}
	}
	if len(v.Cover) == 0 {
		t.Error("no cover")
	}
}

// sphinx.md §10 D
func TestCryptoOfTheSpec(t *testing.T) {
	secret := func(b byte) *keys.EncryptionKey {
		return keys.EncryptionKeyFromBytes([32]byte(bytes.Repeat([]byte{b}, 32)))
	}
	eph, rec := secret(1), secret(2)
	if got, want := eph.Public(), "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209"; hex.EncodeToString(got[:]) != want {
		t.Errorf("public is %x, want %s", got[:], want)
	}
	shared, err := eph.Shared(rec.Public())
	if want := "2ed76ab549b1e73c031eb49c9448f0798aea81b698279a0c3dc3e49fbfc4b953"; err != nil || hex.EncodeToString(shared[:]) != want {
		t.Errorf("DH is %x, %v, want %s", shared, err, want)
	}
	key := new(kdf).derive(&shared)
	if want := "7ef6e46e7f0c2ebcb286f84e6a3ed702"; hex.EncodeToString(key[:]) != want {
		t.Errorf("message key is %x, want %s", key, want)
	}
	ikm := [32]byte(bytes.Repeat([]byte{0x42}, 32))
	if got, want := new(kdf).derive(&ikm), "49c2afd4eec4d3a7b36470b5ff24da37"; hex.EncodeToString(got[:]) != want {
		t.Errorf("derived %x, want %s", got, want)
	}

	f, err := fragment.Split([]byte("\x00hello"), 1611, []uint32{12345})
	if err != nil {
		t.Fatal(err)
	}
	frag := f.Append(nil, 0)
	crypt(&key, frag)
	if got, want := hex.EncodeToString(frag[:32]), "c044e6bf28041748b21c0652104cd615178fe915c3ed704b2af54b203deaffcb"; got != want {
		t.Errorf("ciphertext begins %s, want %s", got, want)
	}
	if got, want := vectest.Sum(frag), "3bc44273209c442922ff83db2ca7e68f30e82c229379c5407ef6a8c8b29c5270"; got != want {
		t.Errorf("ciphertext has sum %s, want %s", got, want)
	}
	frag = f.Append(frag[:0], 0)
	key = messageKey(vectest.Unhex(t, "000102030405060708090a0b0c0d0e0f"))
	crypt(&key, frag)
	if got, want := vectest.Sum(frag), "fde6f2c55664984262b41df17219c3c84f5d957c857bbb5bb6ddd84e84935e9f"; got != want {
		t.Errorf("reply ciphertext has sum %s, want %s", got, want)
	}
}
