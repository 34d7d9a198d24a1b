package messengertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
)

// A World is two Messengers that reach each other.
type World struct {
	A, B mixnet.Messenger
	// Cut loses every packet that is between the two from now on, or none any more.
	Cut func(cut bool)
	// End ends A, as far as its user is concerned for good.
	End func()
	// LaneRoom is how many packets a lane has room for.
	LaneRoom int
}

// Run runs the suite against what open makes.
func Run(t *testing.T, open func(t *testing.T) World) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.test(&bench{World: open(t), T: t})
			})
		})
	}
}

// A bench is a World with what the tests do in it.
type bench struct {
	World
	*testing.T
}

// soon is more than everything takes while nothing is lost, retries included.
const soon = 20 * time.Second

// A fate is what Done was told.
type fate struct {
	mu   sync.Mutex
	told []error
}

func (f *fate) done(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, err)
}

// is reports whether Done was told once, and that.
func (f *fate) is(want error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.told) == 1 && errors.Is(f.told[0], want)
}

func (f *fate) open() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.told) == 0
}

// send sends from A to B, and fails the test if that fails.
func (b *bench) send(body []byte, o mixnet.SendOptions) {
	b.Helper()
	if err := b.A.Send(b.Context(), b.B.Address(), body, o); err != nil {
		b.Fatalf("send: %v", err)
	}
}

// reply answers from B, and fails the test if that fails.
func (b *bench) reply(tag mixnet.SenderTag, body []byte, o mixnet.SendOptions) {
	b.Helper()
	if err := b.B.Reply(b.Context(), tag, body, o); err != nil {
		b.Fatalf("reply: %v", err)
	}
}

// receive waits for a message.
func (b *bench) receive(m mixnet.Messenger) mixnet.Message {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), soon)
	defer cancel()
	msg, err := m.Receive(ctx)
	if err != nil {
		b.Fatalf("receive: %v", err)
	}
	return msg
}

// nothing wants no message to come.
func (b *bench) nothing(m mixnet.Messenger) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	if msg, err := m.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		b.Errorf("received %d bytes, %v, want nothing", len(msg.Body), err)
	}
}

// wants waits until Done was told that.
func (b *bench) wants(f *fate, want error) {
	b.Helper()
	time.Sleep(soon)
	synctest.Wait()
	if !f.is(want) {
		b.Errorf("done was told %v, want once %v", f.told, want)
	}
}

// greet has A speak under a fresh tag, which B then can answer.
func (b *bench) greet(surbs int) mixnet.SenderTag {
	b.Helper()
	tag := mixnet.NewSenderTag()
	b.send([]byte("greeting"), mixnet.SendOptions{As: tag, SURBs: surbs})
	if m := b.receive(b.B); m.From != tag {
		b.Fatalf("the greeting comes from %v, want %v", m.From, tag)
	}
	return tag
}

// fill makes a lane of A full, of messages that are on their way and get nowhere.
func (b *bench) fill(lane mixnet.Lane, f *fate) {
	b.Helper()
	b.Cut(true)
	body := make([]byte, b.A.Room(mixnet.SendOptions{}, 1))
	for range b.LaneRoom {
		b.send(body, mixnet.SendOptions{Lane: lane, Done: f.done})
	}
	synctest.Wait() // they have left
}
