package proxy

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// These tests speak raw bytes, as programs of others do, with one of our ends.

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
		left, size := len(w.requester.early.streams), w.requester.early.size
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

// A requester of others: our client waits for its "connected", keeps its
// half-close back, and lives through its habits.
func TestRequesterOfOthers(t *testing.T) {
	for _, v := range []protocol.Versions{current, mixed, legacy} {
		t.Run(v.Interface.String()+" "+v.Protocol.String(), func(t *testing.T) {
			inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
				nr.v = v
				result := w.dialing(DialOptions{})
				if c := nr.connect(); c.Target != "target.test:80" || !c.Return.IsZero() {
					t.Errorf("got %+v, want an anonymous Connect", c)
				}
				// socks.md §21.2: strict: no answer before the outcome
				time.Sleep(5 * time.Second)
				select {
				case <-result:
					t.Error("dial did not wait")
				default:
				}
				nr.send(0, "", false)
				d := <-result
				if d.err != nil {
					t.Fatal(d.err)
				}
				d.c.Write([]byte("request"))
				nr.want(0, "request", false)
				d.c.CloseWrite()
				// socks.md §21.4: "delay the close while the response still flows"
				time.Sleep(15 * time.Second)
				nr.send(1, "data", false)
				start := time.Now()
				nr.want(1, "", true)
				if w := time.Since(start); w < 19*time.Second || w > 21*time.Second {
					t.Errorf("the close came %v after the last data, want 20 s", w)
				}
				nr.send(2, "", true)
				nr.send(3, "", true) // a second close, as theirs sometimes send
				if b, err := io.ReadAll(d.c); string(b) != "data" || err != nil {
					t.Errorf("read %q, %v", b, err)
				}
				<-d.c.Done()
				d.c.Close()
				silence(t, w.B, time.Hour)
			})
		})
	}
}

// socks.md §21.4: "On close from the NR: deliver, CloseWrite to the app at
// once, linger ≤ 5 s for app data, end."
func TestRequesterOfOthersCloses(t *testing.T) {
	inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
		result := w.dialing(DialOptions{})
		nr.connected()
		c := (<-result).c
		nr.send(1, "bye", true) // data and close in one
		start := time.Now()
		if b, err := io.ReadAll(c); string(b) != "bye" || err != nil || time.Since(start) > time.Second {
			t.Errorf("read %q, %v after %v", b, err, time.Since(start))
		}
		time.Sleep(3 * time.Second)
		if _, err := c.Write([]byte("last")); err != nil {
			t.Errorf("write in the linger time: %v", err)
		}
		nr.want(0, "last", false)
		nr.want(1, "", true)
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("lingered for %v", d)
		}
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("wrote after the linger time")
		}
		<-c.Done()
		c.Close()
	})
}

// The table of socks.md §9.3, as Dial tells it.
func TestOutcomesOfOthers(t *testing.T) {
	tests := []struct {
		name string
		nr   func(*rawRequester)
		want Reason // ReasonInternal: opens
	}{
		{"open", func(r *rawRequester) { r.send(0, "", false) }, ReasonInternal},
		{"data first", func(r *rawRequester) { r.send(1, "x", false) }, ReasonInternal},
		{"closed behind data", func(r *rawRequester) { r.send(2, "", true) }, ReasonInternal},
		{"TCP failed", func(r *rawRequester) { r.send(0, "", true) }, ReasonUnknown},
		{"TCP failed, before v1.1.21", func(r *rawRequester) {
			r.say(protocol.Data{ID: r.id, Closed: true, Unnumbered: true})
		}, ReasonUnknown},
		{"denied", func(r *rawRequester) {
			r.say(protocol.Failure{ID: r.id, Text: `Domain "target.test:80" failed filter check`})
		}, ReasonDenied},
		{"close, then the reason", func(r *rawRequester) {
			r.send(0, "", true)
			time.Sleep(1500 * time.Millisecond)
			r.say(protocol.Failure{ID: r.id, Text: "no [code=refused]"})
		}, ReasonRefused},
		{"nothing", func(*rawRequester) {}, ReasonNoAnswer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
				result := w.dialing(DialOptions{})
				nr.connect()
				tt.nr(nr)
				d := <-result
				if tt.want == ReasonInternal {
					if d.err != nil {
						t.Fatalf("got %v", d.err)
					}
					d.c.Close()
					return
				}
				var open *OpenError
				if !errors.As(d.err, &open) || open.Reason != tt.want {
					t.Errorf("got %v, want %v", d.err, tt.want)
				}
			})
		})
	}
}

// socks.md §21.1: "MUST ignore incoming data for ids it did not open … MUST NOT
// buffer data for unknown ids on the client side"; H13: nor what comes under
// another tag, or under none.
func TestH13ForeignResponses(t *testing.T) {
	inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
		first, second := w.dialing(DialOptions{Isolation: "a"}), w.dialing(DialOptions{Isolation: "b"})
		nr.connected()
		a, tagOfA := nr.id, nr.tag
		nr.connected()
		b, tagOfB := nr.id, nr.tag
		if tagOfA == tagOfB || a == b || a == 0 || b == 0 {
			t.Fatalf("tags %v, %v, ids %v, %v", tagOfA, tagOfB, a, b)
		}
		var ca, cb *Conn
		for _, d := range []dialed{<-first, <-second} {
			if d.err != nil {
				t.Fatal(d.err)
			}
			if d.c.key.id == a {
				ca = d.c
			} else {
				cb = d.c
			}
		}
		evil, _ := protocol.Response{Versions: current, Body: protocol.Data{ID: a, Seq: 1, Data: []byte("evil")}}.AppendBinary(nil)
		nr.sayAs(tagOfB, evil)                                                           // by another tag
		w.B.Send(t.Context(), w.A.Address(), evil, mixnet.SendOptions{})                 // by none
		w.B.Send(t.Context(), w.A.Address(), evil, mixnet.SendOptions{As: tagOfA})       // from a stranger
		w.B.Send(t.Context(), w.A.Address(), []byte{0, 0}, mixnet.SendOptions{As: tagA}) // a request
		unknown, _ := protocol.Response{Versions: current, Body: protocol.Data{ID: 77, Data: noise(10_000)}}.AppendBinary(nil)
		for range 100 {
			nr.sayAs(tagOfA, unknown)
		}
		time.Sleep(time.Second)
		nr.id, nr.tag = a, tagOfA
		nr.send(1, "good", true)
		if got, err := io.ReadAll(ca); string(got) != "good" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		s := w.client.Stats()
		if s.Streams != 2 || s.Buffered != 0 || s.Strays < 101 || s.Unsolicited != 3 {
			t.Errorf("%+v", s)
		}
		ca.Close()
		cb.Close()
	})
}

// socks.md §21.5: "A client whose app does not read SHOULD stop granting SURBs
// (natural back-pressure)". Where the requester is ours, it is the window that
// stops it, see TestStalledReader.
func TestStalledReaderOfOthers(t *testing.T) {
	inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
		result := w.dialing(DialOptions{})
		nr.connected()
		c := (<-result).c
		stock := func() int { want, _ := w.A.Stocked(nr.tag); return want }
		if got := stock(); got < minStock {
			t.Errorf("stock of %d at the start", got)
		}
		seq := uint64(1)
		for ; seq < 40; seq++ {
			nr.send(seq, string(noise(16_000)), false)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if got := stock(); got != 0 {
			t.Errorf("stock of %d for an application that does not read", got)
		}
		time.Sleep(time.Hour) // it is not the requester's fault that it is silent
		if _, err := io.CopyN(io.Discard, c, 39*16_000); err != nil {
			t.Errorf("read: %v", err)
		}
		time.Sleep(time.Second)
		if got := stock(); got < minStock {
			t.Errorf("stock of %d when it reads again", got)
		}
		// One that sends on and on is reset; nobody else pays for it.
		for ; ; seq++ {
			nr.send(seq, string(noise(16_000)), false)
			time.Sleep(200 * time.Millisecond)
			if held := w.client.Stats().Buffered; held > hardLimit+20_000 {
				t.Fatalf("%d bytes held", held)
			} else if held == 0 {
				break
			}
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, errFlood) {
			t.Errorf("read: %v, want %v", err, errFlood)
		}
		time.Sleep(time.Minute)
		if got := stock(); got != 0 {
			t.Errorf("stock of %d without streams", got)
		}
		c.Close()
	})
}

// socks.md §21.4: "MUST send keep-alives at most 60 s apart while a connection
// is open"; H05: not all at the same distance.
func TestH05KeepAlives(t *testing.T) {
	inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
		result := w.dialing(DialOptions{})
		nr.connected()
		c := (<-result).c
		last := time.Now()
		distances := map[time.Duration]bool{}
		for seq := range uint64(100) {
			nr.want(seq, "", false)
			d := time.Since(last)
			if d > 61*time.Second { // and the way
				t.Errorf("%v between keep-alives", d)
			}
			distances[d.Round(time.Millisecond)] = true
			last = time.Now()
			nr.send(seq+1, "", false)
		}
		if len(distances) < 50 {
			t.Errorf("only %d different distances", len(distances))
		}
		c.Close()
	})
}

// socks.md §21.4: "MUST NOT have more than 1000 unacknowledged messages ahead
// of the oldest unacknowledged one in a direction (stay ≤ 512)"
func TestSendWindow(t *testing.T) {
	o := smooth
	o.LaneSize = 10_000
	inWorld(t, o, Config{}, Config{}, nil, func(t *testing.T, w *world) {
		nr := &rawRequester{world: w, v: current}
		result := w.dialing(DialOptions{})
		nr.connected()
		c := (<-result).c
		w.A.HoldAcks(true)
		for range 2000 {
			c.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
			c.Write([]byte("x"))
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Second)
		n := 0
		for range w.B.Waiting() {
			m, _ := w.B.Receive(t.Context())
			if r, _ := protocol.ParseRequest(m.Body); r.Interface != 0 {
				if _, ok := r.Body.(protocol.Send); ok {
					n++
				}
			}
		}
		if n != maxSpan {
			t.Errorf("%d messages without an acknowledgement, want %d", n, maxSpan)
		}
		w.A.HoldAcks(false)
		c.Close()
	})
}
