package client

import (
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/surb"
)

// Bounds of one who is answered through reply SURBs (sphinx.md §6.7).
const (
	maxGrant     = 500 // honoured of one request
	perGrant     = 24  // SURBs in one message: 7 regular packets
	maxOurTags   = 4096
	keyLifetime  = 24 * time.Hour
	maxReplyKeys = 1 << 18 // outstanding in all: 24 hours of what one client may grant
	decayEvery   = 10 * time.Second
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

// A grantedTag is an estimate of what the far end of one tag holds. It is corrected
// by facts: SURBs count as delivered once the packets that carry them are
// acknowledged, a request means that hardly any are left, and what is believed
// fades with time, as SURBs on dead routes vanish unseen (socks.md §21.5).
type grantedTag struct {
	to      mixnet.Recipient
	there   float64 // believed to be there
	sending int     // under way and not yet acknowledged
	want    int     // by order of the caller; 0: no order, below 0: grant nothing
	used    time.Time
	decayed time.Time
	filled  time.Time // when it was found low last while nothing came
}

func newGranted() *granted {
	return &granted{keys: make(map[surb.Digest]replyKey), byTag: make(map[mixnet.SenderTag]*grantedTag)}
}

// open makes sure that a tag of ours is known, with the recipient it is used
// towards. Of too many tags the one unused for longest is forgotten.
func (s *granted) open(tag mixnet.SenderTag, to mixnet.Recipient, now time.Time) *grantedTag {
	st := s.byTag[tag]
	if st == nil {
		if len(s.byTag) >= maxOurTags {
			s.evict()
		}
		st = &grantedTag{decayed: now}
		s.byTag[tag] = st
	}
	st.to, st.used = to, now
	return st
}

func (s *granted) evict() {
	var oldest mixnet.SenderTag
	var at time.Time
	for tag, st := range s.byTag {
		if at.IsZero() || st.used.Before(at) {
			oldest, at = tag, st.used
		}
	}
	delete(s.byTag, oldest)
}

// sent notes that n SURBs for a tag are being made or under way.
func (s *granted) sent(tag mixnet.SenderTag, n int) {
	if st := s.byTag[tag]; st != nil {
		st.sending += n
	}
}

// granted keeps the keys of SURBs before the message with them leaves, so that
// an answer always finds its key.
func (s *granted) remember(tag mixnet.SenderTag, surbs []surb.Reply, now time.Time) {
	for _, r := range surbs {
		if len(s.keys) >= maxReplyKeys {
			s.forgetOldest()
		}
		d := surb.DigestOf(r.Key)
		s.keys[d] = replyKey{key: r.Key, tag: tag, at: now}
		s.order = append(s.order, d)
	}
	s.compact()
}

// delivered notes that n SURBs under way arrived, or are lost for good.
func (s *granted) delivered(tag mixnet.SenderTag, n int, arrived bool) {
	st := s.byTag[tag]
	if st == nil {
		return
	}
	st.sending = max(0, st.sending-n)
	if arrived {
		st.there += float64(n)
	}
}

// use takes the key out that an answer came under.
func (s *granted) use(d surb.Digest, now time.Time) (replyKey, bool) {
	k, ok := s.keys[d]
	if !ok {
		return replyKey{}, false
	}
	delete(s.keys, d)
	if st := s.byTag[k.tag]; st != nil {
		st.there = max(0, st.there-1)
		st.used = now
	}
	return k, true
}

// requested notes that the far end of a tag asked for more, and says how many
// to send and to whom; zero: the tag is none of ours, or is not to be granted.
func (s *granted) requested(tag mixnet.SenderTag, amount uint32) (n int, to mixnet.Recipient) {
	st := s.byTag[tag]
	if st == nil || st.want < 0 {
		return 0, mixnet.Recipient{}
	}
	st.there = min(st.there, reserve)
	return int(min(amount, maxGrant)), st.to
}

// short says how many SURBs a tag's far end lacks of what it should hold.
func (s *granted) short(tag mixnet.SenderTag) int {
	st := s.byTag[tag]
	if st == nil || st.want <= 0 {
		return 0
	}
	return max(0, st.want-st.sending-int(st.there))
}

// fade lets what is believed decay and returns the tags that fell below half
// of what they should hold: while answers come at once, and of a tag that has
// been silent after times that grow with its silence. So a far end that lost
// all it had is not left without for good, and one that is idle gets little.
func (s *granted) fade(now time.Time) (low []mixnet.SenderTag) {
	for tag, st := range s.byTag {
		for now.Sub(st.decayed) >= decayEvery {
			st.decayed = st.decayed.Add(decayEvery)
			st.there *= 0.9
		}
		silent := now.Sub(st.used)
		if 2*s.short(tag) > st.want && (silent < time.Minute || now.Sub(st.filled) > silent/2) {
			st.filled = now
			low = append(low, tag)
		}
	}
	return low
}

// outdated notes that the SURBs out there are of no use soon, or already, and
// perhaps those under way too. It returns the tags whose far ends are to be
// given new ones.
func (s *granted) outdated(underWayToo bool) (short []mixnet.SenderTag) {
	for tag, st := range s.byTag {
		st.there = 0
		if underWayToo {
			st.sending = 0
		}
		if st.want > 0 {
			short = append(short, tag)
		}
	}
	return short
}

// expire forgets keys that are too old to be answered.
func (s *granted) expire(now time.Time) {
	for len(s.order) > 0 {
		k, ok := s.keys[s.order[0]]
		if ok && now.Sub(k.at) <= keyLifetime {
			break
		}
		delete(s.keys, s.order[0])
		s.order = s.order[1:]
	}
	s.compact()
}

func (s *granted) forgetOldest() {
	for len(s.order) > 0 {
		d := s.order[0]
		s.order = s.order[1:]
		if _, ok := s.keys[d]; ok {
			delete(s.keys, d)
			break
		}
	}
	s.compact()
}

// compact drops the keys already used from the order when they are the most of it.
func (s *granted) compact() {
	if len(s.order) < 1024+2*len(s.keys) {
		return
	}
	kept := make([]surb.Digest, 0, len(s.keys))
	for _, d := range s.order {
		if _, ok := s.keys[d]; ok {
			kept = append(kept, d)
		}
	}
	s.order = kept
}
