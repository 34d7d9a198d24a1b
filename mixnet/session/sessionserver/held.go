//go:build !js

package sessionserver

import (
	"net"
	"sync"
	"time"
)

// A heldConn gathers what is written between hold and release, and sends it in
// one piece: so many small messages cost one system call. A write that is not
// done within writePatience breaks the connection.
type heldConn struct {
	net.Conn
	early []byte // was read before the connection was ours

	// mu guards the following and is held during a write to Conn, which only
	// other writes wait for; closing Conn ends it.
	mu   sync.Mutex
	held bool
	buf  *[]byte // of heldBuffers while held
}

var heldBuffers = sync.Pool{New: func() any { b := make([]byte, 0, heldBytes); return &b }}

func (c *heldConn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

func (c *heldConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return c.send(b)
	}
	if len(*c.buf)+len(b) > heldBytes {
		if err := c.flush(); err != nil {
			return 0, err
		}
		if len(b) > heldBytes {
			return c.send(b)
		}
	}
	*c.buf = append(*c.buf, b...)
	return len(b), nil
}

func (c *heldConn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		c.held, c.buf = true, heldBuffers.Get().(*[]byte)
	}
}

func (c *heldConn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return nil
	}
	err := c.flush()
	heldBuffers.Put(c.buf)
	c.held, c.buf = false, nil
	return err
}

func (c *heldConn) flush() error {
	if len(*c.buf) == 0 {
		return nil
	}
	_, err := c.send(*c.buf)
	*c.buf = (*c.buf)[:0]
	return err
}

func (c *heldConn) send(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
