package wsapi

import (
	"encoding/binary"
	"encoding/json"

	"nym-socks5/mixnet"
)

// A format is the form of an answer or a message.
type format uint32

const (
	binaryFormat format = iota
	textFormat
	base64Format // text, with messages in base64
)

// A requestKind is the first byte of a binary request.
type requestKind uint8

const (
	sendRequest        requestKind = 0x00
	anonymousRequest   requestKind = 0x01
	replyRequest       requestKind = 0x02
	addressRequest     requestKind = 0x03
	closedRequest      requestKind = 0x04
	queueLengthRequest requestKind = 0x05

	// In JSON only:
	cancelRequest      requestKind = 0xF0
	subscribeRequest   requestKind = 0xF1
	unsubscribeRequest requestKind = 0xF2
	statusRequest      requestKind = 0xF3
	listenRequest      requestKind = 0xF4
	unlistenRequest    requestKind = 0xF5
	refuseRequest      requestKind = 0xF6
)

// A connID is a connection id of a program. The zero connID is none, which is
// not the connection 0.
type connID struct {
	n     uint64
	given bool
}

// A request is what a program asks, in either form.
type request struct {
	kind    requestKind
	to      mixnet.Recipient // send, send with SURBs
	surbs   uint32           // send with SURBs: how many
	tag     mixnet.SenderTag // reply
	conn    connID
	message []byte

	format format          // that of its answer
	id     json.RawMessage // JSON: to be echoed; nil if there is none

	// In JSON only:
	events    bool            // send: the program wants to be told what becomes of it
	isolation string          // send with SURBs: what it has another tag for; empty: nothing
	of        json.RawMessage // cancel: the id of what
	wants     *subscription   // subscribe
	port      uint16          // listen, unlisten
	stream    string          // refuse: its name

	delivery *delivery // of a send with an id, from when it is queued
}

// sends reports whether the request has something to send.
func (r *request) sends() bool { return r.kind <= replyRequest }

// Sizes of binary requests in bytes; those with a message at least.
const (
	sendSize      = 1 + mixnet.RecipientSize + 8 + 8
	anonymousSize = 1 + 4 + mixnet.RecipientSize + 8 + 8
	replySize     = 1 + mixnet.SenderTagSize + 8 + 8
	connSize      = 1 + 8
)

// parseBinary parses exactly one binary request (socks.md §17.1), whose message
// aliases b. Its errors are *failure.
//
//	00            recipient (96)  conn (8)  length (8)  message      conn 0: none
//	01 SURBs (4)  recipient (96)  conn (8)  length (8)  message
//	02            tag (16)        conn (8)  length (8)  message
//	03            ignored                            own address
//	04 conn (8)                                      connection closed
//	05 conn (8)                                      lane queue length
func parseBinary(b []byte) (request, error) {
	r := request{format: binaryFormat}
	if len(b) == 0 {
		return r, &failure{emptyRequest, "the frame is empty"}
	}
	r.kind = requestKind(b[0])
	least := 0
	switch r.kind {
	case sendRequest:
		least = sendSize
	case anonymousRequest:
		least = anonymousSize
	case replyRequest:
		least = replySize
	case addressRequest:
		return r, nil
	case closedRequest, queueLengthRequest:
		if len(b) != connSize { // malformed also where it is short
			return r, malformed("behind the first byte there is not a connection id and nothing else")
		}
		r.conn = connID{binary.BigEndian.Uint64(b[1:]), true}
		return r, nil
	default:
		return r, &failure{unknownRequest, "the first byte is none of a request"}
	}
	if len(b) < least {
		return r, &failure{shortRequest, "the frame ends too early"}
	}
	b, err := r.parseTarget(b[1:])
	if err != nil {
		return r, err
	}
	conn, length, message := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), b[16:]
	if length != uint64(len(message)) {
		return r, malformed("the length is not that of what follows it")
	}
	r.conn = connID{conn, conn != 0}
	r.message = message
	return r, nil
}

// parseTarget parses whom a binary request is for and gives the rest of it. b is
// long enough.
func (r *request) parseTarget(b []byte) (rest []byte, err error) {
	if r.kind == replyRequest {
		r.tag = mixnet.SenderTag(b[:mixnet.SenderTagSize])
		return b[mixnet.SenderTagSize:], nil
	}
	if r.kind == anonymousRequest {
		r.surbs = binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	r.to, err = mixnet.ParseRecipient(b[:mixnet.RecipientSize])
	if err != nil {
		return nil, malformed("the recipient is no address")
	}
	return b[mixnet.RecipientSize:], nil
}
