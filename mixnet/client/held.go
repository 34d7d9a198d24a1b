package client

import (
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/surb"
)

// Bounds and habits of one who answers with reply SURBs (sphinx.md §6.6).
const (
	reserve        = 10  // SURBs kept back for asking for more
	maxRequest     = 100 // asked for at once; what one message carries
	maxPerTag      = 500 // kept for one tag (H14)
	maxTags        = 4096
	askAgainAfter  = 4 * time.Second // without any SURB while something waits
	giveUpAfter    = 5 * time.Minute
	surbLifetime   = 24 * time.Hour
	tagIdle        = 24 * time.Hour
	maxPendingAsks = 2 // unanswered requests under way for one tag
)

// heldSURBs holds the reply SURBs of strangers, by their tags. The loop owns it.
// They live in memory only, so none is ever spent twice (H14).
type heldSURBs struct {
	byTag    map[mixnet.SenderTag]*heldTag
	rotation uint32 // the network's now
}

// A heldTag is what we hold of one stranger.
//
//	          SURBs arrive                    spent, one a fragment
//	stranger ─────────────▶ [ fresh … | reserve ] ─────────────▶ packets
//	    ▲                                  │ low
//	    └────────── request ◀──────────────┘ may use the reserve
type heldTag struct {
	tag     mixnet.SenderTag
	surbs   []heldSURB // oldest first
	pending int        // asked for and not yet received
	asks    int        // requests since SURBs last came
	heard   time.Time
	asked   time.Time
}

type heldSURB struct {
	surb.Reply
	at       time.Time
	rotation uint32 // the network's when it came
}

func newHeldSURBs() *heldSURBs { return &heldSURBs{byTag: make(map[mixnet.SenderTag]*heldTag)} }

// add stores SURBs that came under a tag. Beyond the bound the oldest go. When
// there are too many tags the one unheard of for longest is forgotten.
func (ps *heldSURBs) add(tag mixnet.SenderTag, surbs []surb.Reply, answer bool, now time.Time) {
	p := ps.byTag[tag]
	if p == nil {
		if len(ps.byTag) >= maxTags {
			ps.evict()
		}
		p = &heldTag{tag: tag}
		ps.byTag[tag] = p
	}
	for _, s := range surbs {
		p.surbs = append(p.surbs, heldSURB{s, now, ps.rotation})
	}
	if over := len(p.surbs) - maxPerTag; over > 0 {
		p.surbs = append(p.surbs[:0], p.surbs[over:]...)
	}
	p.heard = now
	if len(surbs) > 0 {
		p.asks = 0
	}
	if answer {
		p.pending = max(0, p.pending-len(surbs))
	}
}

func (ps *heldSURBs) evict() {
	var oldest *heldTag
	for _, p := range ps.byTag {
		if oldest == nil || p.heard.Before(oldest.heard) {
			oldest = p
		}
	}
	delete(ps.byTag, oldest.tag)
}

// known reports whether anything was ever received under the tag.
func (ps *heldSURBs) known(tag mixnet.SenderTag) bool { return ps.byTag[tag] != nil }

// can reports whether a SURB may be spent: on a request even from the reserve.
func (ps *heldSURBs) can(tag mixnet.SenderTag, request bool) bool {
	p := ps.byTag[tag]
	if p == nil {
		return false
	}
	if request {
		return len(p.surbs) > 0
	}
	return len(p.surbs) > reserve
}

// take spends a SURB, the oldest first: the youngest outlive a key rotation.
func (ps *heldSURBs) take(tag mixnet.SenderTag) (surb.Reply, bool) {
	p := ps.byTag[tag]
	if p == nil || len(p.surbs) == 0 {
		return surb.Reply{}, false
	}
	s := p.surbs[0]
	p.surbs[0] = heldSURB{}
	p.surbs = p.surbs[1:]
	return s.Reply, true
}

// ask says how many SURBs to ask a stranger for, given how many fragments wait
// for one; zero: none now. What it says counts as asked for.
func (ps *heldSURBs) ask(tag mixnet.SenderTag, waiting int, now time.Time) int {
	p := ps.byTag[tag]
	if p == nil || len(p.surbs) == 0 {
		return 0
	}
	if p.pending > 0 && now.Sub(later(p.heard, p.asked)) > askAgainAfter && waiting > 0 {
		p.pending = 0 // the answer is lost: count on nothing
	}
	short := waiting + reserve - len(p.surbs) - p.pending
	if short <= 0 || p.asks >= maxPendingAsks && now.Sub(p.asked) <= askAgainAfter {
		return 0
	}
	n := min(max(short+reserve, reserve), maxRequest)
	p.pending += n
	p.asks++
	p.asked = now
	return n
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// retire drops the SURBs that lead through Sphinx keys which the nodes no longer
// have (sphinx.md §7.2): those of another rotation than the network's now, and
// those that came before the one before it.
func (ps *heldSURBs) retire(now mixnet.Rotation) {
	for _, p := range ps.byTag {
		kept := p.surbs[:0]
		for _, s := range p.surbs {
			other := s.Rotation != mixnet.RotationUnknown && now != mixnet.RotationUnknown && s.Rotation != now
			if !other && s.rotation+1 >= ps.rotation {
				kept = append(kept, s)
			}
		}
		clear(p.surbs[len(kept):])
		p.surbs = kept
	}
}

// expire forgets SURBs and tags that are too old and returns the tags whose
// waiting replies are to be given up.
func (ps *heldSURBs) expire(now time.Time, waiting func(mixnet.SenderTag) int) (gone []mixnet.SenderTag) {
	for tag, p := range ps.byTag {
		n := 0
		for n < len(p.surbs) && now.Sub(p.surbs[n].at) > surbLifetime {
			n++
		}
		p.surbs = p.surbs[n:]
		switch silence := now.Sub(p.heard); {
		case silence > giveUpAfter && waiting(tag) > 0 && len(p.surbs) <= reserve:
			gone = append(gone, tag)
		case silence > tagIdle:
			delete(ps.byTag, tag)
			gone = append(gone, tag)
		}
	}
	return gone
}
