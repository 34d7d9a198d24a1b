//go:build !js

package session

import (
	"time"

	"github.com/coder/websocket"
)

func (c *wsConn) Close(code int, why string) error {
	defer time.AfterFunc(closePatience, c.sever).Stop()
	c.ws.Close(websocket.StatusCode(code), why)
	return nil // closed it is, whether or not the far end said so too
}
