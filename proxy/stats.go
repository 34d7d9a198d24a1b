package proxy

import "sync/atomic"

// Stats are counters since the start, but for Streams and Buffered.
type Stats struct {
	Streams  int64 // open now
	Buffered int64 // received bytes that wait for applications now

	Sent     uint64 // bytes that applications wrote
	Received uint64 // bytes that they read

	Dialed   uint64 // streams we asked for
	Opened   uint64 // of them, those that were opened
	Incoming uint64 // streams that strangers asked for
	Refused  uint64 // of them, those refused for a limit of ours
	Crowded  uint64 // idle streams that gave way to those of other tags
	Failed   uint64 // streams that ended by a failure

	Malformed   uint64 // messages dropped: not understood
	Unsolicited uint64 // messages dropped: nobody here asked for them
	Strays      uint64 // messages dropped: of streams that are over, or were never opened
	Repeated    uint64 // messages dropped: seen before
	Overflowed  uint64 // messages dropped: too far ahead, or too early and too many
	Busy        uint64 // small answers not sent: too many at once
}

type counters struct {
	buffered       atomic.Int64
	sent, received atomic.Uint64

	dialed, opened, incoming, refused, crowded, failed  atomic.Uint64
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
		Sent:        n.sent.Load(),
		Received:    n.received.Load(),
		Dialed:      n.dialed.Load(),
		Opened:      n.opened.Load(),
		Incoming:    n.incoming.Load(),
		Refused:     n.refused.Load(),
		Crowded:     n.crowded.Load(),
		Failed:      n.failed.Load(),
		Malformed:   n.malformed.Load(),
		Unsolicited: n.unsolicited.Load(),
		Strays:      n.strays.Load(),
		Repeated:    n.repeated.Load(),
		Overflowed:  n.overflown.Load(),
		Busy:        n.busy.Load(),
	}
}

// tally counts the effects that are counted.
func (p *Proxy) tally(fx effects) {
	n := &p.count
	for _, e := range []struct {
		fx effects
		n  *atomic.Uint64
	}{{countOpen, &n.opened}, {countFailed, &n.failed}, {countDouble, &n.repeated}, {countLost, &n.overflown}} {
		if fx.has(e.fx) {
			e.n.Add(1)
		}
	}
	if fx.has(warnQuiet) {
		p.cfg.Log.Info().Str("component", "proxy").Msg("requester closed a stream that was quiet for its idle limit")
	}
}
