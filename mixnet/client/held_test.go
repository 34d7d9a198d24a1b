package client

import (
	"testing"
	"time"

	"nym-socks5/mixnet"
)

// hardening.md H14: "Bounds: … SURBs per tag, number of tags"
func TestH14HeldSURBsOfATag(t *testing.T) {
	h := newHeldSURBs()
	tag := mixnet.NewSenderTag()
	young := someSURBs(maxPerTag)
	h.add(tag, someSURBs(100), false, t0)
	h.add(tag, young, false, t0)
	if len(h.byTag[tag].surbs) != maxPerTag || h.count != maxPerTag {
		t.Errorf("%d SURBs are held, %d counted, want %d", len(h.byTag[tag].surbs), h.count, maxPerTag)
	}
	if s := h.byTag[tag].surbs[0]; s.Key != young[0].Key {
		t.Error("over the bound the oldest must go")
	}
	if s, _ := h.take(tag); s.Key != young[maxPerTag-1].Key {
		t.Error("the youngest must be spent first: it leads around mixes that died since")
	}
}

// A stranger who says nothing but his name has no place (H14): 4 100 messages under
// fresh tags forget nobody.
func TestH14MessagesWithoutSURBsTakeNoPlace(t *testing.T) {
	h := newHeldSURBs()
	honest := mixnet.NewSenderTag()
	h.add(honest, someSURBs(400), false, t0)
	for range maxTags + 1 {
		h.add(mixnet.NewSenderTag(), nil, false, t0.Add(time.Second))
	}
	if !h.known(honest) || len(h.byTag) != 1 {
		t.Errorf("the tag with SURBs is known: %v; %d tags are", h.known(honest), len(h.byTag))
	}
}

// Who brings a SURB with each of many tags makes room for them among his own.
func TestH14WhoGoesFirst(t *testing.T) {
	h := newHeldSURBs()
	pinned, empty, large := mixnet.NewSenderTag(), mixnet.NewSenderTag(), mixnet.NewSenderTag()
	h.pin(pinned, true)
	h.add(pinned, someSURBs(400), false, t0)
	h.add(large, someSURBs(300), false, t0.Add(time.Hour))
	h.add(empty, someSURBs(1), false, t0.Add(time.Hour))
	h.take(empty)
	first := mixnet.NewSenderTag()
	h.add(first, someSURBs(1), false, t0)
	for len(h.byTag) < maxTags {
		h.add(mixnet.NewSenderTag(), someSURBs(1), false, t0.Add(time.Second))
	}
	for i, want := range []mixnet.SenderTag{empty, large, first} {
		if got := h.add(mixnet.NewSenderTag(), someSURBs(1), false, t0.Add(2*time.Second)); got != want {
			t.Errorf("victim %d: %x, want %x", i, got[:4], want[:4])
		}
	}
	for range 2 * maxTags {
		h.add(mixnet.NewSenderTag(), someSURBs(2), false, t0.Add(3*time.Second))
	}
	if got := len(h.byTag[pinned].surbs); got != 400 || len(h.byTag) != maxTags {
		t.Errorf("the pinned tag has %d SURBs, want 400; %d tags", got, len(h.byTag))
	}
	h.pin(pinned, false)
	if h.add(mixnet.NewSenderTag(), someSURBs(1), false, t0.Add(4*time.Second)); h.known(pinned) {
		t.Error("a tag that is no longer pinned, and holds most, stays")
	}
}

func TestH14AllArePinned(t *testing.T) {
	h := newHeldSURBs()
	for len(h.byTag) < maxTags {
		tag := mixnet.NewSenderTag()
		h.pin(tag, true)
		h.add(tag, someSURBs(1), false, t0)
	}
	late := mixnet.NewSenderTag()
	if h.add(late, someSURBs(1), false, t0); h.known(late) || len(h.byTag) != maxTags {
		t.Errorf("one more: known %v, %d tags", h.known(late), len(h.byTag))
	}
}

// In all, what is too much comes from the one who has most.
func TestH14HeldSURBsInAll(t *testing.T) {
	h := newHeldSURBs()
	small := mixnet.NewSenderTag()
	h.add(small, someSURBs(20), false, t0)
	surbs := someSURBs(maxPerTag)
	for range maxHeld/maxPerTag + 10 {
		h.add(mixnet.NewSenderTag(), surbs, false, t0.Add(time.Second))
	}
	n := 0
	for _, t := range h.byTag {
		n += len(t.surbs)
	}
	if n != maxHeld || h.count != maxHeld {
		t.Errorf("%d SURBs are held, %d counted, want %d", n, h.count, maxHeld)
	}
	if got := len(h.byTag[small].surbs); got != 20 {
		t.Errorf("who brought 20 has %d", got)
	}
	h.expire(t0.Add(48*time.Hour), func(mixnet.SenderTag) int { return 0 })
	if h.count != 0 || len(h.byTag) != 0 {
		t.Errorf("after two days %d SURBs of %d tags", h.count, len(h.byTag))
	}
}
