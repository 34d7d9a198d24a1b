package requester

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// lingerTimeout is how long a target may take to accept what it is still owed by
// a stream that has ended.
const lingerTimeout = 30 * time.Second

// splice copies between a stream and its target until both directions ended or
// one side failed, then closes both. The end of one direction is passed on
// (half-close). It returns when nothing copies any more.
//
//	stream ──up──▶ target    at its end: target.CloseWrite
//	stream ◀─down─ target    at its end: stream.CloseWrite
//
// When ctx ends, both are closed at once. When ended does, the stream has no use
// for more from the target; what it received is still delivered.
func splice(ctx, ended context.Context, stream Stream, target net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		stream.Close()
		target.Close()
	})
	defer func() { cancel(); <-closed }()

	linger := time.AfterFunc(time.Hour, cancel)
	linger.Stop()
	defer linger.Stop()
	defer context.AfterFunc(ended, func() {
		linger.Reset(lingerTimeout)
		target.SetReadDeadline(time.Unix(1, 0)) // ends down
	})()

	var up sync.WaitGroup
	up.Go(func() {
		dst := &noting{w: target}
		_, err := io.Copy(dst, stream)
		switch {
		case err != nil && dst.err == nil:
			// The peer is gone. The target must not take what it got for the whole.
			if c, ok := target.(interface{ SetLinger(sec int) error }); ok {
				c.SetLinger(0)
			}
			cancel()
		case err == nil:
			closeWrite(target)
		}
		// Otherwise the target takes no more; it may still have something to say.
	})
	_, err := copyTo(stream, target)
	switch {
	case err == nil:
		stream.CloseWrite()
	case ended.Err() == nil:
		cancel() // the target broke off, or the stream takes no more
	}
	up.Wait()
}

// copyTo copies to a stream, which may know better how.
func copyTo(stream Stream, src io.Reader) (int64, error) {
	if to, ok := stream.(io.ReaderFrom); ok {
		return to.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{stream}, src)
}

func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
}

// noting remembers an error of the writer it wraps, to tell it from one of the
// reader.
type noting struct {
	w   io.Writer
	err error
}

func (n *noting) Write(p []byte) (int, error) {
	k, err := n.w.Write(p)
	if err != nil {
		n.err = err
	}
	return k, err
}
