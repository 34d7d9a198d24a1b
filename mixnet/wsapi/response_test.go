package wsapi

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
)

// parseResponse is the program's end of appendBinary.
func parseResponse(b []byte) (r response, err error) {
	short := fmt.Errorf("response of %d bytes", len(b))
	counted := func(b []byte) ([]byte, error) {
		if len(b) < 8 || binary.BigEndian.Uint64(b) != uint64(len(b)-8) {
			return nil, short
		}
		return b[8:], nil
	}
	if len(b) < 2 {
		return r, short
	}
	r.kind = responseKind(b[0])
	switch {
	case r.kind == errorResponse:
		detail, err := counted(b[2:])
		r.failure = &failure{failureKind(b[1]), string(detail)}
		return r, err
	case r.kind == receivedResponse && b[1] == 1 && len(b) >= 18:
		r.from = mixnet.SenderTag(b[2:18])
		r.message, err = counted(b[18:])
	case r.kind == receivedResponse && b[1] == 0:
		r.message, err = counted(b[2:])
	case r.kind == addressResponse:
		r.address, err = mixnet.ParseRecipient(b[1:])
	case r.kind == queueLengthResponse && len(b) == 17:
		r.conn, r.length = binary.BigEndian.Uint64(b[1:]), int(binary.BigEndian.Uint64(b[9:]))
	default:
		err = short
	}
	return r, err
}

func TestResponses(t *testing.T) {
	to, _ := somebody.AppendBinary(nil)
	tag := hex.EncodeToString(stranger[:])
	hello := []byte("hello")
	for _, c := range []struct {
		name      string
		r         response
		hex, text string
	}{
		{"error", response{kind: errorResponse, failure: &failure{otherFailure, "why"}},
			"00 ff 0000000000000003 776879", `{"type":"error","message":"other:why"}`},
		{"malformed", response{kind: errorResponse, failure: &failure{malformedRequest, "<&>"}},
			"00 04 0000000000000003 3c263e", `{"type":"error","message":"malformed request:<&>"}`},
		{"received", response{kind: receivedResponse, message: hello},
			"01 00 0000000000000005 68656c6c6f", `{"type":"received","message":"hello","senderTag":null}`},
		{"received, to be answered", response{kind: receivedResponse, message: hello, from: stranger},
			"01 01" + tag + "0000000000000005 68656c6c6f", `{"type":"received","message":"hello","senderTag":"` + stranger.String() + `"}`},
		// socks.md §17.2: "a lossy UTF-8 conversion: binary data is destroyed"
		{"received, not UTF-8", response{kind: receivedResponse, message: []byte("a\xffb")},
			"01 00 0000000000000003 61ff62", `{"type":"received","message":"a\ufffdb","senderTag":null}`},
		{"own address", response{kind: addressResponse, address: somebody},
			"02" + hex.EncodeToString(to), `{"type":"selfAddress","address":"` + somebody.String() + `"}`},
		// "`queue_length` really is snake case"
		{"queue length", response{kind: queueLengthResponse, conn: 1<<64 - 1, length: 258},
			"03 ffffffffffffffff 0000000000000102", `{"type":"laneQueueLength","lane":18446744073709551615,"queue_length":258}`},
	} {
		if got, want := c.r.appendBinary(nil), vectest.Unhex(t, c.hex); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", c.name, got, want)
		}
		if got, err := c.r.text(textFormat); err != nil || string(got) != c.text {
			t.Errorf("%s: got %s, %v; want %s", c.name, got, err, c.text)
		}
	}
	for _, c := range []struct {
		r    response
		want string
	}{
		{response{kind: receivedResponse, message: []byte("a\xffb")}, `{"type":"received","message":"Yf9i","senderTag":null,"encoding":"base64"}`},
		{response{kind: okResponse, id: json.RawMessage(`"x"`)}, `{"type":"ok","id":"x"}`},
		{response{kind: errorResponse, failure: &failure{otherFailure, "why"}, id: json.RawMessage(`7`)}, `{"type":"error","message":"other:why","id":7}`},
	} {
		if got, err := c.r.text(base64Format); err != nil || string(got) != c.want {
			t.Errorf("got %s, %v; want %s", got, err, c.want)
		}
	}
}

// socks.md §17.2: the kinds, and the texts used in JSON.
func TestFailureKinds(t *testing.T) {
	for kind, text := range map[failureKind]string{
		0x01: "received request contained no data",
		0x02: "received request did not contain enough data",
		0x03: "unknown request type",
		0x04: "malformed request",
		0x80: "received response contained no data",
		0x81: "received response did not contain enough data",
		0x82: "unknown response type",
		0x83: "malformed response",
		0xFF: "other",
	} {
		if kind.String() != text {
			t.Errorf("%#x is %q, want %q", uint8(kind), kind, text)
		}
	}
	if f := asFailure(mixnet.ErrUnknownTag); f.kind != otherFailure || f.detail == "" {
		t.Errorf("got %+v", f)
	}
}

func TestResponsesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := response{kind: responseKind(rapid.IntRange(0, 3).Draw(t, "kind"))}
		switch want.kind {
		case errorResponse:
			want.failure = &failure{failureKind(rapid.Byte().Draw(t, "failure")), rapid.String().Draw(t, "detail")}
		case receivedResponse:
			want.message = rapid.SliceOf(rapid.Byte()).Draw(t, "message")
			copy(want.from[:], rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, "tag"))
		case addressResponse:
			want.address = somebody
		case queueLengthResponse:
			want.conn, want.length = rapid.Uint64().Draw(t, "lane"), rapid.IntMin(0).Draw(t, "length")
		}
		got, err := parseResponse(want.appendBinary(nil))
		if err != nil || got.kind != want.kind || !bytes.Equal(got.message, want.message) || got.from != want.from ||
			got.address != want.address || got.conn != want.conn || got.length != want.length ||
			want.failure != nil && *got.failure != *want.failure {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}
