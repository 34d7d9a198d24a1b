package proxy

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// socks.md §21.4: "An end that the socket caused has its place in the stream"
func TestResetComesBehindTheData(t *testing.T) {
	const size = 6 << 20 // more than the window, so that it does not leave at once
	for _, side := range []string{"client", "requester"} {
		for _, pace := range []string{"at once", "late"} {
			t.Run(side+", read "+pace, func(t *testing.T) {
				send := func(c *Conn) {
					c.Write(noise(size))
					c.Reset()
					if _, err := c.Write([]byte("x")); err == nil {
						t.Error("wrote after a reset")
					}
					<-c.Done()
				}
				receive := func(c *Conn) {
					if pace == "late" {
						time.Sleep(2 * time.Minute)
					}
					if b, err := io.ReadAll(c); !bytes.Equal(b, noise(size)) || !errors.Is(err, ErrReset) {
						t.Errorf("read %d bytes, then %v; want %d, then %v", len(b), err, size, ErrReset)
					}
					if _, err := c.Write([]byte("x")); !errors.Is(err, ErrReset) {
						t.Errorf("wrote towards a socket that broke off: %v", err)
					}
					<-c.Done()
					c.Close()
				}
				near, far := send, receive
				if side == "requester" {
					near, far = receive, send
				}
				inWorld(t, rough, Config{}, Config{}, func(in *Incoming) {
					if c := accept(t, in); c != nil {
						far(c)
					}
				}, func(t *testing.T, w *world) {
					near(w.dial(DialOptions{}))
					time.Sleep(time.Minute)
				})
			})
		}
	}
}

// A direction that has ended already stays ended; the reset still ends the other.
func TestResetAfterCloseWrite(t *testing.T) {
	var wrote chan error
	serve := func(in *Incoming) {
		c := accept(t, in)
		if b, err := io.ReadAll(c); string(b) != "all of it" || err != nil {
			t.Errorf("server read %q, %v", b, err)
		}
		for {
			if _, err := c.Write(noise(1000)); err != nil {
				wrote <- err
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		<-c.Done()
	}
	inWorld(t, smooth, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		wrote = make(chan error, 1)
		c := w.dial(DialOptions{})
		c.Write([]byte("all of it"))
		c.CloseWrite()
		time.Sleep(5 * time.Second)
		c.Reset()
		start := time.Now()
		if err := <-wrote; !errors.Is(err, ErrReset) || time.Since(start) > time.Second {
			t.Errorf("server wrote until %v after %v", err, time.Since(start))
		}
	})
}

// Others know no reset: they get all that came before, and the close.
func TestResetTowardsOthers(t *testing.T) {
	serve := func(in *Incoming) {
		c := accept(t, in)
		c.Write([]byte("last words"))
		c.Reset()
		<-c.Done()
	}
	for _, v := range []protocol.Versions{current, mixed, legacy} {
		inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
			r := w.rawClient(v, tagA)
			r.connect()
			r.want(0, "", false)
			r.want(1, "last words", false)
			r.want(2, "", true)
			r.silence(time.Hour)
		})
	}
	inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
		result := w.dialing(DialOptions{})
		nr.connected()
		c := (<-result).c
		c.Write([]byte("last words"))
		c.Reset()
		nr.want(0, "last words", false)
		nr.want(1, "", true)
		<-c.Done()
	})
}

// A client of ours may have its note overtaken by its Connect: the reset waits for it.
func TestResetOfAClientNotKnownYet(t *testing.T) {
	serve := func(in *Incoming) {
		c := accept(t, in)
		c.Write([]byte("last words"))
		c.Reset()
		<-c.Done()
	}
	inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
		r := w.rawClient(current, tagA)
		r.connect()
		r.want(0, "", false)
		r.want(1, "last words", false)
		hello, _ := protocol.Note{Op: protocol.NoteHello}.AppendBinary(nil)
		r.say(protocol.Control{Kind: protocol.ControlHealth, Extra: hello})
		a, ok := r.hear().(protocol.ControlAnswer)
		n, err := protocol.ParseNote(a.Extra)
		if want := (protocol.Note{Op: protocol.NoteReset, ID: r.id, Value: 2}); !ok || err != nil || n != want {
			t.Errorf("got %+v, %v, want %+v", n, err, want)
		}
		r.silence(time.Hour)
	})
}

// A reset whose data never come in full ends with the idle limit.
func TestResetBehindLostData(t *testing.T) {
	serve := func(in *Incoming) {
		c := accept(t, in)
		start := time.Now()
		if b, err := io.ReadAll(c); string(b) != "" || !errors.Is(err, ErrIdle) || time.Since(start) > 302*time.Second {
			t.Errorf("read %q, %v after %v", b, err, time.Since(start))
		}
		c.Close()
	}
	inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
		r := w.rawClient(current, tagA)
		r.connect()
		r.want(0, "", false)
		r.send(1, "after a gap", false)
		note, _ := protocol.Note{Op: protocol.NoteReset, ID: r.id, Value: 2}.AppendBinary(nil)
		r.say(protocol.Control{Kind: protocol.ControlHealth, Extra: note})
		time.Sleep(10 * time.Minute)
	})
}

// H42: "Data that overtook their Connect … of the tag that holds most give way first"
func TestH42EarlyDataOfOthersPushNothingOut(t *testing.T) {
	var got chan string
	serve := func(in *Incoming) {
		c := accept(t, in)
		b, err := io.ReadAll(io.LimitReader(c, 5))
		if err != nil {
			t.Errorf("server: %v", err)
		}
		got <- string(b)
		c.Close()
	}
	inServer(t, smooth, Config{}, serve, func(t *testing.T, w *world) {
		got = make(chan string, 1)
		honest, flood := w.rawClient(current, tagA), w.rawClient(current, tagB)
		honest.send(0, "hello", false) // overtook its Connect
		time.Sleep(time.Second)
		for i := range 4 * earlyStreams {
			flood.id = protocol.StreamID(1000 + i)
			flood.send(5, "x", false)
		}
		time.Sleep(time.Second)
		honest.connect()
		if s := <-got; s != "hello" {
			t.Errorf("the requester read %q", s)
		}
		// Nor do they keep it out.
		flood.id++
		flood.send(5, "x", false) // in the place that was left
		honest.id = 7
		honest.send(0, "again", false)
		time.Sleep(time.Second)
		honest.connect()
		if s := <-got; s != "again" {
			t.Errorf("the requester read %q", s)
		}
	})
}

// H42: "When memory is short, the tag that holds most loses its largest stream"
func TestH42MemoryIsTakenFromTheLargestTag(t *testing.T) {
	var got chan int
	serve := func(in *Incoming) {
		c := accept(t, in)
		if c == nil {
			return
		}
		if in.Target() == "slow.test:80" {
			time.Sleep(time.Minute)
			n, err := io.Copy(io.Discard, c)
			if err != nil {
				t.Errorf("honest upload: %v", err)
			}
			got <- int(n)
		} else {
			time.Sleep(2 * time.Minute)
		}
		c.Close()
	}
	inServer(t, smooth, Config{Memory: 4 << 20}, serve, func(t *testing.T, w *world) {
		got = make(chan int, 1)
		say := func(tag mixnet.SenderTag, body protocol.RequestBody) {
			r := w.rawClient(current, tag)
			r.say(body)
		}
		chunk := noise(16 << 10)
		say(tagA, protocol.Connect{ID: 1, Target: "slow.test:80"})
		time.Sleep(time.Second)
		for i := range uint64(20) { // 320 kB in one stream
			say(tagA, protocol.Send{ID: 1, Seq: i, Data: chunk, Closed: i == 19})
		}
		time.Sleep(time.Second)
		for s := range protocol.StreamID(20) { // 4.8 MB in streams of 240 kB
			say(tagB, protocol.Connect{ID: 100 + s, Target: "x.test:80"})
			time.Sleep(100 * time.Millisecond)
			for i := range uint64(15) {
				say(tagB, protocol.Send{ID: 100 + s, Seq: i, Data: chunk})
			}
		}
		if n := <-got; n != 20*len(chunk) {
			t.Errorf("of the honest upload %d bytes arrived, want %d", n, 20*len(chunk))
		}
		if s := w.requester.Stats(); s.Failed == 0 || s.Buffered > 4<<20 {
			t.Errorf("%d streams were reset, %d bytes are held", s.Failed, s.Buffered)
		}
		time.Sleep(20 * time.Minute)
	})
}

// H42: the same of data that came before their Connect.
func TestH42EarlyDataCountInTheMemory(t *testing.T) {
	inServer(t, smooth, Config{Memory: 2 << 20}, echo(t), func(t *testing.T, w *world) {
		r := w.rawClient(current, tagB)
		for i := range 200 {
			r.id = protocol.StreamID(1000 + i)
			r.send(1, string(noise(30_000)), false)
		}
		time.Sleep(time.Second)
		if s := w.requester.Stats(); s.Buffered > 2<<20 || s.Buffered == 0 {
			t.Errorf("%d bytes are held early, want at most %d", s.Buffered, 2<<20)
		}
		time.Sleep(time.Minute)
		if s := w.requester.Stats(); s.Buffered != 0 {
			t.Errorf("%d bytes are held for ever", s.Buffered)
		}
	})
}

// H42: "When all streams are taken, idle ones of the tag that has most give way"
func TestH42StreamsAreSharedByTag(t *testing.T) {
	serve := func(in *Incoming) {
		if c := accept(t, in); c != nil {
			io.Copy(c, c)
			c.Close()
		}
	}
	inServer(t, smooth, Config{Streams: 64, StreamsPerTag: 16}, serve, func(t *testing.T, w *world) {
		streams := func(tag mixnet.SenderTag) (n int) {
			for _, c := range w.requester.streams() {
				if c.key.tag == tag {
					n++
				}
			}
			return n
		}
		connect := func(tag mixnet.SenderTag, id int) {
			r := w.rawClient(current, tag)
			r.id = protocol.StreamID(id)
			r.connect()
			time.Sleep(time.Second)
		}
		id := 0
		for tag := range byte(4) { // four tags ask for all there is
			for range 20 {
				id++
				connect(mixnet.SenderTag{0xF0 + tag}, id)
			}
		}
		if n := len(w.requester.streams()); n > 56 {
			t.Errorf("%d streams of 64 are taken by tags with many, want an eighth kept", n)
		}
		for range 12 { // another one wants twelve
			id++
			connect(tagA, id)
		}
		if n := streams(tagA); n != 12 {
			t.Errorf("an honest tag has %d streams, want 12", n)
		}
		for tag := range byte(40) { // then forty want one
			id++
			connect(mixnet.SenderTag{1, tag}, id)
			if n := streams(mixnet.SenderTag{1, tag}); n != 1 {
				t.Errorf("tag %d has %d streams, want one", tag, n)
			}
		}
		// Whoever has most gains nothing by asking on.
		before := streams(tagA)
		for range 50 {
			id++
			connect(mixnet.SenderTag{0xF0}, id)
		}
		if n := streams(tagA); n < before-1 || len(w.requester.streams()) > 64 {
			t.Errorf("the honest tag went from %d to %d streams of %d", before, n, len(w.requester.streams()))
		}
	})
}

// H42: a stream that is in use outlives those that are not.
func TestH42IdleStreamsGiveWayFirst(t *testing.T) {
	inServer(t, smooth, Config{Streams: 8}, echo(t), func(t *testing.T, w *world) {
		r := w.rawClient(current, tagB)
		for i := range 8 {
			r.id = protocol.StreamID(1 + i)
			r.connect()
			time.Sleep(time.Second)
		}
		r.id = 1 // the oldest, in use
		r.send(0, "x", false)
		time.Sleep(time.Second)
		w.rawClient(current, tagA).connect()
		time.Sleep(time.Second)
		var left []protocol.StreamID
		for _, c := range w.requester.streams() {
			if c.key.tag == tagB {
				left = append(left, c.key.id)
			}
		}
		for _, gone := range left {
			if gone == 2 {
				t.Errorf("the one idle for longest is among %v", left)
			}
		}
		if len(left) != 7 {
			t.Errorf("%d streams are left, want 7", len(left))
		}
	})
}

// What one tag may have open does not bound a client: further streams go under
// a further tag, also where the requester grants fewer than we believe.
func TestFurtherTags(t *testing.T) {
	for name, far := range map[string]int{"as believed": 16, "fewer": 10} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, smooth, Config{StreamsPerTag: 16}, Config{StreamsPerTag: far}, echo(t), func(t *testing.T, w *world) {
				w.dial(DialOptions{})
				time.Sleep(time.Second)
				tags := map[mixnet.SenderTag]int{}
				for range 64 {
					c := w.dial(DialOptions{Isolation: "a"})
					tags[c.key.tag]++
				}
				for _, n := range tags {
					if n > far {
						t.Errorf("%d streams under one tag, want at most %d", n, far)
					}
				}
				if len(tags) > 1+64/far {
					t.Errorf("%d tags for 64 streams", len(tags))
				}
			})
		})
	}
	// A requester that has no room at all is asked once.
	inWorld(t, smooth, Config{}, Config{Streams: 3}, echo(t), func(t *testing.T, w *world) {
		for range 3 {
			w.dial(DialOptions{Isolation: "a"})
			time.Sleep(time.Second)
		}
		_, err := w.client.Dial(t.Context(), w.B.Address(), "target.test:80", DialOptions{Isolation: "a"})
		var open *OpenError
		if !errors.As(err, &open) || open.Reason != ReasonLimit {
			t.Errorf("got %v, want %v", err, ReasonLimit)
		}
		if n := w.requester.Stats().Refused; n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}
