package wsclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A Stream is a byte stream that the port opened, or gave us: a socket to the port,
// which closes each direction on its own.
type Stream struct {
	*net.TCPConn
	r *bufio.Reader
}

// Read implements [net.Conn].
func (s *Stream) Read(b []byte) (int, error) { return s.r.Read(b) }

// WriteTo implements [io.WriterTo].
func (s *Stream) WriteTo(w io.Writer) (int64, error) { return s.r.WriteTo(w) }

// A StatusError is what the port said in place of opening a stream.
type StatusError struct {
	Status int // of HTTP, such as 502
	Text   string
}

func (e *StatusError) Error() string { return e.Text }

// Open has the port at addr ("host:port") open a stream to target: a port of an
// address, or of a name for one ("bob:22"), or a stream that it told us of (its name
// and any port). ctx ends the waiting only. If the port refuses, the error is a
// *[StatusError].
func Open(ctx context.Context, addr, target string, o Options) (*Stream, error) {
	if strings.ContainsAny(target, " \r\n") {
		return nil, fmt.Errorf("wsclient: %q is no target", target)
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Stream{c.(*net.TCPConn), bufio.NewReader(c)}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	err = s.ask(target, o.Token)
	switch {
	case !stop():
		err = ctx.Err()
	case err == nil:
		return s, nil
	}
	c.Close()
	return nil, err
}

// ask sends the CONNECT and reads what is said to it.
func (s *Stream) ask(target, token string) error {
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: localhost\r\n" // an address is no host name
	if token != "" {
		request += "Authorization: Bearer " + token + "\r\n"
	}
	if _, err := io.WriteString(s, request+"\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(s.r, &http.Request{Method: http.MethodConnect})
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("wsclient: the port closed the connection without an answer")
	}
	if err != nil {
		return fmt.Errorf("wsclient: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return fmt.Errorf("wsclient: %w", err)
	}
	return &StatusError{resp.StatusCode, strings.TrimSpace(string(text))}
}

// Listen has streams to a port of our address told to us, by Incoming.
func (c *Conn) Listen(ctx context.Context, port uint16) error {
	id, err := c.ask(ctx, map[string]any{"type": "listen", "port": port})
	if err == nil {
		_, err = c.await(ctx, id, "ok")
	}
	return err
}

// Incoming waits for the next stream to a port at which we listen, and gives its
// name, for Open or Refuse. If ctx ends meanwhile, so does the connection.
func (c *Conn) Incoming(ctx context.Context) (name string, err error) {
	for len(c.streams) == 0 {
		a, err := c.read(ctx)
		if err != nil {
			return "", err
		}
		if err := c.keep(a); err != nil {
			return "", err
		}
	}
	name = c.streams[0]
	c.streams = c.streams[1:]
	return name, nil
}

// Refuse refuses a stream that we were told of. It may be called beside Incoming.
func (c *Conn) Refuse(ctx context.Context, name string) error {
	return c.write(ctx, map[string]any{"type": "refuse", "stream": name})
}
