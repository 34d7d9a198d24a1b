package client

import (
	"context"
	"sync"

	"nym-socks5/mixnet"
)

// An inbox holds complete messages until Receive takes them.
type inbox struct {
	mu     sync.Mutex
	queue  []mixnet.Message
	bytes  int
	closed bool

	filled chan struct{} // holds one token while queue may be non-empty
	room   chan struct{} // holds one token after the inbox stopped being full
}

func newInbox() *inbox {
	return &inbox{filled: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (b *inbox) put(m mixnet.Message) {
	b.mu.Lock()
	b.queue = append(b.queue, m)
	b.bytes += len(m.Body)
	b.mu.Unlock()
	signal(b.filled)
}

// full reports whether nothing more should be taken in.
func (b *inbox) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes >= maxInbox
}

func (b *inbox) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	signal(b.filled)
}

// get waits for the next message.
func (b *inbox) get(ctx context.Context) (mixnet.Message, error) {
	for {
		b.mu.Lock()
		if len(b.queue) > 0 {
			m := b.queue[0]
			b.queue[0] = mixnet.Message{}
			b.queue = b.queue[1:]
			wasFull := b.bytes >= maxInbox
			b.bytes -= len(m.Body)
			if wasFull && b.bytes < maxInbox {
				signal(b.room)
			}
			more := len(b.queue) > 0
			b.mu.Unlock()
			if more {
				signal(b.filled)
			}
			return m, nil
		}
		closed := b.closed
		b.mu.Unlock()
		if closed {
			signal(b.filled)
			return mixnet.Message{}, mixnet.ErrClosed
		}
		select {
		case <-b.filled:
		case <-ctx.Done():
			return mixnet.Message{}, ctx.Err()
		}
	}
}
