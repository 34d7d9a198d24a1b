package protocol

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

var hop4 = mixnet.NodeAddrFrom(netip.MustParseAddrPort("203.0.113.11:1789"))
var hop6 = mixnet.NodeAddrFrom(netip.MustParseAddrPort("[2001:db8::7]:1789"))

func packetOf(size mixnet.PacketSize) wire.MixPacket {
	p := wire.MixPacket{Next: hop4, Rotation: mixnet.RotationOdd, Packet: make([]byte, size.Total())}
	rand.Read(p.Packet)
	return p
}

// pair gives the two ends of one key.
func pair() (client, gateway *Sealer) {
	var b [keys.SessionSize]byte
	rand.Read(b[:])
	return sealerOf(b[:]), sealerOf(b[:])
}

// nodes.md §1.7: "Whole frame for a regular packet via IPv4: 2451 bytes (kind
// 1), 2452 (kind 2)."
func TestFrames(t *testing.T) {
	client, gateway := pair()
	for _, c := range []struct {
		size         mixnet.PacketSize
		next         mixnet.NodeAddr
		withRotation bool
		want         int
	}{
		{mixnet.Regular, hop4, false, 2451},
		{mixnet.Regular, hop4, true, 2452},
		{mixnet.AckSize, hop4, true, 425},
		{mixnet.Extended8, hop6, false, 8607},
		{mixnet.Extended32, hop6, true, MaxMessage - 1},
	} {
		p := packetOf(c.size)
		p.Next = c.next
		prefix := []byte("prefix")
		b, err := client.AppendForward(prefix, p, c.withRotation)
		if err != nil || !bytes.HasPrefix(b, prefix) {
			t.Fatalf("%v: %x, %v", c.size, b, err)
		}
		frame := b[len(prefix):]
		if len(frame) != c.want {
			t.Errorf("%v: frame of %d bytes, want %d", c.size, len(frame), c.want)
		}
		got, err := gateway.OpenForward(frame)
		if !c.withRotation {
			p.Rotation = mixnet.RotationUnknown // nodes.md §1.7: "Kind-1 … packets get rotation 0"
		}
		if err != nil || got.Next != p.Next || got.Rotation != p.Rotation || !bytes.Equal(got.Packet, p.Packet) {
			t.Errorf("%v: opens as %v to %v, %v", c.size, got.Rotation, got.Next, err)
		}
	}
	if _, err := client.AppendForward(nil, wire.MixPacket{Next: hop4, Packet: make([]byte, 100)}, true); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("packet of 100 bytes: %v, want wire.ErrMalformed", err)
	}

	message := make([]byte, mixnet.Regular.Fragment()+32)
	rand.Read(message)
	frame := gateway.AppendPush([]byte("prefix"), message)[len("prefix"):]
	if got, err := client.OpenPush(frame); err != nil || !bytes.Equal(got, message) {
		t.Errorf("push opens as %x, %v", got, err)
	}
}

func TestFramesRefuseEveryChange(t *testing.T) {
	client, gateway := pair()
	whole, err := client.AppendForward(nil, packetOf(mixnet.AckSize), true)
	if err != nil {
		t.Fatal(err)
	}
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
		if i/8 == 0 {
			_, gateway = pair() // the kind is not authenticated: such a frame opens, and is no packet
			gateway.aead = client.aead
		}
	}
	if _, err := gateway.OpenForward(bytes.Clone(whole)); err != nil {
		t.Errorf("the frame itself: %v", err)
	}
}

func TestH21ReplayedFrameIsRefused(t *testing.T) {
	client, gateway := pair()
	forward, err := client.AppendForward(nil, packetOf(mixnet.Regular), true)
	if err != nil {
		t.Fatal(err)
	}
	push := gateway.AppendPush(nil, []byte("message"))
	for i := range 3 {
		if _, err := gateway.OpenForward(bytes.Clone(forward)); (i == 0) != (err == nil) || i > 0 && err != ErrReplayed {
			t.Errorf("gateway, frame seen %d times before: %v", i, err)
		}
		if _, err := client.OpenPush(bytes.Clone(push)); (i == 0) != (err == nil) || i > 0 && err != ErrReplayed {
			t.Errorf("client, frame seen %d times before: %v", i, err)
		}
	}
}

func TestH21OwnFrameIsRefused(t *testing.T) {
	client, gateway := pair()
	for _, withRotation := range []bool{false, true} {
		b, err := client.AppendForward(nil, packetOf(mixnet.Regular), withRotation)
		if err != nil {
			t.Fatal(err)
		}
		b[0] = kindPush // nobody signs the kind
		if _, err := client.OpenPush(b); err != ErrReplayed {
			t.Errorf("client's own frame reflected: %v, want ErrReplayed", err)
		}
	}
	ciphertext, nonce := client.SealText(EncodeSealed(SealedRequest{ForgetMe: &ForgetMe{}}))
	if _, err := client.OpenPush(append(append([]byte{kindPush, flagSealed}, nonce...), ciphertext...)); err != ErrReplayed {
		t.Errorf("client's own sealed text as a push: %v, want ErrReplayed", err)
	}
	// What a gateway pushes never has the length of a packet with its hop, so
	// that it needs no memory of its own frames.
	for _, n := range []int{21, 1643, 7787, 15979, 32363} {
		b := gateway.AppendPush(nil, make([]byte, n))
		if _, err := gateway.OpenForward(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("gateway's own push of %d bytes: %v, want errMalformed", n, err)
		}
	}
}

func TestH21OpenFrameIsRefused(t *testing.T) {
	_, gateway := pair()
	for flag := range 256 {
		if flag == flagSealed {
			continue
		}
		b, err := packetOf(mixnet.Regular).Append(append([]byte{kindForwardRotation, byte(flag)}, make([]byte, NonceSize)...), true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gateway.OpenForward(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("flag %d: %v, want errMalformed", flag, err)
		}
	}
}

func nonceOf(i uint64) *[NonceSize]byte {
	var n [NonceSize]byte
	binary.BigEndian.PutUint64(n[:], i)
	return &n
}

// "At a gateway memory for clients that are away is bounded": what a gateway counts of a
// sealer covers what it remembers, of both directions, and no use makes that grow on.
func TestH21MemoryIsCounted(t *testing.T) {
	_, gateway := pair()
	unused := gateway.Memory()
	for i := range uint64(2 * nonceWindow) {
		gateway.fresh(nonceOf(i))
		gateway.OwnNonce()
	}
	const least = 4 * 2 * nonceWindow // of each direction: four bytes a slot, half of them empty
	if got := gateway.Memory(); got < unused+2*least || got > 3*least {
		t.Errorf("%d bytes are counted, want %d to %d", got, unused+2*least, 3*least)
	}
}

// "a nonce among the last 65 536 of a key is refused"
func TestH21NonceWindow(t *testing.T) {
	var s nonceSet
	const total = 3 * nonceWindow
	falseAlarms := 0
	for i := range uint64(total) {
		if !s.add(nonceOf(i)) {
			falseAlarms++
		}
		if i%4099 != 0 { // all of the window, at a few moments
			continue
		}
		for back := uint64(0); back < min(i+1, nonceWindow); back += 97 {
			if !s.has(nonceOf(i - back)) {
				t.Fatalf("after %d nonces the one %d back is forgotten", i+1, back)
			}
		}
	}
	for back := range uint64(nonceWindow) {
		if s.add(nonceOf(total - 1 - back)) {
			t.Fatalf("the nonce %d back is taken for new", back)
		}
	}
	if falseAlarms > 2 { // one in 2500 runs sees one, three are beyond belief
		t.Errorf("%d of %d new nonces are taken for old", falseAlarms, total)
	}
	slots := 0
	for _, tab := range s.tables {
		slots += len(tab.slots)
	}
	if bytes := 4 * slots; bytes > 640<<10 {
		t.Errorf("%d nonces take %d bytes, want at most 640 KiB", total, bytes)
	}
}

func FuzzOpenFrame(f *testing.F) {
	v := loadVectors(f, "gateway.json")
	for _, frame := range v.Frames {
		f.Add([]byte(frame.Frame))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := sealerOf(v.FramesSharedKey)
		if p, err := s.OpenForward(bytes.Clone(in)); err == nil {
			plaintext, err := p.Append(nil, in[0] == kindForwardRotation)
			if err != nil {
				t.Fatalf("%x opens as %+v: %v", in, p, err)
			}
			if out := s.aead.Seal(bytes.Clone(in[:frameHead]), in[2:frameHead], plaintext, nil); !bytes.Equal(in, out) {
				t.Fatalf("%x seals again as %x", in, out)
			}
		}
		s = sealerOf(v.FramesSharedKey)
		if m, err := s.OpenPush(bytes.Clone(in)); err == nil {
			if out := s.aead.Seal(bytes.Clone(in[:frameHead]), in[2:frameHead], m, nil); !bytes.Equal(in, out) {
				t.Fatalf("%x seals again as %x", in, out)
			}
		}
	})
}

func BenchmarkForward(b *testing.B) {
	client, gateway := pair()
	p := packetOf(mixnet.Regular)
	buf := make([]byte, 0, MaxMessage)
	b.SetBytes(int64(len(p.Packet)))
	b.ReportAllocs()
	for b.Loop() {
		frame, err := client.AppendForward(buf, p, true)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := gateway.OpenForward(frame); err != nil {
			b.Fatal(err)
		}
	}
}
