package requester

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// drainTimeout is how long a target may take to accept what it is still owed by
// a stream that is over.
const drainTimeout = 30 * time.Second

// splice copies between a stream and its target until both directions ended or
// one side failed, then closes both. It returns when nothing copies any more.
//
//	stream ──up──▶ target    at its end: target.CloseWrite
//	stream ◀─down─ target    at its end: stream.CloseWrite
//
// A direction whose receiver takes no more just ends; the other goes on. A side
// that breaks off takes the other with it: the target sees a reset, the stream is
// aborted. When the stream is over, nothing more is read from the target. When
// ctx ends, both are closed at once.
func splice(ctx context.Context, stream Stream, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		stream.Close()
		conn.Close()
	})
	defer func() { cancel(); <-closed }()

	to := &noting{conn: conn}
	var wg sync.WaitGroup
	wg.Go(func() { // up
		_, err := io.Copy(struct{ io.Writer }{to}, stream)
		switch {
		case err == nil:
			closeWrite(conn)
		case to.writeErr == nil: // the peer broke off: what the target has is not the whole
			if c, ok := conn.(interface{ SetLinger(sec int) error }); ok {
				c.SetLinger(0)
			}
			cancel()
		}
	})
	wg.Go(func() { // down
		err := copyTo(stream, struct{ io.Reader }{to})
		select {
		case <-stream.Done():
			return
		default:
		}
		switch {
		case err == nil:
			stream.CloseWrite()
		case to.readErr != nil:
			stream.Abort()
			cancel()
		}
	})
	copied := make(chan struct{})
	go func() { wg.Wait(); close(copied) }()
	select {
	case <-copied:
		return
	case <-stream.Done():
	}
	conn.SetReadDeadline(time.Unix(1, 0)) // ends down
	drain := time.NewTimer(drainTimeout)
	defer drain.Stop()
	select {
	case <-copied:
	case <-drain.C:
		cancel() // ends up
		<-copied
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

func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
}

// noting remembers the errors of the connection it wraps, to tell them from
// those of the other side. One goroutine reads and one writes.
type noting struct {
	conn              net.Conn
	readErr, writeErr error
}

func (n *noting) Read(p []byte) (int, error) {
	k, err := n.conn.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.readErr = err
	}
	return k, err
}

func (n *noting) Write(p []byte) (int, error) {
	k, err := n.conn.Write(p)
	if err != nil {
		n.writeErr = err
	}
	return k, err
}
