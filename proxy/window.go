package proxy

// window numbers the messages of one direction and remembers which of them
// were acknowledged. Its stream's lock guards it.
//
//	   base                  next
//	────┼─ sent, some acked ───┼── at most base + maxSpan ──▶
type window struct {
	base  uint64 // the oldest unacknowledged
	next  uint64 // the number of the next message
	acked [maxSpan / 64]uint64
}

// full reports whether the next message has to wait for an acknowledgement.
func (w *window) full() bool { return w.next-w.base >= maxSpan }

// drained reports whether everything sent was acknowledged.
func (w *window) drained() bool { return w.next == w.base }

// take gives the number of the next message, which is now underway.
func (w *window) take() uint64 {
	w.next++
	return w.next - 1
}

// ack marks a message as acknowledged. Unknown and repeated ones do nothing.
func (w *window) ack(seq uint64) {
	if seq < w.base || seq >= w.next {
		return
	}
	w.acked[seq%maxSpan/64] |= 1 << (seq % 64)
	for w.base < w.next {
		word, bit := &w.acked[w.base%maxSpan/64], uint64(1)<<(w.base%64)
		if *word&bit == 0 {
			return
		}
		*word &^= bit
		w.base++
	}
}
