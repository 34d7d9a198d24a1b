//go:build !linux && !darwin && !js

package session

import "net"

// keepLittleUnsent gives the kernel a small write buffer, so that a stall of
// the network is not followed by a burst of everything that was written
// meanwhile (H02).
func keepLittleUnsent(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetWriteBuffer(16 << 10)
	}
}
