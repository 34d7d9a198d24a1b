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

// A Stream is a byte stream through the mixnet as those see it who copy to and
// from it: a [Conn], or what stands for one in a test. If it has ReadFrom or
// WriteTo, they are used.
type Stream interface {
	net.Conn
	CloseWrite() error     // nothing more will be written
	Reset()                // our socket broke off: the peer learns it behind what was written
	Abort()                // ends it at once, as a failure; what was written is lost
	Done() <-chan struct{} // closed when nothing more can be sent nor will arrive
}

var _ interface {
	Stream
	io.ReaderFrom
	io.WriterTo
} = (*Conn)(nil)

// A Conn is one stream. It implements net.Conn; deadlines, concurrent use and
// Close work as they do there.
type Conn struct {
	p      *Proxy
	key    key
	peer   peer
	share  *share
	ident  *identity   // if dialed
	remote *remotePeer // if not

	lane, notes mixnet.Lane
	beside      int             // how long a message may be for reply SURBs to ride along
	ctx         context.Context // ends with the stream
	cancel      context.CancelFunc

	wake     chan struct{} // makes the pump look again. Holds one, as do the next two; more are dropped
	readable chan struct{} // makes the reader look again
	writable chan struct{} // makes the writer look again
	opened   chan struct{} // closed when the outcome is known, if dialed
	done     chan struct{} // closed when the stream is over

	reading, writing turn // held by the one who reads, or writes

	mu              sync.Mutex // guards the following
	s               stream
	readBy, writeBy time.Time // deadlines
}

// newConn makes a stream.
func (p *Proxy) newConn(now time.Time, k key, to peer, kind *peerKind, sh *share) *Conn {
	c := &Conn{
		p: p, key: k, peer: to, share: sh,
		lane: p.lane(), notes: p.lane(), beside: to.besideSize(),
		wake:     make(chan struct{}, 1),
		reading:  make(turn, 1),
		writing:  make(turn, 1),
		readable: make(chan struct{}, 1),
		writable: make(chan struct{}, 1),
		opened:   make(chan struct{}),
		done:     make(chan struct{}),
		s: stream{
			dialing: to.dialing, mute: k.tag.IsZero(), kind: kind,
			coalesce: p.cfg.Coalesce, quiet: p.cfg.IdleLimit,
			out:      outbox{head: to.headerSize(), chunk: to.chunkSize(p.cfg.ChunkSize)},
			idle:     idleTimer{limit: p.cfg.IdleLimit},
			beat:     keepAlive{longest: p.cfg.KeepAlive},
			end:      ending{dialing: to.dialing, quiet: p.cfg.HalfCloseQuiet, lastOut: now},
			limit:    protocol.Window,
			promised: protocol.Window,
		},
	}
	c.ctx, c.cancel = context.WithCancel(p.base)
	c.s.idle.start(now)
	c.s.beat.sent(now)
	return c
}

// do changes the stream by f, and then does, without its lock, what follows.
func (c *Conn) do(f func(now time.Time) effects) {
	now := time.Now()
	c.mu.Lock()
	fx := f(now) | c.s.follow()
	grown, stall := c.s.measure()
	emptied := grown < 0 && c.s.counted == 0 && c.s.state == stateOver
	c.mu.Unlock()
	if grown != 0 || stall != 0 {
		c.account(grown, stall)
	}
	if fx != 0 {
		c.perform(fx)
	}
	if emptied {
		c.p.mu.Lock()
		delete(c.p.unread, c)
		c.p.mu.Unlock()
	}
}

// perform does what follows from a change.
func (c *Conn) perform(fx effects) {
	if fx.has(wakePump) {
		poke(c.wake)
	}
	if fx.has(wakeReader) {
		poke(c.readable)
	}
	if fx.has(wakeWriter) {
		poke(c.writable)
	}
	const rare = ^(wakePump | wakeReader | wakeWriter)
	if fx&rare == 0 {
		return
	}
	if fx.has(showOutcome) {
		close(c.opened)
	}
	if fx.has(cancelAll) {
		c.cancel()
	}
	if fx.has(raiseLimit) {
		c.grant()
	}
	if fx.has(sayStop) {
		c.note(protocol.NoteStop)
	}
	if fx.has(sayHello) {
		c.p.sendHello(c.ident)
	}
	if fx.has(sayClosed) {
		c.p.answer(c.peer, protocol.Response{Versions: c.peer.versions, Body: protocol.Data{ID: c.key.id, Closed: true}})
	}
	c.p.tally(fx)
	if fx.has(dropStream) {
		c.p.remove(c)
	}
}

// account counts what received data take, and lets the supply of reply SURBs
// pause where the application does not read.
func (c *Conn) account(grown, stall int) {
	c.share.bytes.Add(int64(grown))
	if c.p.count.buffered.Add(int64(grown)) > c.p.cfg.Memory && grown > 0 {
		c.p.resetLargest()
	}
	if stall != 0 {
		c.p.updatePause(c.ident, func() { c.ident.stalled += stall })
	}
}

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (n int, err error) {
	defer c.reading.take().release()
	for {
		var by time.Time
		c.do(func(now time.Time) effects {
			if by = c.readBy; passed(by, now) && !c.s.end.fullClosed {
				err = os.ErrDeadlineExceeded
				return 0
			}
			n, err = c.s.read(b)
			return 0
		})
		if n > 0 || err != nil || len(b) == 0 {
			c.p.count.received.Add(uint64(n))
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
		var by time.Time
		var block []byte
		c.do(func(now time.Time) effects {
			if by = c.readBy; passed(by, now) && !c.s.end.fullClosed {
				err = os.ErrDeadlineExceeded
				return 0
			}
			block, err = c.s.take()
			return 0
		})
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, err
		case block != nil:
			n, err := w.Write(block)
			total += int64(n)
			c.p.count.received.Add(uint64(n))
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

// Write implements [net.Conn]. It returns when b has been taken over, not when
// it was sent.
func (c *Conn) Write(b []byte) (total int, err error) {
	defer c.writing.take().release()
	for {
		by := c.tryWrite(func(now time.Time, full bool) (fx effects) {
			if !full {
				var n int
				n, fx = c.s.write(now, b)
				b, total = b[n:], total+n
				c.p.count.sent.Add(uint64(n))
			}
			return fx
		}, &err)
		if err != nil || len(b) == 0 {
			return total, err
		}
		if err := await(c.writable, by); err != nil {
			return total, err
		}
	}
}

// tryWrite calls f if something may be written, now or later (full), and else
// says why not.
func (c *Conn) tryWrite(f func(now time.Time, full bool) effects, err *error) (by time.Time) {
	c.do(func(now time.Time) effects {
		by = c.writeBy
		var full bool
		*err, full = c.s.writeError()
		switch {
		case *err != nil:
			return 0
		case passed(by, now):
			*err = os.ErrDeadlineExceeded
			return 0
		}
		return f(now, full)
	})
	return by
}

// ReadFrom implements [io.ReaderFrom]. It reads from r only when there is room,
// and in pieces that fill a message.
func (c *Conn) ReadFrom(r io.Reader) (total int64, err error) {
	head, chunk := c.s.out.head, c.s.out.chunk // which do not change
	var msg []byte
	for {
		if err := c.awaitRoom(); err != nil {
			return total, err
		}
		if msg == nil {
			msg = make([]byte, head+chunk)
		}
		n, err := r.Read(msg[head:])
		if n > 0 {
			taken := false
			if n == chunk {
				taken = c.offer(msg)
			}
			if taken {
				msg = nil
			} else if _, err := c.Write(msg[head : head+n]); err != nil {
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
func (c *Conn) offer(msg []byte) (taken bool) {
	defer c.writing.take().release()
	c.do(func(now time.Time) effects {
		if taken = c.s.offer(now, msg); !taken {
			return 0
		}
		c.p.count.sent.Add(uint64(c.s.out.chunk))
		return wakePump
	})
	return taken
}

// awaitRoom waits until a write would not.
func (c *Conn) awaitRoom() (err error) {
	defer c.writing.take().release()
	for {
		var room bool
		by := c.tryWrite(func(_ time.Time, full bool) effects {
			room = !full
			return 0
		}, &err)
		if err != nil || room {
			return err
		}
		if err := await(c.writable, by); err != nil {
			return err
		}
	}
}

// CloseWrite says that nothing more will be written; what was is still sent.
func (c *Conn) CloseWrite() (err error) {
	c.do(func(now time.Time) effects {
		if err, _ = c.s.writeError(); err != nil {
			return 0
		}
		return c.s.closeWrite(now)
	})
	return err
}

// Close implements [net.Conn]. What was written is still sent, in the
// background; what was not read is lost.
func (c *Conn) Close() (err error) {
	c.do(func(now time.Time) effects {
		if c.s.end.fullClosed {
			err = net.ErrClosed
			return 0
		}
		return c.s.close(now)
	})
	return err
}

// Reset ends the stream in both directions because the socket it is copied from
// broke off. What was written is still sent; behind it, the application of a
// peer of ours sees a reset, that of another the end.
func (c *Conn) Reset() { c.do(c.s.reset) }

// Abort ends the stream at once in both directions, and what was written but not
// sent is lost; a peer of ours sees a reset.
func (c *Conn) Abort() { c.fail(errAborted, true) }

// fail ends the stream at once. If tell, the peer is told.
func (c *Conn) fail(err error, tell bool) {
	c.do(func(time.Time) effects { return c.s.fail(err, tell) })
}

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
	if c.s.end.fullClosed {
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

func passed(by, now time.Time) bool { return !by.IsZero() && !now.Before(by) }
