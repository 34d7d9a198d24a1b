package socks

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
	"time"

	socks5 "github.com/armon/go-socks5"
)

// Errors that only go-socks5 sees. It looks for words in the text of errors to
// choose a reply; the reply is replaced anyway.
var (
	errNotOpened = errors.New("socks: not opened")
	errNotSent   = errors.New("socks: reply not sent")
	errPassword  = errors.New("socks: malformed user and password")
)

// Methods of authentication (RFC 1928 §3).
const (
	methodNone     = 0
	methodPassword = 2
	methodRefused  = 0xFF
)

// A v5 is a SOCKS5 connection as go-socks5 sees it: its net.Conn, its resolver
// and its authenticator.
//
//	reads   a greeting with one method, then the request, byte by byte
//	writes  choice of method, outcome of the password; then the reply, replaced
//	Close   does nothing
//
// Copying is left to [proxy.Splice], which knows how streams end: what go-socks5
// copies from has ended before it begins.
type v5 struct {
	*conn
	greeting []byte // to be read first
	who      owner
	name     string // the name asked for, if it was a name

	readErr error // ended the handshake early
	mute    bool  // no reply is due: the method or the password was refused
	dialed  bool  // code says what came of it
	code    code
	replied bool // the one reply was written, or could not be
	flowing bool // bytes may flow: go-socks5 is done
}

// serve5 serves a SOCKS5 connection.
func (c *conn) serve5() {
	v := &v5{conn: c}
	if v.readGreeting() != nil {
		return
	}
	// A server of its own for each connection, since the hooks belong to it.
	srv, err := socks5.New(&socks5.Config{
		AuthMethods: []socks5.Authenticator{v, socks5.NoAuthAuthenticator{}},
		Resolver:    v,
		Dial:        v.dial,
		Logger:      log.New(io.Discard, "", 0), // it would log destinations
	})
	if err != nil {
		return
	}
	srv.ServeConn(v)
	switch {
	case v.flowing:
		v.relay()
	case v.readErr != nil:
	case !v.replied && !v.mute:
		// go-socks5 has no reply for a request that it cannot read.
		v.Write(codeFailure.v5())
		c.front.linger()
	default:
		c.front.linger()
	}
}

// readGreeting reads the methods offered and prepares a greeting that offers
// one. go-socks5 takes the first it knows; credentials, which keep streams apart,
// must count wherever they stand in the list.
func (v *v5) readGreeting() error {
	var head [2]byte
	if _, err := io.ReadFull(v.front.in, head[:]); err != nil {
		return err
	}
	offered := make([]byte, head[1])
	if _, err := io.ReadFull(v.front.in, offered); err != nil {
		return err
	}
	method := byte(methodRefused)
	for _, m := range offered {
		if m == methodPassword || (m == methodNone && method == methodRefused) {
			method = m
		}
	}
	v.greeting = []byte{5, 1, method}
	v.mute = method == methodRefused
	return nil
}

// GetCode implements socks5.Authenticator: user and password.
func (v *v5) GetCode() uint8 { return methodPassword }

// Authenticate implements socks5.Authenticator (RFC 1929). Any user and password
// will do; both are kept, where go-socks5's own authenticator keeps the user only.
func (v *v5) Authenticate(r io.Reader, w io.Writer) (*socks5.AuthContext, error) {
	v.mute = true // until it succeeded
	if _, err := w.Write([]byte{5, methodPassword}); err != nil {
		return nil, err
	}
	var version [1]byte
	if _, err := io.ReadFull(r, version[:]); err != nil {
		return nil, err
	}
	if version[0] != 1 {
		w.Write([]byte{1, 1})
		return nil, errPassword
	}
	user, err := readShort(r)
	if err != nil {
		return nil, err
	}
	password, err := readShort(r)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte{1, 0}); err != nil {
		return nil, err
	}
	v.mute = false
	v.who = owner{"password", user, password}
	return &socks5.AuthContext{Method: methodPassword}, nil
}

// readShort reads a text with a length of one byte before it.
func readShort(r io.Reader) (string, error) {
	var n [1]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return "", err
	}
	text := make([]byte, n[0])
	_, err := io.ReadFull(r, text)
	return string(text), err
}

// Resolve implements socks5.NameResolver. It resolves nothing: the name goes to
// the requester. Without it go-socks5 would ask the system's resolver.
func (v *v5) Resolve(ctx context.Context, name string) (context.Context, net.IP, error) {
	v.name = name // as it came; some names do not survive go-socks5's joining with the port
	return ctx, nil, nil
}

// dial is go-socks5's dialer. The context it is given never ends.
func (v *v5) dial(_ context.Context, _, addr string) (net.Conn, error) {
	colon := strings.LastIndexByte(addr, ':')
	port, err := strconv.ParseUint(addr[colon+1:], 10, 16)
	if err != nil {
		return nil, errNotOpened
	}
	host := v.name
	if host == "" {
		host = addr[:colon]
	}
	v.code = v.open(host, uint16(port), v.who)
	v.dialed = true
	if v.code != codeSucceeded {
		return nil, errNotOpened
	}
	return ended{}, nil
}

// ended is the target as go-socks5 sees it: a connection with nothing in it.
type ended struct{ net.Conn }

func (ended) Read([]byte) (int, error) { return 0, io.EOF }
func (ended) Close() error             { return nil }

// LocalAddr is what go-socks5 puts into its reply as the bound address; it panics
// if this is no *net.TCPAddr with an IP.
func (ended) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// Read implements net.Conn. During the handshake it gives one byte at a time, so
// that go-socks5's buffer never holds bytes that belong to the stream.
func (v *v5) Read(p []byte) (n int, err error) {
	switch {
	case v.flowing:
		return 0, io.EOF // to go-socks5
	case len(p) == 0:
		return 0, nil
	case len(v.greeting) > 0:
		p[0], v.greeting = v.greeting[0], v.greeting[1:]
		return 1, nil
	}
	n, err = v.front.Read(p[:1])
	if err != nil {
		v.readErr = err
	}
	return n, err
}

// Write implements net.Conn. The reply is known by its length: all that go-socks5
// writes before it has two bytes.
func (v *v5) Write(p []byte) (int, error) {
	if v.replied || len(p) < len(codeSucceeded.v5()) {
		return v.front.Write(p)
	}
	v.replied = true
	reply := code(p[1]) // unsupported command or address type
	if v.dialed {
		reply = v.code
	}
	v.flowing = v.reply(reply.v5(), reply)
	if reply == codeSucceeded && !v.flowing {
		return 0, errNotSent // go-socks5 must not begin to copy
	}
	return len(p), nil
}

// Close implements net.Conn. The connection is not go-socks5's to close.
func (v *v5) Close() error { return nil }

// LocalAddr implements net.Conn.
func (v *v5) LocalAddr() net.Addr { return v.front.app.LocalAddr() }

// RemoteAddr implements net.Conn.
func (v *v5) RemoteAddr() net.Addr { return v.front.app.RemoteAddr() }

// SetDeadline implements net.Conn.
func (v *v5) SetDeadline(t time.Time) error { return v.front.app.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (v *v5) SetReadDeadline(t time.Time) error { return v.front.app.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (v *v5) SetWriteDeadline(t time.Time) error { return v.front.app.SetWriteDeadline(t) }
