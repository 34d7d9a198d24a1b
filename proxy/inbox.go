package proxy

// A verdict says what became of a received message.
type verdict uint8

const (
	accepted  verdict = iota
	duplicate         // seen before; nothing is lost
	tooFar            // beyond the window; the stream has a hole from here on
)

// inbox puts the messages of one direction into order and keeps the data until
// they are read. Its stream's lock guards it.
//
//	message ──▶ held (out of order, at most 1000) ──▶ ready (bytes) ──▶ read
//	             └────────────────── size ────────────────┘
type inbox struct {
	next uint64            // the number expected next
	held map[uint64][]byte // messages beyond it

	closing  bool
	closedAt uint64 // number of the last message, if closing
	ended    bool   // it was reached: no data follow
	resets   bool   // it ends because the peer's socket broke off
	resetAt  uint64 // behind this many messages, if resets
	holed    bool
	hole     uint64 // the lowest number lost for good, if holed
	deaf     bool   // nobody reads: data are dropped, numbers still count

	ready []block
	mine  bool   // the last of ready is a block of ours with room
	size  int    // bytes of memory
	taken uint64 // data bytes read, counted from the beginning
}

// A block is data ready to be read.
type block struct {
	data []byte
	cost int // what it adds to size
}

// insert takes in one message. It keeps data.
func (b *inbox) insert(seq uint64, data []byte, closed bool) verdict {
	if closed { // counts even if the message itself is refused
		b.closing, b.closedAt = true, seq
	}
	if seq < b.next {
		return duplicate
	}
	if seq-b.next > reorderWindow {
		if !b.holed || seq < b.hole {
			b.holed, b.hole = true, seq
		}
		return tooFar
	}
	if seq > b.next {
		if _, ok := b.held[seq]; ok {
			return duplicate
		}
		if b.held == nil {
			b.held = make(map[uint64][]byte)
		}
		if b.deaf || b.ended {
			data = nil
		}
		b.held[seq] = data
		b.size += len(data) + messageCost
		return accepted
	}
	for {
		b.push(data)
		b.next++
		if b.closing && b.next > b.closedAt || b.resets && b.next >= b.resetAt {
			b.ended = true
		}
		var ok bool
		if data, ok = b.held[b.next]; !ok {
			return accepted
		}
		delete(b.held, b.next)
		b.size -= len(data) + messageCost
	}
}

// end closes the direction where it stands, for a close that has no number.
func (b *inbox) end() { b.ended = true }

// reset notes that the direction breaks off behind so many messages.
func (b *inbox) reset(at uint64) {
	b.resets, b.resetAt = true, at
	b.ended = b.ended || b.next >= at
}

// wasReset reports whether the place where the direction broke off was reached.
func (b *inbox) wasReset() bool { return b.resets && b.next >= b.resetAt }

// broken reports whether the next number is one that was lost for good.
func (b *inbox) broken() bool { return b.holed && b.next == b.hole && !b.ended }

// push makes data readable.
func (b *inbox) push(data []byte) {
	if len(data) == 0 || b.ended || b.deaf {
		return
	}
	if len(b.ready) == 0 || len(data) >= smallData {
		b.add(data, len(data), false)
		return
	}
	last := &b.ready[len(b.ready)-1]
	if b.mine && cap(last.data)-len(last.data) >= len(data) {
		last.data = append(last.data, data...)
		return
	}
	b.add(append(make([]byte, 0, mergeBlock), data...), mergeBlock, true)
}

func (b *inbox) add(data []byte, memory int, mine bool) {
	b.ready, b.mine = append(b.ready, block{data, memory + messageCost}), mine
	b.size += memory + messageCost
}

// read copies ready data into p.
func (b *inbox) read(p []byte) (n int) {
	for len(b.ready) > 0 && n < len(p) {
		first := &b.ready[0]
		m := copy(p[n:], first.data)
		n += m
		if m == len(first.data) {
			b.pop()
			continue
		}
		first.data = first.data[m:]
		b.taken += uint64(m)
	}
	return n
}

// take removes the first block of ready data; nil if there is none.
func (b *inbox) take() []byte {
	if len(b.ready) == 0 {
		return nil
	}
	data := b.ready[0].data
	b.pop()
	return data
}

func (b *inbox) pop() {
	b.size -= b.ready[0].cost
	b.taken += uint64(len(b.ready[0].data))
	b.ready[0] = block{}
	b.ready = b.ready[1:]
	if len(b.ready) == 0 {
		b.ready, b.mine = nil, false
	}
}

// drop forgets all data, and those to come; numbers still count.
func (b *inbox) drop() {
	b.deaf = true
	b.ready, b.mine, b.size = nil, false, 0
	for seq := range b.held {
		b.held[seq] = nil
		b.size += messageCost
	}
}

// settle forgets what is out of order, since nothing more will come.
func (b *inbox) settle() {
	for _, data := range b.held {
		b.size -= len(data) + messageCost
	}
	b.held = nil
}
