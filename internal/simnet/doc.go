// Package simnet is a TCP network in memory, for tests on virtual time.
//
//	n := simnet.New()                         inside the synctest bubble
//	ln, _ := n.Listen("192.0.2.1:1789")
//	c, _ := n.Host("192.0.2.9").DialContext(ctx, "tcp", "192.0.2.1:1789")
//
//	      write        latency       read
//	 A ──────────▶ [ 256 KiB, FIFO ] ──────▶ B      and the same the other way
//
// A connection behaves as one over TCP does: writes are buffered and wait when
// the buffer is full, each direction is closed by itself, deadlines hold, and
// addresses are *net.TCPAddr. Links have latency, and addresses can be made
// to refuse, to swallow everything, or to reset what is connected to them.
//
// Bytes are neither lost, nor reordered, nor limited in rate: those who need
// loss of packets inject it above the byte stream. Names are not resolved,
// save "localhost". A Network belongs to the bubble it was made in.
package simnet
