package link

import "nym-socks5/mixnet/wire"

// chunkSize is how many bytes leave in one write: as many as fit one Noise
// message (nodes.md §3.3).
const chunkSize = maxNoisePlain

// A chunk is a run of whole frames, ready to be written.
type chunk struct {
	n       int // bytes of b in use
	packets int
	b       [chunkSize]byte
}

// A queue holds the frames for one next hop, already laid out as they will be
// written. It copies what is pushed, so packets stay with their owner. Its
// chunks come from get, which has none left when it returns nil, and must be
// given back by who pops them.
type queue struct {
	get        func() *chunk
	maxPackets int
	maxBytes   int

	chunks  []*chunk
	packets int
	bytes   int
}

// push appends a frame, or reports that there is no room.
func (q *queue) push(v wire.FrameVersion, f wire.Frame) bool {
	size := v.HeaderSize() + len(f.Packet)
	if q.packets >= q.maxPackets || q.bytes+size > q.maxBytes {
		return false
	}
	var c *chunk
	if n := len(q.chunks); n > 0 && q.chunks[n-1].n+size <= chunkSize {
		c = q.chunks[n-1]
	} else {
		if c = q.get(); c == nil {
			return false
		}
		c.n, c.packets = 0, 0
		q.chunks = append(q.chunks, c)
	}
	b, err := wire.AppendFrame(c.b[:c.n], v, f)
	if err != nil {
		panic("link: " + err.Error()) // Send checked it
	}
	c.n = len(b)
	c.packets++
	q.packets++
	q.bytes += size
	return true
}

// pop takes the oldest chunk out; nil: the queue is empty.
func (q *queue) pop() *chunk {
	if len(q.chunks) == 0 {
		return nil
	}
	c := q.chunks[0]
	q.chunks = q.chunks[:copy(q.chunks, q.chunks[1:])]
	q.packets -= c.packets
	q.bytes -= c.n
	return c
}
