package proxy

import (
	"io"
	"net"
	"time"
)

// What the application does with a stream: it reads, writes and leaves.

// closeWrite is the application saying that it wrote everything.
func (s *stream) closeWrite(now time.Time) effects {
	if s.gate == gateOpen {
		s.gate = gateClosed
	}
	return s.closeLocal(now)
}

// close is the application leaving: what it wrote is still sent.
func (s *stream) close(now time.Time) effects {
	fx := effects(0)
	if s.live() && !s.end.remoteClosed && !s.in.resets {
		fx = sayStop
	}
	return fx | s.leave(now)
}

// reset is the application's socket having broken off: what was read from it
// is still sent, and then that it broke off. If that has to wait, the peer learns at
// once that nobody reads.
func (s *stream) reset(now time.Time) (fx effects) {
	if s.live() && !s.end.reset {
		s.end.reset = true
		if !s.out.empty() && !s.end.remoteClosed && !s.in.resets {
			fx = sayStop
		}
		if s.kind.get() == kindUnknown && !s.understood() {
			s.end.notBefore = later(s.end.notBefore, now.Add(kindPatience))
		}
	}
	return fx | s.leave(now)
}

// shutdown is the Proxy ending.
func (s *stream) shutdown(now time.Time) effects {
	s.end.notBefore = time.Time{}
	return s.leave(now)
}

// leave ends reading and writing.
func (s *stream) leave(now time.Time) effects {
	fx := s.outcomeShown()
	s.turn(stateEnding)
	s.end.fullClosed = true
	s.in.drop()
	return fx | s.closeWrite(now) | wakeReader
}

// read copies received data into b.
func (s *stream) read(b []byte) (n int, err error) {
	if err := s.readError(); err != nil {
		return 0, err
	}
	if n = s.in.read(b); n == 0 {
		err = s.endOfInput()
	}
	return n, err
}

// take hands over the next block of received data.
func (s *stream) take() (block []byte, err error) {
	if err := s.readError(); err != nil {
		return nil, err
	}
	if block = s.in.take(); block == nil {
		err = s.endOfInput()
	}
	return block, err
}

// readError says why nothing may be read, not even what is there.
func (s *stream) readError() error {
	switch {
	case s.end.fullClosed:
		return net.ErrClosed
	case s.in.wasReset() && s.err == ErrReset:
		return nil // not before what came before it
	}
	return s.err
}

// endOfInput says why nothing more will come.
func (s *stream) endOfInput() error {
	switch {
	case len(s.in.ready) > 0:
		return nil
	case s.err != nil:
		return s.err
	case s.in.ended:
		return io.EOF
	case s.state == stateOver:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// writeError says why nothing may be written. While it may but must wait, full
// reports true.
func (s *stream) writeError() (err error, full bool) {
	switch {
	case s.end.fullClosed:
		return net.ErrClosed, false
	case s.gate == gateHalted && s.unread():
		return nil, true
	case s.err != nil:
		return s.err, false
	case s.gate == gateHalted, s.gate == gateStopped:
		return ErrReset, false
	case s.gate == gateCut, s.state == stateOver:
		return io.ErrClosedPipe, false
	case s.gate == gateClosed:
		return net.ErrClosed, false
	}
	return nil, !s.out.room()
}

// unread reports whether something is to be read still, or to come.
func (s *stream) unread() bool {
	if len(s.in.ready) > 0 && s.readError() == nil {
		return true
	}
	return s.live() && !s.in.ended
}

// write takes over as much of b as there is room for, and says whether the
// pump should look.
func (s *stream) write(now time.Time, b []byte) (n int, fx effects) {
	idle, full := s.out.empty(), len(s.out.full)
	n = s.out.write(b)
	if n > 0 {
		s.idle.written(now)
	}
	if idle && n > 0 || len(s.out.full) > full {
		fx = wakePump
	}
	return n, fx
}

// offer takes over a full message without copying, if it is its turn.
func (s *stream) offer(now time.Time, msg []byte) bool {
	if err, full := s.writeError(); err != nil || full || !s.out.offer(msg) {
		return false
	}
	s.idle.written(now)
	return true
}
