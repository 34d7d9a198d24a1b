//go:build !js

package session

import (
	"context"
	"errors"
	"io"

	"nym-socks5/mixnet/session/protocol"

	"github.com/coder/websocket"
)

// A wsConn is a WebSocket as a MessageConn. Its errors are our own sentinels
// or those of the context: those of package net would name the far end.
type wsConn struct {
	ws    *websocket.Conn
	buf   []byte // what Read returned last
	sever func() // ends the transport without ceremony; nil where there is no way to
}

// WebSocket makes a MessageConn of an open WebSocket. sever ends the connection
// below it without ceremony; it is nil where there is no way to.
func WebSocket(ws *websocket.Conn, sever func()) MessageConn { return newWSConn(ws, sever) }

func newWSConn(ws *websocket.Conn, sever func()) *wsConn {
	ws.SetReadLimit(protocol.MaxMessage)
	return &wsConn{ws: ws, sever: sever}
}

func (c *wsConn) Read(ctx context.Context) (text bool, b []byte, err error) {
	typ, r, err := c.ws.Reader(ctx)
	if err != nil {
		return false, nil, connError(ctx, err)
	}
	b, err = readAll(r, c.buf[:0])
	c.buf = b
	if err != nil {
		return false, nil, connError(ctx, err)
	}
	return typ == websocket.MessageText, b, nil
}

// readAll is io.ReadAll into a buffer that is used again. The library refuses
// messages beyond the read limit, so b does not grow for ever.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, max(firstRead, cap(b)))...)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

func (c *wsConn) Write(ctx context.Context, text bool, b []byte) error {
	typ := websocket.MessageBinary
	if text {
		typ = websocket.MessageText
	}
	return connError(ctx, c.ws.Write(ctx, typ, b))
}

func (c *wsConn) Ping(ctx context.Context) error {
	return connError(ctx, c.ws.Ping(ctx))
}

func connError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, websocket.ErrMessageTooBig):
		return errTooBig
	case websocket.CloseStatus(err) == CloseReplaced:
		return ErrReplaced
	}
	return ErrClosed
}
