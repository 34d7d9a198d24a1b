package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
)

type mixPackets struct {
	Packets []struct {
		Rotation byte   `json:"rotation"`
		V1Prefix string `json:"mix_packet_v1_prefix"`
		V2Prefix string `json:"mix_packet_v2_prefix"`
		V1Sum    string `json:"mix_packet_v1_sha256"`
		V2Sum    string `json:"mix_packet_v2_sha256"`
		Packet   string `json:"packet"`
	} `json:"packets"`
}

// sphinx.md §4.7: "v1 yields rotation Unknown. Sizes with IPv4 and a regular
// packet: v1 2421, v2 2422 bytes."
func TestMixPacketVectors(t *testing.T) {
	var v mixPackets
	vectest.Read(t, "mixpackets.json", &v)
	if len(v.Packets) == 0 {
		t.Fatal("no vectors")
	}
	for i, c := range v.Packets {
		for _, form := range []struct {
			name         string
			withRotation bool
			prefix, sum  string
			size         int
			rotation     mixnet.Rotation
		}{
			{"v1", false, c.V1Prefix, c.V1Sum, 2421, mixnet.RotationUnknown},
			{"v2", true, c.V2Prefix, c.V2Sum, 2422, mixnet.Rotation(c.Rotation)},
		} {
			t.Run(fmt.Sprintf("%d/%s", i, form.name), func(t *testing.T) {
				packet := vectest.Unhex(t, c.Packet)
				in := append(vectest.Unhex(t, form.prefix), packet...)
				if sum := sha256.Sum256(in); hex.EncodeToString(sum[:]) != form.sum {
					t.Fatal("the vector's prefix and packet do not have its hash")
				}
				if len(in) != form.size {
					t.Errorf("got %d bytes, want %d", len(in), form.size)
				}
				p, err := ParseMixPacket(in, form.withRotation)
				if err != nil {
					t.Fatal(err)
				}
				if p.Rotation != form.rotation || !bytes.Equal(p.Packet, packet) || p.Next.AddrPort().Port() != 1789 {
					t.Errorf("got rotation %v, packet of %d bytes, first hop's port %d",
						p.Rotation, len(p.Packet), p.Next.AddrPort().Port())
				}
				out, err := p.Append(nil, form.withRotation)
				if err != nil || !bytes.Equal(out, in) {
					t.Errorf("encodes as %d bytes that begin %x (%v), want %x", len(out), out[:9], err, in[:9])
				}
			})
		}
	}
}

// nodes.md appendix A: "kind 1 `00 04 4e21 7f000001 …` = mix, IPv4, port 20001,
// 127.0.0.1; kind 2 with rotation id 1 `00 01 04 4e21 7f000001 …`".
func TestMixPacketPrefix(t *testing.T) {
	ack := bytes.Repeat([]byte{7}, mixnet.AckSize.Total())
	for _, c := range []struct {
		addr         string
		rotation     mixnet.Rotation
		withRotation bool
		want         string
	}{
		{"127.0.0.1:20001", mixnet.RotationOdd, false, "00044e217f000001"},
		{"127.0.0.1:20001", mixnet.RotationOdd, true, "0001044e217f000001"},
		{"127.0.0.1:20001", mixnet.RotationUnknown, true, "0000044e217f000001"},
		{"[::1]:1789", mixnet.RotationEven, true, "00020606fd00000000000000000000000000000001"},
	} {
		p := MixPacket{mixnet.NodeAddrFrom(netip.MustParseAddrPort(c.addr)), c.rotation, ack}
		b, err := p.Append(nil, c.withRotation)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(b[:len(b)-len(ack)]); got != c.want {
			t.Errorf("%s: got %s, want %s", c.addr, got, c.want)
		}
	}
}

// sphinx.md §4.7: "The Sphinx packet's length must equal one of the PacketSize totals."
func TestParseMixPacketRefuses(t *testing.T) {
	ack := make([]byte, mixnet.AckSize.Total())
	with := func(prefix string, packet []byte) []byte { return append(vectest.Unhex(t, prefix), packet...) }
	for _, c := range []struct {
		name         string
		in           []byte
		withRotation bool
	}{
		{"empty", nil, false},
		{"empty v2", nil, true},
		{"type only", []byte{0}, true},
		{"no address", []byte{0}, false},
		{"type 1", with("01044e217f000001", ack), false},
		{"outfox", with("02044e217f000001", ack), false},
		{"rotation 3", with("0003044e217f000001", ack), true},
		{"address of kind 5", with("00054e217f000001", ack), false},
		{"address cut", vectest.Unhex(t, "00044e217f0000"), false},
		{"IPv6 address cut", vectest.Unhex(t, "00064e2100000000000000000000000000000000")[:19], false},
		{"no packet", with("00044e217f000001", nil), false},
		{"short by one", with("00044e217f000001", ack[1:]), false},
		{"long by one", with("00044e217f000001", append(ack[:len(ack):len(ack)], 0)), false},
		{"padded address", with("00044e217f000001000000000000000000000000", ack), false},
	} {
		if _, err := ParseMixPacket(c.in, c.withRotation); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", c.name, err)
		}
	}
}

func TestMixPacketAppendRefuses(t *testing.T) {
	addr := mixnet.NodeAddrFrom(netip.MustParseAddrPort("127.0.0.1:1"))
	ack := make([]byte, mixnet.AckSize.Total())
	for name, p := range map[string]MixPacket{
		"no first hop": {Packet: ack},
		"no packet":    {Next: addr},
		"bad size":     {Next: addr, Packet: ack[1:]},
		"rotation 3":   {Next: addr, Rotation: 3, Packet: ack},
	} {
		if b, err := p.Append([]byte{1}, true); !errors.Is(err, ErrMalformed) || len(b) != 1 {
			t.Errorf("%s: got %v and %d bytes, want ErrMalformed and nothing appended", name, err, len(b))
		}
	}
}

func FuzzParseMixPacket(f *testing.F) {
	ack := make([]byte, mixnet.AckSize.Total())
	for _, prefix := range []string{"00044e217f000001", "0001044e217f000001", "00020606fd00000000000000000000000000000001"} {
		f.Add(append(vectest.Unhex(f, prefix), ack...), prefix[2:4] != "04")
	}
	f.Fuzz(func(t *testing.T, in []byte, withRotation bool) {
		p, err := ParseMixPacket(in, withRotation)
		if err != nil {
			return
		}
		if out, err := p.Append(nil, withRotation); err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%x parses as %v %v, which encodes as %x (%v)", in, p.Next, p.Rotation, out, err)
		}
	})
}
