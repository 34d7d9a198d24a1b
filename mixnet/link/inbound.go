package link

import (
	"io"
	"net"
	"net/netip"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

// A Peer is the node at the other end of an inbound link.
type Peer struct {
	Addr     netip.AddrPort // where it connects from; the port says nothing
	Noise    keys.Noise     // the static key it proved to have; zero on a plain link
	Stranger bool           // no node of the network is known at its address
}

// An Inbound is an accepted connection as a stream of frames. One goroutine
// may use it at a time.
type Inbound struct {
	peer   Peer
	conn   net.Conn
	in     buffer
	idle   time.Duration
	alive  time.Time // when the read deadline was last put off
	frames []wire.Frame
}

// Peer describes the sending node.
func (in *Inbound) Peer() Peer { return in.peer }

// Read waits for frames and returns all that one read brought. They alias the
// link's buffer and are valid until the next Read; their packets may be
// written to. It fails with io.EOF when the peer closed the link between two
// frames, and with an error of package wire when it sent something else.
func (in *Inbound) Read() ([]wire.Frame, error) {
	in.frames = in.frames[:0]
	for {
		for {
			f, n, err := wire.ParseFrame(in.in.bytes())
			if err == io.ErrUnexpectedEOF {
				break
			}
			if err != nil {
				if len(in.frames) > 0 {
					return in.frames, nil // the next Read finds it again
				}
				return nil, err
			}
			in.in.skip(n)
			in.frames = append(in.frames, f)
		}
		if len(in.frames) > 0 {
			return in.frames, nil
		}
		if err := in.extend(); err != nil {
			return nil, err
		}
		if err := in.in.fill(0); err != nil {
			if err == io.EOF && len(in.in.bytes()) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// extend puts off the read deadline, but not for every read.
func (in *Inbound) extend() error {
	now := time.Now()
	if now.Sub(in.alive) < in.idle/16 {
		return nil
	}
	in.alive = now
	return in.conn.SetReadDeadline(now.Add(in.idle + in.idle/16))
}

// Close ends the link: the peer's next write fails, and so does Read. It may
// be called by any goroutine.
func (in *Inbound) Close() { in.conn.Close() }
