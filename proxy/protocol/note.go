package protocol

import "encoding/binary"

// NoteSize is the size of an encoded Note in bytes.
const NoteSize = 21

// noteMark begins every Note.
var noteMark = [4]byte{'n', 's', '5', 1}

// A Note is what our own two ends tell each other. It travels behind the kind
// byte of a control request, or of a health answer, where others read no
// further (socks.md §5: "Trailing bytes after the kind byte are ignored").
// Notes are not ordered, neither among themselves nor with the data of the
// stream.
//
//	+----------+--------+--------+-----------+
//	| mark (4) | op (1) | id (8) | value (8) |
//	+----------+--------+--------+-----------+
type Note struct {
	Op    NoteOp
	ID    StreamID
	Value uint64
}

// A NoteOp says what a Note means.
type NoteOp uint8

// The notes. Every one of them also says: I am one of yours.
const (
	NoteHello NoteOp = 0 // nothing else
	NoteLimit NoteOp = 1 // of this stream, send data bytes up to Value, counted from its beginning
	NoteStop  NoteOp = 2 // of this stream, I read no more; what I sent still counts
	NoteReset NoteOp = 3 // my socket broke off behind Value messages of mine; 0: this stream has ended as it is
)

// AppendBinary implements [encoding.BinaryAppender].
func (n Note) AppendBinary(b []byte) ([]byte, error) {
	b = append(append(b, noteMark[:]...), byte(n.Op))
	b = binary.BigEndian.AppendUint64(b, uint64(n.ID))
	return binary.BigEndian.AppendUint64(b, n.Value), nil
}

// ParseNote parses exactly one Note. Its errors wrap [ErrMalformed]; they are
// what other implementations' bytes give and no reason to drop the message.
func ParseNote(b []byte) (Note, error) {
	if len(b) != NoteSize || [4]byte(b[:4]) != noteMark {
		return Note{}, malformed("no note in %d bytes", len(b))
	}
	n := Note{
		Op:    NoteOp(b[4]),
		ID:    StreamID(binary.BigEndian.Uint64(b[5:])),
		Value: binary.BigEndian.Uint64(b[13:]),
	}
	if n.Op > NoteReset {
		return Note{}, malformed("note of kind %d", n.Op)
	}
	return n, nil
}
