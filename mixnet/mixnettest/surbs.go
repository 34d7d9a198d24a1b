package mixnettest

import "nym-socks5/mixnet"

// A grant is what we know of the SURBs we gave away under one of our tags.
type grant struct{ want, out int }

// A pool is the SURBs of a stranger, and the replies that wait for them.
type pool struct {
	surbs   int
	waiting []*flight
}

// Stock implements [mixnet.Messenger].
func (e *End) Stock(tag mixnet.SenderTag, want int) {
	e.pair.mu.Lock()
	e.grantOf(tag).want = want
	e.pair.mu.Unlock()
	e.topUp(tag)
}

// Stocked says what Stock was last told about one of our tags, and how many
// SURBs the far end is believed to hold.
func (e *End) Stocked(tag mixnet.SenderTag) (want, out int) {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	if g := e.mine[tag]; g != nil {
		return g.want, g.out
	}
	return 0, 0
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

// spend lets the owner of a tag know, when the packets arrive, that SURBs are gone.
func (e *End) spend(tag mixnet.SenderTag, n int) {
	if n == 0 {
		return
	}
	p := e.pair
	p.mu.Lock()
	d := p.travel(n)
	p.mu.Unlock()
	after(d, func() {
		p.mu.Lock()
		g := e.far.grantOf(tag)
		g.out = max(g.out-n, 0)
		p.mu.Unlock()
		e.far.topUp(tag)
	})
}

// stockUp adds SURBs to a stranger's pool and returns the replies that can
// leave now, and how many SURBs were spent on them and others.
func (e *End) stockUp(tag mixnet.SenderTag, surbs int) (ready []*flight, spent int) {
	pl := e.pools[tag]
	if pl == nil {
		pl = &pool{}
		e.pools[tag] = pl
	}
	pl.surbs += surbs
	return pl.serve()
}

// serve spends SURBs on waiting replies, oldest first.
func (pl *pool) serve() (ready []*flight, spent int) {
	for len(pl.waiting) > 0 {
		f := pl.waiting[0]
		n := min(f.left, pl.surbs-Reserve)
		if f.dropped {
			n, f.left = 0, 0
		}
		if n > 0 {
			pl.surbs -= n
			f.left -= n
			spent += n
		}
		if f.left > 0 {
			return ready, spent
		}
		pl.waiting = pl.waiting[1:]
		ready = append(ready, f)
	}
	return ready, spent
}

// topUp grants SURBs until the far end holds as many as Stock wants.
func (e *End) topUp(tag mixnet.SenderTag) {
	p := e.pair
	p.mu.Lock()
	g := e.mine[tag]
	if g == nil || !p.o.CountSURBs || g.out >= g.want || e.closed {
		p.mu.Unlock()
		return
	}
	n := g.want - g.out
	g.out = g.want
	d := p.travel(p.packets(anonymousOverhead + n*surbSize))
	p.mu.Unlock()
	after(d, func() {
		p.mu.Lock()
		ready, spent := e.far.stockUp(tag, n)
		p.mu.Unlock()
		e.far.spend(tag, spent)
		e.far.depart(ready...)
	})
}
