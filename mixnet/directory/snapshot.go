package directory

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// The paths of documents (nodes.md §4.2, §4.11).
const (
	pathTopology     = "/v1/topology"
	pathNext         = "/v1/topology/next"
	pathHead         = "/v1/head"
	pathAnnounce     = "/v1/announce"
	pathMixnodes     = "/v2/unstable/nym-nodes/skimmed/mixnodes/active"
	pathGateways     = "/v2/unstable/nym-nodes/skimmed/entry-gateways"
	pathSkimmed      = "/v2/unstable/nym-nodes/skimmed"
	pathSemiSkimmed  = "/v2/unstable/nym-nodes/semi-skimmed"
	pathRewardedSet  = "/v1/nym-nodes/rewarded-set"
	pathRotation     = "/v1/epoch/key-rotation-info"
	pathDescribed    = "/v1/nym-nodes/described"
	pathRefresh      = "/v1/nym-nodes/refresh-described"
	pathByAddresses  = "/v1/unstable/nym-nodes/by-addresses"
	pathOldMixnodes  = "/v1/mixnodes/active"
	pathOldGateways  = "/v1/gateways/described"
	maxCachedSeals   = 256
	maxSignedPathLen = 256
)

// A document is the body of one answer.
type document struct {
	body []byte
	hash Hash
}

func newDocument(body []byte) *document { return &document{body, sha256.Sum256(body)} }

// A snapshot is everything a directory says at one moment. All its documents
// are made from one View, before anybody can ask for them, and never change.
type snapshot struct {
	view     *View
	seal     Seal // without signature
	head     Head
	docs     map[string]*document // by path
	routable bool
	key      *keys.IdentityKey

	// seals remembers signatures, which cover the query too. When it is full,
	// further ones are made each time.
	mu    sync.Mutex
	seals map[string]string
}

// newSnapshot makes all documents of a view.
func newSnapshot(v *View, seal Seal, key *keys.IdentityKey, legacy bool) (*snapshot, error) {
	s := &snapshot{
		view: v, seal: seal, key: key, routable: v.routable(),
		docs: make(map[string]*document), seals: make(map[string]string),
	}
	topologyBody, err := v.appendDocument(nil)
	if err != nil {
		return nil, fmt.Errorf("directory: topology document: %w", err)
	}
	s.docs[pathTopology] = newDocument(topologyBody)
	s.head = Head{Network: v.Network, Sequence: seal.Sequence, Topology: s.docs[pathTopology].hash}
	s.head.sign(key)

	bodies := map[string]any{
		pathHead:        s.head,
		pathMixnodes:    v.skimmedList(topology.Role.IsMix),
		pathGateways:    v.skimmedList(func(r topology.Role) bool { return r == topology.RoleGateway }),
		pathSkimmed:     v.skimmedList(func(topology.Role) bool { return true }),
		pathSemiSkimmed: v.semiSkimmedList(),
		pathRewardedSet: v.rewardedSet(),
		pathRotation:    v.rotationInfo(),
		pathDescribed:   v.described(),
	}
	if legacy {
		bodies[pathOldMixnodes] = v.oldMixnodes()
		bodies[pathOldGateways] = v.oldGateways()
	}
	for path, v := range bodies {
		body, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("directory: %s: %w", path, err)
		}
		s.docs[path] = newDocument(body)
	}
	return s, nil
}

// sealFor gives the header for a document that was asked for at a path with its
// query.
func (s *snapshot) sealFor(uri string, d *document) string {
	s.mu.Lock()
	text, ok := s.seals[uri]
	s.mu.Unlock()
	if ok {
		return text
	}
	seal := s.seal
	seal.sign(s.key, uri, d.hash)
	text = seal.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seals) < maxCachedSeals {
		s.seals[uri] = text
	}
	return text
}

// A press decides when snapshots are issued and when they come into force. The
// server's loop owns it.
//
//	none ──▶ current ──(lead before the boundary)──▶ current, next ──(boundary)──▶ current
type press struct {
	pace     pace
	schedule Schedule
	validity time.Duration // how long after it came into force a snapshot may be relied on

	current, next *snapshot
	last          Head      // of the last one issued, in this run or before
	passed        time.Time // the last moment for which none had to be issued
}

// boundary gives the moment for which the snapshot after the current one is to be
// issued, and how long before.
func (p *press) boundary(now time.Time) (at time.Time, lead time.Duration) {
	if now.Before(p.passed) {
		now = p.passed
	}
	c := p.current.view.cadence
	return c.next(now, p.schedule), c.lead
}

// due says when something is to be done.
func (p *press) due(now time.Time) time.Time {
	switch {
	case p.current == nil:
		return now
	case p.next != nil:
		return p.next.seal.ValidAfter
	}
	at, lead := p.boundary(now)
	return at.Add(-lead)
}

// advance brings the next snapshot into force if it is time.
func (p *press) advance(now time.Time) {
	if p.next != nil && !now.Before(p.next.seal.ValidAfter) {
		p.current, p.next = p.next, nil
	}
}

// wants says for which moment a snapshot is to be issued now; false: none.
// Only the first comes into force at once: where people have different ones,
// packets are lost.
func (p *press) wants(now time.Time) (at time.Time, ok bool) {
	switch {
	case p.current == nil:
		return now, true
	case p.next != nil:
		return time.Time{}, false
	}
	at, lead := p.boundary(now)
	return at, !now.Before(at.Add(-lead))
}

// pass reports whether nobody needs a snapshot of v that would come into force
// at a time: nothing has changed, and a settled network would have none then
// either. So the numbers of snapshots do not grow while nobody comes.
func (p *press) pass(v *View, at time.Time) bool {
	if p.current == nil || !v.Refreshed.Equal(p.current.view.Refreshed) ||
		at.Equal(p.pace.usual.next(at.Add(-1), p.schedule)) {
		return false
	}
	p.passed = at
	return true
}

// seal gives the seal of a snapshot issued now that comes into force at a time.
func (p *press) seal(now, at time.Time, epoch uint32) Seal {
	return Seal{
		Epoch: epoch, Sequence: p.last.Sequence + 1, Issued: now.UTC(), ValidAfter: at.UTC(),
		ValidUntil: at.Add(p.validity).UTC(), Previous: p.last.Topology,
	}
}

// refreshed says when the view changed last: when it comes into force, or when
// the one before did if nothing else changed, so that its documents stay the
// same to the byte.
func (p *press) refreshed(v *View, at time.Time) time.Time {
	for _, s := range []*snapshot{p.next, p.current} {
		if s == nil {
			continue
		}
		same := *v
		same.Refreshed = s.view.Refreshed
		if sameView(&same, s.view) {
			return s.view.Refreshed
		}
		break
	}
	return at.UTC().Truncate(time.Second)
}

func sameView(a, b *View) bool {
	x, errX := a.appendDocument(nil)
	y, errY := b.appendDocument(nil)
	return errX == nil && errY == nil && string(x) == string(y)
}

// issue puts a snapshot in its place.
func (p *press) issue(s *snapshot, now time.Time) {
	p.last = s.head
	p.next = s
	p.advance(now)
}
