package client

import (
	"math/rand/v2"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
)

// deadMixes finds mixes that pass nothing on, so that routes can lead around them
// (H27). The loop owns it.
//
// A packet crosses each layer twice, out and home with its SURB-ACK, under two
// gateways. So there are two witnesses against a mix, and it is left out only
// when both have seen nothing come through while others did:
//
//	entry ─▶ layer 1 ─▶ layer 2 ─▶ layer 3 ─▶ exit      out
//	entry ◀─ layer 3 ◀─ layer 2 ◀─ layer 1 ◀─ exit      home
//
// A gateway sees only the mix next to it. What it drops by that it can blame on mixes of layer 1
// or 3, and on one of the two legs only; where it stands at both ends, it is one witness,
// and what is lost beside the exit counts for nothing. Layer 2 lies beside no gateway.
//
//	used ──both legs dead──▶ left out ──half a minute──▶ on trial: cover only
//	  ▲                         ▲                          │ nothing comes through
//	  └── something came, or the trial says nothing ◀──────┴──▶ left out
type deadMixes struct {
	rng    *rand.Rand
	ids    map[mixnet.NodeAddr]mixID
	mixes  map[mixID]*mixRecord
	last   mixID
	size   [topology.Layers]int // mixes in the layer
	absent [topology.Layers]int // of these left out or on trial
	legs   [topology.Layers][2]Tally
	next   time.Time // when a state changes; zero: none does
	unsure time.Time // until then, more cover would tell whether a mix is dead
}

// A mixID stands for a mix in records of packets. Zero is none, or not known.
type mixID uint32

// A route is the way of a packet, as far as it is known, and that of its SURB-ACK.
type route struct {
	legs  [2][topology.Layers]mixID // out and home
	apart bool                      // the exit gateway is known not to be our entry
}

const (
	legOut = iota
	legHome

	middle = 1 // the layer, counted from zero, that is beside no gateway
)

// A mixRecord is what is known of one mix.
type mixRecord struct {
	addr  mixnet.NodeAddr
	layer int // counted from zero
	state mixState
	until time.Time // of being left out, or of the trial
	runs  [2]run    // on either leg
}

type mixState uint8

const (
	mixUsed mixState = iota
	mixLeftOut
	mixOnTrial // cover uses it
)

// A run is what a mix has lost, on one leg, since something last came through.
type run struct {
	score float64   // how many of the lost should have come through, going by other mixes of the layer
	began time.Time // when the first of the lost was known to be
	came  time.Time // when something last came through

	// The other mixes are asked how they did meanwhile, a few packets at a time: what
	// was lost while everything was tells nothing of this mix.
	since Tally   // all packets of the leg and layer until then
	lost  int     // since then, through this mix
	rate  float64 // how the others did before
}

// lose notes a loss, given all packets of the leg and layer before it.
func (r *run) lose(all Tally, now time.Time) {
	if r.began.IsZero() {
		r.began, r.since = now, all
	}
	rate := r.rate
	if others := all.Sent - r.since.Sent - r.lost; others > 0 {
		rate = float64(all.Home-r.since.Home) / float64(others)
		if others >= compared {
			r.since, r.lost, r.rate = all, 0, rate
		}
	}
	r.score += rate
	r.lost++
}

func newDeadMixes(rng *rand.Rand) *deadMixes {
	return &deadMixes{rng: rng, ids: make(map[mixnet.NodeAddr]mixID), mixes: make(map[mixID]*mixRecord)}
}

// adopt follows a new snapshot of the topology. What is known of mixes stays.
func (d *deadMixes) adopt(nw *topology.Network) {
	d.size, d.absent = [topology.Layers]int{}, [topology.Layers]int{}
	ids, mixes := make(map[mixnet.NodeAddr]mixID), make(map[mixID]*mixRecord)
	for layer := range topology.Layers {
		nodes := nw.Layer(layer + 1)
		d.size[layer] = len(nodes)
		for _, n := range nodes {
			id, ok := d.ids[n.Addr]
			m := d.mixes[id]
			if !ok || m.layer != layer {
				d.last++
				id, m = d.last, &mixRecord{addr: n.Addr, layer: layer}
			}
			if m.state != mixUsed {
				d.absent[layer]++
			}
			ids[n.Addr], mixes[id] = id, m
		}
	}
	d.ids, d.mixes = ids, mixes
}

// entryChanged forgets what was seen at another gateway, but not what was left out.
func (d *deadMixes) entryChanged() {
	for _, m := range d.mixes {
		d.begin(m)
	}
}

// begin counts anew for a mix.
func (d *deadMixes) begin(m *mixRecord) {
	m.runs = [2]run{}
}

// note gives what is kept of a route. Of a packet by a SURB only the first hop is known.
func (d *deadMixes) note(out, home []sphinx.Hop, apart bool) (r route) {
	r.apart = apart
	for i := range min(topology.Layers, len(out)) {
		r.legs[legOut][i] = d.ids[out[i].Addr]
	}
	for i := range min(topology.Layers, len(home)) {
		r.legs[legHome][i] = d.ids[home[i].Addr]
	}
	return r
}

// besideExit reports whether a mix on that leg is next to the exit gateway.
func besideExit(leg, layer int) bool {
	return leg == legOut && layer == topology.Layers-1 || leg == legHome && layer == 0
}

// outcome notes that a packet came through, or is lost. It reports whether routes
// change.
func (d *deadMixes) outcome(r *route, home bool, now time.Time) (changed bool) {
	for layer := range topology.Layers {
		if !home && layer != middle && r.legs[legOut][layer] == r.legs[legHome][layer] {
			continue // a gateway that drops it on one leg would be a witness on the other
		}
		for leg := range 2 {
			m := d.mixes[r.legs[leg][layer]]
			if m == nil {
				continue
			}
			all, lost := &d.legs[layer][leg], &m.runs[leg]
			counts := r.apart || !besideExit(leg, layer)
			switch {
			case home:
				*lost = run{came: now}
				changed = d.alive(m) || changed
				if counts {
					all.add(Tally{1, 1})
				}
			case counts:
				lost.lose(*all, now)
				all.add(Tally{1, 0})
				changed = d.accuse(m, now) || changed
			}
		}
	}
	return changed
}

// alive ends the trial of a mix that something came through.
func (d *deadMixes) alive(m *mixRecord) (changed bool) {
	if m.state != mixOnTrial {
		return false
	}
	d.use(m)
	return true
}

func (d *deadMixes) use(m *mixRecord) {
	m.state = mixUsed
	d.absent[m.layer]--
	d.begin(m)
	d.schedule()
}

// accuse leaves a mix out if both witnesses say that it is dead.
func (d *deadMixes) accuse(m *mixRecord, now time.Time) (changed bool) {
	if m.state == mixLeftOut {
		return false // what it loses was sent before
	}
	out, home := m.runs[legOut].score, m.runs[legHome].score
	least, sum := float64(inner), float64(innerBoth)
	if m.layer != middle {
		least, sum = besideGateway, 2*besideGateway
	}
	if min(out, home) < least || out+home < sum {
		// Cover goes through our own gateway only: it tells of layer 2, and of mixes on trial.
		for leg := range m.runs {
			if m.layer == middle && m.runs[leg].score >= least && m.runs[1-leg].came.Before(m.runs[leg].began) {
				d.unsure = now.Add(time.Second)
			}
		}
		return false
	}
	if m.state == mixUsed {
		if d.absent[m.layer] >= max(1, d.size[m.layer]/3) || d.absent[m.layer] >= d.size[m.layer]-1 {
			return false
		}
		d.absent[m.layer]++
	}
	m.state = mixLeftOut
	m.until = now.Add(leftOutLeast + time.Duration(d.rng.Int64N(int64(leftOutMost-leftOutLeast))))
	d.schedule()
	return true
}

// turn puts on trial what was left out for long enough, and ends trials that said
// nothing. It reports whether routes change.
func (d *deadMixes) turn(now time.Time) (changed bool) {
	if d.next.IsZero() || now.Before(d.next) {
		return false
	}
	for _, m := range d.mixes {
		switch {
		case m.state == mixUsed || now.Before(m.until):
			continue
		case m.state == mixLeftOut:
			m.state, m.until = mixOnTrial, now.Add(trialTime)
			d.begin(m)
		case m.state == mixOnTrial:
			d.use(m)
		}
		changed = true
	}
	d.schedule()
	return changed
}

func (d *deadMixes) schedule() {
	d.next = time.Time{}
	for _, m := range d.mixes {
		if m.state != mixUsed && (d.next.IsZero() || m.until.Before(d.next)) {
			d.next = m.until
		}
	}
}

// wantsCover reports whether cover would tell whether a mix is dead.
func (d *deadMixes) wantsCover(now time.Time) bool {
	if now.Before(d.unsure) {
		return true
	}
	if d.next.IsZero() {
		return false
	}
	for _, m := range d.mixes {
		if m.state == mixOnTrial {
			return true
		}
	}
	return false
}

// around gives the network without what is left out, and, unless for cover, without what is on trial.
func (d *deadMixes) around(nw *topology.Network, cover bool) *topology.Network {
	for _, n := range d.absent {
		if n > 0 {
			return nw.Without(func(a mixnet.NodeAddr) bool {
				m := d.mixes[d.ids[a]]
				return m != nil && (m.state == mixLeftOut || m.state == mixOnTrial && !cover)
			})
		}
	}
	return nw
}
