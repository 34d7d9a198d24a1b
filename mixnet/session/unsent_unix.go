//go:build linux || darwin

package session

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepLittleUnsent makes writes wait while the kernel still holds unsent
// bytes, so that a stall of the network is not followed by a burst of
// everything that was written meanwhile (H02). Where it cannot be had the
// connection works all the same.
func keepLittleUnsent(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBytes)
	})
}
