package wsapi

import (
	"testing"

	"github.com/coder/websocket"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

// socks.md §23: "every frame kind".
func TestEveryRequestInBinary(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		p, to := w.connect(), w.far.Address()
		p.binary(request{kind: addressRequest})
		if r := p.saysBinary(addressResponse); r.address != w.near.Address() {
			t.Errorf("address %v, want %v", r.address, w.near.Address())
		}
		p.binary(request{kind: sendRequest, to: to, message: []byte("one")})
		if m := w.hears("one"); !m.From.IsZero() {
			t.Error("a plain message has a tag")
		}
		// socks.md §17.2: "After send … with a connection id, one lane queue length
		// response follows; without one there is no response at all"
		p.binary(request{kind: sendRequest, to: to, conn: connID{7, true}, message: []byte("two")})
		if r := p.saysBinary(queueLengthResponse); r.conn != 7 {
			t.Errorf("lane %d, want 7", r.conn)
		}
		w.hears("two")
		p.binary(request{kind: anonymousRequest, to: to, surbs: 5, message: []byte("who am I?")})
		m := w.hears("who am I?")
		if surbs, _ := w.far.Pool(m.From); m.From.IsZero() || surbs != 5 {
			t.Errorf("tag %v with %d SURBs, want 5", m.From, surbs)
		}
		if err := w.far.Reply(t.Context(), m.From, []byte("you"), mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		p.saysMessage("you")
		p.binary(request{kind: queueLengthRequest, conn: connID{7, true}})
		if r := p.saysBinary(queueLengthResponse); r.conn != 7 || r.length != 0 {
			t.Errorf("lane %d: %d, want lane 7: 0", r.conn, r.length)
		}
		// "`connection closed` discards the lane and returns nothing"
		p.binary(request{kind: closedRequest, conn: connID{7, true}})
		p.binary(request{kind: closedRequest, conn: connID{8, true}})
		p.saysNothing()

		asker := mixnet.NewSenderTag()
		if err := w.far.Send(t.Context(), w.near.Address(), []byte("and you?"), mixnet.SendOptions{As: asker, SURBs: 20}); err != nil {
			t.Fatal(err)
		}
		p.saysText(`{"type":"received","message":"and you?","senderTag":` + quote(asker.String()) + `}`)
		p.binary(request{kind: replyRequest, tag: asker, conn: connID{9, true}, message: []byte("nobody")})
		p.saysBinary(queueLengthResponse)
		if m := w.hears("nobody"); m.To != asker {
			t.Errorf("the answer came to %v, want %v", m.To, asker)
		}
	})
}

func TestEveryRequestInText(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		p, to := w.connect(), quote(w.far.Address().String())
		p.text(`{"type":"selfAddress"}`)
		p.saysText(`{"type":"selfAddress","address":` + quote(w.near.Address().String()) + `}`)
		p.text(`{"type":"send","recipient":` + to + `,"message":"one"}`)
		w.hears("one")
		p.text(`{"type":"send","recipient":` + to + `,"message":"two","connectionId":0}`)
		p.saysText(`{"type":"laneQueueLength","lane":0,"queue_length":0}`)
		w.hears("two")
		p.text(`{"type":"sendAnonymous","recipient":` + to + `,"message":"who am I?","replySurbs":3}`)
		m := w.hears("who am I?")
		if err := w.far.Reply(t.Context(), m.From, []byte("you"), mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		p.saysText(`{"type":"received","message":"you","senderTag":null}`)
		asker := mixnet.NewSenderTag()
		if err := w.far.Send(t.Context(), w.near.Address(), []byte("and you?"), mixnet.SendOptions{As: asker, SURBs: 20}); err != nil {
			t.Fatal(err)
		}
		p.saysText(`{"type":"received","message":"and you?","senderTag":` + quote(asker.String()) + `}`)
		p.text(`{"type":"reply","senderTag":` + quote(asker.String()) + `,"message":"nobody"}`)
		w.hears("nobody")
		// socks.md §21.8
		p.text(`{"type":"getLaneQueueLength","connectionId":7}`)
		p.saysText(`{"type":"laneQueueLength","lane":7,"queue_length":0}`)
		p.text(`{"type":"closedConnection","connectionId":7}`)
		p.saysNothing()
	})
}

// socks.md §21.8: "`encoding: "base64"` on send and received; `id` echoed in an
// `ok`/`error` reply. All optional".
func TestOurAdditions(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		p, to := w.connect(), quote(w.far.Address().String())
		p.text(`{"type":"send","recipient":` + to + `,"message":"/wA=","encoding":"base64","id":1}`)
		p.saysText(`{"type":"ok","id":1}`)
		w.hears("\xff\x00")
		w.tell("\xfe")
		p.saysText(`{"type":"received","message":"/g==","senderTag":null,"encoding":"base64"}`)
		p.text(`{"type":"send","recipient":` + to + `,"message":"x","connectionId":7,"id":"two"}`)
		p.saysText(`{"type":"laneQueueLength","lane":7,"queue_length":0}`)
		p.saysText(`{"type":"ok","id":"two"}`)
		w.tell("text again")
		p.saysText(`{"type":"received","message":"text again","senderTag":null}`)
		p.text(`{"type":"closedConnection","connectionId":7,"id":3}`)
		p.saysText(`{"type":"ok","id":3}`)
		p.text(`{"type":"send","recipient":"nobody","message":"x","id":4}`)
		p.saysText(`{"type":"error","message":"malformed request:the recipient is no address: recipient must have the form identity.encryption@gateway","id":4}`)
		// A reply to a tag that is not known would vanish in Nym's client.
		p.text(`{"type":"reply","senderTag":` + quote(stranger.String()) + `,"message":"x","id":5}`)
		p.saysText(`{"type":"error","message":"other:` + mixnet.ErrUnknownTag.Error() + `","id":5}`)
		p.binary(request{kind: replyRequest, tag: stranger, message: []byte("x")})
		if r := p.saysBinary(errorResponse); r.failure.kind != otherFailure {
			t.Errorf("kind %#x, want ff", uint8(r.failure.kind))
		}
	})
	for name, want := range map[string]string{
		"nym.text":   `{"type":"received","message":"early","senderTag":null}`,
		"nym.base64": `{"type":"received","message":"ZWFybHk=","senderTag":null,"encoding":"base64"}`,
	} {
		inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
			w.tell("early")
			p := w.connect(name)
			if got := p.ws.Subprotocol(); got != name {
				t.Errorf("sub-protocol %q, want %q", got, name)
			}
			p.saysText(want)
		})
	}
}

// socks.md §17: "Both kinds may be mixed; pushed messages and replies use the
// format of the last request received (initially binary)."
func TestFormatIsThatOfTheLastRequest(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		p := w.connect()
		w.tell("first")
		p.saysMessage("first")
		p.text(`{"type":"selfAddress"}`)
		p.saysText(`{"type":"selfAddress","address":` + quote(w.near.Address().String()) + `}`)
		w.tell("second")
		p.saysText(`{"type":"received","message":"second","senderTag":null}`)
		p.binary(request{kind: addressRequest})
		p.saysBinary(addressResponse)
		w.tell("third")
		p.saysMessage("third")
		p.text(`{"type":"send"}`) // a bad one counts too
		p.saysText(`{"type":"error","message":"malformed request:there is no recipient"}`)
		w.tell("fourth")
		p.saysText(`{"type":"received","message":"fourth","senderTag":null}`)
		p.write(websocket.MessageBinary, []byte{9})
		if r := p.saysBinary(errorResponse); r.failure.kind != unknownRequest {
			t.Errorf("kind %v, want %v", r.failure.kind, unknownRequest)
		}
		p.write(websocket.MessageBinary, nil)
		if r := p.saysBinary(errorResponse); r.failure.kind != emptyRequest {
			t.Errorf("kind %v, want %v", r.failure.kind, emptyRequest)
		}
	})
}
