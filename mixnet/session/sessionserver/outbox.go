package sessionserver

import (
	"context"
	"sync"
	"sync/atomic"

	"nym-socks5/mixnet/session"
)

// An outbox is what waits to be written to one client. Anyone puts in, one
// goroutine writes; each time it takes all there is, so the busier the client
// the fewer system calls.
type outbox struct {
	limit int           // bytes that pushes may fill; texts may fill as much again
	wake  chan struct{} // holds a token while there is something to write

	mu     sync.Mutex // guards the following
	sealer envelope   // seals pushes
	queue  batch
	closed bool          // nothing more goes in
	room   chan struct{} // if set, closed when the queue is next emptied
	pushed uint64        // messages put in so far

	written atomic.Uint64 // messages handed to the connection so far
}

// A batch is messages laid end to end.
type batch struct {
	buf  []byte
	ends []batchEnd
}

type batchEnd struct {
	at   int
	text bool
}

func newOutbox(limit int, sealer envelope) *outbox {
	return &outbox{limit: limit, sealer: sealer, wake: make(chan struct{}, 1)}
}

// push seals a message and puts it in, and gives its number, counted from 1.
// If the outbox is full it gives a channel that is closed when it is next
// emptied; if it is closed, none.
func (o *outbox) push(message []byte) (seq uint64, room <-chan struct{}, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, nil, false
	}
	if len(o.queue.buf)+len(message)+o.sealer.Overhead() > o.limit {
		return 0, o.waitRoom(), false
	}
	o.queue.buf = o.sealer.AppendPush(o.queue.buf, message)
	o.added(false)
	o.pushed++
	return o.pushed, nil, true
}

// text puts a text in. It waits while the outbox is full, and reports false if
// it is closed or ctx ends.
func (o *outbox) text(ctx context.Context, b []byte) bool { return o.textThen(ctx, b, nil) }

// textThen is text, and seals what is pushed behind it with another sealer,
// unless that is nil.
func (o *outbox) textThen(ctx context.Context, b []byte, next envelope) bool {
	for {
		o.mu.Lock()
		if o.closed {
			o.mu.Unlock()
			return false
		}
		if len(o.queue.buf)+len(b) <= 2*o.limit {
			o.queue.buf = append(o.queue.buf, b...)
			o.added(true)
			if next != nil {
				o.sealer = next
			}
			o.mu.Unlock()
			return true
		}
		room := o.waitRoom()
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return false
		}
	}
}

// added notes the message that was appended. mu is held.
func (o *outbox) added(text bool) {
	o.queue.ends = append(o.queue.ends, batchEnd{len(o.queue.buf), text})
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// waitRoom gives a channel that is closed when the outbox is next emptied. mu
// is held.
func (o *outbox) waitRoom() <-chan struct{} {
	if o.room == nil {
		o.room = make(chan struct{})
	}
	return o.room
}

// close lets nothing more in. What is in is still written.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.makeRoom()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// makeRoom wakes who waits for room. mu is held.
func (o *outbox) makeRoom() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

// run writes until the outbox is closed and empty, or the connection fails.
func (o *outbox) run(conn session.MessageConn) error {
	var work batch
	for range o.wake {
		o.mu.Lock()
		o.queue, work = work, o.queue
		closed, pushed := o.closed, o.pushed
		o.makeRoom()
		o.mu.Unlock()
		if err := work.write(conn); err != nil {
			return err
		}
		o.written.Store(pushed)
		work.reset()
		if closed {
			return nil
		}
	}
	return nil
}

func (b *batch) write(conn session.MessageConn) error {
	held, ok := conn.(batchWriter)
	if ok {
		held.hold()
	}
	start := 0
	for _, end := range b.ends {
		if err := conn.Write(context.Background(), end.text, b.buf[start:end.at]); err != nil {
			return err
		}
		start = end.at
	}
	if ok {
		return held.release()
	}
	return nil
}

func (b *batch) reset() {
	b.buf, b.ends = b.buf[:0], b.ends[:0]
	if cap(b.buf) > batchKept {
		*b = batch{}
	}
}
