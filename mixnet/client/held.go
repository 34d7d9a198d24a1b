package client

import (
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/surb"
)

// heldSURBs holds the reply SURBs of strangers, by their tags. The loop owns it.
// They live in memory only, so none is ever spent twice (H14).
//
// A tag is known while SURBs came under it; one that brings none takes no place.
// When there is no place for a further tag, those that are pinned stay; of the
// others one without SURBs goes, else the one with most.
type heldSURBs struct {
	byTag    map[mixnet.SenderTag]*heldTag
	pins     map[mixnet.SenderTag]struct{}
	count    int    // SURBs in all
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
	came    int        // in all
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

func newHeldSURBs() *heldSURBs {
	return &heldSURBs{byTag: make(map[mixnet.SenderTag]*heldTag), pins: make(map[mixnet.SenderTag]struct{})}
}

// add stores SURBs that came under a tag. Beyond the bound of a tag its oldest
// go; beyond that of all tags the oldest of the one with most. It returns a tag
// that was forgotten for the new one, if any was.
func (h *heldSURBs) add(tag mixnet.SenderTag, surbs []surb.Reply, answer bool, now time.Time) (forgotten mixnet.SenderTag) {
	t := h.byTag[tag]
	if t == nil {
		if len(surbs) == 0 {
			return forgotten
		}
		if len(h.byTag) >= maxTags {
			victim := h.largest(false)
			if victim == nil {
				return forgotten // all are pinned
			}
			forgotten = victim.tag
			h.forget(victim)
		}
		t = &heldTag{tag: tag}
		h.byTag[tag] = t
	}
	for _, s := range surbs {
		t.surbs = append(t.surbs, heldSURB{s, now, h.rotation})
	}
	t.came += len(surbs)
	h.count += len(surbs)
	h.drop(t, len(t.surbs)-maxPerTag)
	for h.count > maxHeld {
		victim := h.largest(true)
		h.drop(victim, min(h.count-maxHeld, len(victim.surbs)))
	}
	t.heard = now
	if len(surbs) > 0 {
		t.asks = 0
	}
	if answer {
		t.pending = max(0, t.pending-len(surbs))
	}
	return forgotten
}

// drop throws the n oldest SURBs of a tag away.
func (h *heldSURBs) drop(t *heldTag, n int) {
	if n > 0 {
		t.surbs = append(t.surbs[:0], t.surbs[n:]...)
		h.count -= n
	}
}

func (h *heldSURBs) forget(t *heldTag) {
	h.count -= len(t.surbs)
	delete(h.byTag, t.tag)
}

// largest finds the tag that can best be done without: not pinned, and without
// SURBs or else with most of them; of equals the one unheard of for longest. If
// none will do it is nil; with most set, it is a tag with SURBs, pinned or not.
func (h *heldSURBs) largest(most bool) (victim *heldTag) {
	worse := func(a, b *heldTag) bool { // than b
		switch n, m := len(a.surbs), len(b.surbs); {
		case n == m:
			return a.heard.Before(b.heard)
		case !most && (n == 0 || m == 0):
			return n == 0
		default:
			return n > m
		}
	}
	pinned := true
	for tag, t := range h.byTag {
		_, pin := h.pins[tag]
		switch {
		case most && len(t.surbs) == 0, pin && !most, pin && !pinned:
		case victim == nil, pinned && !pin, worse(t, victim):
			victim, pinned = t, pin
		}
	}
	return victim
}

// pin keeps the place of a tag, or gives it free.
func (h *heldSURBs) pin(tag mixnet.SenderTag, pinned bool) {
	if pinned {
		h.pins[tag] = struct{}{}
	} else {
		delete(h.pins, tag)
	}
}

// known reports whether SURBs were received under the tag.
func (h *heldSURBs) known(tag mixnet.SenderTag) bool { return h.byTag[tag] != nil }

// can reports whether a SURB may be spent: on a request even from the reserve.
func (h *heldSURBs) can(tag mixnet.SenderTag, request bool) bool {
	t := h.byTag[tag]
	if t == nil {
		return false
	}
	if request {
		return len(t.surbs) > 0
	}
	return len(t.surbs) > t.reserve()
}

// reserve is how many SURBs are kept for asking for more. Of a tag under which
// fewer have come yet it is one in three: its first answers do not wait for those
// that follow, nor does a stranger who gives few only.
func (t *heldTag) reserve() int {
	if t.came <= reserve {
		return t.came / 3
	}
	return reserve
}

// take spends a SURB, the youngest first: its owner knew best which nodes are up.
// Old ones are what runs out, or becomes too old, beneath.
func (h *heldSURBs) take(tag mixnet.SenderTag) (surb.Reply, bool) {
	t := h.byTag[tag]
	if t == nil || len(t.surbs) == 0 {
		return surb.Reply{}, false
	}
	last := len(t.surbs) - 1
	s := t.surbs[last]
	t.surbs[last] = heldSURB{}
	t.surbs = t.surbs[:last]
	h.count--
	return s.Reply, true
}

// ask says how many SURBs to ask a stranger for, given how many fragments wait
// for one; zero: none now. What it says counts as asked for.
func (h *heldSURBs) ask(tag mixnet.SenderTag, waiting int, now time.Time) int {
	t := h.byTag[tag]
	if t == nil || len(t.surbs) == 0 {
		return 0
	}
	if t.pending > 0 && now.Sub(later(t.heard, t.asked)) > askAgainAfter && waiting > 0 {
		t.pending = 0 // the answer is lost: count on nothing
	}
	short := waiting + reserve - len(t.surbs) - t.pending
	if short <= 0 || t.asks >= maxPendingAsks && now.Sub(t.asked) <= askAgainAfter {
		return 0
	}
	n := min(max(short+reserve, reserve), maxRequest)
	t.pending += n
	t.asks++
	t.asked = now
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
func (h *heldSURBs) retire(now mixnet.Rotation) {
	for _, t := range h.byTag {
		kept := t.surbs[:0]
		for _, s := range t.surbs {
			other := s.Rotation != mixnet.RotationUnknown && now != mixnet.RotationUnknown && s.Rotation != now
			if !other && s.rotation+1 >= h.rotation {
				kept = append(kept, s)
			}
		}
		h.count -= len(t.surbs) - len(kept)
		clear(t.surbs[len(kept):])
		t.surbs = kept
	}
}

// expire forgets SURBs and tags that are too old and returns the tags whose
// waiting replies are to be given up.
func (h *heldSURBs) expire(now time.Time, waiting func(mixnet.SenderTag) int) (gone []mixnet.SenderTag) {
	for tag, t := range h.byTag {
		n := 0
		for n < len(t.surbs) && now.Sub(t.surbs[n].at) > surbLifetime {
			n++
		}
		h.drop(t, n)
		switch silence := now.Sub(t.heard); {
		case silence > giveUpAfter && waiting(tag) > 0 && len(t.surbs) <= reserve:
			gone = append(gone, tag)
		case silence > tagIdle:
			h.forget(t)
			gone = append(gone, tag)
		}
	}
	return gone
}
