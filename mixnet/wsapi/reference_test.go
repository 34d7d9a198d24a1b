package wsapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"testing"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
)

// testdata/reference.json says where it comes from.
type reference struct {
	Requests []struct {
		Name, Binary string
		Is           struct {
			Kind, Recipient, Tag, Message, Connection string
			SURBs                                     uint32
		}
	}
	Texts []struct {
		Name, Text, Binary string
		Kind               failureKind // zero: it is accepted, and is Binary
	}
	Frames []struct {
		Name, Binary string
		Kind         failureKind
		OK           bool // accepted
	}
	Responses []struct {
		Name, Binary, Text string
		Is                 struct {
			Kind, Message, Tag, Recipient, Detail string
			Error                                 failureKind
			Lane                                  uint64
			Length                                int
		}
	}
}

func loadReference(t *testing.T) (r reference) {
	t.Helper()
	vectest.Read(t, "reference.json", &r)
	if len(r.Requests) == 0 || len(r.Texts) == 0 || len(r.Frames) == 0 || len(r.Responses) == 0 {
		t.Fatal("there is nothing to compare with")
	}
	return r
}

// recipientOf and tagOf parse what may be absent.
func recipientOf(t *testing.T, s string) (r mixnet.Recipient) {
	t.Helper()
	if s != "" {
		var err error
		if r, err = mixnet.ParseRecipientText(s); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func tagOf(t *testing.T, s string) (tag mixnet.SenderTag) {
	t.Helper()
	if s != "" {
		var err error
		if tag, err = mixnet.ParseSenderTagText(s); err != nil {
			t.Fatal(err)
		}
	}
	return tag
}

// socks.md §17.1, as the reference implementation writes it.
func TestReferenceRequests(t *testing.T) {
	for _, c := range loadReference(t).Requests {
		kind, ok := requestTypes[c.Is.Kind]
		if !ok {
			t.Fatalf("%s: unknown kind %q", c.Name, c.Is.Kind)
		}
		want := request{kind: kind, to: recipientOf(t, c.Is.Recipient), surbs: c.Is.SURBs, tag: tagOf(t, c.Is.Tag), message: []byte(c.Is.Message)}
		if c.Is.Connection != "" {
			n, err := strconv.ParseUint(c.Is.Connection, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			want.conn = connID{n, true}
		}
		got, err := parseBinary(vectest.Unhex(t, c.Binary))
		if err != nil || !same(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", c.Name, got, err, want)
		}
	}
}

// What the reference implementation takes and refuses, and as what.
func TestReferenceFrames(t *testing.T) {
	r := loadReference(t)
	judged := func(name string, kind failureKind, err error) {
		t.Helper()
		f := new(failure)
		switch {
		case kind == 0 && err != nil:
			t.Errorf("%s: %v, and the reference takes it", name, err)
		case kind != 0 && (!errors.As(err, &f) || f.kind != kind):
			t.Errorf("%s: %v, and the reference refuses it as kind %d", name, err, kind)
		}
	}
	for _, c := range r.Frames {
		_, err := parseBinary(vectest.Unhex(t, c.Binary))
		judged(c.Name, c.Kind, err)
	}
	for _, c := range r.Texts {
		got, err := parseText([]byte(c.Text), nil)
		judged("text: "+c.Name, c.Kind, err)
		if c.Kind != 0 || err != nil {
			continue
		}
		want, err := parseBinary(vectest.Unhex(t, c.Binary))
		if err != nil {
			t.Fatal(err)
		}
		if want.format = textFormat; got.conn == (connID{0, true}) {
			want.conn = got.conn // which the binary form cannot say
		}
		if !same(got, want) {
			t.Errorf("text: %s: got %+v, want %+v", c.Name, got, want)
		}
	}
}

// socks.md §17.2, as the reference implementation writes it.
func TestReferenceResponses(t *testing.T) {
	kinds := map[string]responseKind{
		"error": errorResponse, "received": receivedResponse, "selfAddress": addressResponse, "laneQueueLength": queueLengthResponse,
	}
	for _, c := range loadReference(t).Responses {
		kind, ok := kinds[c.Is.Kind]
		if !ok {
			t.Fatalf("%s: unknown kind %q", c.Name, c.Is.Kind)
		}
		r := response{
			kind: kind, failure: &failure{c.Is.Error, c.Is.Detail}, message: vectest.Unhex(t, c.Is.Message), from: tagOf(t, c.Is.Tag),
			address: recipientOf(t, c.Is.Recipient), conn: c.Is.Lane, length: c.Is.Length,
		}
		if got := r.appendBinary(nil); !bytes.Equal(got, vectest.Unhex(t, c.Binary)) {
			t.Errorf("%s: got %x, want %s", c.Name, got, c.Binary)
		}
		text, err := r.text(textFormat)
		if err != nil {
			t.Fatal(err)
		}
		// JSON may be escaped in more than one way.
		var got, want any
		if err := errors.Join(json.Unmarshal(text, &got), json.Unmarshal([]byte(c.Text), &want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s, want %s, %v", c.Name, text, c.Text, err)
		}
	}
}
