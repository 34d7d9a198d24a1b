package wsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"nym-socks5/mixnet"
)

// encodeText is the program's end of parseText.
func encodeText(r request) []byte {
	m := make(map[string]any)
	for name, kind := range requestTypes {
		if kind == r.kind {
			m["type"] = name
		}
	}
	switch r.kind {
	case anonymousRequest:
		m["replySurbs"] = r.surbs
		fallthrough
	case sendRequest:
		m["recipient"] = r.to.String()
	case replyRequest:
		m["senderTag"] = r.tag.String()
	}
	if r.conn.given {
		m["connectionId"] = r.conn.n
	}
	if r.format == base64Format {
		m["encoding"] = "base64"
	}
	if r.sends() {
		m["message"] = string(r.message)
		if r.format == base64Format {
			m["message"] = base64.StdEncoding.EncodeToString(r.message)
		}
	}
	if r.events {
		m["events"] = true
	}
	if r.of != nil {
		m["request"] = r.of
	}
	if r.wants != nil {
		tags := []string{}
		for tag := range r.wants.tags {
			tags = append(tags, tag.String())
		}
		m["senderTags"], m["replies"], m["others"] = tags, r.wants.replies, r.wants.others
	}
	if r.id != nil {
		m["id"] = r.id
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // which would write an id in another way
	if err := e.Encode(m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestParseText(t *testing.T) {
	to, tag := `"`+somebody.String()+`"`, `"`+stranger.String()+`"`
	hello := []byte("hello")
	for _, c := range []struct {
		name, text string
		want       request
	}{
		{"send", `{"type":"send","recipient":` + to + `,"message":"hello"}`, request{kind: sendRequest, to: somebody, message: hello}},
		{"send nothing", `{"type":"send","recipient":` + to + `,"message":""}`, request{kind: sendRequest, to: somebody}},
		{"on a connection", `{"type":"send","recipient":` + to + `,"message":"hello","connectionId":7}`,
			request{kind: sendRequest, to: somebody, message: hello, conn: connID{7, true}}},
		// socks.md §17.1: "`connectionId: 0` means connection 0 (not "none"), unlike binary"
		{"on connection 0", `{"message":"hello","connectionId":0,"recipient":` + to + `,"type":"send"}`,
			request{kind: sendRequest, to: somebody, message: hello, conn: connID{0, true}}},
		{"on no connection", `{"type":"send","recipient":` + to + `,"message":"hello","connectionId":null}`,
			request{kind: sendRequest, to: somebody, message: hello}},
		{"the largest connection", `{"type":"send","recipient":` + to + `,"message":"hello","connectionId":18446744073709551615}`,
			request{kind: sendRequest, to: somebody, message: hello, conn: connID{1<<64 - 1, true}}},
		{"send with SURBs, kept apart", `{"type":"sendAnonymous","recipient":` + to + `,"message":"hello","replySurbs":10,"isolation":"a payment"}`,
			request{kind: anonymousRequest, to: somebody, message: hello, surbs: 10, isolation: "a payment"}},
		{"send with SURBs", `{"type":"sendAnonymous","recipient":` + to + `,"message":"hello","replySurbs":10}`,
			request{kind: anonymousRequest, to: somebody, message: hello, surbs: 10}},
		{"reply", `{"type":"reply","senderTag":` + tag + `,"message":"hello"}`, request{kind: replyRequest, tag: stranger, message: hello}},
		{"own address", `{"type":"selfAddress"}`, request{kind: addressRequest}},
		// "unknown fields are ignored"
		{"unknown members", ` {"type":"selfAddress","colour":"red","Type":"send","size":{"a":[1]}} `, request{kind: addressRequest}},
		// socks.md §21.8
		{"closed", `{"type":"closedConnection","connectionId":7}`, request{kind: closedRequest, conn: connID{7, true}}},
		{"queue length", `{"type":"getLaneQueueLength","connectionId":0}`, request{kind: queueLengthRequest, conn: connID{0, true}}},
		{"base64", `{"type":"send","recipient":` + to + `,"message":"aGVsbG8=","encoding":"base64"}`,
			request{kind: sendRequest, to: somebody, message: hello, format: base64Format}},
		{"base64 from now on", `{"type":"selfAddress","encoding":"base64"}`, request{kind: addressRequest, format: base64Format}},
		{"utf8", `{"type":"selfAddress","encoding":"utf8"}`, request{kind: addressRequest}},
		{"id", `{"type":"selfAddress","id":"a\"b"}`, request{kind: addressRequest, id: json.RawMessage(`"a\"b"`)}},
		{"id that is a number", `{"type":"selfAddress","id": -1.50 }`, request{kind: addressRequest, id: json.RawMessage(`-1.50`)}},
		{"no id", `{"type":"selfAddress","id":null}`, request{kind: addressRequest}},
	} {
		if c.want.format == binaryFormat {
			c.want.format = textFormat
		}
		got, err := parseText([]byte(c.text), nil)
		if err != nil || !same(got, c.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
	// "unknown `type` or missing field ⇒ error (`malformed request`)"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", ``, "no JSON object"},
		{"no JSON", `hello`, "no JSON object"},
		{"no object", `["selfAddress"]`, "no JSON object"},
		{"null", `null`, "no JSON object"},
		{"two objects", `{"type":"selfAddress"}{"type":"selfAddress"}`, "no JSON object"},
		{"not UTF-8", "{\"type\":\"selfAddress\",\"x\":\"\xff\"}", "no JSON object"},
		{"no type", `{}`, "no type"},
		{"type in capitals", `{"TYPE":"selfAddress"}`, "no type"},
		{"type that is a number", `{"type":3}`, "type is of the wrong kind"},
		{"unknown type", `{"type":"selfaddress"}`, "no request of that type"},
		{"a response", `{"type":"received","message":"hello"}`, "no request of that type"},
		{"no recipient", `{"type":"send","message":"hello"}`, "no recipient"},
		{"bad recipient", `{"type":"send","recipient":"somebody","message":"hello"}`, "recipient is no address"},
		{"no message", `{"type":"send","recipient":` + to + `}`, "no message"},
		{"message null", `{"type":"send","recipient":` + to + `,"message":null}`, "no message"},
		{"message that is a number", `{"type":"send","recipient":` + to + `,"message":5}`, "message is of the wrong kind"},
		{"a long isolation", `{"type":"sendAnonymous","recipient":` + to + `,"message":"hello","replySurbs":1,"isolation":"` + strings.Repeat("x", 65) + `"}`, "isolation has 65 bytes"},
		{"an isolation that is none", `{"type":"sendAnonymous","recipient":` + to + `,"message":"hello","replySurbs":1,"isolation":7}`, "isolation is of the wrong kind"},
		{"no SURBs", `{"type":"sendAnonymous","recipient":` + to + `,"message":"hello"}`, "no replySurbs"},
		{"too many SURBs", `{"type":"sendAnonymous","recipient":` + to + `,"message":"hello","replySurbs":4294967296}`, "replySurbs is of the wrong kind"},
		{"no tag", `{"type":"reply","message":"hello"}`, "no senderTag"},
		{"bad tag", `{"type":"reply","senderTag":"0","message":"hello"}`, "senderTag is not base58"},
		{"negative connection", `{"type":"send","recipient":` + to + `,"message":"hello","connectionId":-1}`, "connectionId is of the wrong kind"},
		{"connection that is a text", `{"type":"send","recipient":` + to + `,"message":"hello","connectionId":"7"}`, "connectionId is of the wrong kind"},
		{"closed what", `{"type":"closedConnection"}`, "no connectionId"},
		{"queue of what", `{"type":"getLaneQueueLength","connectionId":null}`, "no connectionId"},
		{"not base64", `{"type":"send","recipient":` + to + `,"message":"hello","encoding":"base64"}`, "message is not base64"},
		{"unknown encoding", `{"type":"selfAddress","encoding":"hex"}`, "encoding is neither"},
		{"events without an id", `{"type":"send","recipient":` + to + `,"message":"hello","events":true}`, "events need an id"},
		{"events that are a text", `{"type":"send","recipient":` + to + `,"message":"hello","events":"yes","id":1}`, "events is of the wrong kind"},
		{"cancel what", `{"type":"cancel"}`, "no request"},
		{"cancel an object", `{"type":"cancel","request":{}}`, "the request is neither"},
		{"subscribe to a text", `{"type":"subscribe","senderTags":` + tag + `}`, "senderTags is of the wrong kind"},
		{"subscribe to no tag", `{"type":"subscribe","senderTags":["x"]}`, "senderTags is not base58"},
		{"subscribe to too much", `{"type":"subscribe","senderTags":["x"` + strings.Repeat(`,"x"`, maxSubscribed) + `]}`, "senderTags, and 4096 may be"},
		{"id that is an object", `{"type":"selfAddress","id":{}}`, "id is neither"},
		{"id that is true", `{"type":"selfAddress","id":true}`, "id is neither"},
		{"long id", `{"type":"selfAddress","id":"` + strings.Repeat("x", maxID) + `"}`, "id is neither"},
	} {
		r, err := parseText([]byte(c.text), nil)
		if err == nil || !strings.HasPrefix(err.Error(), "malformed request:") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if r.format == binaryFormat {
			t.Errorf("%s: the answer would be binary", c.name)
		}
	}
	if r, err := parseText([]byte(`{"id":5,"type":"what"}`), nil); err == nil || string(r.id) != "5" {
		t.Errorf("got id %q, %v; want the id of the bad request", r.id, err)
	}
}

func TestTextRequestsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyRequest(t)
		want.format = rapid.SampledFrom([]format{textFormat, base64Format}).Draw(t, "format")
		if want.format == textFormat {
			want.message = []byte(strings.ToValidUTF8(string(want.message), "?"))
		}
		if rapid.Bool().Draw(t, "with id") {
			want.id, _ = json.Marshal(rapid.StringN(0, 20, 20).Draw(t, "id"))
		}
		if want.sends() && rapid.Bool().Draw(t, "on connection 0") {
			want.conn = connID{0, true}
		}
		got, err := parseText(encodeText(want), nil)
		if err != nil || !same(got, want) {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

func FuzzTextRequest(f *testing.F) {
	for _, format := range []format{textFormat, base64Format} {
		for kind := sendRequest; kind <= queueLengthRequest; kind++ {
			r := request{kind: kind, to: somebody, tag: stranger, surbs: 7, conn: connID{7, true}, message: []byte("hello"), format: format}
			r.id = json.RawMessage(`"x"`)
			f.Add(string(encodeText(r)))
		}
	}
	x := json.RawMessage(`"x"`)
	f.Add(string(encodeText(request{kind: sendRequest, to: somebody, message: []byte("hello"), format: textFormat, id: x, events: true})))
	f.Add(string(encodeText(request{kind: cancelRequest, format: textFormat, of: x})))
	f.Add(string(encodeText(request{kind: statusRequest, format: textFormat})))
	f.Add(string(encodeText(request{kind: unsubscribeRequest, format: textFormat})))
	f.Add(string(encodeText(request{kind: subscribeRequest, format: textFormat, wants: &subscription{
		tags: map[mixnet.SenderTag]struct{}{stranger: {}}, replies: true,
	}})))
	f.Fuzz(func(t *testing.T, in string) {
		r, err := parseText([]byte(in), nil)
		if err != nil {
			if f := new(failure); !errors.As(err, &f) || f.kind != malformedRequest {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		if r.format == textFormat && !utf8.Valid(r.message) {
			t.Fatalf("%q has message %q", in, r.message)
		}
		again, err := parseText(encodeText(r), nil)
		if err != nil || !same(again, r) {
			t.Fatalf("%q parses as %+v, and again as %+v, %v", in, r, again, err)
		}
	})
}
