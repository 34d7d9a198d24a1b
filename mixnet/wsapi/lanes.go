package wsapi

import (
	"context"
	"errors"
	"sync"

	"nym-socks5/mixnet"
)

var errLanes = errors.New("too many connections have messages on their way")

// lanes maps the connection ids of one program to lanes of the Messenger, and
// sends what is for one lane in order. Lanes do not wait for each other.
//
//	request ─▶ [ queue of connection 7 ] ─▶ goroutine, while there is something ─▶ Send
type lanes struct {
	new    func() mixnet.Lane          // draws a lane that was never used
	length func(mixnet.Lane) int       // packets on their way
	send   func(*lane, *request) error // sends, and waits while the lane is full
	sent   func(*lane, *request, error)

	mu   sync.Mutex
	all  map[connID]*lane
	work sync.WaitGroup // the goroutines of the lanes
}

// A lane is that of one connection id, or the general one.
type lane struct {
	handle mixnet.Lane
	ctx    context.Context // ends when the lane is closed
	close  context.CancelFunc

	// Guarded by the mutex of lanes.
	queue []queued
	busy  bool // a goroutine sends
}

type queued struct {
	request *request
	done    chan struct{}
}

// add queues a request. The channel is closed when it was sent or has failed;
// it is nil if others are before it.
func (l *lanes) add(ctx context.Context, r *request) (done <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln, err := l.lane(ctx, r.conn)
	if err != nil {
		return nil, err
	}
	q := queued{r, make(chan struct{})}
	ln.queue = append(ln.queue, q)
	if ln.busy {
		return nil, nil
	}
	ln.busy = true
	l.work.Go(func() { l.run(ln) })
	return q.done, nil
}

// lane finds or makes the lane of a connection id.
func (l *lanes) lane(ctx context.Context, id connID) (*lane, error) {
	if ln := l.all[id]; ln != nil {
		return ln, nil
	}
	if len(l.all) >= maxLanes {
		l.forget()
	}
	if len(l.all) >= maxLanes {
		return nil, errLanes
	}
	ln := new(lane)
	if id.given { // the general lane is that of everybody
		ln.handle = l.new()
	}
	ln.ctx, ln.close = context.WithCancel(ctx)
	l.all[id] = ln
	return ln, nil
}

// forget drops the lanes with nothing in them: a later message of that
// connection may as well have another lane.
func (l *lanes) forget() {
	for id, ln := range l.all {
		if !ln.busy && l.length(ln.handle) == 0 {
			ln.close()
			delete(l.all, id)
		}
	}
}

// run sends what is queued in a lane, then returns.
func (l *lanes) run(ln *lane) {
	for {
		l.mu.Lock()
		if len(ln.queue) == 0 {
			ln.busy = false
			l.mu.Unlock()
			return
		}
		q := ln.queue[0]
		ln.queue[0] = queued{}
		ln.queue = ln.queue[1:]
		l.mu.Unlock()
		err := l.send(ln, q.request)
		l.sent(ln, q.request, err)
		close(q.done)
	}
}

// discard takes a connection's lane out, and has what waits in it fail. It
// reports false if there is none.
func (l *lanes) discard(id connID) (mixnet.Lane, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.all[id]
	if ln == nil {
		return 0, false
	}
	delete(l.all, id)
	ln.close()
	return ln.handle, true
}

// len counts the packets on their way in the lane of a connection.
func (l *lanes) len(id connID) int {
	l.mu.Lock()
	ln := l.all[id]
	l.mu.Unlock()
	if ln == nil {
		return 0
	}
	return l.length(ln.handle)
}

// wait waits until all that was queued is sent, then releases the lanes.
func (l *lanes) wait() {
	l.work.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, ln := range l.all {
		ln.close()
		delete(l.all, id)
	}
}
