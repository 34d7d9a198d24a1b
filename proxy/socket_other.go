//go:build !linux

package proxy

import "net"

// unsent is how many bytes a socket was given that the other end has not
// acknowledged. It cannot be known here: a reset may overtake the last of them.
func unsent(net.Conn) int { return 0 }

// wasReset reports whether a socket at the end of its input was reset. It cannot
// be known here if a write was told first.
func wasReset(net.Conn) bool { return false }
