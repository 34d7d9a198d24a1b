package mixnettest

import (
	"time"

	"nym-socks5/mixnet"
)

// A grant is what we know of the SURBs we gave away under one of our tags.
type grant struct {
	out    int  // at the far end, or on their way there
	paused bool // the far end gets none
	heard  bool // it has answered
}

// A pool is the SURBs of a stranger, and the replies that wait for them.
type pool struct {
	surbs   int
	waiting []*flight
	asked   bool // for more, and none came yet
	heard   time.Time
}

// Pause implements [mixnet.Messenger].
func (e *End) Pause(tag mixnet.SenderTag, paused bool) {
	e.pair.mu.Lock()
	e.grantOf(tag).paused = paused
	e.pair.mu.Unlock()
	e.topUp(tag, 0)
}

// Paused reports whether what comes under one of our tags is paused, and how
// many SURBs the far end holds.
func (e *End) Paused(tag mixnet.SenderTag) (paused bool, surbs int) {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	if g := e.mine[tag]; g != nil {
		return g.paused, g.out
	}
	return false, 0
}

// Pin implements [mixnet.Messenger]: nothing is ever forgotten here.
func (e *End) Pin(tag mixnet.SenderTag, pinned bool) {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	if pinned {
		e.pins[tag] = struct{}{}
	} else {
		delete(e.pins, tag)
	}
}

// Pinned counts the tags that are pinned.
func (e *End) Pinned() int {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	return len(e.pins)
}

// Pool says how many SURBs of a stranger this end holds, and how many replies
// wait for more.
func (e *End) Pool(tag mixnet.SenderTag) (surbs, waiting int) {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	if pl := e.pools[tag]; pl != nil {
		return pl.surbs, len(pl.waiting)
	}
	return 0, 0
}

func (e *End) grantOf(tag mixnet.SenderTag) *grant {
	g := e.mine[tag]
	if g == nil {
		g = &grant{}
		e.mine[tag] = g
	}
	return g
}

// attach says how many SURBs a message under a tag of ours carries, and counts
// them as out. The lock is held.
func (e *End) attach(o mixnet.SendOptions) int {
	if o.As.IsZero() || o.SURBs < 0 {
		return 0
	}
	g, n := e.grantOf(o.As), o.SURBs
	if n == 0 {
		n = max(0, Start-g.out) + o.Expected
	}
	g.out += n
	return n
}

// spend lets the owner of a tag know, when the packets arrive, that n SURBs are
// gone, and that short more are wanted.
func (e *End) spend(tag mixnet.SenderTag, n, short int) {
	if n == 0 && short == 0 {
		return
	}
	p := e.pair
	p.mu.Lock()
	d := p.travel(max(n, 1))
	p.mu.Unlock()
	after(d, func() {
		p.mu.Lock()
		g := e.far.grantOf(tag)
		g.out, g.heard = max(g.out-n, 0), true
		p.mu.Unlock()
		e.far.topUp(tag, short)
	})
}

// stockUp adds SURBs to a stranger's pool, and sends the replies that can leave
// now.
func (e *End) stockUp(tag mixnet.SenderTag, surbs int) {
	p := e.pair
	p.mu.Lock()
	pl := e.pools[tag]
	if pl == nil {
		if surbs == 0 {
			p.mu.Unlock()
			return
		}
		pl = &pool{}
		e.pools[tag] = pl
	}
	pl.surbs += surbs
	pl.heard = time.Now()
	pl.asked = pl.asked && surbs == 0
	p.mu.Unlock()
	e.serve(tag)
}

// serve spends SURBs on waiting replies, oldest first, and asks for more if they
// do not suffice.
func (e *End) serve(tag mixnet.SenderTag) {
	p := e.pair
	p.mu.Lock()
	pl := e.pools[tag]
	var ready []*flight
	spent, short := 0, 0
	for len(pl.waiting) > 0 && short == 0 {
		f := pl.waiting[0]
		if !f.dropped {
			n := max(0, min(f.left, pl.surbs-Reserve))
			pl.surbs -= n
			f.left -= n
			spent += n
			if short = f.left; short > 0 {
				break
			}
			ready = append(ready, f)
		}
		pl.waiting = pl.waiting[1:]
	}
	if pl.asked {
		short = 0
	}
	pl.asked = pl.asked || short > 0
	p.mu.Unlock()
	e.spend(tag, spent, short)
	for _, f := range ready {
		e.depart(f, f.send)
	}
}

// despair fails a reply that waits for SURBs when none has come for long.
func (e *End) despair(pl *pool, f *flight) {
	p := e.pair
	p.mu.Lock()
	wait, still := surbPatience-time.Since(pl.heard), f.left > 0 && !f.dropped
	p.mu.Unlock()
	switch {
	case !still:
	case wait > 0:
		time.AfterFunc(wait, func() { e.despair(pl, f) })
	default:
		e.end(f, mixnet.ErrNoSURBs)
	}
}

// topUp grants SURBs to the far end of a tag that has answered, until it holds
// Supply of them or short more than it does.
func (e *End) topUp(tag mixnet.SenderTag, short int) {
	p := e.pair
	p.mu.Lock()
	g := e.mine[tag]
	if g == nil || !p.o.CountSURBs || g.paused || !g.heard || e.closed {
		p.mu.Unlock()
		return
	}
	n := max(Supply-g.out, short)
	if n <= 0 {
		p.mu.Unlock()
		return
	}
	g.out += n
	d := p.travel(p.packets(n * surbSize))
	p.mu.Unlock()
	after(d, func() { e.far.stockUp(tag, n) })
}
