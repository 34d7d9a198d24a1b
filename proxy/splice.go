package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Splice copies between a stream and a socket until both directions ended or
// one side failed, then closes both. It returns when nothing copies any more.
//
//	stream ──▶ socket    at its end: socket.CloseWrite
//	stream ◀── socket    at its end: stream.CloseWrite
//
// A side that breaks off takes the other with it, but only behind what it said
// before: a socket that was reset ends in [Stream.Reset], and a stream that was
// reset resets the socket once it has sent all it was given. A direction whose
// receiver takes no more just ends; the other goes on. When the stream is over,
// nothing more is read from the socket. When ctx ends, both are closed at once.
//
// A socket that has half-closed may be gone altogether: it is looked at now and
// then, and it is let go when nothing has come for it for ten minutes.
//
// If from is not nil, it is read instead of the socket, some bytes of which were
// read before.
func Splice(ctx context.Context, stream Stream, socket net.Conn, from io.Reader) {
	spliceLooking(ctx, stream, socket, from, lookEvery)
}

func spliceLooking(ctx context.Context, stream Stream, socket net.Conn, from io.Reader, every time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		stream.Close()
		socket.Close()
	})
	defer func() { cancel(); <-closed }()
	if from == nil {
		from = socket
	}
	s := &splice{ctx: ctx, stream: stream, socket: socket, halfClosed: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() { s.fromSocket(from) })
	wg.Go(func() {
		if !s.toSocket() {
			cancel()
		}
	})
	copied := make(chan struct{})
	go func() { wg.Wait(); close(copied) }()
	half := s.halfClosed
	var look <-chan time.Time
	for over := false; !over; {
		select {
		case <-copied:
			return
		case <-stream.Done():
			over = true
		case <-half:
			half = nil
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			look = ticker.C
		case now := <-look:
			if s.vanished(now) {
				stream.Reset()
				breakOff(socket)
			}
		}
	}
	socket.SetReadDeadline(time.Unix(1, 0)) // ends fromSocket
	drain := time.NewTimer(drainTimeout)
	defer drain.Stop()
	select {
	case <-copied:
		// If the peer broke off behind its end, the socket has to hear of it still.
		if errors.Is(stream.CloseWrite(), ErrReset) {
			awaitSent(ctx, socket)
			breakOff(socket)
		}
	case <-drain.C:
		breakOff(socket) // ends toSocket: what it has is not the whole
		cancel()
		<-copied
	}
}

// A splice is one call of Splice.
type splice struct {
	ctx    context.Context // ends with it
	stream Stream
	socket net.Conn

	halfClosed chan struct{} // closed when nothing more is read from the socket

	mu     sync.Mutex // guards the following
	broken bool       // the socket takes no more
	ended  bool       // nor is anything read from it
	wrote  time.Time  // when it was given something last, or ended
	shut   bool       // it was told that nothing more will come
}

// fromSocket copies to the stream. A socket that breaks off is often first
// noticed by the other direction; what it received before is read all the same.
func (s *splice) fromSocket(from io.Reader) {
	defer close(s.halfClosed)
	src := &noting{r: from}
	err := copyTo(s.stream, src)
	s.mu.Lock()
	s.ended, s.wrote = true, time.Now()
	broken := s.broken || src.err != nil || err == nil && !s.shut && wasReset(s.socket)
	s.mu.Unlock()
	switch {
	case s.over():
	case broken:
		s.stream.Reset()
	case err == nil:
		s.stream.CloseWrite()
	}
}

// toSocket copies from the stream. It reports false if the stream broke off and
// the socket was made to.
func (s *splice) toSocket() bool {
	dst := &noting{w: s.socket, wrote: func() {
		s.mu.Lock()
		s.wrote = time.Now()
		s.mu.Unlock()
	}}
	_, err := io.Copy(dst, s.stream)
	switch {
	case dst.err != nil:
		s.mu.Lock()
		s.broken = true
		ended := s.ended
		s.mu.Unlock()
		if ended && !s.over() {
			s.stream.Reset()
		}
	case err == nil:
		s.mu.Lock()
		s.shut = true
		if c, ok := s.socket.(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
		}
		s.mu.Unlock()
	default: // what the socket was given is not the whole
		if errors.Is(err, ErrReset) {
			awaitSent(s.ctx, s.socket)
		}
		breakOff(s.socket)
		return false
	}
	return true
}

// vanished reports whether a socket that has half-closed is gone: reset, which
// nobody notices who only waits for something to write, or silent for too long.
func (s *splice) vanished(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended && !s.shut && !s.broken && (wasReset(s.socket) || now.Sub(s.wrote) >= halfClosedSilence)
}

// over reports whether it no longer matters how the socket ends.
func (s *splice) over() bool {
	select {
	case <-s.stream.Done():
		return true
	default:
		return s.ctx.Err() != nil
	}
}

// copyTo copies to a stream, which may know better how.
func copyTo(stream Stream, src io.Reader) (err error) {
	if to, ok := stream.(io.ReaderFrom); ok {
		_, err = to.ReadFrom(src)
	} else {
		_, err = io.Copy(struct{ io.Writer }{stream}, src)
	}
	return err
}

// breakOff closes a socket so that the other end sees a reset.
func breakOff(socket net.Conn) {
	if c, ok := socket.(interface{ SetLinger(sec int) error }); ok {
		c.SetLinger(0)
	}
	socket.Close()
}

// awaitSent waits until the other end has received what a socket was given,
// since a reset would discard the rest.
func awaitSent(ctx context.Context, socket net.Conn) {
	for pause := time.Millisecond; unsent(socket) > 0; pause = min(2*pause, maxSentPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// noting remembers the error of the side it wraps, to tell it from one of the
// other.
type noting struct {
	r     io.Reader
	w     io.Writer
	wrote func() // called after every write
	err   error
}

func (n *noting) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}

func (n *noting) Write(p []byte) (int, error) {
	k, err := n.w.Write(p)
	if err != nil {
		n.err = err
	}
	n.wrote()
	return k, err
}
