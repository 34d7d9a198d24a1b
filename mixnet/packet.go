package mixnet

import "fmt"

// What every packet carries besides its plaintext, in bytes (sphinx.md §3.1, §5.2).
const (
	HeaderSize      = 348                                  // Sphinx header
	PayloadOverhead = 17                                   // 16 zeros in front, a 1 behind
	AckPrefixSize   = AckAddrPadded + ackPacket            // SURB-ACK in front of a message: 405
	KeyPrefixSize   = 32                                   // ephemeral key or reply-key digest
	MaxPacketSize   = 32768 + PayloadOverhead + HeaderSize // Extended32
	MaxPlaintext    = 32768
	AckPlaintext    = 21
	ackPacket       = HeaderSize + PayloadOverhead + AckPlaintext
)

// A PacketSize is one of the sizes a Sphinx packet may have. Its value is the
// tag on the wire (sphinx.md §4.1), so the order is not that of the sizes.
type PacketSize uint8

// The packet sizes.
const (
	Regular    PacketSize = 1 // 2 413 bytes
	AckSize    PacketSize = 2 // 386 bytes, for SURB-ACKs only
	Extended32 PacketSize = 3 // 33 133 bytes
	Extended8  PacketSize = 4 // 8 557 bytes
	Extended16 PacketSize = 5 // 16 749 bytes
)

var plaintexts = [...]int{Regular: 2048, AckSize: AckPlaintext, Extended32: 32768, Extended8: 8192, Extended16: 16384}

// Valid reports whether s is one of the five sizes.
func (s PacketSize) Valid() bool { return s >= Regular && s <= Extended16 }

// Plaintext is the number of bytes the last hop takes out of the packet.
// It is zero for an invalid size.
func (s PacketSize) Plaintext() int {
	if !s.Valid() {
		return 0
	}
	return plaintexts[s]
}

// Payload is the number of bytes behind the header.
func (s PacketSize) Payload() int { return s.Plaintext() + PayloadOverhead }

// Total is the number of bytes of the whole packet.
func (s PacketSize) Total() int { return HeaderSize + s.Payload() }

// Fragment is the number of bytes that one fragment fills: what is left of
// the plaintext behind the SURB-ACK and the key. It is negative for acks.
func (s PacketSize) Fragment() int { return s.Plaintext() - AckPrefixSize - KeyPrefixSize }

// String names the size as the reference's configuration does.
func (s PacketSize) String() string {
	switch s {
	case Regular:
		return "regular"
	case AckSize:
		return "ack"
	case Extended8:
		return "extended8"
	case Extended16:
		return "extended16"
	case Extended32:
		return "extended32"
	}
	return fmt.Sprintf("PacketSize(%d)", uint8(s))
}

// PacketSizeOf finds the size whose packets have total bytes.
func PacketSizeOf(total int) (PacketSize, bool) {
	for s := Regular; s <= Extended16; s++ {
		if s.Total() == total {
			return s, true
		}
	}
	return 0, false
}

// A Rotation says under which of a node's keys a packet was built
// (sphinx.md §4.3). Its value is the byte on the wire.
type Rotation uint8

// The rotations.
const (
	RotationUnknown Rotation = 0
	RotationOdd     Rotation = 1
	RotationEven    Rotation = 2
)

// RotationOf gives the byte of a rotation id: unknown for 0 and 2^32-1, else by parity.
func RotationOf(id uint32) Rotation {
	switch {
	case id == 0 || id == 1<<32-1:
		return RotationUnknown
	case id%2 == 1:
		return RotationOdd
	}
	return RotationEven
}

// Valid reports whether r is one of the three.
func (r Rotation) Valid() bool { return r <= RotationEven }

// String names the rotation.
func (r Rotation) String() string {
	switch r {
	case RotationUnknown:
		return "unknown"
	case RotationOdd:
		return "odd"
	case RotationEven:
		return "even"
	}
	return fmt.Sprintf("Rotation(%d)", uint8(r))
}
