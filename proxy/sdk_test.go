package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy/protocol"
)

// An sdkWorld is two programs with streams of Nym's SDK, on virtual time.
type sdkWorld struct {
	*testing.T
	pair      *mixnettest.Pair
	near, far *SDK
	accepted  chan *SDKConn // by far
	ctx       context.Context
	stop      func() // ends both and waits for them
}

func inSDKWorld(t *testing.T, o mixnettest.Options, test func(w *sdkWorld)) {
	synctest.Test(t, func(t *testing.T) {
		w := &sdkWorld{T: t, pair: mixnettest.NewPair(o), accepted: make(chan *SDKConn, 100)}
		w.near = NewSDK(w.pair.A, SDKConfig{})
		w.far = NewSDK(w.pair.B, SDKConfig{Incoming: func(c *SDKConn) { w.accepted <- c }})
		ctx, cancel := context.WithCancel(t.Context())
		w.ctx = ctx
		var all errgroup.Group
		for x, end := range map[*SDK]*mixnettest.End{w.near: w.pair.A, w.far: w.pair.B} {
			all.Go(func() error { return x.Run(ctx) })
			all.Go(func() error {
				for {
					m, err := end.Receive(ctx)
					if err != nil {
						return nil
					}
					x.Take(m, true)
				}
			})
		}
		ended := false
		w.stop = func() {
			if ended {
				return
			}
			ended = true
			cancel()
			if err := all.Wait(); err != nil {
				t.Error(err)
			}
		}
		defer w.stop()
		test(w)
	})
}

func (w *sdkWorld) dial() (dialed, accepted *SDKConn) {
	w.Helper()
	dialed, err := w.near.Dial(w.ctx, w.pair.B.Address())
	if err != nil {
		w.Fatal(err)
	}
	return dialed, <-w.accepted
}

// A megabyte goes each way on each of several streams, though messages overtake each
// other, come twice, and are late.
func TestSDKStreams(t *testing.T) {
	inSDKWorld(t, mixnettest.Options{
		Latency: 100 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.01, Duplicate: 0.05, CountSURBs: true, Seed: 1,
	}, func(w *sdkWorld) {
		const streams = 4
		var g errgroup.Group
		for i := range streams {
			dialed, accepted := w.dial()
			sent := bytes.Repeat([]byte(fmt.Sprint("stream ", i, " ")), 1<<17)[:1<<20]
			for from, to := range map[*SDKConn]*SDKConn{dialed: accepted, accepted: dialed} {
				g.Go(func() error { _, err := from.Write(sent); return err })
				g.Go(func() error {
					got := make([]byte, len(sent))
					if _, err := io.ReadFull(to, got); err != nil {
						return err
					}
					if sha256.Sum256(got) != sha256.Sum256(sent) {
						return fmt.Errorf("stream %d arrived damaged", i)
					}
					return nil
				})
			}
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// sdk-streams.md: "A sender of ours MUST NOT have more than 256 unacknowledged messages
// ahead of the oldest unacknowledged one."
func TestSDKWindow(t *testing.T) {
	inSDKWorld(t, mixnettest.Options{LaneSize: 1 << 20, Seed: 1}, func(w *sdkWorld) {
		dialed, _ := w.dial()
		w.pair.A.HoldAcks(true)
		wrote := make(chan error, 1)
		go func() { _, err := dialed.Write(make([]byte, 200*dialed.chunk)); wrote <- err }()
		time.Sleep(time.Minute)
		dialed.mu.Lock()
		if n := dialed.win.next - dialed.win.base; n != sdkSpan || n > 256 {
			t.Errorf("%d messages are unacknowledged, want %d", n, sdkSpan)
		}
		dialed.mu.Unlock()
		w.pair.A.HoldAcks(false)
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	})
}

// sends sends frames as a program of Nym's would.
func (w *sdkWorld) sends(tag mixnet.SenderTag, frames ...protocol.SDKFrame) {
	w.Helper()
	for _, f := range frames {
		b, err := f.AppendBinary(nil)
		if err != nil {
			w.Fatal(err)
		}
		if err := w.pair.A.Send(w.ctx, w.pair.B.Address(), b, mixnet.SendOptions{As: tag}); err != nil {
			w.Fatal(err)
		}
	}
	time.Sleep(time.Second)
}

// Data may come before the opening of their stream, the opening has first data, and a
// write is one message however long.
func TestSDKForeignFrames(t *testing.T) {
	inSDKWorld(t, mixnettest.Options{Seed: 1}, func(w *sdkWorld) {
		tag := mixnet.NewSenderTag()
		large := bytes.Repeat([]byte("large"), 1<<18)
		data := func(n uint32, b []byte) protocol.SDKFrame {
			return protocol.SDKFrame{ID: 7, Kind: protocol.SDKData, Number: n, Data: b}
		}
		w.sends(tag, data(2, []byte("two ")), data(0, []byte("zero ")), protocol.SDKFrame{ID: 7, Data: []byte("first ")})
		c := <-w.accepted
		w.sends(tag, data(0, []byte("again")), protocol.SDKFrame{ID: 7}, data(3, large), data(1, []byte("one ")))
		got := make([]byte, len("first zero one two ")+len(large))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "first zero one two "+string(large) {
			t.Errorf("got %.30q..., %v", got, err)
		}
		// Another sender's stream of the same id is another stream.
		w.sends(mixnet.NewSenderTag(), protocol.SDKFrame{ID: 7, Data: []byte("other")}, data(4, []byte("no")))
		other := <-w.accepted
		if n, err := other.Read(got); err != nil || string(got[:n]) != "other" {
			t.Errorf("got %q, %v", got[:n], err)
		}
		// One that is over stays so: its late messages open nothing.
		c.Close()
		<-c.Done()
		w.sends(tag, protocol.SDKFrame{ID: 7, Data: []byte("late")}, data(4, []byte("late")))
		select {
		case <-w.accepted:
			t.Error("a stream that is over was opened again")
		default:
		}
	})
}

// What strangers make an SDK hold is bounded: streams of one tag, unread bytes, messages
// behind one that is missing, and what comes before an opening.
func TestSDKBounds(t *testing.T) {
	inSDKWorld(t, mixnettest.Options{LaneSize: 1 << 20, Seed: 1}, func(w *sdkWorld) {
		tag := mixnet.NewSenderTag()
		for i := range 2 * sdkStreamsPerTag {
			w.sends(tag, protocol.SDKFrame{ID: protocol.StreamID(i)})
		}
		if n := len(w.accepted); n != sdkStreamsPerTag {
			t.Errorf("%d streams of one tag, want %d", n, sdkStreamsPerTag)
		}
		unread := <-w.accepted
		for i := range uint32(4) {
			w.sends(tag, protocol.SDKFrame{ID: unread.key.id, Kind: protocol.SDKData, Number: i, Data: make([]byte, mixnet.MaxMessage-protocol.SDKHeaderSize)})
		}
		if _, err := io.ReadAll(unread); !errors.Is(err, errFlood) {
			t.Errorf("a flood ends in %v", err)
		}
		holed := <-w.accepted
		for i := range uint32(sdkHeld + 1) {
			holed.receive(protocol.SDKFrame{Kind: protocol.SDKData, Number: i + 1, Data: []byte{1}})
		}
		if _, err := io.ReadAll(holed); !errors.Is(err, errFlood) {
			t.Errorf("a hole ends in %v", err)
		}
		if n := w.far.held.Load(); n != 0 {
			t.Errorf("%d bytes are counted after that", n)
		}

		for i := range 2 * earlyStreams {
			k := key{tag: mixnet.NewSenderTag(), id: protocol.StreamID(i)}
			w.far.mu.Lock()
			w.far.keepEarly(time.Now(), k, protocol.SDKFrame{Data: make([]byte, 1<<20)})
			if n := len(w.far.early); n > earlyStreams || w.far.earlySum > earlyTotal {
				t.Fatalf("%d early streams hold %d bytes", n, w.far.earlySum)
			}
			w.far.mu.Unlock()
		}
		time.Sleep(2 * earlyAge)
		w.far.mu.Lock()
		if len(w.far.early) != 0 || w.far.earlySum != 0 {
			t.Errorf("%d early streams of %d bytes are still there", len(w.far.early), w.far.earlySum)
		}
		w.far.mu.Unlock()
	})
}

// There is no close: what was written before one still arrives, and half an hour of
// silence ends a stream.
func TestSDKEnds(t *testing.T) {
	inSDKWorld(t, mixnettest.Options{Latency: time.Second, Seed: 1}, func(w *sdkWorld) {
		dialed, accepted := w.dial()
		sent := bytes.Repeat([]byte("still sent "), 50_000)
		if _, err := dialed.Write(sent[:10]); err != nil {
			t.Fatal(err)
		}
		go func() { dialed.Write(sent[10:]); dialed.Close() }()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(accepted, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%v", err)
		}
		<-dialed.Done()
		if _, err := dialed.Write(sent); !errors.Is(err, net.ErrClosed) {
			t.Errorf("written after Close: %v", err)
		}
		if _, err := dialed.Read(got); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
		began := time.Now()
		accepted.SetReadDeadline(began.Add(time.Minute))
		if _, err := accepted.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		accepted.SetReadDeadline(time.Time{})
		if _, err := accepted.Read(got); !errors.Is(err, ErrIdle) || time.Since(began) < sdkIdle-time.Minute || time.Since(began) > sdkIdle+time.Minute {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		<-accepted.Done()

		dialed, accepted = w.dial()
		if err := dialed.CloseWrite(); err != nil {
			t.Error(err)
		}
		if _, err := dialed.Write(sent); !errors.Is(err, net.ErrClosed) {
			t.Errorf("written after CloseWrite: %v", err)
		}
		if _, err := accepted.Write(sent[:5]); err != nil {
			t.Error(err)
		}
		if n, err := dialed.Read(got); err != nil || n != 5 {
			t.Errorf("read %d, %v", n, err)
		}
		accepted.Abort()
		<-accepted.Done()
		dialed.Close()
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		if err := w.near.Drain(ctx); err != nil {
			t.Errorf("drain: %v", err)
		}
		if _, err := w.near.Dial(w.ctx, w.pair.B.Address()); err == nil {
			t.Error("dialed while draining")
		}
		w.stop()
		if n := len(w.near.conns) + len(w.far.conns) + len(w.near.byTag) + len(w.far.tags); n != 0 {
			t.Errorf("%d things are left", n)
		}
		if n := w.pair.B.Pinned(); n != 0 {
			t.Errorf("%d tags are pinned", n)
		}
	})
}

// A message that is lost for good is a failure at the one who wrote it, never a gap.
func TestSDKLoss(t *testing.T) {
	inSDKWorld(t, mixnettest.Options{Vanish: 0.2, Seed: 3}, func(w *sdkWorld) {
		var dialed *SDKConn
		for range 20 {
			if c, err := w.near.Dial(w.ctx, w.pair.B.Address()); err == nil {
				dialed = c
				break
			}
		}
		if dialed == nil {
			t.Fatal("no stream was opened in twenty attempts")
		}
		accepted := <-w.accepted
		sent := make([]byte, 1<<20)
		for i := range sent {
			sent[i] = byte(i >> 10)
		}
		var err error
		for err == nil {
			_, err = dialed.Write(sent)
		}
		if !errors.Is(err, errHole) {
			t.Errorf("writing ends in %v", err)
		}
		accepted.SetReadDeadline(time.Now().Add(time.Minute))
		got, _ := io.ReadAll(accepted)
		for i, b := range got {
			if b != byte(i%len(sent)>>10) {
				t.Fatalf("a gap before byte %d", i)
			}
		}
	})
}

// A far end that answers by our reply SURBs is stopped while nobody reads.
func TestSDKPause(t *testing.T) {
	inSDKWorld(t, mixnettest.Options{CountSURBs: true, Seed: 1}, func(w *sdkWorld) {
		dialed, accepted := w.dial()
		go func() {
			for {
				if _, err := accepted.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Minute)
		if paused, _ := w.pair.A.Paused(dialed.key.tag); !paused || dialed.holds() < stallMark || dialed.holds() > sdkUnread {
			t.Errorf("paused: %v, with %d bytes unread", paused, dialed.holds())
		}
		if _, err := io.CopyN(io.Discard, dialed, 8<<20); err != nil {
			t.Error(err)
		}
		accepted.Abort()
	})
}

// What is not a stream's is left to others.
func TestSDKTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pair := mixnettest.NewPair(mixnettest.Options{Seed: 1})
		none, some := NewSDK(pair.A, SDKConfig{}), NewSDK(pair.A, SDKConfig{Incoming: func(*SDKConn) {}})
		frame := func(k protocol.SDKKind) []byte {
			b, _ := protocol.SDKFrame{ID: 1, Kind: k}.AppendBinary(nil)
			return b
		}
		tag := mixnet.NewSenderTag()
		for _, row := range []struct {
			name      string
			x         *SDK
			m         mixnet.Message
			listening bool
			want      bool
		}{
			{"an opening", some, mixnet.Message{From: tag, Body: frame(protocol.SDKOpen)}, true, true},
			{"data", some, mixnet.Message{From: tag, Body: frame(protocol.SDKData)}, true, true},
			{"data, while nobody listens", some, mixnet.Message{From: mixnet.NewSenderTag(), Body: frame(protocol.SDKData)}, false, false},
			{"an opening without a tag", some, mixnet.Message{Body: frame(protocol.SDKOpen)}, true, false},
			{"an opening where none is taken", none, mixnet.Message{From: tag, Body: frame(protocol.SDKOpen)}, true, false},
			{"an answer to a tag of another's", some, mixnet.Message{To: tag, Body: frame(protocol.SDKData)}, true, false},
			{"text", some, mixnet.Message{From: tag, Body: []byte("a message that is no frame")}, true, false},
		} {
			if got := row.x.Take(row.m, row.listening); got != row.want {
				t.Errorf("%s: got %v", row.name, got)
			}
		}
		some.stop()
		some.pumps.Wait()
	})
}
