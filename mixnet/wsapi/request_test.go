package wsapi

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

// somebody is an address, and stranger a tag.
var (
	somebody = mixnettest.NewPair(mixnettest.Options{}).B.Address()
	stranger = mixnet.SenderTag{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
)

// encodeBinary is the program's end of parseBinary.
func encodeBinary(r request) []byte {
	b := []byte{byte(r.kind)}
	switch r.kind {
	case anonymousRequest:
		b = binary.BigEndian.AppendUint32(b, r.surbs)
		fallthrough
	case sendRequest:
		b, _ = r.to.AppendBinary(b)
	case replyRequest:
		b = append(b, r.tag[:]...)
	case addressRequest:
		return b
	}
	b = binary.BigEndian.AppendUint64(b, r.conn.n)
	if r.sends() {
		b = binary.BigEndian.AppendUint64(b, uint64(len(r.message)))
		b = append(b, r.message...)
	}
	return b
}

func same(a, b request) bool {
	return a.kind == b.kind && a.to == b.to && a.surbs == b.surbs && a.tag == b.tag && a.conn == b.conn &&
		bytes.Equal(a.message, b.message) && a.format == b.format && bytes.Equal(a.id, b.id) &&
		a.events == b.events && bytes.Equal(a.of, b.of) && reflect.DeepEqual(a.wants, b.wants)
}

func TestParseBinary(t *testing.T) {
	to := hex.EncodeToString(encodeBinary(request{kind: sendRequest, to: somebody})[1 : 1+96])
	tag := hex.EncodeToString(stranger[:])
	const none, seven, empty, hello = "0000000000000000", "0000000000000007", "0000000000000000", "0000000000000005 68656c6c6f"
	body := []byte("hello")
	for _, c := range []struct {
		name, hex string
		want      request
	}{
		// socks.md §17.2: "binary send of `hello` without connection id" (118 bytes)
		{"send", "00" + to + none + hello, request{kind: sendRequest, to: somebody, message: body}},
		{"send on a connection", "00" + to + seven + hello, request{kind: sendRequest, to: somebody, conn: connID{7, true}, message: body}},
		{"send nothing", "00" + to + none + empty, request{kind: sendRequest, to: somebody}},
		{"send with SURBs", "01 0000000a" + to + none + hello, request{kind: anonymousRequest, surbs: 10, to: somebody, message: body}},
		{"send with no SURBs", "01 00000000" + to + seven + empty, request{kind: anonymousRequest, to: somebody, conn: connID{7, true}}},
		{"reply", "02" + tag + seven + hello, request{kind: replyRequest, tag: stranger, conn: connID{7, true}, message: body}},
		{"own address", "03", request{kind: addressRequest}},
		// "extra bytes after `03` are ignored"
		{"own address and more", "03 00ff", request{kind: addressRequest}},
		{"closed", "04" + seven, request{kind: closedRequest, conn: connID{7, true}}},
		{"closed 0", "04" + none, request{kind: closedRequest, conn: connID{0, true}}},
		{"queue length", "05" + seven, request{kind: queueLengthRequest, conn: connID{7, true}}},
	} {
		got, err := parseBinary(vectest.Unhex(t, c.hex))
		if err != nil || !same(got, c.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
	if n := len(vectest.Unhex(t, "00"+to+none+hello)); n != 118 {
		t.Errorf("the example has %d bytes, want 118", n)
	}
	bad := "02" + strings.Repeat("00", 95) // its identity is no point of the curve
	for _, c := range []struct {
		name, hex string
		want      failureKind
	}{
		{"empty", "", emptyRequest},
		{"unknown", "06", unknownRequest},
		{"an error", "ff" + to + none + hello, unknownRequest},
		// "Minimum sizes: send 113, sendAnonymous 117, reply 33"
		{"send of 112 bytes", "00" + to + none + "00000000000000", shortRequest},
		{"send with SURBs of 116 bytes", "01 0000000a" + to + none + "00000000000000", shortRequest},
		{"reply of 32 bytes", "02" + tag + none + "00000000000000", shortRequest},
		{"only a tag", "00", shortRequest},
		// "`len` must equal the number of bytes left, otherwise `malformed`"
		{"send, short by one", "00" + to + none + "0000000000000005 68656c6c", malformedRequest},
		{"send, long by one", "00" + to + none + hello + "00", malformedRequest},
		{"send, length huge", "00" + to + none + "ffffffffffffffff 68", malformedRequest},
		{"send with SURBs, short by one", "01 0000000a" + to + none + "0000000000000001", malformedRequest},
		{"reply, long by one", "02" + tag + none + empty + "00", malformedRequest},
		{"bad recipient", "00" + bad + none + hello, malformedRequest},
		{"bad recipient, with SURBs", "01 00000001" + bad + none + hello, malformedRequest},
		// "tags 04/05 must be exactly 9 bytes"
		{"closed, short by one", "04 00000000000000", malformedRequest},
		{"closed, long by one", "04 000000000000000700", malformedRequest},
		{"queue length, short by one", "05 00000000000000", malformedRequest},
		{"queue length, long by one", "05 000000000000000700", malformedRequest},
	} {
		_, err := parseBinary(vectest.Unhex(t, c.hex))
		var f *failure
		if !errors.As(err, &f) || f.kind != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// anyRequest draws a legal request with a sound recipient.
func anyRequest(t *rapid.T) request {
	r := request{kind: requestKind(rapid.IntRange(0, 5).Draw(t, "kind"))}
	switch r.kind {
	case anonymousRequest:
		r.surbs = rapid.Uint32().Draw(t, "surbs")
		fallthrough
	case sendRequest:
		r.to = somebody
	case replyRequest:
		copy(r.tag[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "tag"))
	}
	if r.kind != addressRequest {
		r.conn = connID{rapid.Uint64Min(1).Draw(t, "conn"), true}
	}
	if r.sends() {
		r.conn.given = rapid.Bool().Draw(t, "given")
		if !r.conn.given {
			r.conn.n = 0
		}
		r.message = rapid.SliceOf(rapid.Byte()).Draw(t, "message")
	}
	return r
}

func TestBinaryRequestsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyRequest(t)
		got, err := parseBinary(encodeBinary(want))
		if err != nil || !same(got, want) {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

func FuzzBinaryRequest(f *testing.F) {
	f.Add([]byte{})
	for kind := sendRequest; kind <= queueLengthRequest; kind++ {
		r := request{kind: kind, to: somebody, tag: stranger, surbs: 7, conn: connID{7, true}, message: []byte("hello")}
		f.Add(encodeBinary(r))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := parseBinary(in)
		if err != nil {
			if f := new(failure); !errors.As(err, &f) || f.kind > malformedRequest {
				t.Fatalf("%x: %v", in, err)
			}
			return
		}
		if r.kind == addressRequest {
			in = in[:1] // the rest is ignored
		}
		if out := encodeBinary(r); !bytes.Equal(in, out) {
			t.Fatalf("%x parses as %+v, which encodes as %x", in, r, out)
		}
	})
}
