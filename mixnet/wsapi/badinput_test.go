package wsapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

// Whatever a program sends is answered with an error that has its id, if it could be
// read; its connection stays, and so does what others send and get.
func TestBadInput(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{LaneSize: 1 << 20, CountSURBs: true, Seed: 1}, func(t *testing.T, w *world) {
		w.server.maxFrame = 20 << 20 // the same, but faster
		bad, other := w.connect("nym.text"), w.connect("nym.text")
		far := w.far.Address().String()
		const malformed = "malformed request:"
		unknown := "other:" + mixnet.ErrUnknownTag.Error()
		long := strings.Repeat("x", mixnet.MaxMessage+1)
		for i, row := range []struct{ request, want string }{ // members beside the id, and the text of the error
			{`"type":"sned","recipient":"` + far + `","message":"x"`, malformed + "there is no request of that type"},
			{`"type":7`, malformed + "the value of type is of the wrong kind"},
			{`"message":"x"`, malformed + "there is no type"},
			{`"type":"send","message":"x"`, malformed + "there is no recipient"},
			{`"type":"send","recipient":"` + far + `"`, malformed + "there is no message"},
			{`"type":"send","recipient":7,"message":"x"`, malformed + "the value of recipient is of the wrong kind"},
			{`"type":"send","recipient":"` + far + `","message":["x"]`, malformed + "the value of message is of the wrong kind"},
			{`"type":"send","recipient":"0` + far[1:] + `","message":"x"`, malformed + "the recipient is no address: each part of a recipient is base58 of 32 bytes"},
			{`"type":"send","recipient":"` + strings.Split(far, "@")[0] + `","message":"x"`, malformed + "the recipient is no address: recipient must have the form identity.encryption@gateway"},
			{`"type":"send","recipient":"` + far + `","message":"x","connectionId":-1`, malformed + "the value of connectionId is of the wrong kind"},
			{`"type":"send","recipient":"` + far + `","message":"` + long + `"`, "other:" + mixnet.ErrTooLong.Error()},
			{`"type":"send","recipient":"` + far + `","message":"no base64!","encoding":"base64"`, malformed + "the message is not base64"},
			{`"type":"send","recipient":"` + far + `","message":"x","encoding":"rot13"`, malformed + "the encoding is neither utf8 nor base64"},
			{`"type":"sendAnonymous","recipient":"` + far + `","message":"x"`, malformed + "there is no replySurbs"},
			{`"type":"sendAnonymous","recipient":"` + far + `","message":"x","replySurbs":4294967296`, malformed + "the value of replySurbs is of the wrong kind"},
			{`"type":"reply","message":"x"`, malformed + "there is no senderTag"},
			{`"type":"reply","senderTag":"short","message":"x"`, malformed + "the senderTag is not base58 of 16 bytes"},
			{`"type":"reply","senderTag":"` + mixnet.NewSenderTag().String() + `","message":"x"`, unknown},
			{`"type":"cancel"`, malformed + "there is no request, the id of what is to be canceled"},
			{`"type":"cancel","request":"nothing"`, "other:nothing with that id is under way"},
			{`"type":"subscribe","senderTags":["x"]`, malformed + "one of the senderTags is not base58 of 16 bytes"},
			{`"type":"closedConnection"`, malformed + "there is no connectionId"},
		} {
			bad.text(fmt.Sprintf(`{%s,"id":%d}`, row.request, i))
			_, b, err := bad.read()
			head, tail := `{"type":"error","message":"`, fmt.Sprintf(`","id":%d}`, i)
			text, ok := strings.CutPrefix(strings.TrimSuffix(string(b), tail), head)
			if err != nil || !ok || !strings.HasSuffix(string(b), tail) || text != row.want {
				t.Fatalf("%.80s: got %s, %v; want %s%s%s", row.request, b, err, head, row.want, tail)
			}
		}
		// What has no id that could be read.
		for _, frame := range []string{``, `{`, `null`, `[]`, `{"type":"send"`, "\xff", `{"id":{},"type":"selfAddress"}`, strings.Repeat("[", 1<<16)} {
			bad.text(frame)
			if _, b, err := bad.read(); err != nil || !strings.HasPrefix(string(b), `{"type":"error","message":"malformed request:`) {
				t.Fatalf("%.20q: got %s, %v", frame, b, err)
			}
		}
		bad.text(strings.Repeat(" ", 20<<20+1))
		bad.saysText(`{"type":"error","message":"malformed request:the frame has more than 20971520 bytes, and a message at most 16777216"}`)
		// In binary: each length is wrong by one, and kinds that there are not.
		good := encodeBinary(request{kind: sendRequest, to: w.far.Address(), message: []byte("x")})
		for _, b := range [][]byte{{}, {6}, {255}, good[:len(good)-1], append(good[:len(good):len(good)], 0), good[:sendSize-1], {4, 0}, make([]byte, 10)} {
			bad.write(websocket.MessageBinary, b)
			bad.saysBinary(errorResponse)
		}

		// A reply that waits for reply SURBs in vain is told to have failed; the next are
		// refused only for what is wrong with them.
		tag := mixnet.NewSenderTag()
		if err := w.far.Send(t.Context(), w.near.Address(), []byte("one answer, please"), mixnet.SendOptions{As: tag, SURBs: 1}); err != nil {
			t.Fatal(err)
		}
		w.far.Pause(tag, true) // it grants no more
		bad.text(`{"type":"status","id":"text again"}`)
		for said := ""; !strings.Contains(said, "one answer"); {
			_, b, err := bad.read()
			if err != nil {
				t.Fatal(err)
			}
			said = string(b)
		}
		bad.text(fmt.Sprintf(`{"type":"reply","senderTag":%q,"message":%q,"id":"spent","events":true}`, tag.String(), strings.Repeat("x", 1<<16)))
		began := time.Now()
		var last string
		for !strings.Contains(last, `"failed"`) {
			_, b, err := bad.readWithin(10 * time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			last = string(b)
		}
		if want := `{"type":"failed","id":"spent","message":"other:` + mixnet.ErrNoSURBs.Error() + `"}`; last != want || time.Since(began) < time.Minute {
			t.Errorf("after %v: got %s, want %s", time.Since(began), last, want)
		}

		// Both connections are as before.
		for _, p := range []*program{bad, other} {
			p.text(`{"type":"send","recipient":"` + far + `","message":"still here","id":"last"}`)
			for said := ""; said != `{"type":"ok","id":"last"}`; {
				_, b, err := p.read()
				if err != nil {
					t.Fatal(err)
				}
				said = string(b)
			}
			w.hears("still here")
		}
	})
}
