package wsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

// hardening.md H34: "a foreign or `null` Origin is refused, no CORS"; socks.md
// §21.8: "MUST check `Origin` (allow list)".
func TestH34PagesAreRefused(t *testing.T) {
	inWorld(t, Config{Origins: []string{"http://localhost:3000"}}, mixnettest.Options{}, func(t *testing.T, w *world) {
		w.tell("secret")
		for _, h := range []http.Header{
			{"Origin": {"https://evil.example"}}, {"Origin": {"null"}}, {"Origin": {"http://127.0.0.1:3000"}},
			{"Host": {"evil.example"}}, {"Host": {"evil.example"}, "Origin": {"http://evil.example"}},
		} {
			ws, resp, err := w.dial("ws://"+addr, h)
			if err == nil {
				ws.CloseNow()
				t.Errorf("%v was let in", h)
				continue
			}
			if resp == nil || resp.StatusCode != http.StatusForbidden {
				t.Errorf("%v: %v, %v; want status 403", h, resp, err)
				continue
			}
			// What it is and what helps is said.
			said, _ := io.ReadAll(resp.Body)
			wrong, flag := h.Get("Origin"), "--origin"
			if host := h.Get("Host"); host != "" {
				wrong, flag = host, "--host"
			}
			if !strings.Contains(string(said), strconv.Quote(wrong)) || !strings.Contains(string(said), flag) {
				t.Errorf("%v: told %q", h, said)
			}
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%v: answered with %s", h, name)
				}
			}
		}
		if got := w.server.Stats(); got.Kept != 1 || got.Connected != 0 {
			t.Errorf("stats %+v", got)
		}
		ws, _, err := w.dial("ws://"+addr, http.Header{"Origin": {"http://localhost:3000"}})
		if err != nil {
			t.Fatal(err)
		}
		defer ws.CloseNow()
		(&program{t, ws}).saysMessage("secret")
		// Some libraries have programs say that they are of the origin they ask.
		own, _, err := w.dial("ws://"+addr, http.Header{"Origin": {"http://" + addr}})
		if err != nil {
			t.Fatal(err)
		}
		own.CloseNow()
	})
}

func TestTokenIsAskedFor(t *testing.T) {
	inWorld(t, Config{Token: "sesame"}, mixnettest.Options{}, func(t *testing.T, w *world) {
		if _, resp, err := w.dial("ws://"+addr, nil); err == nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("without a token: %v, %v", resp, err)
		}
		ws, _, err := w.dial("ws://"+addr+"/?token=sesame", nil)
		if err != nil {
			t.Fatal(err)
		}
		ws.CloseNow()
	})
}

// hardening.md H35: "WebSocket read limits are set to the largest legal frame of
// the protocol".
func TestH35ReadLimit(t *testing.T) {
	const part = 1 << 10 // each byte is \u0000 in JSON
	r := request{kind: anonymousRequest, to: somebody, message: make([]byte, part), format: textFormat, conn: connID{1<<64 - 1, true}, surbs: 1<<32 - 1}
	if n := len(encodeText(r)) + 6*(mixnet.MaxMessage-part); n > maxFrame || n < maxFrame-(64<<10) {
		t.Errorf("the largest JSON request has %d bytes, the limit is %d", n, maxFrame)
	}
	largest := make([]byte, mixnet.MaxMessage)
	if err := new(peer).enqueue(t.Context(), &request{message: append(largest, 0)}); err != mixnet.ErrTooLong {
		t.Errorf("one byte too many: %v, want %v", err, mixnet.ErrTooLong)
	}
	inWorld(t, Config{}, mixnettest.Options{LaneSize: 1 << 20}, func(t *testing.T, w *world) {
		p := w.connect()
		p.binary(request{kind: sendRequest, to: w.far.Address(), message: largest})
		if m, err := w.far.Receive(t.Context()); err != nil || !bytes.Equal(m.Body, largest) {
			t.Fatalf("the far end hears %d bytes, %v; want %d", len(m.Body), err, len(largest))
		}
	})
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		if w.server.maxFrame != maxFrame {
			t.Errorf("the limit is %d, want %d", w.server.maxFrame, maxFrame)
		}
		w.server.maxFrame = 1 << 20 // the same, but faster
		p := w.connect()
		for _, n := range []int{1<<20 + 1, 10 << 20} { // what is too long is an error, and the connection goes on
			p.write(websocket.MessageText, make([]byte, n))
			p.saysText(`{"type":"error","message":"malformed request:the frame has more than 1048576 bytes, and a message at most 16777216"}`)
		}
		p.write(websocket.MessageBinary, make([]byte, 1<<20+1))
		p.saysBinary(errorResponse)
		p.saysNothing()
	})
}

// hardening.md H38: nothing tells who talks to whom.
func TestH38NothingIsLogged(t *testing.T) {
	inWorld(t, Config{KeepMessages: 1}, mixnettest.Options{}, func(t *testing.T, w *world) {
		const canary = "canary-of-a-message"
		to, from := w.far.Address(), w.near.Address()
		asker := mixnet.NewSenderTag()
		for range 2 {
			w.tell(canary)
		}
		if err := w.far.Send(t.Context(), from, []byte(canary), mixnet.SendOptions{As: asker, SURBs: 20}); err != nil {
			t.Fatal(err)
		}
		p := w.connect()
		p.saysBinary(receivedResponse)
		p.text(`{"type":"sendAnonymous","recipient":` + quote(to.String()) + `,"message":"` + canary + `","replySurbs":10}`)
		m := w.hears(canary)
		p.text(`{"type":"reply","senderTag":` + quote(asker.String()) + `,"message":"` + canary + `"}`)
		w.hears(canary)
		p.text(`{"type":"reply","senderTag":` + quote(stranger.String()) + `,"message":"` + canary + `","id":"` + canary + `"}`)
		p.saysText(`{"type":"error","message":"other:` + mixnet.ErrUnknownTag.Error() + `","id":"` + canary + `"}`)
		p.text(canary)
		w.dial("ws://"+addr, http.Header{"Origin": {"https://" + canary + ".example"}})
		p.ws.Write(t.Context(), websocket.MessageText, []byte(`{"type":"`+canary+`"}`))
		p.ws.Close(websocket.StatusNormalClosure, "")
		w.stop()
		log := strings.ToLower(w.log.String())
		if !strings.Contains(log, "peer connected") {
			t.Fatalf("the log lacks what is looked at: %s", log)
		}
		tag, recipient := m.From, hex.EncodeToString(to.Identity[:])
		for _, secret := range []string{
			canary, "example", to.Identity.String(), from.Identity.String(), recipient, tag.String(), asker.String(), hex.EncodeToString(tag[:]),
			base64.StdEncoding.EncodeToString(tag[:]), stranger.String(),
		} {
			if strings.Contains(log, strings.ToLower(secret)) {
				t.Errorf("the log has %q in it:\n%s", secret, log)
			}
		}
	})
}
