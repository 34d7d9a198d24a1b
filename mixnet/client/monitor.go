package client

import (
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/sphinx"
)

// A loopMonitor counts which loops come home: cover is sent to ourselves, and its
// SURB-ACK goes round again, so that each tells of six mixes and of our gateway.
// Who drops the packets of others to see where those of one client come out
// drops loops too. The loop owns it.
//
//	cover ──▶ mix 1 ─▶ mix 2 ─▶ mix 3 ─▶ our gateway ─▶ us
//	  home ◀── our gateway ◀─ mix 3 ◀─ mix 2 ◀─ mix 1 ◀──┘ SURB-ACK
type loopMonitor struct {
	last  uint32 // number of the last loop
	out   map[uint32]loopProbe
	order []uint32 // by age; may name loops that are home

	spans   [monitorSpans]span // [0] is being counted
	turned  time.Time          // when spans last moved on
	verdict verdict
}

// A loopProbe is a loop under way.
type loopProbe struct {
	mixes [6]mixnet.NodeAddr
	due   time.Time
}

// A Tally counts loops.
type Tally struct{ Sent, Home int }

func (t *Tally) add(o Tally) { t.Sent += o.Sent; t.Home += o.Home }

// rate is the share that came home.
func (t Tally) rate() float64 { return float64(t.Home) / float64(max(1, t.Sent)) }

// A span is what was learnt in one minute.
type span struct {
	all   Tally
	mixes map[mixnet.NodeAddr]Tally
}

func (s *span) count(r loopProbe, home int) {
	if s.mixes == nil {
		s.mixes = make(map[mixnet.NodeAddr]Tally)
	}
	s.all.add(Tally{1, home})
	for i, m := range r.mixes {
		if i >= 3 && r.mixes[i-3] == m {
			continue // it was passed twice, and counts once
		}
		t := s.mixes[m]
		t.add(Tally{1, home})
		s.mixes[m] = t
	}
}

// A verdict says how the network treats our packets.
type verdict uint8

const (
	verdictFine verdict = iota
	verdictPoor
	verdictBlocked
)

func newLoopMonitor() *loopMonitor { return &loopMonitor{out: make(map[uint32]loopProbe)} }

// next gives the number of the next loop: a fragment's place is never zero, so
// its SURB-ACK is told from those of fragments.
func (w *loopMonitor) next() fragment.ID {
	w.last = w.last%fragment.MaxSet + 1
	return fragment.ID{Set: w.last}
}

// sent notes that the loop of that number is under way.
func (w *loopMonitor) sent(out, back []sphinx.Hop, delays time.Duration, now time.Time) {
	r := loopProbe{due: now.Add(delays + loopPatience)}
	for i := range 3 {
		r.mixes[i], r.mixes[3+i] = out[i].Addr, back[i].Addr
	}
	w.out[w.last] = r
	w.order = append(w.order, w.last)
}

// cancel notes that a loop never left.
func (w *loopMonitor) cancel(id fragment.ID) {
	if id.IsCover() {
		delete(w.out, id.Set)
	}
}

// returned notes that a loop came home.
func (w *loopMonitor) returned(id fragment.ID) {
	if r, ok := w.out[id.Set]; ok {
		delete(w.out, id.Set)
		w.spans[0].count(r, 1)
	}
}

// look counts the loops that are lost, once in a while passes a verdict, and
// reports whether it is another than before.
func (w *loopMonitor) look(now time.Time) (changed bool) {
	for len(w.order) > 0 {
		r, ok := w.out[w.order[0]]
		if ok && now.Before(r.due) {
			break
		}
		if ok {
			delete(w.out, w.order[0])
			w.spans[0].count(r, 0)
		}
		w.order = w.order[1:]
	}
	if now.Sub(w.turned) < monitorSpan {
		return false
	}
	w.turned = now
	before := w.verdict
	w.verdict = w.judge()
	copy(w.spans[1:], w.spans[:monitorSpans-1])
	w.spans[0] = span{}
	return w.verdict != before
}

// judge passes a verdict on the last minutes. Nothing is blocked where loops
// come home again.
func (w *loopMonitor) judge() verdict {
	all := w.tally()
	switch {
	case all.Sent < fewLoops:
		return w.verdict
	case all.rate() < stopBelow && w.spans[0].all.rate() < stopBelow:
		return verdictBlocked
	case all.rate() < warnBelow:
		return verdictPoor
	}
	return verdictFine
}

func (w *loopMonitor) tally() (all Tally) {
	for _, s := range w.spans {
		all.add(s.all)
	}
	return all
}

// mixes tallies the loops through each mix.
func (w *loopMonitor) mixes() map[mixnet.NodeAddr]Tally {
	all := make(map[mixnet.NodeAddr]Tally)
	for _, s := range w.spans {
		for m, t := range s.mixes {
			sum := all[m]
			sum.add(t)
			all[m] = sum
		}
	}
	return all
}

// moved forgets what was learnt at another gateway.
func (w *loopMonitor) entryChanged() {
	clear(w.out)
	w.order, w.spans, w.verdict = nil, [monitorSpans]span{}, verdictFine
}

// tell logs a verdict.
func (w *loopMonitor) tell(log zerolog.Logger, stops bool) {
	home := int(100 * w.tally().rate())
	switch {
	case w.verdict == verdictFine:
		log.Info().Int("percent_home", home).Msg("packets come through again")
	case w.verdict == verdictBlocked && stops:
		log.Error().Int("percent_home", home).Msg("hardly any packet to ourselves comes home: nothing but cover is sent until some do")
	default:
		log.Warn().Int("percent_home", home).Msg("many packets to ourselves do not come home: a mix or the gateway is down, or drops packets")
	}
}

// Loops tallies the loops of the last five minutes through our gateway, and
// through each mix.
func (c *Client) Loops() (all Tally, mixes map[mixnet.NodeAddr]Tally) {
	c.order(func(l *loop) { all, mixes = l.monitor.tally(), l.monitor.mixes() })
	return all, mixes
}
