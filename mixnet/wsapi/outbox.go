package wsapi

import "sync"

// An outgoing is a response that waits to be written.
type outgoing struct {
	response response
	format   format
	parcel   *parcel // of a message that arrived
}

// An outbox holds what waits to be written to one program. Who fills it never
// waits: that the program does not read must not stop the others.
type outbox struct {
	mu     sync.Mutex
	max    int // bytes, save that one response may always wait
	queue  []outgoing
	bytes  int
	closed bool
	filled chan struct{} // holds a token while the queue may have something in it
}

func newOutbox(limit int) *outbox {
	return &outbox{max: limit, filled: make(chan struct{}, 1)}
}

// put queues a response. It reports false if there is no room, or nobody there.
func (b *outbox) put(o outgoing) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.queue) > 0 && b.bytes+o.response.cost() > b.max {
		return false
	}
	b.add(o)
	return true
}

// fill queues responses whether or not there is room, before anybody else does.
func (b *outbox) fill(all []outgoing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range all {
		b.add(o)
	}
}

func (b *outbox) add(o outgoing) {
	b.queue = append(b.queue, o)
	b.bytes += o.response.cost()
	select {
	case b.filled <- struct{}{}:
	default:
	}
}

// first gives the response whose turn it is; it stays until it is done.
func (b *outbox) first() (outgoing, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.queue) == 0 {
		return outgoing{}, false
	}
	return b.queue[0], true
}

// done removes the first response, which was written.
func (b *outbox) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.bytes -= b.queue[0].response.cost()
	b.queue[0] = outgoing{}
	b.queue = b.queue[1:]
}

// close gives what was not written, and takes nothing any more.
func (b *outbox) close() []outgoing {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.queue
	b.queue, b.bytes, b.closed = nil, 0, true
	return left
}
