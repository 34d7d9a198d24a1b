package proxy

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

var _ Stream = (*SDKConn)(nil)

// An SDKConn is a stream to a program of Nym's SDK for Rust. It implements
// [net.Conn] and [Stream], as far as their protocol goes: neither end hears that the
// other has closed it. Read ends by a deadline, or after half an hour of silence with
// [ErrIdle]; what is written to one whose far end has gone is lost.
type SDKConn struct {
	x      *SDK
	key    key
	to     mixnet.Recipient // dialed: whom we speak to
	lane   mixnet.Lane
	chunk  int // bytes of data that fill a message
	ctx    context.Context
	cancel context.CancelFunc

	wake, readable, writable chan struct{} // hold one; more are dropped, since one is enough
	opened                   chan struct{} // closed when the far end's gateway has been told
	done                     chan struct{} // closed when the stream is over
	reading, writing         turn

	mu              sync.Mutex // guards the following
	readBy, writeBy time.Time  // deadlines
	heard           time.Time  // when something was heard or written last

	next   uint32            // number of the message that is read next
	held   map[uint32][]byte // messages behind one that is missing
	ready  [][]byte          // to be read
	bytes  int               // in both
	paused bool              // the Messenger was told that nobody reads; the pump's

	out    []byte // written, and not sent yet
	win    window // of messages underway
	ended  bool   // nothing more is written
	closed bool   // nor read
	err    error  // why it is over before its time
}

func freshSDKID() protocol.StreamID {
	var b [8]byte
	rand.Read(b[:])
	return protocol.StreamID(binary.BigEndian.Uint64(b[:]))
}

// options are those of every message but the first.
func (c *SDKConn) options() mixnet.SendOptions {
	o := mixnet.SendOptions{Lane: c.lane, SURBs: noSURBs}
	if c.key.dialed {
		o.As = c.key.tag
	}
	return o
}

// why says why the stream is over.
func (c *SDKConn) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return net.ErrClosed
	}
	return c.err
}

// receive takes in a message of data. Numbers may come in any order, and again.
func (c *SDKConn) receive(f protocol.SDKFrame) {
	c.mu.Lock()
	c.heard = time.Now()
	before := c.bytes
	var err error
	switch {
	case c.err != nil || c.closed || f.Number < c.next || c.held[f.Number] != nil:
	case f.Number == c.next:
		c.take(f.Data)
		c.next++
		for data, ok := c.held[c.next]; ok; data, ok = c.held[c.next] {
			delete(c.held, c.next)
			c.bytes -= len(data)
			c.take(data)
			c.next++
		}
	case len(c.held) >= sdkHeld: // the SDK would go on behind a gap here
		err = errFlood
	default:
		c.held[f.Number] = f.Data
		c.bytes += len(f.Data)
	}
	if c.bytes > sdkUnread {
		err = errFlood
	}
	grown := c.bytes - before
	c.mu.Unlock()
	c.x.count(grown)
	if err != nil {
		c.fail(err)
		return
	}
	poke(c.readable)
	poke(c.wake)
}

// take gives data to the reader. The lock is held.
func (c *SDKConn) take(data []byte) {
	if len(data) > 0 {
		c.ready = append(c.ready, data)
		c.bytes += len(data)
	}
}

// pause tells the Messenger whether the application reads: a far end that answers by
// our reply SURBs gets no more while it does not.
func (c *SDKConn) pause() {
	if !c.key.dialed {
		return
	}
	if stalled := c.holds() >= stallMark; stalled != c.paused {
		c.paused = stalled
		c.x.m.Pause(c.key.tag, stalled)
	}
}

func (c *SDKConn) holds() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Read implements [net.Conn].
func (c *SDKConn) Read(b []byte) (int, error) {
	defer c.reading.take().release()
	for {
		n, by, err := c.tryRead(b)
		if n > 0 || err != nil || len(b) == 0 {
			c.x.count(-n)
			if c.key.dialed {
				poke(c.wake) // it may be read again
			}
			return n, err
		}
		if err := await(c.readable, by); err != nil {
			return 0, err
		}
	}
}

func (c *SDKConn) tryRead(b []byte) (n int, by time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, by, net.ErrClosed
	case passed(c.readBy, time.Now()):
		return 0, by, os.ErrDeadlineExceeded
	}
	for n < len(b) && len(c.ready) > 0 {
		k := copy(b[n:], c.ready[0])
		n += k
		if c.ready[0] = c.ready[0][k:]; len(c.ready[0]) == 0 {
			c.ready[0] = nil
			c.ready = c.ready[1:]
		}
	}
	c.bytes -= n
	if n == 0 {
		err = c.err
	}
	return n, c.readBy, err
}

// Write implements [net.Conn]. It returns when b has been taken over, not when it was
// sent.
func (c *SDKConn) Write(b []byte) (total int, err error) {
	defer c.writing.take().release()
	for {
		n, by, err := c.tryWrite(b)
		b, total = b[n:], total+n
		if err != nil || len(b) == 0 {
			return total, err
		}
		if err := await(c.writable, by); err != nil {
			return total, err
		}
	}
}

func (c *SDKConn) tryWrite(b []byte) (n int, by time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return 0, by, c.err
	case c.ended:
		return 0, by, net.ErrClosed
	case passed(c.writeBy, time.Now()):
		return 0, by, os.ErrDeadlineExceeded
	}
	n = min(len(b), maxFull*c.chunk-len(c.out))
	c.out = append(c.out, b[:n]...)
	poke(c.wake)
	return n, c.writeBy, nil
}

// pump is the goroutine of a stream: it sends what was written.
func (c *SDKConn) pump() {
	defer c.x.remove(c)
	if c.key.dialed && !c.open() {
		return
	}
	for {
		c.pause()
		msg, over := c.nextMessage()
		switch {
		case over:
			return
		case msg != nil:
			if err := c.send(msg); err != nil {
				c.fail(&OpenError{ReasonNoNetwork})
				return
			}
			continue
		}
		select {
		case <-c.wake:
		case <-c.ctx.Done():
			c.fail(ErrClosed)
			return
		}
	}
}

// open tells the far end of the stream, and waits until its gateway knows: data that
// come before it are kept there for a few seconds only.
func (c *SDKConn) open() bool {
	body, err := protocol.SDKFrame{ID: c.key.id, Kind: protocol.SDKOpen}.AppendBinary(nil)
	if err != nil {
		return false
	}
	told := make(chan error, 1)
	o := c.options()
	o.SURBs, o.Done = 0, func(err error) { told <- err }
	if err = c.x.m.Send(c.ctx, c.to, body, o); err == nil {
		select {
		case err = <-told:
		case <-c.ctx.Done():
			err = ErrClosed
		}
	}
	if err != nil {
		c.fail(&OpenError{ReasonNoNetwork})
		return false
	}
	close(c.opened)
	return true
}

// nextMessage gives the next message to be sent, if there is one and it may leave; over:
// there never will be.
func (c *SDKConn) nextMessage() (msg *sdkMessage, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return nil, true
	case len(c.out) == 0:
		return nil, c.closed && c.win.drained()
	case c.win.next-c.win.base >= sdkSpan:
		return nil, false
	case len(c.out) < c.chunk && c.win.next-c.win.base >= sdkSmall && !c.ended:
		return nil, false // company comes while it waits for an acknowledgement
	case c.win.next >= sdkNumbers:
		c.err = errSDKNumbers
		return nil, true
	}
	n := min(len(c.out), c.chunk)
	msg = &sdkMessage{number: c.win.take(), data: append([]byte(nil), c.out[:n]...)}
	c.out = append(c.out[:0], c.out[n:]...)
	poke(c.writable)
	return msg, false
}

type sdkMessage struct {
	number uint64
	data   []byte
}

func (c *SDKConn) send(m *sdkMessage) error {
	body, err := protocol.SDKFrame{ID: c.key.id, Kind: protocol.SDKData, Number: uint32(m.number), Data: m.data}.AppendBinary(nil)
	if err != nil {
		return err
	}
	o := c.options()
	o.Done = func(err error) { c.acked(m.number, err) }
	if c.key.dialed {
		return c.x.m.Send(c.ctx, c.to, body, o)
	}
	return c.x.m.Reply(c.ctx, c.key.tag, body, o)
}

// acked is told what became of a message. One that failed is missing for good.
func (c *SDKConn) acked(number uint64, err error) {
	c.mu.Lock()
	if err != nil && c.err == nil {
		c.err = errHole
	}
	c.win.ack(number)
	c.heard = time.Now()
	c.mu.Unlock()
	poke(c.wake)
	poke(c.readable)
	poke(c.writable)
}

// age ends the stream if nothing has been heard for half an hour, as the far end does.
func (c *SDKConn) age(now time.Time) {
	c.mu.Lock()
	idle := now.Sub(c.heard) >= sdkIdle
	c.mu.Unlock()
	if idle {
		c.fail(errSDKIdle)
	}
}

// fail ends the stream at once.
func (c *SDKConn) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	freed := 0
	if errors.Is(err, errMemory) || errors.Is(err, errFlood) {
		freed = c.drop()
	}
	c.mu.Unlock()
	c.x.count(-freed)
	c.cancel()
	poke(c.wake)
	poke(c.readable)
	poke(c.writable)
}

// drop lets go of what was received. The lock is held.
func (c *SDKConn) drop() (freed int) {
	freed = c.bytes
	c.bytes, c.ready = 0, nil
	clear(c.held)
	return freed
}

// CloseWrite says that nothing more will be written; what was is still sent. The far
// end does not hear of it.
func (c *SDKConn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.ended = true
	poke(c.wake)
	poke(c.writable)
	return nil
}

// Close implements [net.Conn]. What was written is still sent, in the background; what
// was not read is lost. The far end does not hear of it.
func (c *SDKConn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return net.ErrClosed
	}
	c.ended, c.closed = true, true
	freed := c.drop()
	c.mu.Unlock()
	c.x.count(-freed)
	poke(c.wake)
	poke(c.readable)
	poke(c.writable)
	return nil
}

// Reset ends the stream as Close does: there is no way to say more.
func (c *SDKConn) Reset() { c.Close() }

// Abort ends the stream at once, and what was written but not sent is lost.
func (c *SDKConn) Abort() {
	c.Close()
	c.fail(errAborted)
}

// Done is closed when the stream is over.
func (c *SDKConn) Done() <-chan struct{} { return c.done }

// Context ends with the stream.
func (c *SDKConn) Context() context.Context { return c.ctx }

// LocalAddr implements [net.Conn]. It tells nothing, but is a *net.TCPAddr with an IP.
func (c *SDKConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// RemoteAddr implements [net.Conn]. It tells nothing, but is a *net.TCPAddr with an IP.
func (c *SDKConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// SetDeadline implements [net.Conn].
func (c *SDKConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *SDKConn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.readBy, t, c.readable) }

// SetWriteDeadline implements [net.Conn].
func (c *SDKConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.writeBy, t, c.writable)
}

func (c *SDKConn) setDeadline(by *time.Time, t time.Time, waiter chan struct{}) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	*by = t
	poke(waiter)
	return nil
}
