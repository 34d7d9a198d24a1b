package proxy

import (
	"errors"
	"io"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// These tests are requesters of others, who speak raw bytes to our client.

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
		paused := func() bool { p, _ := w.A.Paused(nr.tag); return p }
		if paused() {
			t.Error("paused at the start")
		}
		seq := uint64(1)
		for ; seq < 40; seq++ {
			nr.send(seq, string(noise(16_000)), false)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if !paused() {
			t.Error("not paused for an application that does not read")
		}
		time.Sleep(time.Hour) // it is not the requester's fault that it is silent
		if _, err := io.CopyN(io.Discard, c, 39*16_000); err != nil {
			t.Errorf("read: %v", err)
		}
		time.Sleep(time.Second)
		if paused() {
			t.Error("paused when it reads again")
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
		if !paused() {
			t.Error("not paused without streams")
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
