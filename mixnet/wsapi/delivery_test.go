package wsapi

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

// post has a program send something under an id.
func (w *world) post(p *program, id, message, more string) {
	p.Helper()
	p.text(fmt.Sprintf(`{"type":"send","recipient":%s,"message":%q,"id":%q%s}`, quote(w.far.Address().String()), message, id, more))
}

// told wants the next frame to be an answer of this type to a request of this id.
func (p *program) told(kind, id string) {
	p.Helper()
	p.saysText(fmt.Sprintf(`{"type":%q,"id":%q}`, kind, id))
}

// socks.md §21.8: "`accepted`, `acknowledged` and `failed` are told to those who asked"
func TestEvents(t *testing.T) {
	for name, o := range map[string]mixnettest.Options{"slow": {Latency: time.Second}, "at once": {}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Config{}, o, func(t *testing.T, w *world) {
				p := w.connect()
				w.post(p, "x", "hello", `,"events":true`)
				p.told("ok", "x")
				p.told("accepted", "x")
				p.told("acknowledged", "x")
				w.hears("hello")
				w.post(p, "y", "hello", "") // who did not ask is told what Nym's programs are, and ok
				p.told("ok", "y")
				time.Sleep(time.Minute)
				p.saysNothing()
				p.text(`{"type":"reply","senderTag":"` + stranger.String() + `","message":"x","id":"z","events":true}`)
				p.told("ok", "z")
				p.saysText(`{"type":"failed","id":"z","message":"other:` + mixnet.ErrUnknownTag.Error() + `"}`)
			})
		})
	}
}

// A message that is lost for good has failed.
func TestFailedEvent(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{Latency: time.Second, Vanish: 1}, func(t *testing.T, w *world) {
		p := w.connect()
		w.post(p, "x", "hello", `,"events":true`)
		p.told("ok", "x")
		p.told("accepted", "x")
		p.saysText(`{"type":"failed","id":"x","message":"other:` + mixnet.ErrGivenUp.Error() + `"}`)
	})
}

// A send is canceled wherever it is: on its way, waiting for room, behind others.
func TestCancel(t *testing.T) {
	canceled := "other:" + mixnet.ErrCanceled.Error()
	inWorld(t, Config{}, mixnettest.Options{LaneSize: 1, Latency: time.Hour}, func(t *testing.T, w *world) {
		p := w.connect()
		cancel := func(id string) {
			t.Helper()
			p.text(fmt.Sprintf(`{"type":"cancel","request":%q,"id":"cancel"}`, id))
		}
		w.post(p, "on its way", "1", `,"events":true`)
		p.told("ok", "on its way")
		p.told("accepted", "on its way")
		w.post(p, "waits", "2", `,"events":true`)
		p.told("ok", "waits")
		w.post(p, "behind", "3", `,"events":true`)
		p.told("ok", "behind")
		w.post(p, "quiet", "4", "")
		w.post(p, "last", "5", `,"events":true`)
		p.told("ok", "last")
		cancel("behind")
		p.told("ok", "cancel")
		p.saysText(`{"type":"failed","id":"behind","message":"` + canceled + `"}`)
		cancel("quiet") // which was not told ok yet
		p.told("ok", "cancel")
		p.saysText(`{"type":"error","message":"` + canceled + `","id":"quiet"}`)
		cancel("waits")
		p.told("ok", "cancel")
		p.saysText(`{"type":"failed","id":"waits","message":"` + canceled + `"}`)
		for _, id := range []string{"waits", "behind", "nobody's"} {
			cancel(id)
			p.saysText(`{"type":"error","message":"other:nothing with that id is under way","id":"cancel"}`)
		}
		cancel("on its way")
		p.told("ok", "cancel")
		told := make(map[string]bool)
		for range 2 { // in either order: there is room now
			_, b, err := p.read()
			if err != nil {
				t.Fatal(err)
			}
			told[string(b)] = true
		}
		if !told[`{"type":"failed","id":"on its way","message":"`+canceled+`"}`] || !told[`{"type":"accepted","id":"last"}`] {
			t.Errorf("told %v", told)
		}
		w.hears("1") // it had left
		w.hears("5")
		if _, b, err := p.readWithin(3 * time.Hour); string(b) != `{"type":"acknowledged","id":"last"}` {
			t.Errorf("got %q, %v", b, err)
		}
		if n := w.far.Waiting(); n != 0 {
			t.Errorf("%d of what was canceled arrived", n)
		}
	})
}

// What a program was to be told does not keep anything once it is gone.
func TestDeliveriesEnd(t *testing.T) {
	inWorld(t, Config{MaxPeers: 1}, mixnettest.Options{Latency: time.Hour}, func(t *testing.T, w *world) {
		p := w.connect()
		w.post(p, "x", "hello", `,"events":true`)
		p.told("ok", "x")
		p.told("accepted", "x")
		p.ws.Close(websocket.StatusNormalClosure, "")
		w.hears("hello")
		time.Sleep(3 * time.Hour)
		w.connect().saysNothing()
		if strings.Contains(w.log.String(), "warn") {
			t.Errorf("the log says %s", w.log)
		}
	})
}

// socks.md §21.8: "pushed messages go to peers by subscription …, default all"
func TestSubscriptions(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		ask := func(tag mixnet.SenderTag, s string) {
			t.Helper()
			if err := w.far.Send(t.Context(), w.near.Address(), []byte(s), mixnet.SendOptions{As: tag}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		message := func(p *program, s string, tag mixnet.SenderTag) {
			t.Helper()
			from := "null"
			if !tag.IsZero() {
				from = quote(tag.String())
			}
			p.saysText(`{"type":"received","message":"` + s + `","senderTag":` + from + `}`)
		}
		subscribe := func(p *program, s string) {
			t.Helper()
			p.text(`{"type":"subscribe",` + s + `,"id":"s"}`)
			p.told("ok", "s")
			synctest.Wait()
		}
		later := func() *program {
			t.Helper()
			ws, _, err := w.dial("ws://"+addr+"/?subscribe=later", nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ws.CloseNow() })
			synctest.Wait()
			return &program{t, ws}
		}
		mine, theirs, none := mixnet.NewSenderTag(), mixnet.NewSenderTag(), mixnet.SenderTag{}
		ask(mine, "before") // nobody is there
		ask(theirs, "before too")
		first, second, third := later(), later(), later()
		subscribe(first, `"senderTags":["`+mine.String()+`"]`)
		message(first, "before", mine)
		subscribe(second, `"replies":true`)
		ask(none, "plain") // nobody wants it yet
		if got := w.server.Stats(); got.Kept != 2 {
			t.Errorf("%d messages are kept, want 2", got.Kept)
		}
		subscribe(third, `"others":true`)
		message(third, "before too", theirs)
		message(third, "plain", none)
		ask(mine, "for the first")
		message(first, "for the first", mine)
		ask(theirs, "for the third")
		message(third, "for the third", theirs)

		second.text(`{"type":"sendAnonymous","recipient":` + quote(w.far.Address().String()) + `,"message":"who?","replySurbs":20}`)
		asked := w.hears("who?")
		if err := w.far.Reply(t.Context(), asked.From, []byte("me"), mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		message(second, "me", none)

		all := w.connect("nym.text")
		ask(mine, "to two")
		message(first, "to two", mine)
		message(all, "to two", mine)
		third.text(`{"type":"unsubscribe"}`)
		synctest.Wait()
		ask(mine, "to three")
		for _, p := range []*program{first, all, third} {
			message(p, "to three", mine)
		}
		for _, p := range []*program{first, second, third, all} {
			p.saysNothing()
		}
	})
}

// What one program was not sent any more, and is for another too, goes there.
func TestWhoGoesLeavesItsMessages(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		gone, stays := w.connect(), w.connect("nym.text")
		stays.text(`{"type":"subscribe","others":true}`)
		gone.text(`{"type":"subscribe","senderTags":["` + stranger.String() + `"],"id":1}`)
		gone.saysText(`{"type":"ok","id":1}`)
		synctest.Wait()
		large := strings.Repeat("x", 1<<20)
		for range 8 { // more than a connection holds
			if err := w.far.Send(t.Context(), w.near.Address(), []byte(large), mixnet.SendOptions{As: stranger}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		gone.ws.CloseNow()
		for range 7 {
			if _, b, err := stays.read(); err != nil || !strings.Contains(string(b), large) {
				t.Fatalf("got %d bytes, %v", len(b), err)
			}
		}
	})
}

func TestStatus(t *testing.T) {
	client := func() any { return map[string]any{"connected": true} }
	inWorld(t, Config{Client: client}, mixnettest.Options{}, func(t *testing.T, w *world) {
		w.tell("hello")
		p := w.connect("nym.text")
		p.saysText(`{"type":"received","message":"hello","senderTag":null}`)
		p.text(`{"type":"status","id":7}`)
		p.saysText(`{"type":"status","id":7,"address":"` + w.near.Address().String() +
			`","programs":1,"kept":0,"keptBytes":0,"received":1,"dropped":0,"client":{"connected":true}}`)
	})
}

// A recipient may have a name.
func TestNames(t *testing.T) {
	var far mixnet.Recipient
	names := func(name string) (mixnet.Recipient, bool) { return far, name == "bob" }
	inWorld(t, Config{Names: names}, mixnettest.Options{}, func(t *testing.T, w *world) {
		far = w.far.Address()
		p := w.connect()
		p.text(`{"type":"send","recipient":"bob","message":"hello","id":1}`)
		p.saysText(`{"type":"ok","id":1}`)
		w.hears("hello")
		p.text(`{"type":"send","recipient":"eve","message":"hello","id":2}`)
		p.saysText(`{"type":"error","message":"malformed request:the recipient \"eve\" is neither an address (identity.encryption@gateway) nor a known name; nym-client alias list prints those","id":2}`)
	})
}

// What was kept is given in parts, so that it need not fit into memory twice, and is
// kept until it was sent.
func TestBacklogIsGivenInParts(t *testing.T) {
	inWorld(t, Config{KeepBytes: 64 << 20}, mixnettest.Options{}, func(t *testing.T, w *world) {
		large := strings.Repeat("x", 1<<20)
		const n = 20
		for range n {
			w.tell(large)
		}
		p := w.connect() // and does not read
		if got := w.server.Stats().Kept; got < n-2 {
			t.Errorf("%d messages are kept while a program does not read, want about %d", got, n)
		}
		for range 5 {
			p.saysMessage(large)
		}
		p.ws.CloseNow()
		synctest.Wait()
		q := w.connect()
		got := 0
		for range n {
			if _, b, err := q.readWithin(time.Second); err != nil || len(b) < len(large) {
				break
			}
			got++
		}
		if kept := w.server.Stats().Kept; got < n-7 || kept != 0 {
			t.Errorf("the next program got %d of them, and %d are kept", got, kept)
		}
	})
}

// Many small messages and some large ones arrive, each once, over a network that loses
// packets, and every one is acknowledged.
func TestNoneLostNoneTwice(t *testing.T) {
	o := mixnettest.Options{Latency: 50 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.02, Seed: 5}
	for name, c := range map[string]struct{ n, size int }{"small": {1000, 10}, "large": {100, 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Config{}, o, func(t *testing.T, w *world) {
				p := w.connect()
				go func() {
					for i := range c.n {
						n := fmt.Sprint(i)
						w.post(p, n, strings.Repeat("x", c.size-len(n))+n, `,"events":true`)
					}
				}()
				heard := make(map[string]int)
				go func() {
					for range c.n {
						m, err := w.far.Receive(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						heard[strings.TrimLeft(string(m.Body), "x")]++
					}
				}()
				for acknowledged := 0; acknowledged < c.n; {
					_, b, err := p.read()
					if err != nil {
						t.Fatal(err)
					}
					switch {
					case strings.Contains(string(b), `"acknowledged"`):
						acknowledged++
					case strings.Contains(string(b), `"failed"`), strings.Contains(string(b), `"error"`):
						t.Fatalf("told %s", b)
					}
				}
				synctest.Wait()
				if len(heard) != c.n || w.far.Waiting() != 0 {
					t.Errorf("%d messages arrived once or more and %d wait, want %d", len(heard), w.far.Waiting(), c.n)
				}
			})
		})
	}
}
