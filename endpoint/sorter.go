package endpoint

import (
	"context"

	"golang.org/x/sync/semaphore"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/proxy"
)

// A sorter gives what arrives to whom it belongs, where an endpoint has streams
// and messages of the caller's. It is the Messenger of the streams, and their
// Receive does the sorting:
//
//	client ──▶ Receive ──▶ streams
//	              └──────▶ letters ──▶ Messenger().Receive
//
// Nothing is dropped: while as many bytes of letters wait as may, streams wait too,
// and beyond that the gateway keeps what comes.
type sorter struct {
	*client.Client
	streams func(mixnet.Message) bool // reports whether it belongs to streams
	letters *letters
}

// Receive waits for the next message of a stream.
func (s *sorter) Receive(ctx context.Context) (mixnet.Message, error) {
	for {
		m, err := s.Client.Receive(ctx)
		if err != nil || s.streams(m) {
			return m, err
		}
		if err := s.letters.put(ctx, m); err != nil {
			return mixnet.Message{}, err
		}
	}
}

// letters is the Messenger of the caller: its lanes are apart from those of the
// streams, and it receives what the sorter gives it.
type letters struct {
	*client.Client
	waiting chan mixnet.Message // has room for all that the semaphore lets in
	room    *semaphore.Weighted
	ended   <-chan struct{} // closed when nobody sorts any more
}

func newLetters(c *client.Client, ended <-chan struct{}) *letters {
	return &letters{
		Client: c, waiting: make(chan mixnet.Message, maxLetters/leastLetter),
		room: semaphore.NewWeighted(maxLetters), ended: ended,
	}
}

func letterSize(m mixnet.Message) int64 {
	return int64(min(max(len(m.Body), leastLetter), maxLetters))
}

func (l *letters) put(ctx context.Context, m mixnet.Message) error {
	if err := l.room.Acquire(ctx, letterSize(m)); err != nil {
		return err
	}
	l.waiting <- m
	return nil
}

// Receive implements [mixnet.Messenger].
func (l *letters) Receive(ctx context.Context) (mixnet.Message, error) {
	taken := func(m mixnet.Message) (mixnet.Message, error) {
		l.room.Release(letterSize(m))
		return m, nil
	}
	select {
	case m := <-l.waiting:
		return taken(m)
	case <-ctx.Done():
		return mixnet.Message{}, ctx.Err()
	case <-l.ended:
	}
	select {
	case m := <-l.waiting: // it came before the end
		return taken(m)
	default:
		return mixnet.Message{}, mixnet.ErrClosed
	}
}

// letterLane keeps the lanes of the caller apart from those of streams. The general
// lane is everybody's.
func letterLane(l mixnet.Lane) mixnet.Lane {
	if l == 0 {
		return 0
	}
	return l | 1<<63
}

// Send implements [mixnet.Messenger].
func (l *letters) Send(ctx context.Context, to mixnet.Recipient, body []byte, o mixnet.SendOptions) error {
	o.Lane = letterLane(o.Lane)
	return l.Client.Send(ctx, to, body, o)
}

// Reply implements [mixnet.Messenger].
func (l *letters) Reply(ctx context.Context, tag mixnet.SenderTag, body []byte, o mixnet.SendOptions) error {
	o.Lane = letterLane(o.Lane)
	return l.Client.Reply(ctx, tag, body, o)
}

// CloseLane implements [mixnet.Messenger].
func (l *letters) CloseLane(n mixnet.Lane) { l.Client.CloseLane(letterLane(n)) }

// LaneLen implements [mixnet.Messenger].
func (l *letters) LaneLen(n mixnet.Lane) int { return l.Client.LaneLen(letterLane(n)) }

// newStreams makes the streams over the client and, where messages are the
// caller's too, what keeps the two apart.
func (e *Endpoint) newStreams() {
	if !e.cfg.Messages {
		e.proxy = proxy.New(e.client, e.cfg.Streams)
		return
	}
	e.letters = newLetters(e.client, e.ended)
	s := &sorter{Client: e.client, letters: e.letters}
	p := proxy.New(s, e.cfg.Streams)
	s.streams = func(m mixnet.Message) bool { return p.Concerns(m, PeerHost, e.ports.listening()) }
	e.proxy = p
}
