package bench

import (
	"bytes"
	"crypto/rand"
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
)

// What the yardstick does must be what package sphinx does, or comparing the
// two says nothing.
func TestYardstickBuildsTheSamePacket(t *testing.T) {
	for _, size := range []mixnet.PacketSize{mixnet.Regular, mixnet.AckSize, mixnet.Extended32} {
		s, err := newSpecimen(size)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(s.packet))
		y := newYardstick()
		for range 2 { // its scratch space may be used again
			if err := y.build(got, &s.route, &s.secret, s.padding[:], s.message); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, s.packet) {
				t.Fatalf("%v: the yardstick builds another packet", size)
			}
		}
		header := make([]byte, len(s.packet))
		if err := y.build(header, &s.route, &s.secret, s.padding[:], nil); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(header[:yardHeader], s.packet[:yardHeader]) {
			t.Errorf("%v: the header alone differs", size)
		}
	}
}

func TestYardLanesUnwrapTheSame(t *testing.T) {
	for _, size := range []mixnet.PacketSize{mixnet.Regular, mixnet.AckSize} {
		s, err := newSpecimen(size)
		if err != nil {
			t.Fatal(err)
		}
		want := []sphinx.Packet{{Data: bytes.Clone(s.packet), Keys: [2]*keys.SphinxKey{s.nodes[0]}}}
		w := new(sphinx.Workspace)
		w.Open(want)
		if w.Strip(want); want[0].Err != nil {
			t.Fatal(want[0].Err)
		}
		bufs := [sphinx.BatchSize][]byte(s.buffers(sphinx.BatchSize))
		for _, b := range bufs {
			copy(b, s.packet)
		}
		if err := newYardLanes().unwrap(s.nodes[0].Bytes(), &bufs); err != nil {
			t.Fatal(err)
		}
		for i, b := range bufs {
			if !bytes.Equal(b, want[0].Data) {
				t.Errorf("%v: lane %d differs", size, i)
			}
		}
	}
}

func TestYardstickUnwrapsTheSame(t *testing.T) {
	s, err := newSpecimen(mixnet.Regular)
	if err != nil {
		t.Fatal(err)
	}
	want := []sphinx.Packet{{Data: bytes.Clone(s.packet)}}
	got := bytes.Clone(s.packet)
	var w sphinx.Workspace
	y := newYardstick()
	for hop := range yardHops {
		want[0].Keys[0] = s.nodes[hop]
		w.Open(want)
		w.Strip(want)
		if want[0].Err != nil {
			t.Fatal(want[0].Err)
		}
		if want[0].Final {
			break
		}
		next, delay, err := y.unwrap(s.nodes[hop].Bytes(), got)
		if err != nil {
			t.Fatal(err)
		}
		if next != want[0].Next || delay != want[0].Delay || !bytes.Equal(got, want[0].Data) {
			t.Fatalf("hop %d: the yardstick makes another packet of it", hop)
		}
	}
	if !want[0].Final || !bytes.Equal(want[0].Message, s.message) {
		t.Error("the message did not arrive")
	}
}

func TestYardstickRefuses(t *testing.T) {
	s, err := newSpecimen(mixnet.Regular)
	if err != nil {
		t.Fatal(err)
	}
	pkt := bytes.Clone(s.packet)
	pkt[100] ^= 1
	if _, _, err := newYardstick().unwrap(s.nodes[0].Bytes(), pkt); err == nil {
		t.Error("a wrong MAC was taken")
	}
}

func TestYardstickSealsTheSame(t *testing.T) {
	s, err := newSpecimen(mixnet.Regular)
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, sphinx.SURBSize(sphinx.Version259, yardHops))
	j := s.job(nil)
	j.SURB = raw
	var b sphinx.Builder
	if err := b.Build([]sphinx.Job{j}); err != nil {
		t.Fatal(err)
	}
	parsed, err := sphinx.ParseSURB(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, len(s.packet))
	if err := b.Seal(&parsed, s.message, want); err != nil {
		t.Fatal(err)
	}
	var seeds [yardHops][16]byte
	for i := range seeds {
		seeds[i] = [16]byte(raw[len(raw)-16*(yardHops-i):])
	}
	got := make([]byte, len(s.packet))
	newYardstick().seal(got, s.message, &seeds)
	if !bytes.Equal(got[yardHeader:], want[yardHeader:]) {
		t.Error("the yardstick seals another payload")
	}
	if surbSize != surb.ReplySize(sphinx.Version259, yardHops) {
		t.Errorf("a SURB takes %d bytes, want %d", surb.ReplySize(sphinx.Version259, yardHops), surbSize)
	}
}

func TestYardstickOpensTheSame(t *testing.T) {
	enc := keys.NewEncryptionKey()
	pushed := make([]byte, mixnet.KeyPrefixSize+mixnet.Regular.Fragment())
	rand.Read(pushed)
	ephemeral := keys.NewEncryptionKey().Public()
	copy(pushed, ephemeral[:])

	got := bytes.Clone(pushed[mixnet.KeyPrefixSize:])
	secret := enc.Bytes()
	newYardstick().open(&secret, (*[32]byte)(&ephemeral), got)
	o := []message.Opening{{Pushed: pushed}}
	message.NewOpener(enc).OpenAll(o, func(surb.Digest) (r keys.Reply, tag mixnet.SenderTag, ok bool) { return })
	if o[0].Err != nil {
		t.Fatal(o[0].Err)
	}
	if !bytes.Equal(got, o[0].Fragment) {
		t.Error("the yardstick opens it otherwise")
	}
}

func TestMeasurePackets(t *testing.T) {
	c, err := measurePackets(mixnet.Regular, 3)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]cost{
		"unwrap": c.unwrap, "unwrap 8": c.unwrapGroup, "build": c.build, "build 8": c.buildGroup,
		"yardstick unwrap": c.yardUnwrap, "yardstick build": c.yardBuild, "SURB": c.yardSURB, "seal": c.yardSeal,
		"open": c.yardOpen, "ack unwrap": c.yardAckUnwrap, "ack build": c.yardAckBuild,
	} {
		if k.CPU <= 0 {
			t.Errorf("%s took no time", name)
		}
	}
}
