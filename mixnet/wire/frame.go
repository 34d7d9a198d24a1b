package wire

import (
	"errors"
	"fmt"
	"io"

	"nym-socks5/mixnet"
)

// ErrMalformed reports bytes that no conforming sender produces, and values
// that have no encoding.
var ErrMalformed = errors.New("wire: malformed")

// A FrameVersion is the first byte of a frame.
type FrameVersion byte

// The frame versions that nodes send and accept.
const (
	V7 FrameVersion = 7 // without the rotation, which the next node reads as unknown
	V8 FrameVersion = 8
)

// HeaderSize is the number of bytes in front of the packet, or 0 for an
// unknown version.
func (v FrameVersion) HeaderSize() int {
	switch v {
	case V7:
		return 3
	case V8:
		return 4
	}
	return 0
}

// MaxFrameSize is the size of the longest frame in bytes: version 8 around the
// largest packet.
const MaxFrameSize = 4 + mixnet.MaxPacketSize

// packetTypeMix is the only packet type in use (sphinx.md §4.2).
const packetTypeMix = 0

// A Frame is a packet on its way between two nodes (nodes.md §3.2,
// sphinx.md §4.6). The size tag follows from the packet's length.
//
//	v7  | 7 | size | type |            packet              |
//	v8  | 8 | size | type | rotation | packet (386..33133) |
type Frame struct {
	Rotation mixnet.Rotation
	Packet   []byte
}

// AppendFrame appends f in the form v. Version 7 loses the rotation. It fails
// with [ErrMalformed] if the packet has none of the five sizes, or the version
// or rotation is unknown.
func AppendFrame(b []byte, v FrameVersion, f Frame) ([]byte, error) {
	size, ok := mixnet.PacketSizeOf(len(f.Packet))
	if !ok {
		return b, fmt.Errorf("%w: frame around a packet of %d bytes", ErrMalformed, len(f.Packet))
	}
	switch {
	case v == V7:
		b = append(b, byte(V7), byte(size), packetTypeMix)
	case v == V8 && f.Rotation.Valid():
		b = append(b, byte(V8), byte(size), packetTypeMix, byte(f.Rotation))
	case v == V8:
		return b, fmt.Errorf("%w: frame with %v", ErrMalformed, f.Rotation)
	default:
		return b, fmt.Errorf("%w: frame of version %d", ErrMalformed, v)
	}
	return append(b, f.Packet...), nil
}

// ParseFrame parses the frame that b begins with and says how many bytes it
// took. The packet aliases b. It fails with [io.ErrUnexpectedEOF], unwrapped,
// while b is too short to tell, and with [ErrMalformed] once it is clear that
// no frame follows; the connection must then end, since nothing in the stream
// marks the next frame. Nothing is judged before three bytes are there, and of
// a version 8 frame only its version before four.
func ParseFrame(b []byte) (f Frame, n int, err error) {
	if len(b) < 3 {
		return Frame{}, 0, io.ErrUnexpectedEOF
	}
	head := FrameVersion(b[0]).HeaderSize()
	if head == 0 {
		return Frame{}, 0, fmt.Errorf("%w: frame of version %d", ErrMalformed, b[0])
	}
	if len(b) < head {
		return Frame{}, 0, io.ErrUnexpectedEOF
	}
	size := mixnet.PacketSize(b[1])
	if !size.Valid() {
		return Frame{}, 0, fmt.Errorf("%w: frame with size tag %d", ErrMalformed, b[1])
	}
	if b[2] != packetTypeMix {
		return Frame{}, 0, fmt.Errorf("%w: frame with packet type %d", ErrMalformed, b[2])
	}
	if head == 4 {
		f.Rotation = mixnet.Rotation(b[3])
		if !f.Rotation.Valid() {
			return Frame{}, 0, fmt.Errorf("%w: frame with rotation byte %d", ErrMalformed, b[3])
		}
	}
	n = head + size.Total()
	if len(b) < n {
		return Frame{}, 0, io.ErrUnexpectedEOF
	}
	f.Packet = b[head:n:n]
	return f, n, nil
}
