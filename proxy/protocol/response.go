package protocol

import (
	"encoding/binary"
	"unicode/utf8"
)

// Kinds of response (socks.md §7).
const (
	kindData   = 1
	kindError  = 2
	kindAnswer = 3
)

// A Response is what a requester says to a client.
type Response struct {
	Versions
	Body ResponseBody
}

// A ResponseBody is one of [Data], [Failure], [Answer] and [ControlAnswer].
type ResponseBody interface{ response() }

// Data carries data of a stream to the client (socks.md §7.1). Mind that the
// order of the fields is not that of a [Send].
//
//	+------------+--------+---------+------+
//	| closed (1) | id (8) | seq (8) | data |
//	+------------+--------+---------+------+
type Data struct {
	ID     StreamID
	Closed bool
	Seq    uint64
	// Unnumbered marks a close without a number, as requesters older than
	// v1.1.21 send it when the connection failed (socks.md §16). It has no data.
	Unnumbered bool
	Data       []byte
}

// A Failure says that a stream could not be opened (socks.md §7.2).
type Failure struct {
	ID   StreamID
	Text string // see [SplitCode]
}

func (Data) response()          {}
func (Failure) response()       {}
func (Answer) response()        {}
func (ControlAnswer) response() {}

// DataHeaderSize is the number of bytes in front of the data of a Data.
func DataHeaderSize(v Versions) int { return headerSize(v, false) }

// AppendBinary implements [encoding.BinaryAppender].
func (r Response) AppendBinary(b []byte) ([]byte, error) {
	if c, ok := r.Body.(ControlAnswer); ok {
		b, err := appendEnvelope(b, r.Interface, tagControl)
		if err != nil {
			return b, err
		}
		return c.appendTo(b)
	}
	b, err := appendEnvelope(b, r.Interface, tagData)
	if err != nil {
		return b, err
	}
	if !r.Protocol.IsLegacy() {
		b = append(b, byte(r.Protocol))
	}
	switch m := r.Body.(type) {
	case Data:
		if m.Unnumbered && (!m.Closed || len(m.Data) > 0) {
			return b, malformed("unnumbered data that is no close")
		}
		b = binary.BigEndian.AppendUint64(append(b, kindData, flag(m.Closed)), uint64(m.ID))
		if m.Unnumbered {
			return b, nil
		}
		b = binary.BigEndian.AppendUint64(b, m.Seq)
		return append(b, m.Data...), nil
	case Failure:
		b = binary.BigEndian.AppendUint64(append(b, kindError), uint64(m.ID))
		return append(b, m.Text...), nil
	case Answer:
		return m.appendTo(append(b, kindAnswer))
	}
	return b, malformed("response without body")
}

// ParseResponse parses one response of any version. Data alias b. Its errors
// wrap [ErrMalformed].
func ParseResponse(b []byte) (Response, error) {
	v, tag, content, err := openEnvelope(b)
	if err != nil {
		return Response{}, err
	}
	r := Response{Versions: Versions{Interface: v}}
	if tag == tagControl {
		r.Body, err = parseControlAnswer(content)
		return r, err
	}
	if len(content) > 0 && !Version(content[0]).IsLegacy() {
		r.Protocol, content = Version(content[0]), content[1:]
	}
	if len(content) == 0 {
		return Response{}, malformed("response without kind")
	}
	kind, content := content[0], content[1:]
	switch kind {
	case kindData:
		r.Body, err = parseData(content)
	case kindError:
		r.Body, err = parseFailure(content)
	case kindAnswer:
		r.Body, err = parseAnswer(content)
	default:
		err = malformed("response of kind %d", kind)
	}
	if err != nil {
		return Response{}, err
	}
	return r, nil
}

func parseData(b []byte) (ResponseBody, error) {
	if len(b) < 9 {
		return nil, malformed("data of %d bytes", len(b))
	}
	d := Data{Closed: b[0] != 0, ID: StreamID(binary.BigEndian.Uint64(b[1:]))}
	switch b = b[9:]; {
	case len(b) == 0 && d.Closed:
		d.Unnumbered = true
		return d, nil
	case len(b) < 8:
		return nil, malformed("data with a number of %d bytes", len(b))
	}
	d.Seq, d.Data = binary.BigEndian.Uint64(b), b[8:]
	return d, nil
}

func parseFailure(b []byte) (ResponseBody, error) {
	if len(b) < 8 {
		return nil, malformed("failure of %d bytes", len(b))
	}
	if !utf8.Valid(b[8:]) {
		return nil, malformed("failure with a text that is not UTF-8")
	}
	return Failure{ID: StreamID(binary.BigEndian.Uint64(b)), Text: string(b[8:])}, nil
}
