package endpoint

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/proxy"
)

// A sorter gives what arrives to whom it belongs, where an endpoint has streams of
// two kinds and messages of the caller's. It is the Messenger of our own streams, and
// their Receive does the sorting:
//
//	client ──▶ Receive ──▶ streams of ours
//	              ├──────▶ streams of Nym's SDK
//	              └──────▶ letters ──▶ Messenger().Receive
//
// Nothing is dropped: while as many bytes of letters wait as may, streams wait too,
// and beyond that the gateway keeps what comes.
type sorter struct {
	*client.Client
	concerns func(m mixnet.Message, early bool) bool // reports whether it belongs to streams of ours
	sdk      *proxy.SDK                              // takes what belongs to its own
	early    func() bool                             // reports whether strangers may open streams
	letters  *letters                                // nil: there are none
}

// Receive waits for the next message of a stream.
func (s *sorter) Receive(ctx context.Context) (mixnet.Message, error) {
	for {
		m, err := s.Client.Receive(ctx)
		switch {
		case err != nil:
			return m, err
		case s.letters == nil && !s.sdk.MayTake(m):
			return m, nil
		}
		early := s.early()
		switch {
		case s.concerns(m, early):
			return m, nil
		case s.sdk.Take(m, early):
		case s.letters == nil:
			return m, nil
		default:
			if err := s.letters.put(ctx, m); err != nil {
				return mixnet.Message{}, err
			}
		}
	}
}

// letters is the Messenger of the caller: its lanes are apart from those of the
// streams, it receives what the sorter gives it, and it knows how many of its messages
// are on their way.
type letters struct {
	*client.Client
	waiting chan mixnet.Message // has room for all that the semaphore lets in; nil: all messages are the caller's
	room    *semaphore.Weighted
	ended   <-chan struct{} // closed when nobody sorts any more

	mu      sync.Mutex
	onWay   int           // accepted, and neither acknowledged nor failed
	settled chan struct{} // closed, and made anew, whenever onWay becomes zero
}

func newLetters(c *client.Client, ended <-chan struct{}) *letters {
	return &letters{
		Client: c, waiting: make(chan mixnet.Message, maxLetters/leastLetter),
		room: semaphore.NewWeighted(maxLetters), ended: ended, settled: make(chan struct{}),
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
	if l.waiting == nil {
		return l.Client.Receive(ctx)
	}
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
	return l | letterLanes
}

// Send implements [mixnet.Messenger].
func (l *letters) Send(ctx context.Context, to mixnet.Recipient, body []byte, o mixnet.SendOptions) error {
	return l.count(&o, func() error { return l.Client.Send(ctx, to, body, o) })
}

// Reply implements [mixnet.Messenger].
func (l *letters) Reply(ctx context.Context, tag mixnet.SenderTag, body []byte, o mixnet.SendOptions) error {
	return l.count(&o, func() error { return l.Client.Reply(ctx, tag, body, o) })
}

// count sends a message, and counts it until it is settled.
func (l *letters) count(o *mixnet.SendOptions, send func() error) error {
	told := o.Done
	o.Lane = letterLane(o.Lane)
	o.Done = func(err error) {
		l.change(-1)
		if told != nil {
			told(err)
		}
	}
	l.change(1)
	err := send()
	if err != nil { // Done is never called
		l.change(-1)
	}
	return err
}

func (l *letters) change(by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.onWay += by; l.onWay == 0 {
		close(l.settled)
		l.settled = make(chan struct{})
	}
}

// drain waits until no message is on its way.
func (l *letters) drain(ctx context.Context) error {
	l.mu.Lock()
	settled, left := l.settled, l.onWay
	l.mu.Unlock()
	if left == 0 {
		return nil
	}
	select {
	case <-settled:
		return nil
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CloseLane implements [mixnet.Messenger].
func (l *letters) CloseLane(n mixnet.Lane) { l.Client.CloseLane(letterLane(n)) }

// LaneLen implements [mixnet.Messenger].
func (l *letters) LaneLen(n mixnet.Lane) int { return l.Client.LaneLen(letterLane(n)) }

// newStreams makes the streams over the client and, where messages are the
// caller's, their Messenger, and what keeps the two apart.
func (e *Endpoint) newStreams() {
	cfg := e.cfg.Streams
	if e.cfg.Egress {
		cfg.Addresses = e.client.Addresses
	}
	cfg.OnGreeting = func(to mixnet.Recipient, g proxy.Greeting) {
		if e.requesters != nil {
			e.requesters.greeted(to, g)
		}
	}
	if e.cfg.Messages {
		e.letters = newLetters(e.client, e.ended)
		if !haveStreams || !e.cfg.Peers {
			e.letters.waiting = nil
			return
		}
	}
	if !haveStreams {
		return // see config
	}
	sdk := proxy.SDKConfig{Lane: sdkLanes}
	if e.cfg.Peers {
		sdk.Incoming = e.ports.offerSDK
	}
	e.sdk = proxy.NewSDK(e.client, sdk)
	s := &sorter{Client: e.client, letters: e.letters, early: e.ports.listening, sdk: e.sdk}
	e.proxy = proxy.New(s, cfg)
	s.concerns = func(m mixnet.Message, early bool) bool { return e.proxy.Concerns(m, PeerHost, early) }
}
