package proxy

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// These tests are clients of others, who speak raw bytes to our requester.

var (
	legacy  = protocol.Versions{}
	mixed   = protocol.Versions{Interface: 3}
	current = protocol.CurrentVersions
	tagA    = mixnet.SenderTag{0xA}
	tagB    = mixnet.SenderTag{0xB}
)

// shout answers one message with itself in capitals, and closes at the end.
func shout(t *testing.T) func(*Incoming) {
	return func(in *Incoming) {
		c := accept(t, in)
		if c == nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 100)
		for {
			n, err := c.Read(buf)
			if n > 0 {
				c.Write([]byte(strings.ToUpper(string(buf[:n]))))
			}
			if err != nil {
				return
			}
		}
	}
}

// socks.md §23: "Legacy client ↔ our NR". Answers have the versions of the
// Connect (socks.md §4.3).
func TestClientsOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    protocol.Versions
		as   mixnet.SenderTag
	}{
		{"current, anonymous", current, tagA},
		{"current, with address", current, mixnet.SenderTag{}},
		{"mixed, anonymous", mixed, tagA},
		{"legacy, anonymous", legacy, tagA},
		{"legacy, with address", legacy, mixnet.SenderTag{}},
		{"interface 7", protocol.Versions{Interface: 7, Protocol: 3}, tagA},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inServer(t, smooth, Config{}, shout(t), func(t *testing.T, w *world) {
				r := w.rawClient(tt.v, tt.as)
				r.connect()
				// socks.md §21.3: "On success MUST send seq 0 open empty at once"
				r.want(0, "", false)
				r.send(0, "", false)
				r.send(1, "hello", false)
				r.want(1, "HELLO", false)
				r.send(2, "", true)
				r.want(2, "", true)
				r.silence(10 * time.Minute)
			})
		})
	}
}

// socks.md §15: mix-fetch starts at 0, sends no keep-alives, takes a second
// close as fatal, and needs the close to be the last number.
func TestMixFetch(t *testing.T) {
	serve := func(in *Incoming) {
		c := accept(t, in)
		io.ReadFull(c, make([]byte, 7))
		for range 40 { // much longer than the idle limit
			c.Write([]byte("x"))
			time.Sleep(10 * time.Second)
		}
		c.Close()
	}
	inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
		r := w.rawClient(current, mixnet.SenderTag{})
		r.connect()
		r.send(0, "request", false)
		seq := uint64(0)
		for data := 0; ; seq++ {
			d := r.hear().(protocol.Data)
			if d.Seq != seq {
				t.Fatalf("got number %d, want %d", d.Seq, seq)
			}
			data += len(d.Data)
			if d.Closed {
				if data != 40 || len(d.Data) != 0 {
					t.Errorf("%d bytes, %d of them in the close", data, len(d.Data))
				}
				break
			}
		}
		r.send(1, "", true)
		r.silence(time.Hour)
	})
}

// socks.md §21.4: "after the close keep delivering the response for at least
// 15 s after the last data, at most 60 s"; "No keep-alives to it after our close."
func TestHalfCloseByClientOfOthers(t *testing.T) {
	t.Run("answers in time", func(t *testing.T) {
		serve := func(in *Incoming) {
			c := accept(t, in)
			b, err := io.ReadAll(c)
			time.Sleep(14 * time.Second)
			c.Write(append(b, " back"...))
			c.Close()
			if err != nil {
				t.Errorf("server: %v", err)
			}
		}
		inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
			r := w.rawClient(current, tagA)
			r.connect()
			r.want(0, "", false)
			r.send(0, "there", false)
			r.send(1, "", true)
			r.want(1, "there back", false)
			r.want(2, "", true)
			r.silence(time.Hour)
		})
	})
	t.Run("answers too late", func(t *testing.T) {
		var failed error
		serve := func(in *Incoming) {
			c := accept(t, in)
			io.ReadAll(c)
			time.Sleep(16 * time.Second)
			_, failed = c.Write([]byte("late"))
			c.Close()
		}
		inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
			r := w.rawClient(current, tagA)
			r.connect()
			r.want(0, "", false)
			r.send(0, "", true)
			r.want(1, "", true)
			r.silence(time.Hour)
		})
		if failed == nil {
			t.Error("wrote after the limit")
		}
	})
}

// A client that closes before it was answered has given up, if it is not ours.
func TestClientOfOthersGivesUp(t *testing.T) {
	var noticed atomic.Bool
	serve := func(in *Incoming) {
		<-in.Context().Done()
		noticed.Store(true)
		in.Reject(ReasonTimeout) // does nothing any more
	}
	inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
		r := w.rawClient(current, tagA)
		r.connect()
		r.send(0, "", true)
		time.Sleep(time.Second)
		if !noticed.Load() {
			t.Error("not noticed")
		}
		r.silence(time.Hour)
	})
}

// socks.md §21.3: the order of refusals towards others, and what they learn.
func TestRefusalsToOthers(t *testing.T) {
	for r := ReasonUnknown; r <= ReasonInternal; r++ {
		t.Run(r.String(), func(t *testing.T) {
			inServer(t, smooth, Config{}, func(in *Incoming) { in.Reject(r) }, func(t *testing.T, w *world) {
				c := w.rawClient(current, tagA)
				c.send(0, "optimistic data", false)
				c.connect()
				start := time.Now()
				if r.policy() {
					// "On policy denial SHOULD send ConnectionError and then NetworkData
					// seq 0 closed empty … leave about a second between them"
					f, ok := c.hear().(protocol.Failure)
					if _, code := protocol.SplitCode(f.Text); !ok || code != reasons[r].code {
						t.Errorf("got %+v, want code %s", f, reasons[r].code)
					}
					c.want(0, "", true)
					if d := time.Since(start); d < time.Second {
						t.Errorf("the close came after %v", d)
					}
				} else {
					// "On TCP failure MUST send NetworkData seq 0 closed empty"
					c.want(0, "", true)
				}
				c.silence(time.Hour)
				if n := w.requester.Stats().Streams; n != 0 {
					t.Errorf("%d streams left", n)
				}
			})
		})
	}
}

// The Connect of a client's first stream may overtake the note that says that
// the client is ours. It learns the reason all the same (socks.md §21.2).
func TestRefusalWaitsForTheNote(t *testing.T) {
	serve := func(in *Incoming) { in.Reject(ReasonRefused) }
	inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
		c := w.rawClient(current, tagA)
		c.connect()
		time.Sleep(kindPatience / 2)
		hello, err := protocol.Note{Op: protocol.NoteHello}.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.say(protocol.Control{Kind: protocol.ControlHealth, Extra: hello})
		f, ok := c.hear().(protocol.Failure)
		if _, code := protocol.SplitCode(f.Text); !ok || code != "refused" {
			t.Errorf("got %+v, want code refused", f)
		}
		c.want(0, "", true)
	})
}

// socks.md §23: "Data before Connect, Connect twice, Send with foreign tag,
// Send after close."
func TestStrangeOrders(t *testing.T) {
	inServer(t, smooth, Config{}, shout(t), func(t *testing.T, w *world) {
		r := w.rawClient(current, tagA)
		r.send(1, "b", false)
		r.send(0, "a", false)
		r.connect()
		r.want(0, "", false)
		r.want(1, "AB", false)
		r.connect() // twice
		r.silence(time.Second)

		// H13: "A stream accepts messages of the origin it was opened with only."
		foreign := w.rawClient(current, tagB)
		foreign.send(2, "evil", false)
		foreign.send(2, "", true)
		plain := w.rawClient(current, mixnet.SenderTag{})
		plain.send(2, "evil", true)
		extra, _ := protocol.Note{Op: protocol.NoteReset, ID: r.id}.AppendBinary(nil)
		foreign.say(protocol.Control{Extra: extra})
		r.silence(time.Second)
		r.send(2, "c", false)
		r.want(2, "C", false)

		// The same id under another tag is another stream.
		foreign.id++
		foreign.connect()
		foreign.want(0, "", false)
		foreign.send(0, "mine", false)
		foreign.want(1, "MINE", false)

		r.send(3, "", true)
		r.want(3, "", true)
		time.Sleep(10 * time.Second)
		r.send(4, "after", false)
		r.connect() // an id is never used again
		r.silence(time.Second)
		foreign.send(1, "", true)
		foreign.want(2, "", true)
	})
}

// H13, socks.md §21.3: "MUST free pending data", and bounded while the stream
// is not accepted.
func TestEarlyDataBounded(t *testing.T) {
	serve := func(in *Incoming) { <-in.Context().Done() }
	inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
		r := w.rawClient(current, tagA)
		r.connect()
		for seq := range uint64(60) {
			r.send(seq, string(noise(10_000)), false)
		}
		r.want(0, "", true) // too much: refused
		r.silence(time.Minute)
		if s := w.requester.Stats(); s.Streams != 0 || s.Buffered != 0 {
			t.Errorf("%d streams, %d bytes left", s.Streams, s.Buffered)
		}
		// Streams that never come are forgotten.
		r.id = 5
		for seq := range uint64(100) {
			r.send(seq, "x", false)
		}
		time.Sleep(time.Minute)
		w.requester.mu.Lock()
		left, size := w.requester.early.streams, w.requester.early.size
		w.requester.mu.Unlock()
		if left != 0 || size != 0 {
			t.Errorf("%d streams, %d bytes still pending", left, size)
		}
	})
}

// Control requests and queries (socks.md §5, §6.3).
func TestQuestions(t *testing.T) {
	policy := protocol.Answer{Kind: protocol.AnswerExitPolicy, ExitPolicy: protocol.ExitPolicy{Enabled: true, Policy: &protocol.Policy{Rules: []protocol.Rule{{Action: protocol.Accept, IPPattern: "*", Start: 1, End: 65535}}}}}
	cfg := Config{
		Build: protocol.BuildInfo{BuildVersion: "1.2.3"},
		Answer: func(q protocol.Query) protocol.Answer {
			switch q {
			case protocol.QueryOpenProxy:
				return protocol.Answer{Kind: protocol.AnswerOpenProxy, OpenProxy: true}
			case protocol.QueryDescription:
				return protocol.Answer{Kind: protocol.AnswerDescription, Description: "ours"}
			}
			return policy
		},
	}
	inServer(t, smooth, cfg, shout(t), func(t *testing.T, w *world) {
		r := w.rawClient(current, tagA)
		r.say(protocol.QueryOpenProxy)
		if a, ok := r.hear().(protocol.Answer); !ok || !a.OpenProxy {
			t.Errorf("open proxy: %+v", a)
		}
		r.say(protocol.QueryDescription)
		if a, ok := r.hear().(protocol.Answer); !ok || a.Description != "ours" {
			t.Errorf("description: %+v", a)
		}
		r.say(protocol.QueryExitPolicy)
		if a, ok := r.hear().(protocol.Answer); !ok || a.ExitPolicy.Policy == nil || len(a.ExitPolicy.Policy.Rules) != 1 {
			t.Errorf("exit policy: %+v", a)
		}
		r.say(protocol.Control{Kind: protocol.ControlHealth})
		if a, ok := r.hear().(protocol.ControlAnswer); !ok || a.Kind != protocol.ControlHealth {
			t.Errorf("health: %+v", a)
		}
		r.say(protocol.Control{Kind: protocol.ControlVersions})
		if a, ok := r.hear().(protocol.ControlAnswer); !ok || a.Versions != (protocol.SupportedVersions{Interface: 3, Provider: 3}) {
			t.Errorf("versions: %+v", a)
		}
		r.say(protocol.Control{Kind: protocol.ControlBinary})
		if a, ok := r.hear().(protocol.ControlAnswer); !ok || a.Binary.Name != protocol.BinaryName || a.Binary.Build.BuildVersion != "1.2.3" {
			t.Errorf("binary: %+v", a)
		}
		// socks.md §5: "A control request sent without SURBs is decoded … nothing is returned."
		w.rawClient(current, mixnet.SenderTag{}).say(protocol.QueryOpenProxy)
		w.A.Send(t.Context(), w.B.Address(), []byte{3, 1, 9, 9}, mixnet.SendOptions{As: tagA})
		r.silence(time.Minute)
		if n := w.requester.Stats().Malformed; n != 1 {
			t.Errorf("%d malformed, want 1", n)
		}
	})
	inServer(t, smooth, Config{}, shout(t), func(t *testing.T, w *world) {
		r := w.rawClient(current, tagA)
		r.say(protocol.QueryDescription)
		if a, ok := r.hear().(protocol.Answer); !ok || a.Kind != protocol.AnswerError {
			t.Errorf("without Config.Answer: %+v", a)
		}
	})
}
