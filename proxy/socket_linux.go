package proxy

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent is how many bytes a socket was given that the other end has not
// acknowledged; 0 if that cannot be known.
func unsent(socket net.Conn) (n int) {
	onSocket(socket, func(fd int) {
		if k, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ); err == nil {
			n = k
		}
	})
	return n
}

// wasReset reports whether a socket at the end of its input was reset. The kernel
// tells a reset once, to whoever reads or writes first; the other sees an end.
func wasReset(socket net.Conn) (reset bool) {
	const closed = 7 // TCP_CLOSE; after an orderly end it is CLOSE_WAIT or later
	onSocket(socket, func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		reset = err == nil && info.State == closed
	})
	return reset
}

func onSocket(socket net.Conn, f func(fd int)) {
	if c, ok := socket.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { f(int(fd)) })
		}
	}
}
