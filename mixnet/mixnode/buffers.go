package mixnode

import (
	"sync"
	"time"

	"nym-socks5/mixnet"
)

// A buffer holds one packet on its way through the node. It has exactly the
// packet's size, so nothing of an earlier packet can leave with it (H37).
type buffer struct {
	data     []byte // the packet
	size     mixnet.PacketSize
	rotation mixnet.Rotation
	from     *inbound        // the link it came on
	source   *source         // in whose queue it waited, and whose quota it uses
	next     mixnet.NodeAddr // set while it waits
	deadline time.Duration   // when it may leave, on the wheel's clock
	link     *buffer         // the next in the same list
}

// buffers hands out buffers. They are owned by one stage at a time and given
// back by the last one.
type buffers struct {
	pools [mixnet.Extended16 + 1]sync.Pool
}

// get gives a buffer with a copy of packet, which must have one of the five sizes.
func (p *buffers) get(packet []byte, rotation mixnet.Rotation) *buffer {
	size, _ := mixnet.PacketSizeOf(len(packet))
	b, ok := p.pools[size].Get().(*buffer)
	if !ok {
		b = &buffer{data: make([]byte, size.Total()), size: size}
	}
	copy(b.data, packet)
	b.rotation = rotation
	return b
}

func (p *buffers) put(b *buffer) {
	b.from, b.source, b.link = nil, nil, nil
	p.pools[b.size].Put(b)
}
