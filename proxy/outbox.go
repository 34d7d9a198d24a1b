package proxy

import "time"

// outbox gathers what the application writes into messages that fill whole
// packets. Its stream's lock guards it.
//
//	Write ──▶ cur (not full yet) ──▶ full ──▶ sent
//
// A message that is not full leaves at once if the stream was quiet, so that a
// question or an answer does not wait; behind another it waits a few
// milliseconds for more (socks.md §21.4). Each message has room for its header
// in front.
type outbox struct {
	head  int // bytes kept free in front of the data of each message
	chunk int // data bytes of a full message

	full   [][]byte
	cur    []byte    // nil, or a message with some data
	left   time.Time // when the last message left
	sent   uint64    // data bytes that left, counted from the beginning
	hasten bool      // nothing more will be written: cur leaves at once
}

// room reports whether write would take anything.
func (o *outbox) room() bool { return len(o.full) < maxFull }

// write takes as much of p as there is room for.
func (o *outbox) write(p []byte) (n int) {
	for len(p) > 0 && o.room() {
		if o.cur == nil {
			o.cur = make([]byte, o.head, o.head+min(max(len(p), 512), o.chunk))
		}
		m := min(len(p), o.head+o.chunk-len(o.cur))
		o.cur = append(o.cur, p[:m]...)
		n += m
		p = p[m:]
		if len(o.cur) == o.head+o.chunk {
			o.full = append(o.full, o.cur)
			o.cur = nil
		}
	}
	return n
}

// offer takes a full message, header room included, without copying. It
// refuses one that is not full or would overtake other data.
func (o *outbox) offer(msg []byte) bool {
	if len(msg) != o.head+o.chunk || o.cur != nil || !o.room() {
		return false
	}
	o.full = append(o.full, msg)
	return true
}

// next removes the next message if it is time to send it and it has at most
// allowance data bytes. If not, at says when to ask again; zero: after a change.
func (o *outbox) next(now time.Time, delay time.Duration, allowance uint64) (msg []byte, at time.Time) {
	fits := func(m []byte) bool { return uint64(len(m)-o.head) <= allowance }
	switch {
	case len(o.full) > 0 && fits(o.full[0]):
		msg = o.full[0]
		o.full[0] = nil
		o.full = o.full[1:]
	case len(o.full) > 0 || o.cur == nil || !fits(o.cur):
		return nil, time.Time{}
	case o.hasten || !now.Before(o.left.Add(delay)):
		msg, o.cur = o.cur, nil
	default:
		return nil, o.left.Add(delay)
	}
	o.left = now
	o.sent += uint64(len(msg) - o.head)
	return msg, time.Time{}
}

// empty reports whether all that was written has left.
func (o *outbox) empty() bool { return len(o.full) == 0 && o.cur == nil }

// drop forgets what has not left.
func (o *outbox) drop() { o.full, o.cur = nil, nil }
