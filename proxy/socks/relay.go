package socks

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// drainTimeout is how long an application may take to read what is left of a
// stream that is over.
const drainTimeout = 30 * time.Second

// A relay is the stream's side of a connection whose application side is a
// front. Two copying loops, of go-socks5 or of run, call ReadFrom and WriteTo once
// each, and CloseWrite of the destination after them.
//
//	front ──ReadFrom──▶ relay ══▶ stream
//	front ◀──WriteTo─── relay ◀══ stream
//
// A loop that returns an error makes go-socks5 close both sides at once, so a
// direction that merely cannot go on ends without one: what flows the other way
// is still delivered.
type relay struct {
	Stream
	front *front

	over     atomic.Bool   // the stream is over
	wroteEnd chan struct{} // closed by the first CloseWrite
	once     sync.Once
}

func newRelay(s Stream, f *front) *relay {
	return &relay{Stream: s, front: f, wroteEnd: make(chan struct{})}
}

// LocalAddr is what go-socks5 tells the application as the bound address; it
// panics if this is no *net.TCPAddr with an IP.
func (*relay) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// ReadFrom copies from the application to the stream. It fails if the application
// broke off, and then the stream is aborted.
func (r *relay) ReadFrom(src io.Reader) (int64, error) {
	app := &noting{r: src}
	var n int64
	var err error
	if to, ok := r.Stream.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(app)
	} else {
		n, err = io.Copy(struct{ io.Writer }{r.Stream}, app)
	}
	if err == nil || app.err == nil || r.over.Load() {
		return n, nil // the end, or the stream takes no more
	}
	r.Abort()
	return n, err
}

// WriteTo copies from the stream to the application. It fails if one of them
// did, and then both see it: a stream that fails resets the application's socket
// (socks.md §21.2).
func (r *relay) WriteTo(dst io.Writer) (n int64, err error) {
	if from, ok := r.Stream.(io.WriterTo); ok {
		n, err = from.WriteTo(dst)
	} else {
		n, err = io.Copy(dst, struct{ io.Reader }{r.Stream})
	}
	if err != nil {
		r.front.reset()
		r.Abort()
	}
	return n, err
}

// CloseWrite half-closes the stream.
func (r *relay) CloseWrite() error {
	defer r.once.Do(func() { close(r.wroteEnd) })
	return r.Stream.CloseWrite()
}

// watch ends the copying when the stream is over: an application that stays
// silent would hold it for ever.
func (r *relay) watch(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-r.Done():
	}
	r.over.Store(true)
	r.front.app.SetReadDeadline(time.Unix(1, 0)) // ends ReadFrom
	select {
	case <-ctx.Done():
	case <-time.After(drainTimeout):
		r.front.app.Close() // ends WriteTo
	}
}

// run copies both ways until both ended or one failed, and closes both sides.
func (r *relay) run() {
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := r.ReadFrom(r.front); err != nil {
			r.close()
		}
		r.CloseWrite()
	})
	wg.Go(func() {
		if _, err := r.WriteTo(r.front); err != nil {
			r.close()
		}
		r.front.CloseWrite()
	})
	wg.Wait()
	r.close()
}

// close closes both sides, which ends what still copies.
func (r *relay) close() {
	r.Stream.Close()
	r.front.app.Close()
}

// noting remembers an error of the reader it wraps, to tell it from one of the
// writer.
type noting struct {
	r   io.Reader
	err error
}

func (n *noting) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}
