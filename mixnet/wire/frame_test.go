package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
)

type framing struct {
	Frames []struct {
		Size          string       `json:"size"`
		Version       FrameVersion `json:"frame_version"`
		RotationGiven byte         `json:"rotation_given"`
		Header        string       `json:"header"`
		FrameLength   int          `json:"frame_length"`
		PacketLength  int          `json:"packet_length"`
		Frame         string       `json:"frame"`
		RotationRead  byte         `json:"rotation_read"`
	} `json:"frames"`
	Parsing []struct {
		Name   string `json:"name"`
		Bytes  string `json:"bytes"`
		Expect struct {
			Result   string `json:"result"`
			Size     string `json:"size"`
			Rotation byte   `json:"rotation"`
		} `json:"expect"`
		Ours string `json:"ours"`
	} `json:"parsing"`
}

// nodes.md §3.2: "v8: 08 | size tag | packet type | key-rotation byte | packet"
func TestFrameVectors(t *testing.T) {
	var v framing
	vectest.Read(t, "framing.json", &v)
	if len(v.Frames) != 20 {
		t.Fatalf("got %d vectors, want 20", len(v.Frames))
	}
	for _, c := range v.Frames {
		t.Run(fmt.Sprintf("%s/v%d/%d", c.Size, c.Version, c.RotationGiven), func(t *testing.T) {
			header := vectest.Unhex(t, c.Header)
			packet := bytes.Repeat([]byte{0xa5}, c.PacketLength)
			if c.Frame != "" {
				packet = vectest.Unhex(t, c.Frame)[len(header):]
			}
			got, err := AppendFrame([]byte("x"), c.Version, Frame{mixnet.Rotation(c.RotationGiven), packet})
			if err != nil {
				t.Fatal(err)
			}
			want := append(append([]byte("x"), header...), packet...)
			if !bytes.Equal(got, want) {
				t.Fatalf("got a frame that begins %x, want %x", got[1:5], want[1:5])
			}
			if len(got)-1 != c.FrameLength {
				t.Errorf("got %d bytes, want %d", len(got)-1, c.FrameLength)
			}
			f, n, err := ParseFrame(got[1:])
			if err != nil {
				t.Fatal(err)
			}
			if n != c.FrameLength || f.Rotation != mixnet.Rotation(c.RotationRead) || !bytes.Equal(f.Packet, packet) {
				t.Errorf("parsed %d bytes, rotation %v, packet of %d; want %d, %d, %d",
					n, f.Rotation, len(f.Packet), c.FrameLength, c.RotationRead, c.PacketLength)
			}
		})
	}
}

// sphinx.md §4.6: "invalid size tag / type / rotation → error", "Nothing is
// judged before 3 bytes are there; of a v8 frame only the version byte before 4".
func TestParseFrameVectors(t *testing.T) {
	var v framing
	vectest.Read(t, "framing.json", &v)
	if len(v.Parsing) != 25 {
		t.Fatalf("got %d vectors, want 25", len(v.Parsing))
	}
	for _, c := range v.Parsing {
		t.Run(c.Name, func(t *testing.T) {
			in := vectest.Unhex(t, c.Bytes)
			f, n, err := ParseFrame(in)
			want := c.Expect.Result
			if c.Ours != "" { // outfox, which we refuse at once
				want = "error"
			}
			switch want {
			case "packet":
				if err != nil {
					t.Fatal(err)
				}
				size, _ := mixnet.PacketSizeOf(len(f.Packet))
				if size.String() != c.Expect.Size || f.Rotation != mixnet.Rotation(c.Expect.Rotation) {
					t.Errorf("got %v, rotation %d; want %s, %d", size, f.Rotation, c.Expect.Size, c.Expect.Rotation)
				}
				if want := FrameVersion(in[0]).HeaderSize() + size.Total(); n != want {
					t.Errorf("took %d bytes, want %d", n, want)
				}
			case "need more bytes":
				if err != io.ErrUnexpectedEOF {
					t.Errorf("got %v, want io.ErrUnexpectedEOF", err)
				}
			case "error":
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("got %v, want ErrMalformed", err)
				}
			default:
				t.Fatalf("unknown verdict %q", want)
			}
		})
	}
}

// nodes.md §0.3: "outfox regular / outfox ack | 6 / 7 | not needed: reject",
// "Packet type byte: … 2 = outfox (reject with an error …)".
func TestOutfoxIsRefused(t *testing.T) {
	frame := make([]byte, MaxFrameSize)
	for _, head := range [][]byte{{8, 6, 0, 1}, {8, 7, 0, 1}, {7, 6, 0}, {7, 7, 0}, {8, 1, 2, 1}, {7, 1, 2}} {
		clear(frame)
		copy(frame, head)
		if _, _, err := ParseFrame(frame); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: got %v, want ErrMalformed", head, err)
		}
	}
}

// Wherever a stream of frames is cut, the part parses as "need more bytes",
// and both frames are found in the whole.
func TestParseFrameFromStream(t *testing.T) {
	for _, v := range []FrameVersion{V7, V8} {
		for s := mixnet.Regular; s <= mixnet.Extended16; s++ {
			stream, _ := AppendFrame(nil, v, Frame{mixnet.RotationOdd, bytes.Repeat([]byte{1}, s.Total())})
			first := len(stream)
			stream, _ = AppendFrame(stream, v, Frame{mixnet.RotationEven, bytes.Repeat([]byte{2}, mixnet.AckSize.Total())})
			for _, cut := range []int{0, 1, 2, 3, 4, first / 2, first - 1} {
				if _, _, err := ParseFrame(stream[:cut]); err != io.ErrUnexpectedEOF {
					t.Fatalf("v%d %v, %d bytes: got %v", v, s, cut, err)
				}
			}
			_, n, err := ParseFrame(stream)
			if err != nil || n != first {
				t.Fatalf("v%d %v: took %d bytes (%v), want %d", v, s, n, err, first)
			}
			f, n, err := ParseFrame(stream[n:])
			if err != nil || n != len(stream)-first || f.Packet[0] != 2 {
				t.Fatalf("v%d %v: second frame took %d bytes (%v)", v, s, n, err)
			}
		}
	}
}

// A parsed packet has no room behind it, so that appending to it never writes
// over the next frame.
func TestParsedPacketHasNoSpareRoom(t *testing.T) {
	b, _ := AppendFrame(nil, V8, Frame{Packet: make([]byte, mixnet.AckSize.Total())})
	f, _, err := ParseFrame(append(b, b...))
	if err != nil || cap(f.Packet) != len(f.Packet) {
		t.Errorf("got capacity %d for %d bytes (%v)", cap(f.Packet), len(f.Packet), err)
	}
}

func TestAppendFrameRefuses(t *testing.T) {
	ack := make([]byte, mixnet.AckSize.Total())
	for _, c := range []struct {
		name string
		v    FrameVersion
		f    Frame
	}{
		{"empty packet", V8, Frame{}},
		{"short by one", V8, Frame{Packet: ack[1:]}},
		{"long by one", V8, Frame{Packet: append(ack[:len(ack):len(ack)], 0)}},
		{"rotation 3", V8, Frame{3, ack}},
		{"version 0", 0, Frame{Packet: ack}},
		{"version 6", 6, Frame{Packet: ack}},
		{"version 9", 9, Frame{Packet: ack}},
	} {
		if b, err := AppendFrame([]byte{1}, c.v, c.f); !errors.Is(err, ErrMalformed) || len(b) != 1 {
			t.Errorf("%s: got %v and %d bytes, want ErrMalformed and nothing appended", c.name, err, len(b))
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	var v framing
	vectest.Read(f, "framing.json", &v)
	for _, c := range v.Parsing {
		f.Add(vectest.Unhex(f, c.Bytes))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		fr, n, err := ParseFrame(in)
		if err != nil {
			return
		}
		out, err := AppendFrame(nil, FrameVersion(in[0]), fr)
		if err != nil || !bytes.Equal(in[:n], out) {
			t.Fatalf("%x parses as %v, which encodes as %x (%v)", in[:4], fr.Rotation, out, err)
		}
	})
}
