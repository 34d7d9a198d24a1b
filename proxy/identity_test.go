package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// socks.md §21.6: "Each key SHOULD have its own sender tag"; "All messages of
// one connection MUST use one tag"; "rotate (default 10 min after last use)".
func TestH29Isolation(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, nil, func(t *testing.T, w *world) {
		nr := &rawRequester{world: w, v: current}
		open := func(isolation string) (*Conn, mixnet.SenderTag) {
			t.Helper()
			result := w.dialing(DialOptions{Isolation: isolation})
			nr.connected()
			d := <-result
			if d.err != nil {
				t.Fatal(d.err)
			}
			return d.c, nr.tag
		}
		c1, a := open("a")
		c2, again := open("a")
		c3, b := open("b")
		if a != again || a == b || a.IsZero() || b.IsZero() {
			t.Errorf("tags %v, %v of one key, %v of another", a, again, b)
		}
		c1.Write([]byte("x"))
		nr.hear()
		if nr.tag != a {
			t.Error("data under another tag than the Connect")
		}
		time.Sleep(15 * time.Minute) // c1 and c2 are in use
		for w.B.Waiting() > 0 {
			w.B.Receive(t.Context())
		}
		c4, same := open("a")
		if same != a {
			t.Error("a tag in use was rotated")
		}
		for _, c := range []*Conn{c1, c2, c3, c4} {
			c.Abort()
			<-c.Done()
		}
		time.Sleep(9 * time.Minute)
		for w.B.Waiting() > 0 {
			w.B.Receive(t.Context())
		}
		c5, kept := open("a")
		if kept != a {
			t.Error("a tag was rotated before its time")
		}
		c5.Abort()
		<-c5.Done()
		time.Sleep(11 * time.Minute)
		w.client.mu.RLock()
		identities := len(w.client.identities) + len(w.client.byTag)
		w.client.mu.RUnlock()
		if identities != 0 {
			t.Errorf("%d identities are kept", identities)
		}
		for w.B.Waiting() > 0 {
			w.B.Receive(t.Context())
		}
		c6, fresh := open("a")
		if fresh == a || fresh.IsZero() {
			t.Error("a tag was used again after its time")
		}
		// What comes through SURBs of the old tag is not for the new one.
		old, _ := protocol.Response{Versions: current, Body: protocol.Data{ID: nr.id, Seq: 1, Data: []byte("old")}}.AppendBinary(nil)
		nr.sayAs(a, old)
		nr.send(1, "new", true)
		if got, err := io.ReadAll(c6); string(got) != "new" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if paused, _ := w.A.Paused(a); !paused {
			t.Error("the old tag still gets SURBs")
		}
		c6.Close()
	})
}

// How our two ends find out about each other (socks.md §22): once per tag, in
// bytes others do not mind.
func TestKinship(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		c := w.dial(DialOptions{})
		time.Sleep(time.Second)
		if got := c.s.kind.get(); got != kindOurs {
			t.Errorf("the requester is %d to the client, want %d", got, kindOurs)
		}
		for _, s := range w.requester.streams() {
			if got := s.s.kind.get(); got != kindOurs {
				t.Errorf("the client is %d to the requester, want %d", got, kindOurs)
			}
		}
		// It is known from the first message on for the next stream.
		d := w.dial(DialOptions{})
		if got := d.s.kind.get(); got != kindOurs {
			t.Error("forgotten")
		}
		c.Close()
		d.Close()
	})
	inWorld(t, smooth, Config{}, Config{}, nil, func(t *testing.T, w *world) {
		nr := &rawRequester{world: w, v: current}
		questions := func() (n int) {
			n, nr.asked = nr.asked, 0
			for w.B.Waiting() > 0 {
				m, _ := w.B.Receive(t.Context())
				if r, err := protocol.ParseRequest(m.Body); err == nil {
					if q, ok := r.Body.(protocol.Control); ok {
						if q.Kind != protocol.ControlBinary || !bytes.Equal(m.Body[:3], []byte{3, 0, 1}) {
							t.Errorf("asked %x", m.Body)
						}
						n++
					}
				}
			}
			return n
		}
		var streams []*Conn
		open := func() {
			result := w.dialing(DialOptions{})
			nr.connected()
			streams = append(streams, (<-result).c)
		}
		open()
		time.Sleep(time.Second)
		if got := questions(); got != 1 {
			t.Errorf("asked %d times, want once", got)
		}
		open()
		time.Sleep(time.Second)
		if got := questions(); got != 0 {
			t.Errorf("asked %d times again", got)
		}
		nr.say(protocol.ControlAnswer{Kind: protocol.ControlBinary, Binary: protocol.BinaryInfo{Name: "nym-network-requester"}})
		time.Sleep(11 * time.Minute)
		questions()
		open()
		time.Sleep(time.Second)
		if got := questions(); got != 0 || streams[0].s.kind.get() != kindOther {
			t.Errorf("asked one of others %d times again", got)
		}
		for _, c := range streams {
			c.Close()
		}
	})
}

// A half-close that was held back leaves as soon as the requester is known as ours.
func TestHalfCloseWaitsForKinship(t *testing.T) {
	inClient(t, func(t *testing.T, w *world, nr *rawRequester) {
		result := w.dialing(DialOptions{})
		nr.connected()
		c := (<-result).c
		c.CloseWrite()
		time.Sleep(5 * time.Second)
		for w.B.Waiting() > 0 {
			m, _ := w.B.Receive(t.Context())
			if r, _ := protocol.ParseRequest(m.Body); r.Protocol == protocol.Current {
				t.Errorf("sent %x", m.Body)
			}
		}
		start := time.Now()
		nr.say(protocol.ControlAnswer{Kind: protocol.ControlBinary, Binary: protocol.BinaryInfo{Name: protocol.BinaryName}})
		nr.want(0, "", true)
		if d := time.Since(start); d > time.Second {
			t.Errorf("it left after %v", d)
		}
		nr.send(1, "", true)
		<-c.Done()
		c.Close()
	})
}

// socks.md §21.6: "Return-address mode reveals the client's address to the NR:
// MUST be an explicit choice, default anonymous."
func TestRevealAddress(t *testing.T) {
	inWorld(t, smooth, Config{RevealAddress: true}, Config{}, echo(t), func(t *testing.T, w *world) {
		c := w.dial(DialOptions{Isolation: "a"})
		d := w.dial(DialOptions{Isolation: "b"})
		// From a stranger with a tag, nothing of this is for us.
		evil, _ := protocol.Response{Versions: current, Body: protocol.Data{ID: c.key.id, Seq: 1, Data: []byte("evil")}}.AppendBinary(nil)
		w.B.Send(t.Context(), w.A.Address(), evil, mixnet.SendOptions{As: tagA})
		if tags := w.A.Tags(); len(tags) != 0 {
			t.Errorf("%d tags were used", len(tags))
		}
		go func() { c.Write([]byte("hello")); c.CloseWrite() }()
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		c.Close()
		d.Close()
	})
}

// When our address changes, what is under way by SURBs of before may not reach
// us: new streams speak under a new tag, and those that are open keep theirs.
func TestTagsFollowTheAddress(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		tags := func(n int, when string) {
			t.Helper()
			w.client.mu.RLock()
			defer w.client.mu.RUnlock()
			if got := len(w.client.byTag); got != n || len(w.client.identities) != 1 {
				t.Errorf("%s: %d tags and %d identities, want %d and 1", when, got, len(w.client.identities), n)
			}
		}
		works := func(c *Conn, what string) {
			t.Helper()
			if _, err := c.Write([]byte(what)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, len(what))
			if _, err := io.ReadFull(c, b); err != nil || string(b) != what {
				t.Fatalf("%s: %q, %v", what, b, err)
			}
		}
		first := w.dial(DialOptions{Isolation: "a"})
		works(first, "before")
		w.A.Move()
		works(first, "after")
		second, third := w.dial(DialOptions{Isolation: "a"}), w.dial(DialOptions{Isolation: "a"})
		works(second, "elsewhere")
		if first.ident.tag == second.ident.tag || second.ident != third.ident {
			t.Error("a stream of after the move has the tag of one before, or not that of its like")
		}
		works(first, "still")
		tags(2, "with streams of both")
		for _, c := range []*Conn{first, third} {
			c.Close()
			<-c.Done()
		}
		tags(1, "when the old stream has ended")
		works(second, "on")
		second.Close()
		<-second.Done()
		w.A.Move()
		fourth := w.dial(DialOptions{Isolation: "a"})
		works(fourth, "again")
		tags(1, "where the one before had no streams")
		fourth.Close()
		<-fourth.Done()
	})
}

func TestTooManyIdentities(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, nil, func(t *testing.T, w *world) {
		for i := range maxIdentities {
			w.client.Dial(t.Context(), w.B.Address(), "target.test:80", DialOptions{Isolation: fmt.Sprint(i), Optimistic: true})
		}
		var open *OpenError
		if _, err := w.client.Dial(t.Context(), w.B.Address(), "target.test:80", DialOptions{Isolation: "one more"}); !errors.As(err, &open) || open.Reason != ReasonLimit {
			t.Errorf("got %v, want %v", err, ReasonLimit)
		}
		for _, c := range w.client.streams()[:1] {
			c.Abort()
			<-c.Done()
		}
		if _, err := w.client.Dial(t.Context(), w.B.Address(), "target.test:80", DialOptions{Isolation: "one more", Optimistic: true}); err != nil {
			t.Errorf("an identity without streams was not given up: %v", err)
		}
	})
}

// H38: nothing in the log, nor in an error, says who talks to whom.
func TestH38Canary(t *testing.T) {
	var log bytes.Buffer
	var said []string
	cfg := Config{Log: zerolog.New(&log).Level(zerolog.TraceLevel)}
	inWorld(t, smooth, cfg, Config{}, nil, func(t *testing.T, w *world) {
		nr := &rawRequester{world: w, v: current}
		result := w.dialing(DialOptions{Isolation: "canary-user"})
		nr.connected()
		c := (<-result).c
		tag := nr.tag
		time.Sleep(299 * time.Second)
		nr.send(1, "", false)
		time.Sleep(2 * time.Second)
		nr.send(2, "", true) // after its idle limit: this is logged
		c.Read(make([]byte, 1))
		result = w.dialing(DialOptions{})
		for w.B.Waiting() > 0 {
			w.B.Receive(t.Context())
		}
		nr.connect()
		nr.say(protocol.Failure{ID: nr.id, Text: "target.test is bad"})
		said = append(said, (<-result).err.Error())
		_, err := w.client.Dial(t.Context(), w.B.Address(), "target.test", DialOptions{})
		said = append(said, err.Error(), c.LocalAddr().String(), c.RemoteAddr().String(), fmt.Sprintf("%+v", w.client.Stats()))
		c.Close()
		time.Sleep(time.Minute)
		if !strings.Contains(log.String(), "idle limit") {
			t.Error("that a requester closed after its idle limit was not logged")
		}
		address := w.B.Address()
		all := log.String() + strings.Join(said, " ")
		for _, canary := range []string{"target.test", "canary", address.String(), address.Identity.String(), tag.String(), base58.Encode(tag[:]), fmt.Sprintf("%x", tag[:]), fmt.Sprint(uint64(nr.id))} {
			if strings.Contains(all, canary) {
				t.Errorf("%q is in %q", canary, all)
			}
		}
	})
}
