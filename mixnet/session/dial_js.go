package session

import (
	"context"
	"net"

	"github.com/coder/websocket"
)

// A DialFunc opens connections below a WebSocket. In a browser it is not used.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Dial opens a WebSocket to a gateway, by the browser's own API.
func Dial(ctx context.Context, url string, _ DialFunc) (MessageConn, error) {
	ws, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, connError(ctx, err)
	}
	return newWSConn(ws, nil), nil
}

// Close maps the code: a page may close with 1000 or 3000 to 4999 only.
func (c *wsConn) Close(code int, why string) error {
	if code != CloseNormal {
		code += 3000
	}
	c.ws.Close(websocket.StatusCode(code), why)
	return nil
}
