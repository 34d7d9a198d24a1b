package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// Bounds of one stream.
const (
	hardLimit = 2 * protocol.Window // received bytes held; beyond it the stream is reset
	stallMark = 512 << 10           // received bytes held; beyond it the application counts as not reading

	openingMessages = earlyMessages / 2 // what leaves before the stream is known to be open:
	openingBytes    = earlyBytes / 2    // half of what a requester of ours keeps
)

var _ interface {
	net.Conn
	io.ReaderFrom
	io.WriterTo
	CloseWrite() error
} = (*Conn)(nil)

// A Conn is one stream. It implements net.Conn; deadlines, concurrent use and
// Close work as they do there.
type Conn struct {
	p      *Proxy
	key    key
	peer   peer
	kind   *peerKind
	ident  *identity   // if dialed
	remote *remotePeer // if not

	lane, notes mixnet.Lane
	ctx         context.Context // ends with the stream
	cancel      context.CancelFunc

	wake     chan struct{} // makes the pump look again. Holds one, as do the next two; more are dropped
	readable chan struct{} // makes the reader look again
	writable chan struct{} // makes the writer look again
	opened   chan struct{} // closed when the outcome is known, if dialed
	done     chan struct{} // closed when the stream is over

	reading, writing turn // held by the one who reads, or writes

	mu      sync.Mutex // guards the following
	in      inbox
	out     outbox
	win     window
	idle    idleTimer
	beat    keepAlive
	end     ending
	outcome outcome // if dialed
	err     error   // why the stream failed
	pumping bool    // the pump runs, and will remove the stream
	over    bool    // nothing moves any more
	left    bool    // no longer counted by its identity
	tell    bool    // having failed, tell the peer
	settled bool    // opened was closed

	early   bool   // not accepted yet
	arrived int    // messages received until then
	greet   bool   // the "connected" signal is to be sent
	refusal []byte // or this failure message
	reason  Reason // or what that says, should the peer turn out to be ours
	cut     bool   // the application may write no more, since the peer closed
	halted  bool   // the peer reads no more: writers wait until all it sent was read
	stopped bool   // and then fail

	limit    uint64 // data bytes the peer lets us send, if it is ours
	promised uint64 // data bytes we let the peer send
	granting bool   // a new promise is underway
	counted  int    // memory as counted by the Proxy
	stalled  bool   // the application does not read

	readBy, writeBy time.Time // deadlines
}

// newConn makes a stream.
func (p *Proxy) newConn(now time.Time, k key, to peer, kind *peerKind) *Conn {
	c := &Conn{
		p: p, key: k, peer: to, kind: kind,
		lane: p.lane(), notes: p.lane(),
		wake:     make(chan struct{}, 1),
		reading:  make(turn, 1),
		writing:  make(turn, 1),
		readable: make(chan struct{}, 1),
		writable: make(chan struct{}, 1),
		opened:   make(chan struct{}),
		done:     make(chan struct{}),
		out:      outbox{head: to.headerSize(), chunk: to.chunkSize(p.cfg.ChunkSize)},
		idle:     idleTimer{limit: p.cfg.IdleLimit},
		beat:     keepAlive{longest: p.cfg.KeepAlive},
		end:      ending{dialing: to.dialing, quiet: p.cfg.HalfCloseQuiet, lastOut: now},
		limit:    protocol.Window,
		promised: protocol.Window,
	}
	c.ctx, c.cancel = context.WithCancel(p.base)
	c.idle.start(now)
	c.beat.sent(now)
	return c
}

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	defer c.reading.take().release()
	for {
		c.mu.Lock()
		n, err := 0, c.readError()
		if err == nil {
			n = c.in.read(b)
		}
		if n == 0 && err == nil {
			err = c.endOfInput()
		}
		by := c.readBy
		c.unlock()
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		if err := await(c.readable, by); err != nil {
			return 0, err
		}
	}
}

// WriteTo implements [io.WriterTo].
func (c *Conn) WriteTo(w io.Writer) (total int64, err error) {
	defer c.reading.take().release()
	for {
		c.mu.Lock()
		var block []byte
		err := c.readError()
		if err == nil {
			block = c.in.take()
		}
		if block == nil && err == nil {
			err = c.endOfInput()
		}
		by := c.readBy
		c.unlock()
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, err
		case block != nil:
			n, err := w.Write(block)
			total += int64(n)
			if err != nil {
				return total, err
			}
			continue
		}
		if err := await(c.readable, by); err != nil {
			return total, err
		}
	}
}

// readError says why nothing may be read, not even what is there.
func (c *Conn) readError() error {
	switch {
	case c.end.fullClosed:
		return net.ErrClosed
	case passed(c.readBy):
		return os.ErrDeadlineExceeded
	}
	return c.err
}

// endOfInput says why nothing more will come.
func (c *Conn) endOfInput() error {
	switch {
	case len(c.in.ready) > 0:
		return nil
	case c.in.ended:
		return io.EOF
	case c.over:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// Write implements [net.Conn]. It returns when b has been taken over, not when
// it was sent.
func (c *Conn) Write(b []byte) (total int, err error) {
	defer c.writing.take().release()
	for {
		now := time.Now()
		c.mu.Lock()
		err := c.writeError()
		if err == nil && !c.halted {
			idle := c.out.empty()
			full := len(c.out.full)
			n := c.out.write(b)
			b, total = b[n:], total+n
			if n > 0 {
				c.idle.written(now)
			}
			if idle && n > 0 || len(c.out.full) > full {
				poke(c.wake)
			}
		}
		by := c.writeBy
		c.mu.Unlock()
		if err != nil || len(b) == 0 {
			return total, err
		}
		if err := await(c.writable, by); err != nil {
			return total, err
		}
	}
}

// ReadFrom implements [io.ReaderFrom]. It reads from r only when there is room,
// and in pieces that fill a message.
func (c *Conn) ReadFrom(r io.Reader) (total int64, err error) {
	var msg []byte
	for {
		if err := c.awaitRoom(); err != nil {
			return total, err
		}
		if msg == nil {
			msg = make([]byte, c.out.head+c.out.chunk)
		}
		n, err := r.Read(msg[c.out.head:])
		if n > 0 {
			taken := false
			if n == c.out.chunk {
				taken = c.offer(msg)
			}
			if taken {
				msg = nil
			} else if _, err := c.Write(msg[c.out.head : c.out.head+n]); err != nil {
				return total, err
			}
			total += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// offer hands over a full message without copying, if it is its turn.
func (c *Conn) offer(msg []byte) bool {
	defer c.writing.take().release()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeError() != nil || c.halted || !c.out.offer(msg) {
		return false
	}
	c.idle.written(time.Now())
	poke(c.wake)
	return true
}

// awaitRoom waits until a write would not.
func (c *Conn) awaitRoom() error {
	defer c.writing.take().release()
	for {
		c.mu.Lock()
		err, room, by := c.writeError(), c.out.room() && !c.halted, c.writeBy
		c.mu.Unlock()
		if err != nil || room {
			return err
		}
		if err := await(c.writable, by); err != nil {
			return err
		}
	}
}

// writeError says why nothing may be written.
func (c *Conn) writeError() error {
	switch {
	case c.end.fullClosed:
		return net.ErrClosed
	case c.err != nil:
		return c.err
	case c.stopped:
		return ErrReset
	case c.halted:
	case c.cut || c.over:
		return io.ErrClosedPipe
	case c.end.localClosed:
		return net.ErrClosed
	}
	if passed(c.writeBy) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// halt ends writing because the peer reads no more. A dialing application is
// not told before it has read to the end, since relays drop what is unread when
// a write fails. The lock is held.
func (c *Conn) halt(now time.Time) {
	c.halted, c.stopped = c.peer.dialing, !c.peer.dialing
	c.out.drop()
	c.closeLocal(now)
}

// CloseWrite says that nothing more will be written; what was is still sent.
func (c *Conn) CloseWrite() error {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.writeError(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.closeLocal(now)
	return nil
}

// closeLocal ends writing. The lock is held.
func (c *Conn) closeLocal(now time.Time) {
	if !c.end.localClosed {
		c.end.localClosed, c.end.localClosedAt = true, now
		c.out.hasten = true
	}
	poke(c.wake)
	poke(c.writable)
}

// Close implements [net.Conn]. What was written is still sent, in the
// background; what was not read is lost.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.end.fullClosed {
		c.mu.Unlock()
		return net.ErrClosed
	}
	unread := !c.end.remoteClosed && !c.over && c.err == nil
	c.end.fullClosed = true
	c.in.drop()
	c.closeLocal(time.Now())
	poke(c.readable)
	c.unlock()
	if unread {
		c.note(protocol.NoteStop)
	}
	return nil
}

// Abort ends the stream at once in both directions; a peer of ours sees a reset.
func (c *Conn) Abort() { c.fail(errAborted, true) }

// Done is closed when the stream is over in both directions, for whatever reason.
func (c *Conn) Done() <-chan struct{} { return c.done }

// LocalAddr implements [net.Conn]. It tells nothing, but is a *net.TCPAddr with an IP.
func (c *Conn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// RemoteAddr implements [net.Conn]. It tells nothing, but is a *net.TCPAddr with an IP.
func (c *Conn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(&c.readBy, t, c.readable)
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.writeBy, t, c.writable)
}

func (c *Conn) setDeadline(by *time.Time, t time.Time, waiter chan struct{}) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.fullClosed {
		return net.ErrClosed
	}
	*by = t
	poke(waiter)
	return nil
}

// A turn is a lock that is held while waiting.
type turn chan struct{}

func (t turn) take() turn { t <- struct{}{}; return t }
func (t turn) release()   { <-t }

// await waits for a poke, at most until by.
func await(c <-chan struct{}, by time.Time) error {
	if by.IsZero() {
		<-c
		return nil
	}
	t := time.NewTimer(time.Until(by))
	defer t.Stop()
	select {
	case <-c:
		return nil
	case <-t.C:
		return os.ErrDeadlineExceeded
	}
}

func passed(by time.Time) bool { return !by.IsZero() && !time.Now().Before(by) }
