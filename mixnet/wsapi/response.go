package wsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"nym-socks5/mixnet"
)

// A responseKind is the first byte of a binary response.
type responseKind uint8

const (
	errorResponse       responseKind = 0x00
	receivedResponse    responseKind = 0x01
	addressResponse     responseKind = 0x02
	queueLengthResponse responseKind = 0x03

	// In JSON only:
	acceptedResponse     responseKind = 0xF0
	acknowledgedResponse responseKind = 0xF1
	failedResponse       responseKind = 0xF2
	statusResponse       responseKind = 0xF3
	incomingResponse     responseKind = 0xF4
	okResponse           responseKind = 0xFF
)

// A response is what a program is told.
type response struct {
	kind    responseKind
	failure *failure         // error, failed
	message []byte           // received
	from    mixnet.SenderTag // received; zero: none
	address mixnet.Recipient // own address
	conn    uint64           // lane queue length
	length  int              // likewise, in packets
	id      json.RawMessage  // ok, error, events, status: that of the request; nil: none
	status  *Status          // status
	stream  string           // incoming: its name
	port    uint16           // incoming
}

// cost is about how many bytes of memory a response holds.
func (r *response) cost() int { return len(r.message) + 256 }

// appendBinary encodes the response (socks.md §17.2).
//
//	00 kind (1)          length (8)  detail            error
//	01 00                length (8)  message           received
//	01 01 tag (16)       length (8)  message           received, with a sender tag
//	02 recipient (96)                                  own address
//	03 lane (8)  length of the queue (8)               lane queue length
func (r *response) appendBinary(b []byte) []byte {
	b = append(b, byte(r.kind))
	switch r.kind {
	case errorResponse:
		b = append(b, byte(r.failure.kind))
		b = binary.BigEndian.AppendUint64(b, uint64(len(r.failure.detail)))
		b = append(b, r.failure.detail...)
	case receivedResponse:
		if r.from.IsZero() {
			b = append(b, 0)
		} else {
			b = append(append(b, 1), r.from[:]...)
		}
		b = binary.BigEndian.AppendUint64(b, uint64(len(r.message)))
		b = append(b, r.message...)
	case addressResponse:
		b, _ = r.address.AppendBinary(b) // an address has a form always
	case queueLengthResponse:
		b = binary.BigEndian.AppendUint64(b, r.conn)
		b = binary.BigEndian.AppendUint64(b, uint64(r.length))
	}
	return b
}

// JSON responses, their members in the order in which Nym's client writes them.
type (
	errorText struct {
		Type    string          `json:"type"`
		Message string          `json:"message"`
		ID      json.RawMessage `json:"id,omitempty"`
	}
	receivedText struct {
		Type      string  `json:"type"`
		Message   string  `json:"message"`
		SenderTag *string `json:"senderTag"`
		Encoding  string  `json:"encoding,omitempty"`
	}
	addressText struct {
		Type    string `json:"type"`
		Address string `json:"address"`
	}
	queueLengthText struct {
		Type   string `json:"type"`
		Lane   uint64 `json:"lane"`
		Length int    `json:"queue_length"`
	}
	okText struct {
		Type string          `json:"type"`
		ID   json.RawMessage `json:"id"`
	}
	eventText struct {
		Type    string          `json:"type"`
		ID      json.RawMessage `json:"id"`
		Message string          `json:"message,omitempty"`
	}
	statusText struct {
		Type string          `json:"type"`
		ID   json.RawMessage `json:"id,omitempty"`
		*Status
	}
	incomingText struct {
		Type   string `json:"type"`
		Port   uint16 `json:"port"`
		Stream string `json:"stream"`
	}
)

// text encodes the response as JSON. A message that is not UTF-8 is damaged by
// that, unless the format is base64 (socks.md §17.2).
func (r *response) text(f format) ([]byte, error) {
	var v any
	switch r.kind {
	case errorResponse:
		v = errorText{"error", r.failure.Error(), r.id}
	case receivedResponse:
		t := receivedText{Type: "received"}
		if f == base64Format {
			t.Message, t.Encoding = base64.StdEncoding.EncodeToString(r.message), "base64"
		} else {
			t.Message = string(r.message)
		}
		if !r.from.IsZero() {
			tag := r.from.String()
			t.SenderTag = &tag
		}
		v = t
	case addressResponse:
		v = addressText{"selfAddress", r.address.String()}
	case queueLengthResponse:
		v = queueLengthText{"laneQueueLength", r.conn, r.length}
	case okResponse:
		v = okText{"ok", r.id}
	case acceptedResponse:
		v = eventText{Type: "accepted", ID: r.id}
	case acknowledgedResponse:
		v = eventText{Type: "acknowledged", ID: r.id}
	case failedResponse:
		v = eventText{"failed", r.id, r.failure.Error()}
	case statusResponse:
		v = statusText{"status", r.id, r.status}
	case incomingResponse:
		v = incomingText{"incoming", r.port, r.stream}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
