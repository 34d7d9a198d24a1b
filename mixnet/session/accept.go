//go:build !js

package session

import (
	"bufio"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// Accept upgrades a request to a WebSocket. Every origin is welcome, since the
// protocol needs no cookies; no sub-protocol or compression is selected
// (nodes.md §1.1). On failure it has answered the request. The request's
// context must not be used afterwards.
func Accept(w http.ResponseWriter, r *http.Request) (MessageConn, error) {
	h := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil, errNoUpgrade
	}
	return &acceptedConn{wsConn: newWSConn(ws, func() { h.conn.Conn.Close() }), below: h.conn}, nil
}

// readBuffer holds a few regular frames, so that a busy client does not cost a
// system call for each.
const readBuffer = 8 << 10

// A hijacker gives the WebSocket library our connection, which can hold writes
// back, in place of the server's.
type hijacker struct {
	http.ResponseWriter
	conn *heldConn
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = &heldConn{Conn: c}
	if n := rw.Reader.Buffered(); n > 0 { // the client did not wait for our answer
		h.conn.early = make([]byte, n)
		if _, err := rw.Reader.Read(h.conn.early); err != nil {
			c.Close()
			return nil, nil, err
		}
	}
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, readBuffer), bufio.NewWriter(h.conn)), nil
}

// An acceptedConn is the gateway's end of a WebSocket.
type acceptedConn struct {
	*wsConn
	below *heldConn
}

func (c *acceptedConn) hold() { c.below.hold() }

func (c *acceptedConn) release() error {
	if c.below.release() != nil {
		return ErrClosed
	}
	return nil
}
