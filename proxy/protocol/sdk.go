package protocol

import "encoding/binary"

// SDKHeaderSize is the size of what stands in front of the data of an [SDKFrame], in bytes.
const SDKHeaderSize = 16

// An SDKKind says what an SDKFrame is for.
type SDKKind uint8

const (
	SDKOpen SDKKind = 0 // a new stream, with its first data, if any
	SDKData SDKKind = 1 // data, numbered from 0 in each direction
)

// sdkFrame is the kind of message that carries streams, in little-endian.
const sdkFrame = 3

// An SDKFrame is a message of a stream of Nym's SDK for Rust (sdk-streams.md).
//
//	+-----------+-----------+----------+------------+---------+------+
//	| 3 (2, LE) | id (8)    | kind (1) | number (4) | 0 (1)   | data |
//	+-----------+-----------+----------+------------+---------+------+
type SDKFrame struct {
	ID     StreamID
	Kind   SDKKind
	Number uint32
	Data   []byte
}

// AppendBinary implements [encoding.BinaryAppender].
func (f SDKFrame) AppendBinary(b []byte) ([]byte, error) {
	if f.Kind > SDKData {
		return b, malformed("frame of kind %d", f.Kind)
	}
	b = binary.LittleEndian.AppendUint16(b, sdkFrame)
	b = binary.BigEndian.AppendUint64(b, uint64(f.ID))
	b = binary.BigEndian.AppendUint32(append(b, byte(f.Kind)), f.Number)
	return append(append(b, 0), f.Data...), nil
}

// MayBeSDKFrame reports, cheaply, whether a message may be an SDKFrame.
func MayBeSDKFrame(b []byte) bool {
	return len(b) >= SDKHeaderSize && binary.LittleEndian.Uint16(b) == sdkFrame
}

// ParseSDKFrame parses exactly one frame, whose data alias b. Its errors wrap
// [ErrMalformed].
func ParseSDKFrame(b []byte) (SDKFrame, error) {
	switch {
	case len(b) < SDKHeaderSize:
		return SDKFrame{}, malformed("frame of %d bytes", len(b))
	case binary.LittleEndian.Uint16(b) != sdkFrame:
		return SDKFrame{}, malformed("message of kind %d, not of streams", binary.LittleEndian.Uint16(b))
	case b[10] > byte(SDKData):
		return SDKFrame{}, malformed("frame of kind %d", b[10])
	case b[15] != 0:
		return SDKFrame{}, malformed("frame with %d in the reserved byte", b[15])
	}
	return SDKFrame{
		ID:     StreamID(binary.BigEndian.Uint64(b[2:])),
		Kind:   SDKKind(b[10]),
		Number: binary.BigEndian.Uint32(b[11:]),
		Data:   b[SDKHeaderSize:],
	}, nil
}
