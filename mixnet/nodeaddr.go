package mixnet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Sizes of an encoded NodeAddr in bytes.
const (
	NodeAddr4Size  = 7  // IPv4
	NodeAddr6Size  = 19 // IPv6
	NodeAddrPadded = 32 // inside a Sphinx header and a SURB
	AckAddrPadded  = 19 // in front of a SURB-ACK
)

// A NodeAddr is where a node's mix port listens (sphinx.md §4.4). Note that
// the port precedes the IP.
//
//	+------------+---------------+-------------------+----------+
//	| 4 or 6 (1) | port (2, BE)  | IP octets (4, 16) | zeros    |
//	+------------+---------------+-------------------+----------+
//
// It is unpadded in what a client hands its gateway, padded to 19 bytes in a
// SURB-ACK prefix and to 32 everywhere else. The zero NodeAddr is none.
type NodeAddr struct{ ap netip.AddrPort }

// NodeAddrFrom makes a NodeAddr. IPv4-mapped IPv6 addresses become IPv4, zones are dropped.
func NodeAddrFrom(ap netip.AddrPort) NodeAddr {
	return NodeAddr{netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())}
}

// AddrPort gives the address for dialing.
func (a NodeAddr) AddrPort() netip.AddrPort { return a.ap }

// String gives ip:port, an IPv6 address in brackets.
func (a NodeAddr) String() string { return a.ap.String() }

// IsZero reports whether a is the zero NodeAddr.
func (a NodeAddr) IsZero() bool { return a == NodeAddr{} }

// AppendBinary implements [encoding.BinaryAppender] for the unpadded form.
func (a NodeAddr) AppendBinary(b []byte) ([]byte, error) {
	ip := a.ap.Addr()
	switch {
	case ip.Is4():
		b = binary.BigEndian.AppendUint16(append(b, 4), a.ap.Port())
		o := ip.As4()
		return append(b, o[:]...), nil
	case ip.Is6():
		b = binary.BigEndian.AppendUint16(append(b, 6), a.ap.Port())
		o := ip.As16()
		return append(b, o[:]...), nil
	}
	return b, fmt.Errorf("%w: encoding the zero node address", ErrMalformed)
}

// PutPadded writes a to the front of b and zeros the rest of b, which must
// have at least [NodeAddr6Size] bytes.
func (a NodeAddr) PutPadded(b []byte) error {
	_ = b[NodeAddr6Size-1]
	out, err := a.AppendBinary(b[:0])
	if err != nil {
		return err
	}
	clear(b[len(out):])
	return nil
}

// ParseNodeAddr reads the address that b begins with and says how many bytes
// it took (7 or 19); what follows, padding or not, is not looked at
// (sphinx.md §4.4). An IPv4-mapped IPv6 address is kept as it is, so that
// what parses encodes back to the same bytes.
func ParseNodeAddr(b []byte) (a NodeAddr, n int, err error) {
	if len(b) == 0 {
		return NodeAddr{}, 0, fmt.Errorf("%w: empty node address", ErrMalformed)
	}
	switch b[0] {
	case 4:
		n = NodeAddr4Size
	case 6:
		n = NodeAddr6Size
	default:
		return NodeAddr{}, 0, fmt.Errorf("%w: node address of kind %d", ErrMalformed, b[0])
	}
	if len(b) < n {
		return NodeAddr{}, 0, fmt.Errorf("%w: node address of %d bytes, want %d", ErrMalformed, len(b), n)
	}
	ip, _ := netip.AddrFromSlice(b[3:n])
	return NodeAddr{netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[1:]))}, n, nil
}
