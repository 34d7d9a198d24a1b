package messengertest

import (
	"bytes"
	"context"
	"errors"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// suite has a test for each sentence, in the order of the contract.
var suite = []struct {
	name string
	test func(*bench)
}{
	{"what is sent to an address arrives", address},
	{"a plain message has no tag, another that of its sender", tags},
	{"done is told once that a message was acknowledged", acknowledged},
	{"nothing is kept of a body", bodyIsCopied},
	{"a body that is too long is refused, an empty one is sent", lengths},
	{"a recipient without a gateway is refused", unreachable},
	{"send waits while the lane is full", waitsForRoom},
	{"what was not accepted is never sent", refusedIsNotSent},
	{"an ended context sends nothing", endedContext},
	{"packets are sent again until they are acknowledged", sentAgain},
	{"a reply comes under the tag that it answers", reply},
	{"a reply to an unknown tag, or an empty one, is refused", refusedReplies},
	{"a reply waits for SURBs", replyWaits},
	{"a reply that waited for SURBs in vain fails", replyFails},
	{"answers are supplied with SURBs", supply},
	{"how many SURBs a message carries", carried},
	{"receive fails when the messenger has ended", ended},
	{"what is not acknowledged when the messenger ends fails", endedFails},
	{"a closed lane is empty", closedLane},
	{"a closed lane opens anew", reopenedLane},
	{"lanes do not wait for each other", otherLanes},
	{"the length of a lane", laneLen},
	{"a body of as many bytes as there is room fills so many packets", room},
	{"no SURBs are granted while paused", pause},
	{"a message is wanted for as long as its life", life},
	{"a message whose life ends while it waits is canceled", lifeOfOneThatWaits},
	{"a message whose life ends later is no worse for it", lifeAfterwards},
	{"once is not sent again", once},
}

func address(b *bench) {
	for _, m := range []mixnet.Messenger{b.A, b.B} {
		from, to := b.A, m
		if m == b.A {
			from = b.B
		}
		if err := from.Send(b.Context(), to.Address(), []byte("hello"), mixnet.SendOptions{}); err != nil {
			b.Fatal(err)
		}
		if got := b.receive(to); string(got.Body) != "hello" || got.Packets != 1 {
			b.Errorf("received %q in %d packets", got.Body, got.Packets)
		}
	}
}

func tags(b *bench) {
	b.send([]byte("plain"), mixnet.SendOptions{SURBs: 5})
	if m := b.receive(b.B); !m.From.IsZero() || !m.To.IsZero() {
		b.Errorf("a plain message comes from %v to %v", m.From, m.To)
	}
	tag := b.greet(0)
	b.send([]byte("again"), mixnet.SendOptions{As: tag})
	if m := b.receive(b.B); m.From != tag || !m.To.IsZero() {
		b.Errorf("a message under a tag comes from %v to %v", m.From, m.To)
	}
}

func acknowledged(b *bench) {
	var f fate
	b.send(make([]byte, 100_000), mixnet.SendOptions{Done: f.done})
	b.receive(b.B)
	b.wants(&f, nil)
}

func bodyIsCopied(b *bench) {
	tag := b.greet(0)
	body := []byte("what was meant")
	b.Cut(true)
	b.send(body, mixnet.SendOptions{})
	b.reply(tag, body, mixnet.SendOptions{})
	copy(body, "something else")
	b.Cut(false)
	for _, m := range []mixnet.Messenger{b.A, b.B} {
		if got := b.receive(m).Body; string(got) != "what was meant" {
			b.Errorf("received %q", got)
		}
	}
}

func lengths(b *bench) {
	tag := b.greet(0)
	long := make([]byte, mixnet.MaxMessage+1)
	if err := b.A.Send(b.Context(), b.B.Address(), long, mixnet.SendOptions{}); !errors.Is(err, mixnet.ErrTooLong) {
		b.Errorf("sending too much: %v", err)
	}
	if err := b.A.Send(b.Context(), b.B.Address(), long, mixnet.SendOptions{As: tag}); !errors.Is(err, mixnet.ErrTooLong) {
		b.Errorf("sending too much under a tag: %v", err)
	}
	if err := b.B.Reply(b.Context(), tag, long, mixnet.SendOptions{}); !errors.Is(err, mixnet.ErrTooLong) {
		b.Errorf("answering too much: %v", err)
	}
	b.send(nil, mixnet.SendOptions{})
	if m := b.receive(b.B); len(m.Body) != 0 || m.Packets != 1 {
		b.Errorf("an empty message has %d bytes and %d packets", len(m.Body), m.Packets)
	}
}

func unreachable(b *bench) {
	to := b.B.Address()
	to.Gateway = keys.Identity{}
	for _, o := range []mixnet.SendOptions{{}, {As: mixnet.NewSenderTag()}} {
		if err := b.A.Send(b.Context(), to, []byte("x"), o); !errors.Is(err, mixnet.ErrUnreachable) {
			b.Errorf("send: %v", err)
		}
	}
	b.nothing(b.B)
}

func waitsForRoom(b *bench) {
	var f, last fate
	b.fill(1, &f)
	accepted := make(chan error, 1)
	go func() {
		accepted <- b.A.Send(b.Context(), b.B.Address(), []byte("late"), mixnet.SendOptions{Lane: 1, Done: last.done})
	}()
	time.Sleep(5 * time.Second)
	select {
	case err := <-accepted:
		b.Errorf("accepted by a full lane: %v", err)
	default:
	}
	b.Cut(false)
	if err := <-accepted; err != nil {
		b.Errorf("when there is room: %v", err)
	}
	b.wants(&last, nil)
}

func refusedIsNotSent(b *bench) {
	var f, refused fate
	b.fill(1, &f)
	ctx, cancel := context.WithTimeout(b.Context(), time.Second)
	defer cancel()
	err := b.A.Send(ctx, b.B.Address(), []byte("refused"), mixnet.SendOptions{Lane: 1, Done: refused.done})
	if !errors.Is(err, context.DeadlineExceeded) {
		b.Errorf("a full lane: %v", err)
	}
	b.Cut(false)
	for range b.LaneRoom {
		if m := b.receive(b.B); string(m.Body) == "refused" {
			b.Error("what was refused is sent")
		}
	}
	b.nothing(b.B)
	if !refused.open() {
		b.Error("done is told of what was refused")
	}
}

func endedContext(b *bench) {
	tag := b.greet(0)
	ctx, cancel := context.WithCancel(b.Context())
	var f fate
	if err := b.A.Send(ctx, b.B.Address(), []byte("accepted"), mixnet.SendOptions{Done: f.done}); err != nil {
		b.Fatal(err)
	}
	cancel() // which counts for the wait only
	b.receive(b.B)
	b.wants(&f, nil)
	for range 50 {
		if err := b.A.Send(ctx, b.B.Address(), []byte("not"), mixnet.SendOptions{}); !errors.Is(err, context.Canceled) {
			b.Fatalf("send: %v", err)
		}
		if err := b.B.Reply(ctx, tag, []byte("not"), mixnet.SendOptions{}); !errors.Is(err, context.Canceled) {
			b.Fatalf("reply: %v", err)
		}
	}
	b.nothing(b.B)
}

func sentAgain(b *bench) {
	var f fate
	b.Cut(true)
	body := bytes.Repeat([]byte("again"), 1000)
	b.send(body, mixnet.SendOptions{Done: f.done})
	time.Sleep(5 * time.Second)
	if !f.open() {
		b.Errorf("done is told %v before anything arrives", f.told)
	}
	b.Cut(false)
	if m := b.receive(b.B); !bytes.Equal(m.Body, body) {
		b.Errorf("received %d bytes", len(m.Body))
	}
	b.wants(&f, nil)
}

func reply(b *bench) {
	tag := b.greet(0)
	var f fate
	b.reply(tag, []byte("answer"), mixnet.SendOptions{Done: f.done})
	if m := b.receive(b.A); m.To != tag || !m.From.IsZero() || string(m.Body) != "answer" || m.Packets != 1 {
		b.Errorf("received %q from %v to %v in %d packets", m.Body, m.From, m.To, m.Packets)
	}
	b.wants(&f, nil)
}

func refusedReplies(b *bench) {
	var f fate
	tag := b.greet(0)
	for name, c := range map[string]struct {
		tag  mixnet.SenderTag
		body string
		want error
	}{
		"a tag never heard of": {mixnet.NewSenderTag(), "answer", mixnet.ErrUnknownTag},
		"an empty one":         {tag, "", mixnet.ErrEmpty},
		"a tag of our own":     {mixnet.SenderTag{}, "answer", mixnet.ErrUnknownTag},
	} {
		if err := b.B.Reply(b.Context(), c.tag, []byte(c.body), mixnet.SendOptions{Done: f.done}); !errors.Is(err, c.want) {
			b.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if !f.open() {
		b.Error("done is told of what was refused")
	}
}

func replyWaits(b *bench) {
	tag := b.greet(12)
	b.A.Pause(tag, true)
	var f fate
	body := make([]byte, 30_000)
	b.reply(tag, body, mixnet.SendOptions{Done: f.done})
	b.nothing(b.A)
	if !f.open() {
		b.Errorf("done is told %v of a reply that waits", f.told)
	}
	b.A.Pause(tag, false)
	if m := b.receive(b.A); len(m.Body) != len(body) {
		b.Errorf("received %d bytes", len(m.Body))
	}
	b.wants(&f, nil)
}

func replyFails(b *bench) {
	tag := b.greet(12)
	b.A.Pause(tag, true)
	var f fate
	b.reply(tag, make([]byte, 30_000), mixnet.SendOptions{Done: f.done})
	time.Sleep(4 * time.Minute)
	if !f.open() {
		b.Errorf("after four minutes done is told %v", f.told)
	}
	time.Sleep(2 * time.Minute)
	if !f.is(mixnet.ErrNoSURBs) {
		b.Errorf("after six minutes done is told %v", f.told)
	}
	b.nothing(b.A)
}

func supply(b *bench) {
	tag := b.greet(0)
	body := make([]byte, 100_000)
	for range 10 {
		b.reply(tag, body, mixnet.SendOptions{})
		if m := b.receive(b.A); len(m.Body) != len(body) {
			b.Fatalf("received %d bytes", len(m.Body))
		}
	}
}

func carried(b *bench) {
	none := b.greet(-1)
	if err := b.B.Reply(b.Context(), none, []byte("answer"), mixnet.SendOptions{}); !errors.Is(err, mixnet.ErrUnknownTag) {
		b.Errorf("a message that carries none is answered: %v", err)
	}
	for _, surbs := range []int{0, 1, 40} {
		tag := b.greet(surbs)
		b.reply(tag, []byte("answer"), mixnet.SendOptions{})
		if surbs != 1 { // one serves to ask for more
			b.A.Pause(tag, true)
		}
		b.receive(b.A)
	}
}

func ended(b *bench) {
	b.Cut(true)
	errs := make(chan error, 1)
	go func() {
		_, err := b.A.Receive(b.Context())
		errs <- err
	}()
	synctest.Wait()
	b.End()
	if err := <-errs; !errors.Is(err, mixnet.ErrClosed) {
		b.Errorf("a receive that waits: %v", err)
	}
	if _, err := b.A.Receive(b.Context()); !errors.Is(err, mixnet.ErrClosed) {
		b.Errorf("receive: %v", err)
	}
	if err := b.A.Send(b.Context(), b.B.Address(), []byte("x"), mixnet.SendOptions{}); !errors.Is(err, mixnet.ErrClosed) {
		b.Errorf("send: %v", err)
	}
	if err := b.A.Send(b.Context(), b.B.Address(), []byte("x"), mixnet.SendOptions{As: mixnet.NewSenderTag()}); !errors.Is(err, mixnet.ErrClosed) {
		b.Errorf("send under a tag: %v", err)
	}
	b.A.CloseLane(1) // none of these may wait
	b.A.Pause(mixnet.NewSenderTag(), true)
	b.A.Pin(mixnet.NewSenderTag(), true)
	if n := b.A.LaneLen(1); n != 0 {
		b.Errorf("lane of %d packets", n)
	}
}

func endedFails(b *bench) {
	var f, waits fate
	b.fill(1, &f)
	errs := make(chan error, 1)
	go func() {
		errs <- b.A.Send(b.Context(), b.B.Address(), []byte("x"), mixnet.SendOptions{Lane: 1, Done: waits.done})
	}()
	synctest.Wait()
	b.End()
	if err := <-errs; !errors.Is(err, mixnet.ErrClosed) {
		b.Errorf("a send that waits: %v", err)
	}
	synctest.Wait()
	if len(f.told) != b.LaneRoom || !waits.open() {
		b.Errorf("done is told of %d of %d messages", len(f.told), b.LaneRoom)
	}
	for _, err := range f.told {
		if !errors.Is(err, mixnet.ErrClosed) {
			b.Fatalf("done is told %v", err)
		}
	}
}

func closedLane(b *bench) {
	var f, waits fate
	b.fill(1, &f)
	errs := make(chan error, 1)
	go func() {
		errs <- b.A.Send(b.Context(), b.B.Address(), []byte("x"), mixnet.SendOptions{Lane: 1, Done: waits.done})
	}()
	synctest.Wait()
	b.A.CloseLane(1)
	if err := <-errs; !errors.Is(err, mixnet.ErrLaneClosed) {
		b.Errorf("a send that waits: %v", err)
	}
	synctest.Wait()
	for _, err := range f.told {
		if !errors.Is(err, mixnet.ErrLaneClosed) {
			b.Fatalf("done is told %v", err)
		}
	}
	if len(f.told) != b.LaneRoom || !waits.open() || b.A.LaneLen(1) != 0 {
		b.Errorf("done is told of %d of %d messages; %d packets are left", len(f.told), b.LaneRoom, b.A.LaneLen(1))
	}
	b.Cut(false)
	b.nothing(b.B)
}

func reopenedLane(b *bench) {
	var f fate
	b.A.CloseLane(1)
	b.send([]byte("anew"), mixnet.SendOptions{Lane: 1, Done: f.done})
	b.receive(b.B)
	b.wants(&f, nil)
}

func otherLanes(b *bench) {
	var f, other fate
	b.fill(1, &f)
	ctx, cancel := context.WithTimeout(b.Context(), time.Second)
	defer cancel()
	if err := b.A.Send(ctx, b.B.Address(), []byte("other"), mixnet.SendOptions{Lane: 2, Done: other.done}); err != nil {
		b.Errorf("beside a full lane: %v", err)
	}
	b.A.CloseLane(1)
	b.Cut(false)
	if m := b.receive(b.B); string(m.Body) != "other" {
		b.Errorf("received %d bytes", len(m.Body))
	}
	b.wants(&other, nil)
}

func laneLen(b *bench) {
	b.Cut(true)
	for range 3 {
		b.send(make([]byte, b.A.Room(mixnet.SendOptions{}, 5)), mixnet.SendOptions{Lane: 1})
	}
	b.send([]byte("x"), mixnet.SendOptions{Lane: 2})
	if one, two, none := b.A.LaneLen(1), b.A.LaneLen(2), b.A.LaneLen(3); one != 15 || two != 1 || none != 0 {
		b.Errorf("lanes of %d, %d and %d packets, want 15, 1 and 0", one, two, none)
	}
	b.Cut(false)
	time.Sleep(soon)
	if one, two := b.A.LaneLen(1), b.A.LaneLen(2); one != 0 || two != 0 {
		b.Errorf("when all is acknowledged, lanes of %d and %d packets", one, two)
	}
}

func room(b *bench) {
	tag := b.greet(0)
	for _, packets := range []int{1, 2, 10, 300} {
		under := mixnet.SendOptions{As: tag, SURBs: -1}
		for more := range 2 {
			b.send(make([]byte, b.A.Room(under, packets)+more), under)
			if got := b.receive(b.B).Packets; got != packets+more {
				b.Errorf("under a tag: %d packets, want %d", got, packets+more)
			}
			b.reply(tag, make([]byte, b.B.Room(mixnet.SendOptions{}, packets)+more), mixnet.SendOptions{})
			if got := b.receive(b.A).Packets; got != packets+more {
				b.Errorf("a reply: %d packets, want %d", got, packets+more)
			}
		}
		b.send(make([]byte, b.A.Room(mixnet.SendOptions{}, packets)), mixnet.SendOptions{})
		if got := b.receive(b.B).Packets; got != packets {
			b.Errorf("plain: %d packets, want %d", got, packets)
		}
	}
	with := mixnet.SendOptions{As: tag, SURBs: 20}
	b.send(make([]byte, b.A.Room(with, 10)), with)
	if got := b.receive(b.B).Packets; got != 10 {
		b.Errorf("with SURBs: %d packets, want 10", got)
	}
	if got := b.A.Room(with, 0); got != 0 {
		b.Errorf("room for %d bytes in no packet", got)
	}
}

func pause(b *bench) {
	tag := b.greet(20)
	b.reply(tag, make([]byte, 100_000), mixnet.SendOptions{}) // which needs more, and gets it
	b.receive(b.A)
	b.A.Pause(tag, true)
	var f fate
	for range 20 { // more than it may hold by now
		b.reply(tag, make([]byte, 100_000), mixnet.SendOptions{Lane: 1, Done: f.done})
		if b.B.LaneLen(1) > 100 {
			break
		}
		time.Sleep(time.Second)
	}
	time.Sleep(time.Minute)
	before := b.B.LaneLen(1)
	if before == 0 {
		b.Error("a far end that gets no SURBs sends on and on")
	}
	b.A.Pause(tag, false)
	time.Sleep(time.Minute)
	if after := b.B.LaneLen(1); after != 0 {
		b.Errorf("%d packets waited, and %d do when it is read again", before, after)
	}
}

func life(b *bench) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var f fate
	b.Cut(true)
	b.send(make([]byte, 20_000), mixnet.SendOptions{Lane: 1, Life: ctx, Done: f.done})
	time.Sleep(time.Second)
	cancel()
	synctest.Wait()
	if !f.is(mixnet.ErrCanceled) || b.A.LaneLen(1) != 0 {
		b.Errorf("done is told %v; %d packets are left", f.told, b.A.LaneLen(1))
	}
	b.Cut(false)
	b.nothing(b.B)
	if err := b.A.Send(b.Context(), b.B.Address(), []byte("x"), mixnet.SendOptions{Life: ctx}); !errors.Is(err, mixnet.ErrCanceled) {
		b.Errorf("when its life is over: %v", err)
	}
	b.nothing(b.B)
}

func lifeOfOneThatWaits(b *bench) {
	var f, waits fate
	b.fill(1, &f)
	ctx, cancel := context.WithTimeout(b.Context(), time.Second)
	defer cancel()
	err := b.A.Send(b.Context(), b.B.Address(), []byte("x"), mixnet.SendOptions{Lane: 1, Life: ctx, Done: waits.done})
	if !errors.Is(err, mixnet.ErrCanceled) {
		b.Errorf("send: %v", err)
	}
	b.A.CloseLane(1)
	b.Cut(false)
	b.nothing(b.B)
	if !waits.open() {
		b.Error("done is told of what was not accepted")
	}
}

func lifeAfterwards(b *bench) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var f fate
	b.send([]byte("x"), mixnet.SendOptions{Life: ctx, Done: f.done})
	b.receive(b.B)
	b.wants(&f, nil)
	cancel()
	synctest.Wait()
	if !f.is(nil) {
		b.Errorf("done is told %v", f.told)
	}
}

func once(b *bench) {
	tag := b.greet(0)
	var f fate
	b.send([]byte("arrives"), mixnet.SendOptions{Once: true, Done: f.done})
	b.receive(b.B)
	b.wants(&f, nil)
	var sent, replied fate
	b.Cut(true)
	b.send(make([]byte, 10_000), mixnet.SendOptions{Once: true, Lane: 1, Done: sent.done})
	b.reply(tag, []byte("lost"), mixnet.SendOptions{Once: true, Lane: 1, Done: replied.done})
	time.Sleep(time.Second)
	b.Cut(false)
	time.Sleep(time.Minute)
	if !sent.is(mixnet.ErrGivenUp) || !replied.is(mixnet.ErrGivenUp) {
		b.Errorf("done is told %v and %v", sent.told, replied.told)
	}
	b.nothing(b.B)
	b.nothing(b.A)
	if b.A.LaneLen(1) != 0 || b.B.LaneLen(1) != 0 {
		b.Errorf("lanes of %d and %d packets", b.A.LaneLen(1), b.B.LaneLen(1))
	}
}
