package client

import (
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/surb"
)

// granted knows which reply SURBs of ours are out: the keys by which their
// answers are recognised, and an estimate of what each far end still holds.
// The loop owns it.
type granted struct {
	keys  map[surb.Digest]replyKey
	order []surb.Digest // by age, for expiry; may name keys already used
	byTag map[mixnet.SenderTag]*grantedTag
}

type replyKey struct {
	key keys.Reply
	tag mixnet.SenderTag
	at  time.Time
}

// A grantedTag is an estimate of what the far end of one tag holds, beside what
// it should hold. The estimate is corrected by facts: SURBs count as delivered
// once the packets that carry them are acknowledged, a request means that hardly
// any are left, and what is believed fades with time, as SURBs on dead routes
// vanish unseen (socks.md §21.5).
type grantedTag struct {
	supply
	to      mixnet.Recipient
	there   float64   // believed to be there
	sending int       // under way and not yet acknowledged
	decayed time.Time // when what is believed faded last
	filled  time.Time // when it was found low last while nothing came
}

func newGranted() *granted {
	return &granted{keys: make(map[surb.Digest]replyKey), byTag: make(map[mixnet.SenderTag]*grantedTag)}
}

// open makes sure that a tag of ours is known. Of too many tags the one unused
// for longest is forgotten.
func (g *granted) open(tag mixnet.SenderTag, now time.Time) *grantedTag {
	t := g.byTag[tag]
	if t == nil {
		if len(g.byTag) >= maxOurTags {
			g.evict()
		}
		t = &grantedTag{decayed: now, supply: supply{spoken: now}}
		g.byTag[tag] = t
	}
	return t
}

func (g *granted) evict() {
	var oldest mixnet.SenderTag
	var at time.Time
	for tag, t := range g.byTag {
		if used := later(t.heard, t.spoken); at.IsZero() || used.Before(at) {
			oldest, at = tag, used
		}
	}
	delete(g.byTag, oldest)
}

// attach says how many SURBs a message under a tag carries whose sender leaves
// that to us, and how many are granted behind it; both count as under way. Room is how many
// ride in the packets that it takes anyway, and expected is how many packets its
// answer takes beyond those of the conversation so far.
//
// Where the far end lacks what begins a conversation it gets that at once, and else
// what it is to hold, as far as it rides: no message waits for packets that bring SURBs
// only. Half as many again as begin a conversation are worth the ride: with
// them it can ask for more, if it has lost what it held. A far end knows a tag by its
// SURBs and answers nothing under others, so until some have surely arrived every
// message brings a few: messages overtake each other.
func (g *granted) attach(tag mixnet.SenderTag, room, expected int, now time.Time) (n, further int) {
	t := g.open(tag, now)
	if expected > 0 {
		t.remember(now, t.burst+expected)
	}
	has := t.sending + int(t.there)
	lack := startSURBs - has
	switch {
	case lack < startSURBs/2:
		lack = max(0, lack+startSURBs/2, t.want(now)-has)
		if n = min(room, lack); lack-n >= perGrant {
			further = lack - n
		}
	case has == 0:
		n = min(lack, max(room, spareSURBs)) // a tag is known by its SURBs
		further = lack - n
	default:
		n = min(lack, room)
		further = lack - n
	}
	if t.there < 1 { // it may overtake all before it
		n = max(n, min(room, spareSURBs))
	}
	t.sending += n + further
	return n, further
}

// spoke notes that a message of ours carries n SURBs of a tag, of which counted
// are counted as under way already. Those that are not its sender wants for answers.
func (g *granted) spoke(tag mixnet.SenderTag, to mixnet.Recipient, n, counted int, now time.Time) {
	t := g.open(tag, now)
	t.to = to
	t.spoken = now
	if n > counted {
		t.attached(now, n-counted)
	}
	t.sending += n - counted
}

// measured notes how long a message under a tag took to be acknowledged.
func (g *granted) measured(tag mixnet.SenderTag, d time.Duration) {
	if t := g.byTag[tag]; t != nil {
		t.measured(d)
	}
}

// pause notes whether what comes under a tag is read.
func (g *granted) pause(tag mixnet.SenderTag, paused bool, now time.Time) {
	if t := g.byTag[tag]; t != nil || paused {
		g.open(tag, now).refused = paused
	}
}

// sent notes that n SURBs for a tag are being made or under way.
func (g *granted) sent(tag mixnet.SenderTag, n int) {
	if t := g.byTag[tag]; t != nil {
		t.sending += n
	}
}

// remember keeps the keys of SURBs before the message with them leaves, so that
// an answer always finds its key.
func (g *granted) remember(tag mixnet.SenderTag, surbs []surb.Reply, now time.Time) {
	for _, r := range surbs {
		if len(g.keys) >= maxReplyKeys {
			g.forgetOldest()
		}
		d := surb.DigestOf(r.Key)
		g.keys[d] = replyKey{key: r.Key, tag: tag, at: now}
		g.order = append(g.order, d)
	}
	g.compact()
}

// delivered notes that n SURBs under way arrived, or are lost for good.
func (g *granted) delivered(tag mixnet.SenderTag, n int, arrived bool) {
	t := g.byTag[tag]
	if t == nil {
		return
	}
	t.sending = max(0, t.sending-n)
	if arrived {
		t.there += float64(n)
	}
}

// use takes the key out that an answer came under.
func (g *granted) use(d surb.Digest, now time.Time) (replyKey, bool) {
	k, ok := g.keys[d]
	if !ok {
		return replyKey{}, false
	}
	delete(g.keys, d)
	if t := g.byTag[k.tag]; t != nil {
		t.there = max(0, t.there-1)
		t.arrived(now)
	}
	return k, true
}

// requested notes that the far end of a tag asked for more, and says how many
// to send and to whom; zero: the tag is none of ours, or is not to be granted.
func (g *granted) requested(tag mixnet.SenderTag, amount uint32) (n int, to mixnet.Recipient) {
	t := g.byTag[tag]
	if t == nil || t.refused {
		return 0, mixnet.Recipient{}
	}
	t.there = min(t.there, reserve)
	return int(min(amount, maxGrant)), t.to
}

// short says how many SURBs a tag's far end lacks of what it should hold; zero,
// while that is not worth a packet.
func (g *granted) short(tag mixnet.SenderTag, now time.Time) int {
	t := g.byTag[tag]
	if t == nil || t.to.IsZero() {
		return 0
	}
	want := t.want(now)
	if n := want - t.sending - int(t.there); n >= max(1, min(want/4, perGrant)) {
		return n
	}
	return 0
}

// fade lets what is believed decay and returns the tags that fell below half
// of what they should hold: while answers come at once, and of a tag that has
// been silent after times that grow with its silence. So a far end that lost
// all it had is not left without for good, and one that is idle gets little.
func (g *granted) fade(now time.Time) (low []mixnet.SenderTag) {
	for tag, t := range g.byTag {
		for now.Sub(t.decayed) >= decayEvery {
			t.decayed = t.decayed.Add(decayEvery)
			t.there *= 0.9
		}
		silent := now.Sub(t.heard)
		if 2*g.short(tag, now) > t.want(now) && (silent < time.Minute || now.Sub(t.filled) > silent/2) {
			t.filled = now
			low = append(low, tag)
		}
	}
	return low
}

// outdated notes that the SURBs out there are of no use soon, or already, and
// perhaps those under way too. It returns how many new ones the far ends of the
// conversations that go on are to be given.
func (g *granted) outdated(underWayToo bool, now time.Time) map[mixnet.SenderTag]int {
	short := make(map[mixnet.SenderTag]int)
	for tag, t := range g.byTag {
		t.there = 0
		if underWayToo {
			t.sending = 0
		}
		if n := max(t.want(now), startSURBs) - t.sending; t.live(now) && !t.to.IsZero() && n > 0 {
			short[tag] = n
		}
	}
	return short
}

// expire forgets keys that are too old to be answered.
func (g *granted) expire(now time.Time) {
	for len(g.order) > 0 {
		k, ok := g.keys[g.order[0]]
		if ok && now.Sub(k.at) <= keyLifetime {
			break
		}
		delete(g.keys, g.order[0])
		g.order = g.order[1:]
	}
	g.compact()
}

func (g *granted) forgetOldest() {
	for len(g.order) > 0 {
		d := g.order[0]
		g.order = g.order[1:]
		if _, ok := g.keys[d]; ok {
			delete(g.keys, d)
			break
		}
	}
	g.compact()
}

// compact drops the keys already used from the order when they are the most of it.
func (g *granted) compact() {
	if len(g.order) < 1024+2*len(g.keys) {
		return
	}
	kept := make([]surb.Digest, 0, len(g.keys))
	for _, d := range g.order {
		if _, ok := g.keys[d]; ok {
			kept = append(kept, d)
		}
	}
	g.order = kept
}
