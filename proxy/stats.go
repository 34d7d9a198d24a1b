package proxy

import "sync/atomic"

// Stats are counters since the start, but for Streams and Buffered.
type Stats struct {
	Streams  int64 // open now
	Buffered int64 // received bytes that wait for applications now

	Dialed   uint64 // streams we asked for
	Opened   uint64 // of them, those that were opened
	Incoming uint64 // streams that strangers asked for
	Refused  uint64 // of them, those refused for a limit of ours
	Failed   uint64 // streams that ended by a failure

	Malformed   uint64 // messages dropped: not understood
	Unsolicited uint64 // messages dropped: nobody here asked for them
	Strays      uint64 // messages dropped: of streams that are over, or were never opened
	Repeated    uint64 // messages dropped: seen before
	Overflowed  uint64 // messages dropped: too far ahead, or too early and too many
	Busy        uint64 // small answers not sent: too many at once
}

type counters struct {
	buffered atomic.Int64

	dialed, opened, incoming, refused, failed           atomic.Uint64
	malformed, unsolicited, strays, repeated, overflown atomic.Uint64
	busy                                                atomic.Uint64
}

// Stats copies out what was counted.
func (p *Proxy) Stats() Stats {
	p.mu.RLock()
	streams := len(p.conns)
	p.mu.RUnlock()
	n := &p.count
	return Stats{
		Streams:     int64(streams),
		Buffered:    n.buffered.Load(),
		Dialed:      n.dialed.Load(),
		Opened:      n.opened.Load(),
		Incoming:    n.incoming.Load(),
		Refused:     n.refused.Load(),
		Failed:      n.failed.Load(),
		Malformed:   n.malformed.Load(),
		Unsolicited: n.unsolicited.Load(),
		Strays:      n.strays.Load(),
		Repeated:    n.repeated.Load(),
		Overflowed:  n.overflown.Load(),
		Busy:        n.busy.Load(),
	}
}
