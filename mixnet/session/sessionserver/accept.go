//go:build !js

package sessionserver

import (
	"bufio"
	"errors"
	"net"
	"net/http"

	"github.com/coder/websocket"

	"nym-socks5/mixnet/session"
)

// Accept upgrades a request to a WebSocket. Every origin is welcome, since the
// protocol needs no cookies; no sub-protocol or compression is selected
// (nodes.md §1.1). On failure it has answered the request, the last of its
// connection. The request's context must not be used afterwards.
func Accept(w http.ResponseWriter, r *http.Request) (session.MessageConn, error) {
	h := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil, errNoUpgrade
	}
	below := h.conn // and not h, by which all that belongs to the request would stay
	return &acceptedConn{MessageConn: session.WebSocket(ws, func() { below.Conn.Close() }), below: below, tls: r.TLS != nil}, nil
}

// A hijacker gives the WebSocket library our connection, which can hold writes
// back, in place of the server's.
type hijacker struct {
	http.ResponseWriter
	conn *heldConn
}

// WriteHeader lets no request follow one that was no upgrade: whoever asks so
// would keep a connection for ever.
func (h *hijacker) WriteHeader(code int) {
	if code != http.StatusSwitchingProtocols {
		h.Header().Set("Connection", "close")
	}
	h.ResponseWriter.WriteHeader(code)
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
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, readBuffer), bufio.NewWriterSize(h.conn, writeBuffer)), nil
}

// An acceptedConn is the gateway's end of a WebSocket.
type acceptedConn struct {
	session.MessageConn
	below *heldConn
	tls   bool
}

// overTLS says that what arrives comes from the far end, pongs too.
func (c *acceptedConn) overTLS() bool { return c.tls }

func (c *acceptedConn) hold() { c.below.hold() }

func (c *acceptedConn) release() error {
	if c.below.release() != nil {
		return session.ErrClosed
	}
	return nil
}

// errNoUpgrade reports a request that asks for no WebSocket.
var errNoUpgrade = errors.New("session: no WebSocket request")

// A batchWriter is a MessageConn that can hold messages back and send many of
// them at once.
type batchWriter interface {
	hold()
	release() error
}
