package endpoint

import "nym-socks5/mixnet/session"

// defaultDial: a page has no sockets, and its WebSockets are the browser's. A
// net.Dialer, which it would load, is of no use to it.
func defaultDial() session.DialFunc { return nil }

// ownAddrs: a page in a browser does not learn the addresses of its machine.
func ownAddrs() []string { return nil }
