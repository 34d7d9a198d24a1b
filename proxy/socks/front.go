package socks

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// A front is the application's side of a connection.
//
//	handshake ──watch──▶ opening ──stop──▶ relaying
//	Read: from in        nobody reads      Read: what was read ahead, then app
//	                     but watch
//
// One goroutine uses it until it relays; then one reads and one writes.
type front struct {
	app net.Conn
	in  *bufio.Reader // the handshake; reads at most maxHandshake from app

	ahead    []byte // read ahead of the stream, not yet taken
	aheadErr error  // what ended the reading ahead
	relaying bool   // Read goes to ahead and app
}

func newFront(app net.Conn) *front {
	return &front{app: app, in: bufio.NewReaderSize(io.LimitReader(app, maxHandshake), 1<<10)}
}

// Read implements io.Reader.
func (f *front) Read(p []byte) (int, error) {
	switch {
	case !f.relaying:
		return f.in.Read(p)
	case len(f.ahead) > 0:
		n := copy(p, f.ahead)
		if f.ahead = f.ahead[n:]; len(f.ahead) == 0 {
			f.ahead = nil
		}
		return n, nil
	case f.aheadErr != nil:
		return 0, f.aheadErr
	default:
		return f.app.Read(p)
	}
}

// Write implements io.Writer.
func (f *front) Write(p []byte) (int, error) { return f.app.Write(p) }

// CloseWrite half-closes, where app can do that.
func (f *front) CloseWrite() error {
	if c, ok := f.app.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// watch ends the handshake and reads ahead while a stream is being opened. It
// calls gone if the application vanishes meanwhile: by a reset, or by closing
// without having sent anything for the stream. (One that sent something and then
// closed may be waiting for an answer.) stop ends the reading and tells whether
// gone was called; then f relays.
func (f *front) watch(gone func()) (stop func() (vanished bool)) {
	f.ahead, _ = f.in.Peek(f.in.Buffered())
	f.ahead = append([]byte(nil), f.ahead...)
	f.in = nil
	f.app.SetReadDeadline(time.Time{})
	vanished := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2<<10)
		for len(f.ahead) < maxAhead {
			n, err := f.app.Read(buf[:min(len(buf), maxAhead-len(f.ahead))])
			f.ahead = append(f.ahead, buf[:n]...)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return // stopped
			}
			if err != nil {
				f.aheadErr = err
				if vanished = err != io.EOF || len(f.ahead) == 0; vanished {
					gone()
				}
				return
			}
		}
	}()
	return func() bool {
		f.app.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
		<-done
		f.app.SetReadDeadline(time.Time{})
		f.relaying = true
		return vanished
	}
}

// reply sends a reply, within a time limit. After a success there are no time
// limits any more.
func (f *front) reply(b []byte, c code) error {
	f.app.SetWriteDeadline(time.Now().Add(replyTimeout))
	_, err := f.app.Write(b)
	if err == nil && c == codeSucceeded {
		f.app.SetDeadline(time.Time{})
	}
	return err
}

// linger lets a refused application read the reply: closing a socket while
// there are unread bytes, or more come, would reset it, and the reply could be lost.
func (f *front) linger() {
	if f.CloseWrite() != nil {
		return
	}
	end := time.Now().Add(lingerTimeout)
	buf := make([]byte, 16<<10)
	for now := time.Now(); now.Before(end); now = time.Now() {
		f.app.SetReadDeadline(now.Add(min(lingerPause, end.Sub(now))))
		if _, err := f.app.Read(buf); err != nil {
			return
		}
	}
}
