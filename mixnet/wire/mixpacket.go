package wire

import (
	"fmt"

	"nym-socks5/mixnet"
)

// A MixPacket is what a client hands its gateway: a packet and where it goes
// first (sphinx.md §4.7). The address is unpadded.
//
//	v1 (binary kind 1)  | type |          | first hop (7, 19) | packet (386..33133) |
//	v2 (binary kind 2)  | type | rotation | first hop (7, 19) | packet (386..33133) |
type MixPacket struct {
	Next     mixnet.NodeAddr
	Rotation mixnet.Rotation
	Packet   []byte
}

// Append appends p: as v2 with the rotation byte, or as v1 without, which
// loses the rotation. It fails with [ErrMalformed] if the packet has none of
// the five sizes, the address is zero or the rotation unknown.
func (p MixPacket) Append(b []byte, withRotation bool) ([]byte, error) {
	if _, ok := mixnet.PacketSizeOf(len(p.Packet)); !ok {
		return b, fmt.Errorf("%w: mix packet around %d bytes", ErrMalformed, len(p.Packet))
	}
	if p.Next.IsZero() {
		return b, fmt.Errorf("%w: mix packet without a first hop", ErrMalformed)
	}
	start := len(b)
	b = append(b, packetTypeMix)
	if withRotation {
		if !p.Rotation.Valid() {
			return b[:start], fmt.Errorf("%w: mix packet with %v", ErrMalformed, p.Rotation)
		}
		b = append(b, byte(p.Rotation))
	}
	b, err := p.Next.AppendBinary(b)
	if err != nil {
		return b[:start], fmt.Errorf("%w: mix packet: %v", ErrMalformed, err)
	}
	return append(b, p.Packet...), nil
}

// ParseMixPacket parses exactly one mix packet, in the form with or without
// the rotation byte; without, its rotation is unknown. The packet aliases b.
// Its errors wrap [ErrMalformed].
func ParseMixPacket(b []byte, withRotation bool) (MixPacket, error) {
	var p MixPacket
	head := 1
	if withRotation {
		head = 2
	}
	if len(b) < head {
		return MixPacket{}, fmt.Errorf("%w: mix packet of %d bytes", ErrMalformed, len(b))
	}
	if b[0] != packetTypeMix {
		return MixPacket{}, fmt.Errorf("%w: mix packet with packet type %d", ErrMalformed, b[0])
	}
	if withRotation {
		p.Rotation = mixnet.Rotation(b[1])
		if !p.Rotation.Valid() {
			return MixPacket{}, fmt.Errorf("%w: mix packet with rotation byte %d", ErrMalformed, b[1])
		}
	}
	next, n, err := mixnet.ParseNodeAddr(b[head:])
	if err != nil {
		return MixPacket{}, fmt.Errorf("%w: mix packet: %v", ErrMalformed, err)
	}
	p.Next = next
	p.Packet = b[head+n : len(b) : len(b)]
	if _, ok := mixnet.PacketSizeOf(len(p.Packet)); !ok {
		return MixPacket{}, fmt.Errorf("%w: mix packet around %d bytes", ErrMalformed, len(p.Packet))
	}
	return p, nil
}
