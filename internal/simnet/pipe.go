package simnet

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// bufferSize is how many bytes one direction holds, under way or unread.
const bufferSize = 256 << 10

// A pipe is one direction of a connection. Reader and writer are at the two
// ends and know nothing of each other but what is in here.
type pipe struct {
	latency time.Duration

	mu             sync.Mutex
	changed        sync.Cond // whenever something below changed, or became due
	buf            bytes.Buffer
	marks          []mark // how much of buf is due when; empty: all of it is due
	held           bool   // nothing arrives
	broken         bool   // reset
	breaks         bool   // reset behind what is buffered
	reader, writer end
	eofAt          time.Time // when the end of the stream arrives, once the writer closed
	arrival        *time.Timer
}

// A mark says when the next n bytes arrive.
type mark struct {
	n  int
	at time.Time
}

// An end is the state that only the reader or only the writer has.
type end struct {
	closed   bool
	deadline time.Time
	timer    *time.Timer
}

func (e *end) expired() bool { return !e.deadline.IsZero() && !time.Now().Before(e.deadline) }

func (e *end) stop() {
	e.closed = true
	if e.timer != nil {
		e.timer.Stop()
	}
}

func newPipe(latency time.Duration) *pipe {
	p := &pipe{latency: latency}
	p.changed.L = &p.mu
	return p
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.reader.closed:
			return 0, net.ErrClosed
		case p.broken:
			return 0, syscall.ECONNRESET
		case p.reader.expired():
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		}
		due, next := p.arrived()
		if due > 0 {
			n, _ := p.buf.Read(b[:min(due, len(b))])
			p.take(n)
			p.changed.Broadcast()
			return n, nil
		}
		if p.buf.Len() == 0 && p.writer.closed && !p.held {
			if wait := time.Until(p.eofAt); wait <= 0 {
				if p.breaks {
					return 0, syscall.ECONNRESET
				}
				return 0, io.EOF
			}
			next = p.eofAt
		}
		if !next.IsZero() {
			p.wakeAt(next)
		}
		p.changed.Wait()
	}
}

// arrived counts the bytes that may be read now. If there are none, next is
// when there will be, or zero if nothing is under way.
func (p *pipe) arrived() (due int, next time.Time) {
	if p.held || p.buf.Len() == 0 {
		return 0, time.Time{}
	}
	if len(p.marks) == 0 {
		return p.buf.Len(), time.Time{}
	}
	now := time.Now()
	for _, m := range p.marks {
		if m.at.After(now) {
			return due, m.at
		}
		due += m.n
	}
	return due, time.Time{}
}

// take removes n bytes from the marks.
func (p *pipe) take(n int) {
	for n > 0 && len(p.marks) > 0 {
		k := min(n, p.marks[0].n)
		p.marks[0].n -= k
		n -= k
		if p.marks[0].n == 0 {
			p.marks = p.marks[1:]
		}
	}
}

func (p *pipe) wakeAt(t time.Time) {
	d := time.Until(t)
	if p.arrival == nil {
		p.arrival = time.AfterFunc(d, p.wake)
		return
	}
	p.arrival.Reset(d)
}

func (p *pipe) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed.Broadcast()
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	written := 0
	for {
		switch {
		case p.writer.closed:
			return written, net.ErrClosed
		case p.broken:
			return written, syscall.ECONNRESET
		case p.reader.closed:
			return written, syscall.EPIPE
		case p.writer.expired():
			return written, os.ErrDeadlineExceeded
		case len(b) == 0:
			return written, nil
		}
		if n := min(len(b), bufferSize-p.buf.Len()); n > 0 {
			p.buf.Write(b[:n])
			if p.latency > 0 {
				p.marks = append(p.marks, mark{n, time.Now().Add(p.latency)})
			}
			b = b[n:]
			written += n
			p.changed.Broadcast()
			continue
		}
		p.changed.Wait()
	}
}

// closeWrite lets the reader find the end of the stream behind what is buffered.
func (p *pipe) closeWrite() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.writer.closed {
		p.eofAt = time.Now().Add(p.latency)
		p.writer.stop()
		p.changed.Broadcast()
	}
}

// breakOff lets the reader find a reset instead of the end.
func (p *pipe) breakOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.writer.closed {
		p.breaks = true
	}
}

// closeRead drops what is buffered; writes fail from now on.
func (p *pipe) closeRead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reader.stop()
	p.drop()
}

// reset breaks the pipe for both ends.
func (p *pipe) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
	p.drop()
}

func (p *pipe) drop() {
	p.buf, p.marks = bytes.Buffer{}, nil
	if p.arrival != nil {
		p.arrival.Stop()
	}
	p.changed.Broadcast()
}

// hold stops or restarts the flow.
func (p *pipe) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != held {
		p.held = held
		p.changed.Broadcast()
	}
}

func (p *pipe) setDeadline(e *end, t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	e.deadline = t
	if !t.IsZero() && !e.closed {
		e.timer = time.AfterFunc(time.Until(t), p.wake)
	}
	p.changed.Broadcast()
}
