package link

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/wire"
)

func frame(s mixnet.PacketSize, r mixnet.Rotation, fill byte) wire.Frame {
	return wire.Frame{Rotation: r, Packet: bytes.Repeat([]byte{fill}, s.Total())}
}

func appendFrame(t testing.TB, b []byte, v wire.FrameVersion, f wire.Frame) []byte {
	t.Helper()
	b, err := wire.AppendFrame(b, v, f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reading makes an Inbound of bytes; its deadlines are never touched.
func reading(r io.Reader) *Inbound {
	return &Inbound{in: buffer{r: r}, idle: time.Hour, alive: time.Now()}
}

// nodes.md §9: "do not assume frame boundaries in reads".
func TestInboundReadsAnyPieces(t *testing.T) {
	var stream []byte
	var want []wire.Frame
	for i := range 60 {
		s := mixnet.PacketSize(i%5 + 1)
		v := wire.V8
		f := frame(s, mixnet.RotationEven, byte(i))
		if i%3 == 0 {
			v, f.Rotation = wire.V7, mixnet.RotationUnknown
		}
		stream = appendFrame(t, stream, v, f)
		want = append(want, f)
	}
	for name, r := range map[string]io.Reader{
		"whole":        bytes.NewReader(stream),
		"halves":       iotest.HalfReader(bytes.NewReader(stream)),
		"single bytes": iotest.OneByteReader(bytes.NewReader(stream)),
		"data and EOF": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		in := reading(r)
		n := 0
		for {
			frames, err := in.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, f := range frames {
				if f.Rotation != want[n].Rotation || !bytes.Equal(f.Packet, want[n].Packet) {
					t.Fatalf("%s: frame %d differs", name, n)
				}
				n++
			}
		}
		if n != len(want) {
			t.Errorf("%s: got %d frames, want %d", name, n, len(want))
		}
	}
}

// A busy link gets many frames from one read.
func TestInboundReadsBatches(t *testing.T) {
	var stream []byte
	for range 200 {
		stream = appendFrame(t, stream, wire.V8, frame(mixnet.Regular, 1, 1))
	}
	in := reading(bytes.NewReader(stream))
	most := 0
	for {
		frames, err := in.Read()
		if err != nil {
			break
		}
		most = max(most, len(frames))
	}
	if want := readSize / 2417; most < want {
		t.Errorf("got at most %d frames a read, want %d", most, want)
	}
}

// sphinx.md §4.6: "Any error ends the connection (no resync)."
func TestInboundStopsAtGarbage(t *testing.T) {
	good := appendFrame(t, nil, wire.V8, frame(mixnet.AckSize, 1, 1))
	in := reading(bytes.NewReader(append(bytes.Clone(good), append([]byte{9, 9, 9, 9}, good...)...)))
	if frames, err := in.Read(); len(frames) != 1 || err != nil {
		t.Fatalf("got %d frames, %v", len(frames), err)
	}
	for range 2 {
		if frames, err := in.Read(); len(frames) != 0 || !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("got %d frames, %v; want wire.ErrMalformed", len(frames), err)
		}
	}
	in = reading(bytes.NewReader(good[:len(good)-1]))
	if _, err := in.Read(); err != io.ErrUnexpectedEOF {
		t.Errorf("got %v, want io.ErrUnexpectedEOF", err)
	}
}

func FuzzInbound(f *testing.F) {
	f.Add(appendFrame(f, nil, wire.V8, frame(mixnet.AckSize, 1, 1)), 3)
	f.Add(appendFrame(f, appendFrame(f, nil, wire.V7, frame(mixnet.Regular, 0, 1)), wire.V8, frame(mixnet.AckSize, 2, 1)), 1000)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		in := reading(&pieces{stream, max(piece%5000, 1)})
		var out []byte
		for {
			frames, err := in.Read()
			if err != nil {
				break
			}
			for _, f := range frames {
				out = appendFrame(t, out, wire.FrameVersion(stream[len(out)]), f)
			}
		}
		if !bytes.HasPrefix(stream, out) {
			t.Fatalf("%x was read as other frames", stream)
		}
	})
}

// pieces reads n bytes at a time.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
