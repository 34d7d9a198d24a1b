package proxy

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/proxy/protocol"
)

// socks.md §22: "To askers whose request had no note the answer has nothing more than
// what Nym's requesters say."
func TestGreetingOfOthersHasNothingMore(t *testing.T) {
	at := mixnet.Recipient{Identity: keys.NewIdentityKey().Public(), Encryption: keys.NewEncryptionKey().Public(), Gateway: keys.NewIdentityKey().Public()}
	cfg := Config{Addresses: func() []mixnet.Recipient { return []mixnet.Recipient{at} }}
	inServer(t, smooth, cfg, func(in *Incoming) { in.Reject(ReasonDenied) }, func(t *testing.T, w *world) {
		ask := func(extra []byte) []byte {
			body := append([]byte{3, 0, 1}, extra...)
			if err := w.A.Send(t.Context(), w.B.Address(), body, mixnet.SendOptions{As: mixnet.NewSenderTag(), SURBs: 15}); err != nil {
				t.Fatal(err)
			}
			m, err := w.A.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return m.Body
		}
		var build []byte
		r, err := protocol.ParseResponse(ask(nil))
		if err != nil {
			t.Fatal(err)
		}
		plain := r.Body.(protocol.ControlAnswer).Binary
		if plain.Boot != 0 || plain.Up != 0 || plain.Addresses != nil {
			t.Errorf("others are told %+v", plain)
		}
		build, err = protocol.Response{Versions: protocol.CurrentVersions, Body: protocol.ControlAnswer{
			Kind: protocol.ControlBinary, Binary: protocol.BinaryInfo{Name: protocol.BinaryName},
		}}.AppendBinary(nil)
		if got := ask([]byte("anything")); err != nil || !bytes.Equal(got, build) || bytes.Contains(got, []byte("boot")) {
			t.Errorf("others are told %s, want %s", got, build)
		}
		note, _ := protocol.Note{Op: protocol.NoteHello}.AppendBinary(nil)
		time.Sleep(time.Minute)
		r, err = protocol.ParseResponse(ask(note))
		if err != nil {
			t.Fatal(err)
		}
		ours := r.Body.(protocol.ControlAnswer).Binary
		if ours.Boot != w.requester.boot || ours.Up < time.Minute.Milliseconds() || len(ours.Addresses) != 1 || ours.Addresses[0] != at.String() {
			t.Errorf("ours are told %+v", ours)
		}
	})
}

// What a requester says of itself is not believed beyond bounds.
func TestGreetingIsBounded(t *testing.T) {
	now := time.Now()
	at := mixnet.Recipient{Identity: keys.NewIdentityKey().Public(), Encryption: keys.NewEncryptionKey().Public(), Gateway: keys.NewIdentityKey().Public()}
	many := make([]string, 100)
	for i := range many {
		many[i] = at.String()
	}
	for name, c := range map[string]struct {
		in        protocol.BinaryInfo
		boot      bool
		began     time.Duration // before now
		addresses int
	}{
		"of others":        {protocol.BinaryInfo{Name: "nym-network-requester", Boot: 1, Addresses: many}, false, 0, 0},
		"an older of ours": {protocol.BinaryInfo{Name: protocol.BinaryName}, false, 0, 0},
		"ours":             {protocol.BinaryInfo{Name: protocol.BinaryName, Boot: 1, Up: 5000, Addresses: many[:2]}, true, 5 * time.Second, 2},
		"too many":         {protocol.BinaryInfo{Name: protocol.BinaryName, Boot: 1, Addresses: many}, true, 0, protocol.MaxAddresses},
		"no addresses":     {protocol.BinaryInfo{Name: protocol.BinaryName, Boot: 1, Addresses: []string{"", "x", strings.Repeat("1", 1<<16)}}, true, 0, 0},
		"for ever":         {protocol.BinaryInfo{Name: protocol.BinaryName, Boot: 1, Up: 1<<63 - 1}, true, maxUp, 0},
		"backwards":        {protocol.BinaryInfo{Name: protocol.BinaryName, Boot: 1, Up: -1}, false, 0, 0},
	} {
		g := greetingOf(now, c.in)
		if (g.Boot != 0) != c.boot || len(g.Addresses) != c.addresses || c.boot && now.Sub(g.Began) != c.began {
			t.Errorf("%s: read as %+v", name, g)
		}
	}
}

// Streams that a requester has forgotten are reset: those it had opened before, and
// all if it is gone. Those of other requesters, and those it opened since, go on.
func TestResetStreams(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		before := w.dial(DialOptions{Isolation: "a"})
		also := w.dial(DialOptions{Isolation: "b"})
		time.Sleep(time.Second)
		began := time.Now()
		time.Sleep(time.Second)
		after := w.dial(DialOptions{Isolation: "a"})
		if n := w.client.StreamsOf(w.B.Address()); n != 3 {
			t.Errorf("%d streams, want 3", n)
		}
		if n := w.client.ResetStreams(mixnet.Recipient{}, time.Time{}); n != 0 {
			t.Errorf("%d streams of another requester were reset", n)
		}
		if n := w.client.ResetStreams(w.B.Address(), began); n != 2 {
			t.Errorf("%d streams were reset, want 2", n)
		}
		for _, c := range []*Conn{before, also} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrReset) {
				t.Errorf("got %v, want a reset", err)
			}
		}
		after.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := after.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a stream of now: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w.stopRequester()
		failed := make(chan error, 1)
		go func() {
			_, err := w.client.Dial(ctx, w.B.Address(), "target.test:80", DialOptions{})
			failed <- err
		}()
		time.Sleep(time.Second)
		if n := w.client.ResetStreams(w.B.Address(), time.Now()); n != 1 {
			t.Errorf("%d streams were reset, want the one that was open", n)
		}
		w.client.ResetStreams(w.B.Address(), time.Time{})
		var open *OpenError
		if err := <-failed; !errors.As(err, &open) || open.Reason != ReasonNoAnswer {
			t.Errorf("a dial through a requester that is gone: %v", err)
		}
		after.Close()
	})
}

// A requester is reached at another address by streams that are open, and by new ones.
func TestReroute(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		known := w.B.Address()
		known.Gateway = keys.NewIdentityKey().Public() // which only the pair's messenger does not know
		w.client.Reroute(known, w.B.Address())
		c, err := w.client.Dial(t.Context(), known, "target.test:80", DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if w.client.StreamsOf(known) != 1 || w.client.Heard(known).IsZero() || !w.client.Heard(w.B.Address()).IsZero() {
			t.Error("the stream counts for another requester than was dialed")
		}
		got, err := exchange(c, []byte("hello"))
		if err != nil || string(got) != "hello" {
			t.Errorf("got %q, %v", got, err)
		}
		c.Close()
	})
}
