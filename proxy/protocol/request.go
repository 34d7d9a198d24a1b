package protocol

import (
	"encoding/binary"
	"strings"

	"nym-socks5/mixnet"
)

// Kinds of request (socks.md §6).
const (
	kindConnect = 0
	kindSend    = 1
	kindQuery   = 2
)

// A Request is what a client says to a requester.
type Request struct {
	Versions
	Body RequestBody
}

// A RequestBody is one of [Connect], [Send], [Query] and [Control].
type RequestBody interface{ request() }

// Connect asks for a stream (socks.md §6.1).
//
//	+--------+-------+--------+------------------+
//	| id (8) | L (2) | target | none or (96)     |
//	+--------+-------+--------+------------------+
type Connect struct {
	ID     StreamID
	Target string           // host:port
	Return mixnet.Recipient // where to answer; zero: under the sender tag
}

// Send carries data of a stream to the requester (socks.md §6.2).
//
//	+--------+------------+---------+------+
//	| id (8) | closed (1) | seq (8) | data |
//	+--------+------------+---------+------+
type Send struct {
	ID     StreamID
	Closed bool
	Seq    uint64
	Data   []byte
}

// Query asks about the requester (socks.md §6.3).
type Query uint8

// The queries.
const (
	QueryOpenProxy   Query = 0
	QueryDescription Query = 1
	QueryExitPolicy  Query = 2
)

// Control asks about the program (socks.md §5). It exists under a versioned
// interface only.
type Control struct {
	Kind ControlKind
	// Extra is what follows the kind byte. Others ignore it; see [ParseNote].
	Extra []byte
}

func (Connect) request() {}
func (Send) request()    {}
func (Query) request()   {}
func (Control) request() {}

// SendHeaderSize is the number of bytes in front of the data of a Send.
func SendHeaderSize(v Versions) int { return headerSize(v, true) }

// AppendBinary implements [encoding.BinaryAppender].
func (r Request) AppendBinary(b []byte) ([]byte, error) {
	if c, ok := r.Body.(Control); ok {
		b, err := appendEnvelope(b, r.Interface, tagControl)
		if err != nil {
			return b, err
		}
		return append(append(b, byte(c.Kind)), c.Extra...), nil
	}
	if r.Interface.IsLegacy() && !r.Protocol.IsLegacy() {
		return b, malformed("protocol %v under the legacy interface", r.Protocol)
	}
	b, err := appendEnvelope(b, r.Interface, tagData)
	if err != nil {
		return b, err
	}
	if r.Protocol.IsLegacy() {
		b = append(b, byte(Legacy))
	} else {
		b = append(b, byte(r.Protocol))
	}
	switch m := r.Body.(type) {
	case Connect:
		if len(m.Target) > 1<<16-1 {
			return b, malformed("target of %d bytes", len(m.Target))
		}
		b = binary.BigEndian.AppendUint64(append(b, kindConnect), uint64(m.ID))
		b = binary.BigEndian.AppendUint16(b, uint16(len(m.Target)))
		b = append(b, m.Target...)
		if m.Return.IsZero() {
			return b, nil
		}
		return m.Return.AppendBinary(b)
	case Send:
		b = binary.BigEndian.AppendUint64(append(b, kindSend), uint64(m.ID))
		b = append(b, flag(m.Closed))
		b = binary.BigEndian.AppendUint64(b, m.Seq)
		return append(b, m.Data...), nil
	case Query:
		return append(b, kindQuery, byte(m)), nil
	}
	return b, malformed("request without body")
}

// ParseRequest parses one request of any version. Data alias b. Its errors
// wrap [ErrMalformed].
func ParseRequest(b []byte) (Request, error) {
	v, tag, content, err := openEnvelope(b)
	if err != nil {
		return Request{}, err
	}
	r := Request{Versions: Versions{Interface: v}}
	if tag == tagControl {
		r.Body, err = parseControl(content)
		return r, err
	}
	if len(content) < 2 {
		return Request{}, malformed("request of %d bytes", len(content))
	}
	switch p := Version(content[0]); {
	case p > Current:
		return Request{}, malformed("request of protocol %v", p)
	case !p.IsLegacy():
		r.Protocol = p
	}
	kind, content := content[1], content[2:]
	switch kind {
	case kindConnect:
		r.Body, err = parseConnect(content)
	case kindSend:
		r.Body, err = parseSend(content)
	case kindQuery:
		r.Body, err = parseQuery(content)
	default:
		err = malformed("request of kind %d", kind)
	}
	if err != nil {
		return Request{}, err
	}
	return r, nil
}

func parseConnect(b []byte) (RequestBody, error) {
	if len(b) < 10 {
		return nil, malformed("connect of %d bytes", len(b))
	}
	c := Connect{ID: StreamID(binary.BigEndian.Uint64(b))}
	n := int(binary.BigEndian.Uint16(b[8:]))
	if b = b[10:]; len(b) < n {
		return nil, malformed("connect with %d bytes of %d of its target", len(b), n)
	}
	c.Target = strings.ToValidUTF8(string(b[:n]), "\uFFFD")
	switch b = b[n:]; len(b) {
	case 0:
	case mixnet.RecipientSize:
		var err error
		if c.Return, err = mixnet.ParseRecipient(b); err != nil {
			return nil, malformed("connect: %v", err)
		}
		if c.Return.IsZero() {
			return nil, malformed("connect with a zero return address")
		}
	default:
		return nil, malformed("connect with %d bytes behind its target", len(b))
	}
	return c, nil
}

func parseSend(b []byte) (RequestBody, error) {
	if len(b) < 17 {
		return nil, malformed("send of %d bytes", len(b))
	}
	return Send{
		ID:     StreamID(binary.BigEndian.Uint64(b)),
		Closed: b[8] != 0,
		Seq:    binary.BigEndian.Uint64(b[9:]),
		Data:   b[17:],
	}, nil
}

func parseQuery(b []byte) (RequestBody, error) {
	d := decoder{b}
	n, err := d.uint(uint64(QueryExitPolicy))
	if err != nil {
		return nil, err
	}
	return Query(n), d.end()
}

func parseControl(b []byte) (RequestBody, error) {
	if len(b) == 0 {
		return nil, malformed("control request without kind")
	}
	c := Control{Kind: ControlKind(b[0]), Extra: b[1:]}
	if c.Kind > ControlVersions {
		return nil, malformed("control request of kind %d", c.Kind)
	}
	return c, nil
}

// headerSize is the number of bytes in front of the data of a Send or a Data.
func headerSize(v Versions, request bool) int {
	n := 1 + 17 // kind, fields
	if !v.Interface.IsLegacy() {
		n += 2
	}
	if request || !v.Protocol.IsLegacy() {
		n++
	}
	return n
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}
